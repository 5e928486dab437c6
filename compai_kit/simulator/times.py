"""How the service writes times.

RFC 3339 with `Z` and as many fraction digits as needed out of 0, 3, 6 and 9.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def utcnow() -> datetime:
    return datetime.now(UTC)


def parse_time(text: str) -> datetime:
    """Raises ValueError for anything that does not name an instant, naive times included."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        msg = f"{text!r} has no time zone"
        raise ValueError(msg)
    return instant.astimezone(UTC)


def format_time(instant: datetime) -> str:
    """A stored time: the columns hold microseconds, the service drops trailing groups of zeros."""
    if instant.microsecond == 0:
        timespec = "seconds"
    elif instant.microsecond % 1000 == 0:
        timespec = "milliseconds"
    else:
        timespec = "microseconds"
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def format_process_time(instant: datetime, nanosecond: int) -> str:
    """A time of the service's own clock, which has nanoseconds (1 to 999 here).

    Always nine digits.
    """
    micros = instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{micros}{nanosecond:03d}Z"


def format_due_date(day: date) -> str:
    """Due dates travel as DD/MM/YYYY."""
    return f"{day.day:02d}/{day.month:02d}/{day.year:04d}"


def shift_to_today(recorded_at: datetime, now: datetime) -> timedelta:
    """Whole days between the day of a recording and today."""
    return now.astimezone(UTC).date() - recorded_at.astimezone(UTC).date()
