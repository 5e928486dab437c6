"""Is a control test to be run, and is what was seen of it still fresh: one test against the clock.

Both go by ticks. A test is due when a tick has passed since it was last attempted; an observation
is missed when the DAG should have picked a tick up, and two hours later nothing newer is there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from compai_dags.outcomes import Outcome, Reason
from compai_dags.rows import Exemption, Row, settings_in
from compai_dags.schedule import (
    IN_UTC,
    last_tick,
    next_pickup,
    next_tick,
    pickup_of,
)
from compai_dags.stored import Author

# A run may start late and take long before its last result is stored.
GRACE = timedelta(hours=2)
DEFAULT_ATTEST_EVERY = timedelta(days=90)
MAX_ERRORS_PER_TICK = 3
_A_CENTURY = 36_500
_INSTANT = timedelta(microseconds=1)
# Comp-AI can hold any year; ticks around the first and the last one are no dates any more.
_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DAY = datetime(2970, 1, 1, tzinfo=UTC)


class Freshness(StrEnum):
    """`LATE` is no longer verified, but one missed run is not yet an outage of the runner."""

    ON_SCHEDULE = "on_schedule"
    LATE = "late"
    STALE = "stale"


def is_due(row: Row, now: datetime) -> bool:
    """A tick t with last attempt < t ≤ now; however many were missed, one run makes up for them.

    Also due: what was never attempted, and a test whose exception began or ended since.
    """
    plan = row.plan
    if plan.cron is None:
        return False
    attempt = last_attempt(row, now)
    if attempt is None or _exception_changed(row, now):
        return True
    return last_tick(plan.cron, plan.timezone, now) > attempt


def next_run(row: Row, now: datetime) -> datetime | None:
    """The DAG's first run after `now` for which the test will be due; None: not by the clock."""
    return next_pickup(row.plan, now)


def last_attempt(row: Row, now: datetime) -> datetime | None:
    """When the test was last attempted; None when no attempt counts.

    A result of the first generation is none. An ERROR is none either, three times per tick.
    """
    stored, plan = row.stored, row.plan
    if stored.at is None or stored.author in (Author.NOBODY, Author.FIRST_GENERATION):
        return None
    trailer = stored.trailer
    is_error = trailer is not None and trailer.outcome is Outcome.ERROR
    if trailer is not None and is_error and trailer.n_errors < MAX_ERRORS_PER_TICK:
        return None
    at = stored.at
    if trailer is not None and trailer.collected_at is not None:
        # Comp-AI's clock may be behind; ours was there.
        at = max(at, trailer.collected_at)
    if at > now and plan.cron is not None and next_tick(plan.cron, plan.timezone, now) <= at:
        # Waiting for that time would lose a tick.
        return None
    return min(at, now)


def errors_at_this_tick(row: Row, now: datetime) -> int:
    """How many ERRORs are stored for the tick that is being attempted; a new tick begins at 0."""
    stored, plan = row.stored, row.plan
    trailer = stored.trailer
    if trailer is None or stored.at is None or trailer.outcome is not Outcome.ERROR:
        return 0
    if plan.cron is not None and last_tick(plan.cron, plan.timezone, now) > min(stored.at, now):
        return 0
    return trailer.n_errors


def exception_of(row: Row, now: datetime) -> Exemption | None:
    """The exception in force that covers the whole test; the one that lasts longest."""
    today = now.astimezone(UTC).date()
    active = [e for e in row.exemptions if e.object is None and e.expires >= today]
    return max(active, key=lambda exemption: exemption.expires, default=None)


def rests_on_exception(row: Row) -> bool:
    """The stored result is "not applicable" because an exception was in force."""
    trailer = row.stored.trailer
    return trailer is not None and trailer.reason == Reason.EXCEPTION


def _exception_changed(row: Row, now: datetime) -> bool:
    return (exception_of(row, now) is not None) != rests_on_exception(row)


def freshness(row: Row, at: datetime, now: datetime) -> Freshness:
    """How old an observation is by the test's own schedule. A time in the future counts as now.

    Within one interval, and two hours for a run that is late, it is on schedule: a weekly test is
    verified for a week. When two runs were missed it is stale.
    """
    at, until, plan = min(at, now), now - GRACE, row.plan
    if plan.cron is None:
        return _freshness_by_age(attest_every(row), until - at)
    runs = _runs(plan.cron, plan.timezone, plan.cadence, until)
    if at >= runs.last_missed or (at >= runs.missed_before and until - at <= runs.interval):
        return Freshness.ON_SCHEDULE
    return Freshness.LATE if at >= runs.missed_before else Freshness.STALE


def _freshness_by_age(interval: timedelta, age: timedelta) -> Freshness:
    if age <= interval:
        return Freshness.ON_SCHEDULE
    return Freshness.LATE if age < 2 * interval else Freshness.STALE


class _Runs(NamedTuple):
    """What the DAG should have done by a moment.

    An observation before `last_missed` misses the last run for the test, one before
    `missed_before` also the run before that; `interval` is the shorter one around the last run.
    """

    last_missed: datetime
    missed_before: datetime
    interval: timedelta


@lru_cache(maxsize=1024)
def _runs(cron: str, timezone: str, cadence: str, until: datetime) -> _Runs:
    def last_picked_up(moment: datetime) -> datetime:
        return last_tick(cron, timezone, last_tick(cadence, IN_UTC, moment))

    tick = last_picked_up(until - _INSTANT)
    run = pickup_of(tick, cadence)
    tick_before = last_picked_up(run - _INSTANT)
    run_before = pickup_of(tick_before, cadence)
    run_after = pickup_of(next_tick(cron, timezone, run), cadence)
    interval = min(run - run_before, run_after - run)
    return _Runs(last_missed=tick, missed_before=tick_before, interval=interval)


def attestation_due_since(row: Row, at: datetime) -> datetime:
    """When a person's attestation ends: an interval of the test's own schedule, else
    `attest_every` days of its config, else 90.
    """
    plan, at = row.plan, min(max(at, _FIRST_DAY), _LAST_DAY)
    if plan.cron is None or not plan.is_own:
        return at + attest_every(row)
    first = next_tick(plan.cron, plan.timezone, at)
    second = next_tick(plan.cron, plan.timezone, first)
    return max(first, at + (second - first))


def attest_every(row: Row) -> timedelta:
    """How long what is not scheduled stays fresh: `attest_every` days of the config, else 90."""
    days = settings_in(row.config).get("attest_every")
    if isinstance(days, int) and not isinstance(days, bool) and 0 < days <= _A_CENTURY:
        return timedelta(days=days)
    return DEFAULT_ATTEST_EVERY
