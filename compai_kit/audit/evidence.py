"""What does the evidence say? Asks for as few rows as the questions need.

A page of everybody's evidence settles many controls at once, one of a control settles at least
that one. So the former are read as long as each settles something, then the latter. Comp-AI gives
100 rows at most, newest first; rows of one moment have no order of their own, so that paging can
miss one. That is why "nothing good" is said of a control only after its own list was read.
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

    def drop_settled() -> int:
        settled = [number for number, about in still_open.items() if about.is_settled]
        for number in settled:
            del still_open[number]
        heard(len(questions) - len(still_open), len(questions))
        return len(settled)

    if _look_at_all(client, still_open, drop_settled):
        return
    for about in list(still_open.values()):
        about.start_over()
        _look_at_one(client, about)
        del still_open[about.control_id]
        drop_settled()


def _look_at_all(
    client: CompAI, still_open: dict[int, ControlEvidence], drop_settled: Callable[[], int]
) -> bool:
    """Everybody's evidence, as long as it pays; True when one page held all there is."""
    offset = 0
    while len(still_open) > 1:
        bad: list[BadRow] = []
        page = client.list_evidence(limit=PAGE, offset=offset, on_bad_row=bad.append)
        for item in page:
            if (about := still_open.get(item.control_id)) is not None:
                about.note(item)
        pays = drop_settled() > 0
        is_last = len(page) + len(bad) < PAGE
        if is_last and offset == 0 and not bad:
            return True
        if is_last or not pays:
            return False
        offset += PAGE
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
