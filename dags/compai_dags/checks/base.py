"""What a check is given and what it must be: a function from a row to an observation."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any, Protocol

import msgspec

from compai_client import CompAI
from compai_dags.connection import ConnectionFields
from compai_dags.outcomes import Observation
from compai_dags.rows import Row
from compai_dags.web import Web
from compai_dags.web_guard import Allowed

# What any test may have beside its check's own keys; `note` is for people.
GENERAL_KEYS = ("attest_every", "evidence_refresh", "note", "timezone")
# From 0 (nothing in common) to 1; "approvals" and "min_approvals" have 0.86.
_ALIKE = 0.7


@dataclass(frozen=True, kw_only=True)
class CheckContext:
    """The world of one evaluation.

    `connection` reads an Airflow Connection by its id, None when there is none; raises
    SettingsError when it cannot be read. `reuse_since`: on a retry, evidence collected since
    counts. `sleep` is how a check that reads another system waits between tries. `memory` is what
    checks keep for the other tests of the chunk: a token, a limit that was met. `web` asks
    addresses that a test's config names.
    """

    client: CompAI
    now: Callable[[], datetime]
    connection: Callable[[str], ConnectionFields | None] = lambda _: None
    always_collect: bool = False
    post_attestation_expiry: bool = False
    reuse_since: datetime | None = None
    sleep: Callable[[float], None] = time.sleep
    web: Web = field(default_factory=lambda: Web(Allowed()))
    memory: dict[str, Any] = field(default_factory=dict)


class Check(Protocol):
    """Evaluates one test; raises the client's errors, which the runner maps to an ERROR."""

    def __call__(self, row: Row, context: CheckContext, /) -> Observation: ...


class InvalidConfigError(Exception):
    """The test's `config` cannot be used; the text names the keys."""


def config_object(
    row: Row, *, optional: bool = False, keys: Collection[str] | None = None
) -> dict[str, Any]:
    """The test's config as an object; some installations store it as a JSON string.

    `optional`: the check needs none, so no config is an empty one. `keys` are those that the check
    reads: one that looks like a misspelt one of them is refused, because it would ask for nothing.
    Others are left alone, installations keep notes there.
    """
    config = row.config
    if isinstance(config, str):
        try:
            config = msgspec.json.decode(config)
        except msgspec.DecodeError:
            raise InvalidConfigError("config is a string that is not JSON") from None
    if config is None:
        if optional:
            return {}
        raise InvalidConfigError("the test has no config")
    if not isinstance(config, dict):
        raise InvalidConfigError(f"config is a JSON {_json_kind(config)}, not an object")
    if keys is not None:
        _refuse_misspelt(config, {*keys, *GENERAL_KEYS})
    return config


def _refuse_misspelt(config: dict[str, Any], keys: Collection[str]) -> None:
    for key in sorted(set(config) - set(keys)):
        alike, meant = max((_likeness(key, meant), meant) for meant in keys)
        if alike >= _ALIKE and meant != "note":
            raise InvalidConfigError(
                f"config.{key[:40]} is no key of this test; it looks like config.{meant}"
            )


def _likeness(key: str, meant: str) -> float:
    """Case, dashes and underscores do not count: minApprovals is like min_approvals."""
    one, other = ("".join(filter(str.isalnum, name)).casefold() for name in (key, meant))
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _json_kind(value: object) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "value")
