"""What `settings.systems.github` may say, and that it says nothing that would be misread."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from compai_kit.simulator.settings import SettingsError

# What a token may do; `administration:write` is what shows who may bypass a ruleset.
PERMISSIONS = ("metadata", "contents", "administration", "administration:write")
# They are refused in different words, and the classic one as if there were nothing.
TOKEN_KINDS = ("fine_grained", "classic", "installation")
RULES = ("pull_request", "non_fast_forward", "deletion", "required_status_checks")

TOP: Mapping[str, Any] = {
    "tokens": {},
    "app": None,
    "repositories": {},
    "page_size": 100,
    "limit": None,
    "secondary_limit": None,
}
TOKEN: Mapping[str, Any] = {
    "kind": "fine_grained",
    "permissions": ["metadata", "contents", "administration"],
}
APP: Mapping[str, Any] = {"id": "", "public_key": "", "installations": {}, "token_life_s": 3600}
INSTALLATION: Mapping[str, Any] = {"permissions": TOKEN["permissions"], "suspended": False}
LIMIT: Mapping[str, Any] = {"calls": 60, "reset_in_s": 3600}
SECONDARY_LIMIT: Mapping[str, Any] = {"after": 0, "count": 1, "status": 403, "retry_after": None}
REPOSITORY: Mapping[str, Any] = {
    "default_branch": "main",
    "archived": False,
    "private": False,
    "moved_to": None,
    "needs_plan": False,
    "needs_sso": False,
    "branches": None,
    "rulesets": [],
}
BRANCH: Mapping[str, Any] = {"protection": None, "committed_at": "2026-01-15T10:00:00Z"}
# `approvals` None: no pull request is required. `bypass` None: nobody was put on the list.
PROTECTION: Mapping[str, Any] = {
    "approvals": None,
    "code_owners": False,
    "enforce_admins": True,
    "allow_force_pushes": False,
    "allow_deletions": False,
    "status_checks": [],
    "bypass": None,
}
RULESET: Mapping[str, Any] = {
    "id": 1,
    "name": "Main is locked",
    "source_type": "Repository",
    "enforcement": "active",
    "branches": None,
    "rules": [],
    "bypass_actors": [],
}
RULE: Mapping[str, Any] = {"type": "", "approvals": 0, "code_owners": False, "checks": []}


def filled(value: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {**defaults, **value}


def check(settings: Mapping[str, Any]) -> None:
    """Raises SettingsError; no message has a token in it."""
    where = "settings.systems.github"
    _known(settings, TOP, where)
    for number, token in enumerate(settings.get("tokens", {}).values()):
        _check_token(token, f"{where}.tokens[{number}]")
    for key, defaults in (("limit", LIMIT), ("secondary_limit", SECONDARY_LIMIT)):
        if settings.get(key) is not None:
            _known(settings[key], defaults, f"{where}.{key}")
    app = settings.get("app")
    if app is not None:
        _known(app, APP, f"{where}.app")
        for number, installation in app.get("installations", {}).items():
            place = f"{where}.app.installations[{number!r}]"
            _known(installation, INSTALLATION, place)
            _all_of(installation.get("permissions", []), PERMISSIONS, f"{place}.permissions")
    for name, repository in settings.get("repositories", {}).items():
        _check_repository(repository, f"{where}.repositories[{name!r}]")


def secrets(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(settings.get("tokens", {}))


def _check_token(token: Any, where: str) -> None:
    _known(token, TOKEN, where)
    _all_of([token.get("kind", "classic")], TOKEN_KINDS, f"{where}.kind")
    _all_of(token.get("permissions", []), PERMISSIONS, f"{where}.permissions")


def _check_repository(repository: Any, where: str) -> None:
    _known(repository, REPOSITORY, where)
    for name, branch in (repository.get("branches") or {}).items():
        place = f"{where}.branches[{name!r}]"
        _known(branch, BRANCH, place)
        if branch.get("protection") is not None:
            _known(branch["protection"], PROTECTION, f"{place}.protection")
    for number, ruleset in enumerate(repository.get("rulesets", [])):
        place = f"{where}.rulesets[{number}]"
        _known(ruleset, RULESET, place)
        for rule in ruleset.get("rules", []):
            _known(rule, RULE, f"{place}.rules")
            _all_of([rule.get("type")], RULES, f"{place}.rules")


def _known(value: Any, known: Mapping[str, Any], where: str) -> None:
    if not isinstance(value, Mapping):
        msg = f"{where}: expected an object"
        raise SettingsError(msg)
    _all_of(value, tuple(known), where)


def _all_of(values: Collection[Any], known: tuple[str, ...], where: str) -> None:
    for value in values:
        if value not in known:
            msg = f"{where}: unknown {value!r}; known are {', '.join(known)}"
            raise SettingsError(msg)
