"""From the text of a schedule to its ticks: a name, an @-form or cron, in a time zone. Pure.

Comp-AI runs no clock: the DAG's own cadence is what picks a tick up, at its first run after it.
So named schedules are anchored to the cadence's time of day: `weekly` is Monday at that time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

CADENCE_SETTING = "COMP_AI_CONTROL_TESTS_SCHEDULE"
DAILY = "0 6 * * *"
IN_UTC = "UTC"

# For a schedule of a control test: minute and hour are those of the cadence.
_NAMED: Mapping[str, str] = {
    "hourly": "{minute} * * * *",
    "daily": "{minute} {hour} * * *",
    "weekly": "{minute} {hour} * * 1",
    "monthly": "{minute} {hour} 1 * *",
    "quarterly": "{minute} {hour} 1 1,4,7,10 *",
    "yearly": "{minute} {hour} 1 1 *",
}
_NOT_SCHEDULED = ("manual", "never", "off")
# For the DAG itself, as Airflow reads them.
_PRESETS: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
# croniter alone would also take R (another time at each call), H, and a sixth field.
_WORDS = r"mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|l"
_FIELD = re.compile(rf"(?:[0-9*/,#?-]|{_WORDS})+", re.ASCII)
_SHOWN = 60
_INSTANT = timedelta(microseconds=1)
# No clock change of any time zone is larger.
_CLOCK_CHANGE = timedelta(hours=3)
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_FEW = 8


class Cadence(NamedTuple):
    """When the DAG runs, as cron in UTC; `problem`: why its setting cannot be used."""

    cron: str
    problem: str = ""


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a control test is to run; small, because it travels with every row.

    `cron` None: never by the clock. `is_own` False: the test has no schedule of its own that can
    be used, and runs whenever the DAG does; `problem` says what is wrong with the one that it has.
    """

    cron: str | None = DAILY
    timezone: str = IN_UTC
    cadence: str = DAILY
    is_own: bool = False
    problem: str = ""


def cadence_of(text: str | None) -> Cadence:
    """The DAG's schedule from its setting; without a regular one, daily 06:00 UTC stands in."""
    said = (text or "").strip()
    if not said:
        return Cadence(DAILY)
    cron = _PRESETS.get(said.casefold(), said.casefold())
    if is_cron(cron):
        return Cadence(cron)
    return Cadence(
        DAILY,
        f"{CADENCE_SETTING} {_shown(said)} names no regular times: control tests are held to "
        f"daily 06:00 UTC ({DAILY}).",
    )


def plan_of(schedule: str | None, *, timezone: object = None, cadence: str = DAILY) -> Plan:
    """What a schedule means; one that cannot be read runs at the cadence and says so."""
    said = (schedule or "").strip()
    name = said.casefold().removeprefix("@")
    if not said:
        return Plan(cron=cadence, cadence=cadence)
    if name in _NOT_SCHEDULED:
        return Plan(cron=None, cadence=cadence, is_own=True)
    cron = _anchored(_NAMED[name], cadence) if name in _NAMED else said.casefold()
    if not is_cron(cron):
        return Plan(cron=cadence, cadence=cadence, problem=f"invalid schedule {_shown(said)}")
    if timezone is None:
        return Plan(cron=cron, cadence=cadence, is_own=True)
    if not isinstance(timezone, str) or _zone(timezone) is None:
        problem = f"invalid timezone {_shown(timezone)}"
        return Plan(cron=cadence, cadence=cadence, problem=problem)
    return Plan(cron=cron, timezone=timezone, cadence=cadence, is_own=True)


@lru_cache(maxsize=1024)
def is_cron(text: str) -> bool:
    """Five fields that croniter can read and that ever come true (30 February does not)."""
    from croniter import CroniterBadDateError, croniter

    fields = text.split()
    if len(fields) != 5 or not all(_FIELD.fullmatch(field) for field in fields):
        return False
    if not croniter.is_valid(text):
        return False
    try:
        next_tick(text, IN_UTC, _SOME_DAY)
    except CroniterBadDateError:
        return False
    return True


@lru_cache(maxsize=4096)
def last_tick(cron: str, timezone: str, now: datetime) -> datetime:
    """The latest tick that is not after `now`, in UTC."""
    from croniter import croniter

    zone = _zone_of(timezone)
    # Where clocks are turned back, an earlier tick can have a later time on the wall.
    walls = croniter(cron, _wall(now, zone) + _CLOCK_CHANGE, ret_type=datetime)
    while True:
        tick = _in_utc(walls.get_prev(), zone)
        if tick <= now:
            return tick


@lru_cache(maxsize=4096)
def next_tick(cron: str, timezone: str, after: datetime) -> datetime:
    """The first tick after a moment, in UTC."""
    from croniter import croniter

    zone = _zone_of(timezone)
    walls = croniter(cron, _wall(after, zone) - _CLOCK_CHANGE, ret_type=datetime)
    while True:
        tick = _in_utc(walls.get_next(), zone)
        if tick > after:
            return tick


def pickup_of(tick: datetime, cadence: str) -> datetime:
    """When the DAG picks a tick up: at its own tick, or the next one."""
    return next_tick(cadence, IN_UTC, tick - _INSTANT)


def next_pickup(plan: Plan, after: datetime) -> datetime | None:
    """When the DAG runs for the first tick of the test after a moment; None without a clock."""
    if plan.cron is None:
        return None
    return pickup_of(next_tick(plan.cron, plan.timezone, after), plan.cadence)


@lru_cache(maxsize=1024)
def is_finer_than_cadence(plan: Plan) -> bool:
    """True when the DAG picks up several ticks of the test at once."""
    if plan.cron is None or not plan.is_own:
        return False
    tick = next_tick(plan.cron, plan.timezone, _SOME_DAY)
    for _ in range(_FEW):
        following = next_tick(plan.cron, plan.timezone, tick)
        if pickup_of(tick, plan.cadence) == pickup_of(following, plan.cadence):
            return True
        tick = following
    return False


@lru_cache(maxsize=64)
def _anchored(pattern: str, cadence: str) -> str:
    first = next_tick(cadence, IN_UTC, _SOME_DAY - _INSTANT)
    return pattern.format(minute=first.minute, hour=first.hour)


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    # croniter's own arithmetic across clock changes differs between its versions.
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _in_utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """A time that is skipped becomes the one an hour later; of a repeated one the first counts."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _zone_of(name: str) -> ZoneInfo:
    zone = _zone(name)
    if zone is None:
        raise LookupError(f"no time zone {name!r} on this machine")
    return zone


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        # OSError: a folder of the database, such as "Europe".
        return None


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
