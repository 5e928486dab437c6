"""What the body of a probe's answer shows: values at JSON pointers, ages of time stamps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from compai_dags.checks.http_probe_config import MaxAge, ProbeConfig
from compai_dags.proof import Assertion

_SHOWN = 80
# Clocks differ; whatever is further ahead cannot be an age.
_SKEW = timedelta(minutes=5)
# Seconds up to the year 5138; larger numbers are milliseconds.
_MAX_SECONDS = 1e11
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_ABSENT = object()


class UnseenError(Exception):
    """Something that is asserted cannot be read from the answer."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One assertion, and how a sentence says it; empty where there is nothing to say."""

    assertion: Assertion
    said: str


def decoded(body: bytes) -> Any:
    """Raises UnseenError."""
    try:
        return msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnseenError("the answer is not JSON") from None


def judge(config: ProbeConfig, body: Any, now: datetime) -> Iterator[Seen]:
    """Everything that is asserted about the body; what could not be seen holds neither way."""
    for pointer, expected in config.values.items():
        try:
            yield _value(pointer, resolve(body, pointer), expected)
        except UnseenError as unseen:
            yield _unseen(pointer, brief(expected), str(unseen))
    for pointer, limit in config.ages.items():
        try:
            yield _age(pointer, resolve(body, pointer), limit, now)
        except UnseenError as unseen:
            yield _unseen(pointer, _bound(limit), str(unseen))


def unread(config: ProbeConfig) -> Iterator[Seen]:
    """The same when the body was not looked at."""
    for pointer, expected in config.values.items():
        yield _unseen(pointer, brief(expected), "")
    for pointer, limit in config.ages.items():
        yield _unseen(pointer, _bound(limit), "")


def resolve(body: Any, pointer: str) -> Any:
    """What is at a JSON pointer (RFC 6901); raises UnseenError when nothing is."""
    value = body
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and _is_index(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            raise UnseenError(f"the answer has nothing at {pointer}")
    return value


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdecimal() and (key == "0" or key[0] != "0") and len(key) < 10


def is_equal(left: Any, right: Any) -> bool:
    """As JSON values: true is not 1, 1 is 1.0, the order of keys does not matter."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_equal(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_equal, left, right))
    return bool(left == right)


def brief(value: Any) -> str:
    """As JSON, short."""
    text = msgspec.json.encode(value).decode("utf-8")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _value(pointer: str, value: Any, expected: Any) -> Seen:
    holds = is_equal(value, expected)
    is_small = isinstance(value, bool | int | float | None) or brief(value)[-1] != "…"
    missed = "" if holds else f", expected {brief(expected)}"
    return Seen(
        assertion=Assertion(
            path=pointer,
            observed=value if is_small else brief(value),
            expected=brief(expected),
            holds=holds,
        ),
        said=f"{pointer or 'the answer'} is {brief(value)}{missed}",
    )


def _age(pointer: str, value: Any, limit: MaxAge, now: datetime) -> Seen:
    age = _age_of(pointer, value, now)
    holds = age <= timedelta(seconds=limit.seconds)
    bound = f"(at most {limit.text})" if holds else f", expected at most {limit.text}"
    said = f"{pointer or 'the answer'} is {_spelled(age)} old"
    return Seen(
        assertion=Assertion(
            path=pointer, observed=value, expected=_bound(limit), holds=holds, volatile=True
        ),
        said=f"{said} {bound}" if holds else f"{said}{bound}",
    )


def _age_of(pointer: str, value: Any, now: datetime) -> timedelta:
    try:
        at = _time(value)
        if at.tzinfo is None:
            raise UnseenError(f"{pointer} has no time zone, so it is nobody's time")
        age = now - at
    except (ValueError, OverflowError, OSError):
        raise UnseenError(f"{pointer} is neither RFC 3339 nor seconds since 1970") from None
    if age < -_SKEW:
        raise UnseenError(f"{pointer} lies in the future")
    return max(age, timedelta())


def _time(value: Any) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value.upper())
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value < 0 or not math.isfinite(value):
        raise ValueError
    return datetime.fromtimestamp(value / 1000 if value > _MAX_SECONDS else value, UTC)


def _spelled(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    # In the largest unit that there are two of: 36 hours, not 1 day.
    unit, size = next(((u, s) for u, s in _UNITS if seconds >= 2 * s), ("second", 1))
    number = seconds // size
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _bound(limit: MaxAge) -> str:
    return f"at most {limit.text} old"


def _unseen(pointer: str, expected: str, said: str) -> Seen:
    assertion = Assertion(path=pointer, observed=None, expected=expected, holds=None)
    return Seen(assertion=assertion, said=said)
