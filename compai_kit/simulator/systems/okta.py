"""Okta's Management API as far as checks read it: users, their factors, applications, rules.

`settings.systems.okta` says who may read, who there is, and how often it may be asked; `_TOP`,
`_TOKEN`, `_USER` and `_RULE` have every key. The words of refusals are Okta's own, as the SDK for
Python has recorded them (okta 3.4.6, tests/integration/cassettes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.settings import SettingsError
from compai_kit.simulator.systems import System, SystemCall
from compai_kit.simulator.systems.okta_answers import (
    APPS,
    PROVIDERS,
    app,
    factor,
    identifier,
    policy_id,
    rule,
    user,
    user_id,
)

STATUSES = (
    *("ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY"),
    *("STAGED", "PROVISIONED", "SUSPENDED", "DEPROVISIONED"),
)
# What a token may read; only a super administrator is shown the Admin Console.
PERMISSIONS = ("users", "apps", "policies", "super_admin")
_TOP = frozenset({"tokens", "users", "policies", "page_size", "limit"})
_TOKEN = frozenset({"scheme", "permissions", "hidden_users"})
# `gone`: listed, and deleted before anybody asks more. `becomes`: suspended in the same way.
_USER = frozenset({"login", "id", "status", "factors", "provider", "gone", "becomes"})
_RULE = frozenset({"name", "priority", "status", "factorMode", "type", "access"})
_LIMIT = frozenset({"calls", "window_s"})
_NAME_FILTER = re.compile(r'name eq "([^"]+)"')


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, summary: str) -> None:
        super().__init__(summary)
        self.status = status
        self.body = {
            "errorCode": code,
            "errorSummary": summary,
            "errorLink": code,
            "errorId": identifier("oae", summary),
            "errorCauses": [],
        }


def check(settings: Mapping[str, Any]) -> None:
    """Raises SettingsError; no message has a token in it."""
    where = "settings.systems.okta"
    _known(settings, _TOP, where)
    for number, token in enumerate(settings.get("tokens", {}).values()):
        here = f"{where}.tokens[{number}]"
        _known(token, _TOKEN, here)
        _one_of(token.get("scheme", "SSWS"), ("SSWS", "Bearer"), f"{here}.scheme")
        for permission in token.get("permissions", ()):
            _one_of(permission, PERMISSIONS, f"{here}.permissions")
    for number, person in enumerate(settings.get("users", ())):
        here = f"{where}.users[{number}]"
        _known(person, _USER, here)
        if not person.get("login"):
            raise SettingsError(f"{here}: expected a login")
        for status in (person.get("status", "ACTIVE"), person.get("becomes", "ACTIVE")):
            _one_of(status, STATUSES, f"{here}.status")
        for one in person.get("factors", ()):
            kind = one if isinstance(one, str) else one.get("type")
            _one_of(kind, PROVIDERS, f"{here}.factors")
    for name, rules in settings.get("policies", {}).items():
        for number, values in enumerate(rules or ()):
            here = f"{where}.policies[{name!r}][{number}]"
            _known(values, _RULE, here)
            if not {"name", "priority"} <= set(values):
                raise SettingsError(f"{here}: expected a name and a priority")
    if settings.get("limit") is not None:
        _known(settings["limit"], _LIMIT, f"{where}.limit")


def answer(call: SystemCall) -> HttpResponse:
    headers: dict[str, str] = {}
    try:
        body, more = _read(call, headers)
    except _RefusedError as refused:
        return json_answer(refused.status, refused.body, headers)
    return json_answer(200, body, {**headers, **more})


_Read = tuple[Any, dict[str, str]]


def _read(call: SystemCall, headers: dict[str, str]) -> _Read:
    """`headers` are filled as soon as they are known: refusals have them, too."""
    token, path = _token_of(call), unquote(call.path)
    for route in _ROUTES:
        if match := re.fullmatch(route.path, path):
            break
    else:
        raise _not_found(path, "Endpoint")
    headers |= _limit_headers(call, route.path)
    if call.memory["windows"][route.path]["used"] > int(headers["x-rate-limit-limit"]):
        summary = "API call exceeded rate limit due to too many requests."
        raise _RefusedError(429, "E0000047", summary)
    if call.request.method != "GET":
        summary = "The endpoint does not support the provided HTTP method"
        raise _RefusedError(405, "E0000022", summary)
    if route.permission not in token["permissions"]:
        summary = "You do not have permission to perform the requested action"
        raise _RefusedError(403, "E0000006", summary)
    return route.read(call, token, *match.groups())


def _users(call: SystemCall, token: Mapping[str, Any]) -> _Read:
    """All who are not deprovisioned, unless a filter asks for those."""
    query = _query(call)
    if unknown := sorted(set(query) - {"limit", "after"}):
        raise _RefusedError(501, "E0000060", f"the simulator does not list users by {unknown[0]}")
    people = [
        values
        for values in call.settings.get("users", ())
        if _status(values) != "DEPROVISIONED" and values["login"] not in token["hidden_users"]
    ]
    size = max(1, min(int(query.get("limit", 200)), call.settings.get("page_size", 200), 200))
    start = next(
        (n for n, values in enumerate(people, 1) if user_id(values) == query.get("after")), 0
    )
    page = people[start : start + size]
    here = f"{call.base_url}/api/v1/users"
    links = [f'<{here}?{urlencode(query)}>; rel="self"']
    if start + size < len(people):
        following = urlencode({"after": user_id(page[-1]), "limit": size})
        links.append(f'<{here}?{following}>; rel="next"')
    return [user(values, call.base_url) for values in page], {"link": ", ".join(links)}


def _user(call: SystemCall, token: Mapping[str, Any], number: str) -> _Read:
    del token
    values = _person(call, number)
    return user({**values, "status": values.get("becomes", _status(values))}, call.base_url), {}


def _factors(call: SystemCall, token: Mapping[str, Any], number: str) -> _Read:
    del token
    values = _person(call, number)
    if "becomes" in values:
        raise _not_found(number, "User")
    return [factor(one, values, call.base_url) for one in values.get("factors", ())], {}


def _apps(call: SystemCall, token: Mapping[str, Any]) -> _Read:
    query = _query(call)
    named = _NAME_FILTER.fullmatch(query.get("filter", ""))
    if "filter" in query and named is None:
        raise _RefusedError(400, "E0000031", "Invalid search criteria.")
    policies = call.settings.get("policies", {})
    names = [name for name in {**APPS, **policies} if named is None or name == named[1]]
    if "super_admin" not in token["permissions"]:
        names = [name for name in names if name != "saasure"]
    shown = [
        app(name, call.base_url, has_policy=policies.get(name, []) is not None) for name in names
    ]
    return shown, {}


def _rules(call: SystemCall, token: Mapping[str, Any], number: str) -> _Read:
    del token
    for name, rules in call.settings.get("policies", {}).items():
        if policy_id(name) == number:
            return [rule(values, name, call.base_url) for values in rules or ()], {}
    raise _not_found(number, "Policy")


class _Route:
    def __init__(self, path: str, permission: str, read: Callable[..., _Read]) -> None:
        self.path, self.permission, self.read = path, permission, read


_ROUTES = (
    _Route(r"/api/v1/users", "users", _users),
    _Route(r"/api/v1/users/([^/]+)", "users", _user),
    _Route(r"/api/v1/users/([^/]+)/factors", "users", _factors),
    _Route(r"/api/v1/apps", "apps", _apps),
    _Route(r"/api/v1/policies/([^/]+)/rules", "policies", _rules),
)


def _token_of(call: SystemCall) -> Mapping[str, Any]:
    scheme, _, secret = call.request.headers.get("authorization", "").partition(" ")
    token = call.settings.get("tokens", {}).get(secret)
    if token is None or scheme != token.get("scheme", "SSWS"):
        raise _RefusedError(401, "E0000011", "Invalid token provided")
    return {"permissions": ("users", "apps", "policies"), "hidden_users": (), **token}


def _limit_headers(call: SystemCall, bucket: str) -> dict[str, str]:
    """Counts this call in the window of its endpoint. As Okta's, they have whole seconds."""
    limit = call.settings.get("limit") or {"calls": 600, "window_s": 60}
    windows = call.memory.setdefault("windows", {})
    window = windows.get(bucket)
    if window is None or window["reset"] <= call.now:
        reset = (call.now + timedelta(seconds=limit["window_s"])).replace(microsecond=0)
        window = windows[bucket] = {"reset": reset, "used": 0}
    window["used"] += 1
    return {
        "x-rate-limit-limit": str(limit["calls"]),
        "x-rate-limit-remaining": str(max(0, limit["calls"] - window["used"])),
        "x-rate-limit-reset": str(int(window["reset"].timestamp())),
    }


def _person(call: SystemCall, number: str) -> Mapping[str, Any]:
    for values in call.settings.get("users", ()):
        if user_id(values) == number and not values.get("gone"):
            return dict(values)
    raise _not_found(number, "User")


def _status(values: Mapping[str, Any]) -> str:
    return str(values.get("status", "ACTIVE"))


def _not_found(what: str, kind: str) -> _RefusedError:
    return _RefusedError(404, "E0000007", f"Not found: Resource not found: {what} ({kind})")


def _query(call: SystemCall) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(call.request.query).items()}


def _known(value: Any, keys: Collection[str], where: str) -> None:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where}: expected an object")
    if unknown := sorted(set(value) - set(keys)):
        raise SettingsError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(keys)}")


def _one_of(value: Any, values: Collection[str], where: str) -> None:
    if value not in values:
        raise SettingsError(f"{where}: expected one of {', '.join(values)}")


OKTA = System(
    name="okta",
    prefix="/systems/okta",
    check=check,
    answer=answer,
    secrets=lambda settings: tuple(settings.get("tokens", {})),
)
