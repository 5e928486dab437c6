"""An audit for people: the entries by class, each class with what to do, the counts last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from compai_kit.audit.model import Audit, Entry
from compai_kit.report.words import counted

_INDENT = (0, 0, 0, 2)
_WIDEST = 32


def print_audit(audit: Audit, console: Console) -> None:
    """The whole audit; class by class, so that a long one needs no more memory than a short one."""
    console.print(Text(f"Comp-AI {audit.comp_ai}, {audit.at:%Y-%m-%d %H:%M} UTC"))
    for (code, title), entries in groupby(audit.unsupported, key=lambda e: (e.code, e.title)):
        found = list(entries)
        console.print()
        console.print(Text.assemble((code, "bold red"), f" {title}: {len(found)}"))
        widths = _widths(found)
        for number, (fix, alike) in enumerate(groupby(found, key=lambda entry: entry.fix)):
            table = _table(alike, widths, show_header=number == 0)
            _print(Group(table, Padding(Text(f"→ {fix}", style="green"), _INDENT)), console)
    console.print()
    style = "bold green" if audit.is_clean else "bold red"
    console.print(Text(summary_line(audit), style=style), soft_wrap=True)
    for line in footnotes(audit):
        console.print(Text(line), soft_wrap=True)


def summary_line(audit: Audit) -> str:
    """The counts that matter in one line, the number of tests looked at included."""
    counts = audit.counts
    parts = [
        f"{counts.passes_unsupported} of {_passes(counts.passes)} unsupported",
        f"{counts.fails_unsupported} of {counted(counts.fails, 'fail')} unsupported",
        f"{counted(counts.gaps_hidden, 'gap')} hidden by negative evidence",
    ]
    if counts.could_not_be_judged:
        parts.append(f"{counted(counts.could_not_be_judged, 'row')} could not be judged")
    looked_at = f"{counted(counts.tests, 'control test')} looked at"
    return f"{' · '.join(parts)} — {looked_at}"


def footnotes(audit: Audit) -> Iterator[str]:
    """What is not listed, so that nobody takes it for verified; and how to see all this again."""
    counts = audit.counts
    if counts.late:
        late = _passes(counts.late)
        yield f"Not listed: {late} of this kit missed one run, and will be stale after the next."
    if counts.not_ours:
        others = _passes(counts.not_ours)
        yield f"Not judged: {others} of other systems or people, of a type without a check here."
    if not audit.is_clean:
        yield f"Again: {audit.reproduce}; `compai explain CODE` says more about a class."


def _widths(entries: Sequence[Entry]) -> tuple[int, int]:
    """Of control and test: the same for the whole class, whatever there is to do about a part."""
    return (
        min(_WIDEST, max(len(entry.control) for entry in entries)),
        min(_WIDEST, max(len(entry.test or "") for entry in entries)),
    )


def _table(
    entries: Iterable[Entry], widths: tuple[int, int], *, show_header: bool
) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 1), show_header=show_header)
    table.header_style = "dim"
    table.add_column("control", overflow="fold", width=max(widths[0], len("control")))
    table.add_column("test", overflow="fold", width=max(widths[1], len("test")))
    table.add_column("stored", width=len("stored"))
    table.add_column("on", width=len("2026-11-25"))
    table.add_column("why", overflow="fold", ratio=1)
    for entry in entries:
        at = "-" if entry.at is None else f"{entry.at:%Y-%m-%d}"
        cells = (entry.control or "-", entry.test or "-", entry.result or "-", at, entry.why)
        table.add_row(*map(Text, cells))
    return Padding(table, _INDENT)


def _print(part: RenderableType, console: Console) -> None:
    if console.is_terminal:
        console.print(part)
        return
    with console.capture() as captured:
        console.print(part)
    for line in captured.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")  # tables are padded to their full width


def _passes(number: int) -> str:
    return "1 pass" if number == 1 else f"{number} passes"
