"""What does the evidence say? Asks for as few rows as the questions need.

A page of everybody's evidence can settle many controls, one of a control settles that one. Nobody
knows how many pages there are, so everybody's are read for as long as that costs no more than
asking about each open control would: at worst twice the requests of the better way.

Comp-AI gives 100 rows at most, newest first; rows of one moment have no order of their own, and new
rows shift the pages. Both show as a row that comes twice. Pages up to the last one without such a
row therefore hold everything; otherwise only what was seen is known, and the control's own list is
read before "nothing good" is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from compai_client import BadRow, CompAI, EvidenceItem
from compai_kit.audit.judge import Negative, negative

PAGE = 100

# Called after every request: questions settled, questions asked.
Heard = Callable[[int, int], None]


@dataclass(kw_only=True)
class ControlEvidence:
    """One control: what is asked (`wanted`: ids of rows), and what its evidence answers."""

    control_id: int
    wanted: set[int] = field(default_factory=set)
    has_good: bool = False
    # Ids of rows that say something bad; all there are when `has_good` is False at the end.
    negatives: set[int] = field(default_factory=set)
    newest: Negative | None = None
    bad_rows: list[str] = field(default_factory=list)
    # Those of `wanted` that were found and say something bad.
    named: dict[int, Negative] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        return self.has_good and not self.wanted

    @property
    def hides_gap(self) -> bool:
        """Every row says something bad. A row that cannot be read may be a good one."""
        return not self.has_good and bool(self.negatives) and not self.bad_rows

    def note(self, item: EvidenceItem) -> None:
        bad = negative(item)
        if bad is None:
            self.has_good = True
        else:
            self.negatives.add(item.id)
            if self.newest is None or bad.at > self.newest.at:
                self.newest = bad
        if item.id in self.wanted:
            self.wanted.discard(item.id)
            if bad is not None:
                self.named[bad.id] = bad

    def start_over(self) -> None:
        """Forget the tally, not the answers: the control's own list is about to be read."""
        self.negatives, self.newest = set(), None


def look(client: CompAI, asked: Iterable[ControlEvidence], heard: Heard) -> None:
    """Fill in what the evidence answers. Raises a `CompAIError` when a list cannot be had."""
    questions = {about.control_id: about for about in asked}
    still_open = dict(questions)

    def drop_settled() -> None:
        settled = [number for number, about in still_open.items() if about.is_settled]
        for number in settled:
            del still_open[number]
        heard(len(questions) - len(still_open), len(questions))

    if _look_at_all(client, still_open, drop_settled):
        return
    for about in list(still_open.values()):
        about.start_over()
        _look_at_one(client, about)
        del still_open[about.control_id]
        drop_settled()


def _look_at_all(
    client: CompAI, still_open: dict[int, ControlEvidence], drop_settled: Callable[[], None]
) -> bool:
    """Everybody's evidence, page by page; True when all of it was seen."""
    pages, rows = 0, 0
    seen: set[int] = set()
    while len(still_open) > pages + 1:
        bad: list[BadRow] = []
        page = client.list_evidence(limit=PAGE, offset=pages * PAGE, on_bad_row=bad.append)
        pages += 1
        rows += len(page) + len(bad)
        seen.update(item.id for item in page)
        for item in page:
            if (about := still_open.get(item.control_id)) is not None:
                about.note(item)
        drop_settled()
        if len(page) + len(bad) < PAGE:
            return len(seen) == rows
    return False


def _look_at_one(client: CompAI, about: ControlEvidence) -> None:
    offset = 0
    seen: set[int] = set()
    while not about.is_settled:
        bad: list[BadRow] = []
        page = client.list_evidence(
            control_id=about.control_id, limit=PAGE, offset=offset, on_bad_row=bad.append
        )
        about.bad_rows += [f"row {offset + row.index}: {row.reason}" for row in bad]
        for item in page:
            about.note(item)
        new = {item.id for item in page} - seen
        if len(page) + len(bad) < PAGE or not new:
            return
        seen |= new
        offset += PAGE
