"""What comp_ai_alerts knows when it speaks: three answers of Comp-AI; each may be missing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from compai_client import CallError, CompAIError, Control, RemediationTask
from compai_dags.failures import said_by
from compai_dags.listing import Listing
from compai_dags.trailer import one_line

# A service's error text can be of any length and any number of lines.
_MESSAGE_LIMIT = 300

T = TypeVar("T")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A call that brought nothing: what is not known is "unknown", never 0."""

    call: str
    status: int | None
    attempts: int | None
    at: datetime
    message: str

    def __str__(self) -> str:
        at = f"{self.at:%Y-%m-%d %H:%M} UTC"
        if self.attempts is None:
            return f"{self.call} could not be made, {at}: {self.message}"
        status = "no answer" if self.status is None else f"HTTP {self.status}"
        attempts = f"{self.attempts} attempt{'s' if self.attempts > 1 else ''}"
        return f"{self.call} failed: {status} after {attempts}, {at}: {self.message}"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A control without evidence; `id` None when its row cannot be read."""

    id: int | None
    internal_id: str
    name: str


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A remediation task that is not done."""

    control_id: int
    assigned_to: str | None
    due: date | None


class Remediation(msgspec.Struct, frozen=True, kw_only=True):
    """Who mends what until when. What cannot be read is counted: it may be overdue as well."""

    works: list[Work] = []
    unreadable_rows: int = 0
    # The controls whose task has a due date that names no day.
    unreadable_dates: list[int] = []

    def overdue(self, today: date) -> list[Work]:
        """Those whose day has passed, the longest first; due today is not overdue."""
        late = [work for work in self.works if work.due is not None and work.due < today]
        return sorted(late, key=_urgency)

    def by_control(self) -> dict[int, Work]:
        """The most urgent task of each control."""
        works = sorted(self.works, key=_urgency, reverse=True)
        return {work.control_id: work for work in works}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """`remediation` is optional input: without it owners and the overdue list are unknown."""

    gaps: list[Gap] | Failure
    tests: Listing | Failure
    remediation: Remediation | Failure
    now: datetime

    @property
    def failures(self) -> list[Failure]:
        """The required calls that failed."""
        return [fact for fact in (self.gaps, self.tests) if isinstance(fact, Failure)]


def failure_of(call: str, cause: CompAIError, at: datetime) -> Failure:
    """What ended the fetching of a list; `call` is what it was about to do."""
    status, attempts = None, None
    if isinstance(cause, CallError):
        # With overrides, the control tests take two lists.
        call, status, attempts = cause.operation, cause.status, cause.attempt
    message = one_line(said_by(cause), limit=_MESSAGE_LIMIT)
    return Failure(call=call, status=status, attempts=attempts, at=at, message=message)


def gap_of(control: Control) -> Gap:
    return Gap(id=control.id, internal_id=control.internal_id, name=control.name)


def remediation_of(tasks: list[RemediationTask], *, unreadable_rows: int = 0) -> Remediation:
    """The tasks that are not done."""
    to_do = [task for task in tasks if task.status != "done"]
    return Remediation(
        works=[
            Work(
                control_id=task.control_id,
                assigned_to=(task.assigned_to or "").strip() or None,
                due=task.due,
            )
            for task in to_do
        ],
        unreadable_rows=unreadable_rows,
        unreadable_dates=[
            task.control_id for task in to_do if task.due is None and (task.due_date or "").strip()
        ],
    )


def as_fact(value: Any, failure: Any, kind: type[T], *, call: str, at: datetime) -> T | Failure:
    """What a fetching task left behind: its value, the failure it reported, or nothing at all."""
    if value is not None:
        return msgspec.convert(value, kind)
    if failure is not None:
        return msgspec.convert(failure, Failure)
    return Failure(
        call=call,
        status=None,
        attempts=None,
        at=at,
        message="Its task ended without a report: see its log.",
    )


def _urgency(work: Work) -> tuple[date, bool, int]:
    # Of two that are due on one day the one that somebody has taken says more.
    return (work.due or date.max, work.assigned_to is None, work.control_id)
