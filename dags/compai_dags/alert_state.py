"""What the alert DAG remembers between runs: one Airflow Variable, JSON with a version.

A state that is old or cannot be read is no state: the next message says too much rather than too
little.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from compai_dags.changes import Known

VARIABLE = "comp_ai_alerts_state"

# A time without a zone cannot be compared with now.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class LastGood(msgspec.Struct, frozen=True, kw_only=True):
    """When both calls were last answered, and what they said."""

    at: Moment
    summary: str


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An outage that has not ended; `posted` once somebody was told."""

    since: Moment
    calls: list[str]
    posted: bool


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The last summary that was delivered; `fingerprint` changes with what is open."""

    at: Moment
    fingerprint: str


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """`tests` are the failing control tests by id, `gaps` the controls without evidence by id."""

    version: Literal[2] = 2
    last_good: LastGood | None = None
    incident: Incident | None = None
    sent: Sent | None = None
    tests: dict[int, Known] = {}
    gaps: dict[int, Known] = {}


def read_state(text: str | None) -> tuple[AlertState, str | None]:
    """The state, and what is wrong with it when it had to be replaced by an empty one."""
    if not text:
        return AlertState(), None
    try:
        return msgspec.json.decode(text, type=AlertState), None
    except (msgspec.DecodeError, UnicodeEncodeError) as unreadable:
        return AlertState(), f"Variable {VARIABLE} is unreadable, all is taken as new: {unreadable}"


def write_state(state: AlertState) -> str:
    return msgspec.json.encode(state).decode("utf-8")
