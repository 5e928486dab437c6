"""Why fails that are kept could not be verified again: one Airflow Variable, JSON with a version.

Nothing is posted over a proven fail, so Comp-AI cannot tell that somebody tried. Written by
comp_ai_control_tests, read by comp_ai_alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from compai_dags.decisions import UNCHECKED_REASONS
from compai_dags.outcomes import Outcome
from compai_dags.records import Record
from compai_dags.trailer import one_line

VARIABLE = "comp_ai_control_tests_kept"
MAX_ATTEMPTS = 1_000
_KEEP_FOR = timedelta(days=90)
_SAID_LIMIT = 150
_PREFIX = "Could not verify: "


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The last look at a test that ended in nothing that could be posted."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    reason: str | None
    said: str

    def __str__(self) -> str:
        said = self.said.rstrip(".")
        return ": ".join(part for part in (self.reason, said) if part) or "unknown"


class _State(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    tests: dict[int, Attempt] = {}


def read_attempts(text: str | None) -> tuple[dict[int, Attempt], str | None]:
    """The attempts by test id; and what is wrong with a Variable that cannot be read."""
    if not text:
        return {}, None
    try:
        return msgspec.json.decode(text, type=_State).tests, None
    except (msgspec.DecodeError, UnicodeEncodeError) as unreadable:
        return {}, f"Variable {VARIABLE} is unreadable: {unreadable}"


def write_attempts(attempts: Mapping[int, Attempt]) -> str:
    return msgspec.json.encode(_State(tests=dict(attempts))).decode("utf-8")


def after_run(
    before: Mapping[int, Attempt], records: Iterable[Record], at: datetime
) -> dict[int, Attempt]:
    """What the run knows replaces what was known; a test that it did not look at stays as it was.

    The newest `MAX_ATTEMPTS` are kept.
    """
    attempts = dict(before)
    for record in records:
        attempts.pop(record.id, None)
        if _is_kept(record):
            said = one_line(record.said.removeprefix(_PREFIX), limit=_SAID_LIMIT)
            attempts[record.id] = Attempt(at=at, reason=record.reason, said=said)
    fresh = [(n, attempt) for n, attempt in attempts.items() if at - attempt.at <= _KEEP_FOR]
    fresh.sort(key=lambda item: item[1].at, reverse=True)
    return dict(fresh[:MAX_ATTEMPTS])


def _is_kept(record: Record) -> bool:
    # What no check of ours knows was never ours to verify.
    is_ours = record.reason not in UNCHECKED_REASONS
    return (
        record.posted is None
        and is_ours
        and record.outcome in (Outcome.ERROR, Outcome.NOT_CONFIGURED)
    )
