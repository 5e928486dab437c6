"""The verdict on a run of comp_ai_control_tests: counts, and whether the run is red."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from compai_dags.outcomes import Outcome, Reason
from compai_dags.records import Record, explain_trouble
from compai_dags.rows import Row
from compai_dags.task import PermanentError


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Every test counts exactly once; `total` is the sum of the others."""

    passed: int
    failed: int
    not_configured: int
    manual: int
    not_applicable: int
    # Their schedule did not ask for them; nothing was looked at or posted.
    not_due: int
    errors: int
    unrecorded: int
    # Passes that COMP_AI_UNCHECKED_RESULT asked for: posted, but nothing was checked.
    unproven: int
    total: int

    def __add__(self, other: Summary) -> Summary:
        counts = ((name, getattr(self, name) + getattr(other, name)) for name in _COUNTS)
        return Summary(**dict(counts))

    @property
    def is_clean(self) -> bool:
        return self.passed + self.manual + self.not_applicable + self.not_due == self.total

    def __str__(self) -> str:
        return (
            f"{self.total} control tests: {self.passed} passed, {self.failed} failed, "
            f"{self.not_configured} not configured, {self.manual} manual, "
            f"{self.not_applicable} not applicable, {self.not_due} not due, "
            f"{self.errors} could not be verified, "
            f"{self.unrecorded} could not be recorded, {self.unproven} unproven"
        )


_COUNTS = Summary.__struct_fields__


class RunFailedError(PermanentError):
    """More tests went wrong than COMP_AI_MAX_ERRORS allows; the text names them."""


def unreported(rows: list[Row], reported: list[Record], chunk: int) -> list[Record]:
    """Errors for the tests whose chunk died before it could say anything about them."""
    known = {record.id for record in reported}
    return [_unreported(row, chunk) for row in rows if row.id not in known]


def unreadable(bad_rows: list[str]) -> list[Record]:
    """Errors for the rows of Comp-AI's list that cannot be read."""
    return [_unreadable(bad_row) for bad_row in bad_rows]


def summarise(records: list[Record], *, not_due: int = 0) -> Summary:
    """The counts of these tests, and of `not_due` others that were left alone."""
    counts = Counter(
        "unproven" if record.reason == Reason.UNCHECKED else record.outcome for record in records
    )
    return Summary(
        passed=counts[Outcome.PASS],
        failed=counts[Outcome.FAIL],
        not_configured=counts[Outcome.NOT_CONFIGURED],
        manual=counts[Outcome.MANUAL],
        not_applicable=counts[Outcome.NOT_APPLICABLE],
        not_due=not_due,
        errors=counts[Outcome.ERROR],
        unrecorded=counts[Outcome.UNRECORDED],
        unproven=counts["unproven"],
        total=len(records) + not_due,
    )


def check(summary: Summary, trouble: list[Record], *, max_errors: int, unsaved: list[int]) -> None:
    """Raise when the run must be red. A failing control test is a finding, not a broken run.

    `trouble` are the records to name; `unsaved` are the chunks whose outcomes the history lacks.
    """
    problems: list[str] = []
    if unsaved:
        chunks = ", ".join(map(str, unsaved))
        problems.append(
            f"The outcomes of chunk {chunks} were not stored in COMP_AI_HISTORY_URL: see the log "
            "of evaluate_chunk. Clear it to evaluate and store them again; nothing else is lost."
        )
    wrong = summary.errors + summary.unrecorded
    if wrong > max_errors:
        problems.append(
            f"{wrong} of {summary.total} control tests could not be verified or recorded "
            f"(COMP_AI_MAX_ERRORS is {max_errors}):\n{explain_trouble(trouble)}"
        )
    if problems:
        raise RunFailedError("\n".join(problems))


def to_xcom(summary: Summary) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(summary)
    return plain


def _unreported(row: Row, chunk: int) -> Record:
    return Record(
        id=row.id,
        control_id=row.control_id,
        name=row.name,
        outcome=Outcome.ERROR,
        reason=Reason.BUG,
        said=f"Chunk {chunk} ended without a report on this test: see the log of evaluate_chunk.",
        posted=None,
    )


def _unreadable(bad_row: str) -> Record:
    return Record(
        id=0,
        control_id=0,
        name=bad_row,
        outcome=Outcome.ERROR,
        reason=Reason.MALFORMED,
        said="This row of Comp-AI's list cannot be read, so nothing was posted for it.",
        posted=None,
    )
