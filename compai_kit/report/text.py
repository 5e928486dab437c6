"""The verdict as text: steps, scenarios per DAG, what was called, findings, the answer last.

The answer comes last because that is what a terminal shows. Every state is a word as well as a
colour.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from compai_kit.findings import Finding
from compai_kit.gate.calls import OTHER_SERVICES, Cell, call_table
from compai_kit.gate.model import Outcome, ScenarioResult, Step, StepOutcome, Verdict
from compai_kit.gate.verdict import answer
from compai_kit.report.words import counted, listed

_STEP_STYLE: dict[StepOutcome, str] = {
    "ok": "green",
    "findings": "bold red",
    "could not run": "bold red",
    "undecided": "yellow",
    "not run": "yellow",
}
_MARK: dict[Outcome, tuple[str, str, str]] = {
    "passed": ("✓", "", "green"),
    "failed": ("✗", "FAILED", "bold red"),
    "error": ("✗", "ERROR", "bold red"),
    "skipped": ("○", "skipped", "yellow"),
    "not run": ("○", "not run", "yellow"),
}
_INDENT = (0, 0, 0, 2)
# More than these that did not run for one reason are one line.
_MOST_ALIKE = 3


def print_verdict(verdict: Verdict, console: Console) -> None:
    """The whole verdict."""
    parts: list[RenderableType] = [_steps(verdict.steps)]
    if verdict.scenarios:
        parts += [Text(), _scenarios(verdict.scenarios)]
    if cells := call_table(verdict.scenarios):
        parts += [Text(), *_calls(cells)]
    if verdict.findings:
        parts += [Text(), _heading("Findings"), *_findings(verdict.findings)]
    parts += [Text(), answer_text(verdict)]
    if console.is_terminal:
        console.print(Group(*parts))
        return
    with console.capture() as captured:
        console.print(Group(*parts))
    for line in captured.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")  # tables are padded to their full width


def answer_text(verdict: Verdict) -> Text:
    """The last line: yes, no, undecided or could not run, and the shortest reason."""
    match answer(verdict):
        case "yes":
            return Text(f"YES: {_grounds(verdict)}, no findings", style="bold green")
        case "no":
            findings = counted(len(verdict.findings), "finding")
            codes = ", ".join(sorted({finding.code for finding in verdict.findings}))
            hint = f" ({codes}; `compai explain CODE` says more)" if codes else ""
            return Text(f"NO: {findings}{hint}", style="bold red")
        case "could not run":
            step = next(step for step in verdict.steps if step.outcome == "could not run")
            first = step.detail.partition("\n")[0]
            return Text(f"COULD NOT RUN: {step.name}: {first}", style="bold red")
        case _:
            reasons = [
                f"{step.name}: {step.detail}"
                for step in verdict.steps
                if step.outcome in ("undecided", "not run")
            ]
            return Text(f"UNDECIDED: {reasons[0]}", style="bold yellow")


def _grounds(verdict: Verdict) -> str:
    """What a "yes" rests on."""
    selection = verdict.selection
    grounds = [f"{counted(len(verdict.scenarios), 'scenario')} passed"]
    if selection and selection.names:
        grounds = [f"{selection.chosen} of {counted(selection.of, 'scenario')} (chosen) passed"]
    if selection and selection.parsed_only:
        some = counted(len(selection.parsed_only), "DAG")
        grounds = [*(grounds if verdict.scenarios else []), f"{some} parsed only (no scenario)"]
    if verdict.parsed:  # a plain pytest run parses nothing
        dags = {dag for one in verdict.parsed for file in one.files for dag in file.dag_ids}
        versions = listed(one.airflow for one in verdict.parsed)
        grounds.insert(0, f"{counted(len(dags), 'DAG')} on Airflow {versions}")
    return ", ".join(grounds)


def _heading(text: str) -> Text:
    return Text(text, style="bold")


def _steps(steps: Iterable[Step]) -> Table:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "left"):
        table.add_column(justify=justify)
    table.add_column(justify="right", no_wrap=True)
    for step in steps:
        word = step.outcome if step.outcome == "ok" else step.outcome.upper()
        seconds = f"{step.seconds:.1f} s" if step.seconds >= 0.05 else ""
        table.add_row(
            step.name, Text(word, style=_STEP_STYLE[step.outcome]), Text(step.detail), seconds
        )
    return table


def _scenarios(results: Sequence[ScenarioResult]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    ordered = sorted(results, key=lambda result: result.scenario.dag or "")
    for dag, of_dag in groupby(ordered, key=lambda result: result.scenario.dag):
        table.add_row(_heading(dag or "(tests that name no DAG)"), "", "")
        for _, alike in groupby(of_dag, key=_why_not_run):
            group = list(alike)
            if len(group) > _MOST_ALIKE and group[0].outcome == "not run":
                table.add_row(*_scenario_row(group[0], name=f"{len(group)} scenarios"))
            else:
                for result in group:
                    table.add_row(*_scenario_row(result, name=result.scenario.name))
    return table


def _why_not_run(result: ScenarioResult) -> str:
    return result.reason if result.outcome == "not run" else ""


def _scenario_row(result: ScenarioResult, *, name: str) -> tuple[Text, str, Text]:
    mark, word, style = _MARK[result.outcome]
    state = Text(word, style=style)
    if result.outcome in ("skipped", "not run"):
        state.append(f": {result.reason}")
    seconds = "" if result.outcome == "not run" else f"{result.seconds:.1f} s"
    return Text.assemble("  ", (mark, style), " ", name), seconds, state


def _calls(cells: Sequence[Cell]) -> list[RenderableType]:
    dags = sorted({cell.dag for cell in cells})
    by_place = {(cell.operation, cell.dag): cell for cell in cells}
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="")
    table.add_column("")
    for dag in dags:
        table.add_column(Text(dag), overflow="fold")
    operations = {cell.operation for cell in cells}
    for operation in sorted(operations, key=lambda name: (name in OTHER_SERVICES, name)):
        table.add_row(operation, *(_cell_text(by_place.get((operation, dag))) for dag in dags))
    title = "What was called: how often, with which answers (the scenarios' faults included)"
    return [_heading(title), Padding(table, _INDENT)]


def _cell_text(cell: Cell | None) -> Text:
    if cell is None:
        return Text("-", style="dim")
    statuses = " ".join(
        status if count == 1 else f"{status}×{count}" for status, count in cell.statuses.items()
    )
    text = Text(f"{cell.calls}: {statuses}")
    if cell.violations:
        text.append(f", {cell.violations} outside the contract", style="bold red")
    return text


def _findings(findings: Sequence[Finding]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for finding in findings:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for label, text in (
            ("where", finding.where),
            ("expected", finding.expected),
            ("seen", finding.seen),
            ("fix", finding.fix),
            ("reproduce", finding.reproduce),
        ):
            table.add_row(label, Text(text))
        title = Text.assemble((finding.code, "bold red"), f" {finding.title}")
        parts += [title, Padding(table, _INDENT), Text()]
    return parts[:-1]
