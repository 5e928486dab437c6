"""Both required answers of Comp-AI, counted; decides whether an all clear is earned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from compai_dags.facts import Gap
from compai_dags.listing import Listing
from compai_dags.rows import Row
from compai_dags.standing import Standing, is_verified, standing_of

# Each of these stands in the way of an all clear, in the order of the headline.
BLOCKING = (
    Standing.FAILING,
    Standing.COULD_NOT_VERIFY,
    Standing.NOT_CONFIGURED,
    Standing.UNPROVEN,
    Standing.STALE,
    Standing.LATE,
    Standing.NEVER_RUN,
)


@dataclass(frozen=True, kw_only=True)
class TestStatus:
    """The control tests by standing."""

    by_standing: Mapping[Standing, list[Row]]
    bad_rows: list[str]
    automated: int
    verified: int

    def rows(self, standing: Standing) -> list[Row]:
        return self.by_standing.get(standing, [])

    @property
    def total(self) -> int:
        return sum(map(len, self.by_standing.values())) + len(self.bad_rows)

    @property
    def coverage(self) -> str:
        return f"{self.verified} of {self.automated} tests verified on schedule"

    @property
    def is_clear(self) -> bool:
        """Nothing is open, and something was looked at: attestations alone prove nothing."""
        blocked = any(self.rows(standing) for standing in BLOCKING)
        return self.verified > 0 and not (blocked or self.bad_rows or self.hidden_gaps())

    def all_rows(self) -> Iterator[Row]:
        for rows in self.by_standing.values():
            yield from rows

    def standings(self) -> dict[int, tuple[Row, Standing]]:
        """Every test that could be read, by its id."""
        return {
            row.id: (row, standing) for standing, rows in self.by_standing.items() for row in rows
        }

    def hidden_gaps(self) -> list[Row]:
        """Tests whose bad evidence is all that keeps their control out of the gap list."""
        return [
            row for row in self.all_rows() if row.stored.trailer and row.stored.trailer.hides_gap
        ]

    def open_counts(self, *, new_failing: int = 0) -> Iterator[str]:
        for standing in BLOCKING:
            if rows := self.rows(standing):
                new = f" ({new_failing} new)" if new_failing and standing is BLOCKING[0] else ""
                yield f"{len(rows)} {standing}{new}"
        if self.bad_rows:
            yield f"{len(self.bad_rows)} unreadable"
        if hidden := len({row.control_id for row in self.hidden_gaps()}):
            yield f"{hidden} hidden gap{'s' if hidden > 1 else ''}"


def test_status(listing: Listing, now: datetime) -> TestStatus:
    by_standing: defaultdict[Standing, list[Row]] = defaultdict(list)
    for row in listing.rows:
        by_standing[standing_of(row, now)].append(row)
    automated = [row for row in listing.rows if row.kind != "manual"]
    return TestStatus(
        by_standing=by_standing,
        bad_rows=listing.bad_rows,
        automated=len(automated) + len(listing.bad_rows),
        verified=sum(is_verified(row, now) for row in automated),
    )


def headline(tests: TestStatus, gaps: list[Gap], *, new_failing: int = 0) -> str:
    """One line with everything that is open, and the coverage."""
    if tests.total == 0:
        return "0 control tests: wrong database or tenant?"
    if tests.is_clear and not gaps:
        return f"No gaps, no failed tests — {tests.coverage}"
    parts = list(tests.open_counts(new_failing=new_failing))
    if not parts and not tests.verified:
        parts.append("nothing was verified")
    if gaps:
        # Failing and unverified tests come first; nothing else is worse than a gap.
        urgent = sum(
            bool(tests.rows(standing)) for standing in (Standing.FAILING, Standing.COULD_NOT_VERIFY)
        )
        parts.insert(urgent, f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''}")
    return f"{' · '.join(parts)} — {tests.coverage}"
