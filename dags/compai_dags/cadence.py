"""When an observation is too old: the one place that knows how often a test should run.

Every automated test is held to the daily run of `comp_ai_control_tests`; its own `schedule` is not
evaluated yet.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from compai_dags.rows import Row

# One day, and two hours for a run that starts late or takes long.
VERIFIED_FOR = timedelta(hours=26)
# Two daily ticks have passed since.
STALE_AFTER = timedelta(hours=48)
DEFAULT_ATTEST_EVERY = timedelta(days=90)


class Freshness(StrEnum):
    """`LATE` is no longer verified, but one missed run is not yet an outage of the runner."""

    ON_SCHEDULE = "on_schedule"
    LATE = "late"
    STALE = "stale"


def freshness(at: datetime, now: datetime) -> Freshness:
    """How old an observation is. A time in the future counts as now."""
    age = now - min(at, now)
    if age <= VERIFIED_FOR:
        return Freshness.ON_SCHEDULE
    return Freshness.LATE if age < STALE_AFTER else Freshness.STALE


def attestation_due_since(row: Row, at: datetime) -> datetime:
    """When a person's attestation ends: `attest_every` days of the test's config, else 90."""
    every = DEFAULT_ATTEST_EVERY
    if isinstance(row.config, dict):
        days = row.config.get("attest_every")
        if isinstance(days, int) and not isinstance(days, bool) and days > 0:
            every = timedelta(days=days)
    return at + every
