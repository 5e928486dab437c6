"""What became of each control test of a run: for the log, the history and the verdict."""

from __future__ import annotations

from datetime import datetime

import msgspec

from compai_dags.outcomes import Outcome, Result

# How much of a sentence the verdict on a run repeats.
_TOLD = 200


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one test: the outcome, and what Comp-AI was told (None: nothing)."""

    id: int
    control_id: int
    name: str
    outcome: Outcome
    reason: str | None
    said: str
    posted: Result | None
    # When PASS or FAIL was observed, and what each rests on.
    collected_at: datetime | None = None
    evidence_id: int | None = None
    failing: str = ""
    kept_because: str | None = None

    @property
    def is_trouble(self) -> bool:
        return self.outcome in (Outcome.ERROR, Outcome.UNRECORDED)

    def __str__(self) -> str:
        reason = f"({self.reason})" if self.reason else ""
        return f"{self.outcome}{reason} control {self.control_id} test {self.id} {self.name!r}"


def for_summary(record: Record) -> Record:
    """What the verdict on a run needs of it; the words of all tests together are large."""
    return Record(
        id=record.id,
        control_id=record.control_id,
        name=record.name,
        outcome=record.outcome,
        reason=record.reason,
        said=record.said[:_TOLD] if record.is_trouble else "",
        posted=record.posted,
    )


def explain_trouble(records: list[Record], limit: int = 20) -> str:
    """Names and reasons of what went wrong, for the exception that turns the task red."""
    trouble = [record for record in records if record.is_trouble]
    lines = [f"{record}: {record.said[:_TOLD]}" for record in trouble[:limit]]
    if len(trouble) > limit:
        lines.append(f"… and {len(trouble) - limit} more, see the log")
    return "\n".join(lines)
