"""What the config of a GitHub test may say; a wrong value is named by its key, never guessed at."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from compai_dags.checks.base import InvalidConfigError

# What the configs of the two types may say.
PROTECTION_KEYS = ("owner", "repo", "branch", "min_approvals", "require")
COMMIT_KEYS = ("owner", "repo", "branch", "max_age_days", "require")
_NAME = re.compile(r"[\w.-]+", re.ASCII)
# What git allows in no branch (git check-ref-format). Two dots would also climb in an address.
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[/.-]|[/.]$|^@$")
_LONGEST_BRANCH = 255


@dataclass(frozen=True)
class Repository:
    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


def read_repository(config: Mapping[str, Any]) -> Repository:
    """Raises InvalidConfigError, as all here."""
    wrong = [
        key
        for key in ("owner", "repo")
        if not isinstance(value := config.get(key), str)
        or not _NAME.fullmatch(value)
        or value in (".", "..")
    ]
    if wrong:
        keys = " and ".join(f"config.{key}" for key in wrong)
        raise InvalidConfigError(f"{keys} must be set to letters, digits, dot, dash or underscore")
    return Repository(config["owner"], config["repo"])


def is_branch(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value.encode("utf-8", "replace")) <= _LONGEST_BRANCH
        and not _NO_BRANCH.search(value)
    )


def read_branch(config: Mapping[str, Any]) -> str | None:
    """None: the default branch, whatever GitHub says it is."""
    value = config.get("branch")
    if value is None or is_branch(value):
        return value
    raise InvalidConfigError("config.branch must be the name of a branch, such as main")


def read_names(config: Mapping[str, Any]) -> frozenset[str]:
    """`config.require`: one name or a list of them."""
    value = config.get("require") or []
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(value)
    raise InvalidConfigError("config.require must be a string or a list of strings")


def read_requirements(config: Mapping[str, Any], known: Collection[str]) -> frozenset[str]:
    """As `read_names`; a name that is misspelt would require nothing."""
    names = read_names(config)
    unknown = sorted(names - set(known))
    if unknown:
        raise InvalidConfigError(
            f"config.require knows {', '.join(known)}, not {', '.join(map(repr, unknown))[:200]}"
        )
    return names


def read_only_reachable(config: Mapping[str, Any]) -> bool:
    """Whether a last commit of any age will do."""
    is_asked = bool(read_requirements(config, ("reachable",)))
    if is_asked and config.get("max_age_days") is not None:
        raise InvalidConfigError(
            "config.max_age_days and config.require 'reachable' exclude each other"
        )
    return is_asked


def read_number(config: Mapping[str, Any], key: str, *, default: int, low: int, high: int) -> int:
    value = config.get(key, default)
    if type(value) is not int or not low <= value <= high:
        raise InvalidConfigError(f"config.{key} must be a whole number from {low} to {high}")
    return value
