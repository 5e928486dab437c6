"""What a probe asserts, read from a test's config. Whatever is unclear is named, never guessed.

An unknown key is refused: a misspelt assertion would be one less, and a `url` that was written
down for people would be probed for its status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compai_dags.checks.base import GENERAL_KEYS, InvalidConfigError, config_object
from compai_dags.rows import Row
from compai_dags.web import Method
from compai_dags.web_guard import AddressRefusedError, target_of

_KEYS = ("url", "method", "status", "json", "max_age", "connection")
_MAX_ASSERTIONS = 20
# A server that is down answers so as well: expecting it would make an outage a pass.
_OUTAGE = frozenset({408, 425, 429})
_POINTER = re.compile(r"(/([^~]|~[01])*)?", re.DOTALL)
_AGE = re.compile(r"([0-9]{1,9})\s*([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, kw_only=True)
class MaxAge:
    """`text` is how the config says it: "24h"."""

    seconds: int
    text: str


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """`values` and `ages` by JSON pointer (RFC 6901); `connection` is the id of one of Airflow."""

    url: str
    method: Method
    statuses: tuple[int, ...]
    values: Mapping[str, Any]
    ages: Mapping[str, MaxAge]
    connection: str | None

    @property
    def reads_body(self) -> bool:
        return bool(self.values or self.ages)


def read_config(row: Row) -> ProbeConfig:
    """Raises InvalidConfigError, which names the key."""
    config = config_object(row)
    unknown = sorted(set(config) - set(_KEYS) - set(GENERAL_KEYS))
    if unknown:
        names = " and ".join(f"config.{key[:40]}" for key in unknown)
        are = "is no key" if len(unknown) == 1 else "are no keys"
        raise InvalidConfigError(f"{names} {are} of http_probe, which has {', '.join(_KEYS)}")
    probe = ProbeConfig(
        url=_url(config.get("url")),
        method=_method(config.get("method", "GET")),
        statuses=_statuses(config.get("status", 200)),
        values=_pointers(config.get("json"), "json", "values"),
        ages={
            pointer: _age(value, pointer)
            for pointer, value in _pointers(config.get("max_age"), "max_age", "ages").items()
        },
        connection=_connection(config.get("connection")),
    )
    if probe.method == "HEAD" and probe.reads_body:
        raise InvalidConfigError(
            "config.method HEAD brings nothing to read for config.json and config.max_age"
        )
    return probe


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidConfigError("config.url must be text")
    try:
        target_of(value)
    except AddressRefusedError as refused:
        raise InvalidConfigError(f"config.url {refused}") from None
    return value


def _method(value: object) -> Method:
    match value:
        case "GET":
            return "GET"
        case "HEAD":
            return "HEAD"
        case _:
            raise InvalidConfigError("config.method must be GET or HEAD")


def _statuses(value: object) -> tuple[int, ...]:
    given = value if isinstance(value, list) else [value]
    numbers = [number for number in given if type(number) is int and 100 <= number <= 599]
    if not numbers or len(numbers) != len(given):
        raise InvalidConfigError("config.status must be a status or a list of statuses")
    outages = [number for number in numbers if number >= 500 or number in _OUTAGE]
    if outages:
        raise InvalidConfigError(f"config.status: {outages[0]} is what an outage looks like")
    return tuple(dict.fromkeys(numbers))


def _pointers(value: object, key: str, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidConfigError(f"config.{key} must be an object of pointers and {what}")
    if len(value) > _MAX_ASSERTIONS:
        raise InvalidConfigError(f"config.{key} has more than {_MAX_ASSERTIONS} entries")
    for pointer in value:
        if not _POINTER.fullmatch(pointer):
            raise InvalidConfigError(
                f"config.{key}: {pointer[:60]!r} is no JSON pointer, such as /status"
            )
    return value


def _age(value: object, pointer: str) -> MaxAge:
    if type(value) is int and value > 0:
        return MaxAge(seconds=value, text=f"{value}s")
    match = _AGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise InvalidConfigError(
            f"config.max_age: the age at {pointer} must be seconds or text such as 15m, 24h, 7d"
        )
    return MaxAge(seconds=int(match[1]) * _UNIT_S[match[2]], text=match[1] + match[2])


def _connection(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise InvalidConfigError("config.connection must be the id of an Airflow Connection")
    return value
