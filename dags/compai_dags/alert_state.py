"""What the alert DAG remembers between runs: one Airflow Variable, JSON with a version.

A state that cannot be read is no state: the next message says too much rather than too little.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

VARIABLE = "comp_ai_alerts_state"


class LastGood(msgspec.Struct, frozen=True, kw_only=True):
    """When both calls were last answered, and what they said."""

    at: datetime
    summary: str


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An outage that was announced and has not ended."""

    since: datetime
    calls: list[str]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The last summary that was delivered; `fingerprint` changes with what is open."""

    at: datetime
    fingerprint: str


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    last_good: LastGood | None = None
    incident: Incident | None = None
    sent: Sent | None = None


def read_state(text: str | None) -> tuple[AlertState, str | None]:
    """The state, and what is wrong with it when it had to be replaced by an empty one."""
    if not text:
        return AlertState(), None
    try:
        return msgspec.json.decode(text, type=AlertState), None
    except msgspec.DecodeError as unreadable:
        return AlertState(), f"Variable {VARIABLE} is unreadable, all is taken as new: {unreadable}"


def write_state(state: AlertState) -> str:
    return msgspec.json.encode(state).decode("utf-8")
