"""What comp_ai_alerts knows when it speaks: three answers of Comp-AI; each may be missing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from compai_client import CallError, CompAIError, Control, RemediationTask
from compai_dags.failures import said_by
from compai_dags.listing import Listing

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


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """`remediation` is optional input: without it nothing but the overdue list is unknown."""

    gaps: list[Gap] | Failure
    tests: Listing | Failure
    remediation: list[Work] | Failure
    now: datetime

    @property
    def failures(self) -> list[Failure]:
        """The required calls that failed."""
        return [fact for fact in (self.gaps, self.tests) if isinstance(fact, Failure)]


def failure_of(call: str, cause: CompAIError, at: datetime) -> Failure:
    status, attempts = (
        (cause.status, cause.attempt) if isinstance(cause, CallError) else (None, None)
    )
    return Failure(call=call, status=status, attempts=attempts, at=at, message=said_by(cause))


def gap_of(control: Control) -> Gap:
    return Gap(id=control.id, internal_id=control.internal_id, name=control.name)


def work_of(tasks: list[RemediationTask]) -> list[Work]:
    return [
        Work(control_id=task.control_id, assigned_to=task.assigned_to, due=task.due)
        for task in tasks
        if task.status != "done"
    ]


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
