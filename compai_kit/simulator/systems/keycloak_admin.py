"""Keycloak's admin API, as far as it shows users and what they sign in with; it only reads.

Answers as Keycloak 26.4.7 does: whoever has no role meets 403; with `query-users` alone the list is
empty while the count is the true one; `view-users` sees everything. Fine-grained permissions show
some users, and then the count counts only those.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.keycloak_http import NO_CACHE, SECURITY
from compai_kit.simulator.settings import SettingsError
from compai_kit.simulator.systems import System, SystemCall

_JSON = {"content-type": "application/json;charset=UTF-8"}
_DEFAULT_MAX = 100
_NUMBER = re.compile(r"-?\d+")
_KEYS = {"roles", "visible", "users"}
_USER_KEYS = {
    *("username", "id", "email", "enabled", "credentials", "identityProviders", "requiredActions"),
}
_SEES_ALL = {"view-users", "manage-users", "realm-admin"}
_MAY_ASK = {"query-users", *_SEES_ALL}
_FILTERS = {"search", "username", "email", "enabled", "exact", "idpAlias", "q"}
_CREATED_MS = 1_764_000_000_000
_CREDENTIAL_DATA: Mapping[str, Mapping[str, Any]] = {
    "password": {"hashIterations": 5, "algorithm": "argon2", "additionalParameters": {}},
    "otp": {"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"},
    "webauthn": {"counter": 0, "attestationStatementFormat": "none", "transports": []},
    "webauthn-passwordless": {
        "counter": 0,
        "attestationStatementFormat": "none",
        "transports": [],
    },
    "recovery-authn-codes": {"hashIterations": 1, "totalCodes": 12, "remainingCodes": 12},
}


def check(settings: Mapping[str, Any]) -> None:
    """`roles`: client → roles of realm-management. `visible`: client → usernames that fine-grained
    permissions show it. `users`: what each is and signs in with.
    """
    where = "settings.systems.keycloakAdmin"
    _refuse_unknown(where, settings, _KEYS)
    for index, user in enumerate(settings.get("users", ())):
        here = f"{where}.users[{index}]"
        if not isinstance(user, Mapping) or not user.get("username"):
            msg = f"{here}: expected an object with a username"
            raise SettingsError(msg)
        _refuse_unknown(here, user, _USER_KEYS)
        for kind in user.get("credentials", ()):
            if kind not in _CREDENTIAL_DATA:
                known = ", ".join(_CREDENTIAL_DATA)
                msg = f"{here}.credentials: unknown type {kind!r}; known are {known}"
                raise SettingsError(msg)


def answer(call: SystemCall) -> HttpResponse:
    scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
    issued = call.keycloak.look_up(token, now=call.now) if scheme.lower() == "bearer" else None
    if issued is None:
        return _error(401, "HTTP 401 Unauthorized")
    realm, _, rest = call.path.removeprefix("/realms/").partition("/")
    if not call.path.startswith("/realms/") or not rest:
        return _NOT_FOUND
    if unquote(realm) != call.keycloak.realm:
        return _error(404, "Realm not found.")
    return _Users(call, issued.client_id, set(issued.admin_roles)).answer(rest.rstrip("/"))


class _Users:
    """The users of the realm as one client sees them."""

    def __init__(self, call: SystemCall, client_id: str, roles: set[str]) -> None:
        self._call = call
        users = sorted(call.settings.get("users", ()), key=lambda user: _username(user))
        self._users = {_id(user): user for user in users}
        visible = call.settings.get("visible", {}).get(client_id)
        self._visible = None if visible is None else {name.lower() for name in visible}
        self._sees_all = bool(roles & _SEES_ALL)
        self._may_ask = bool(roles & _MAY_ASK)

    def answer(self, path: str) -> HttpResponse:
        what, _, rest = path.partition("/")
        if what != "users":
            return _NOT_FOUND
        if self._call.request.method not in ("GET", "HEAD"):
            return _error(405, "HTTP 405 Method Not Allowed")
        if rest in ("", "count"):
            return self._all(counted=rest == "count")
        user_id, _, part = rest.partition("/")
        return self._one(unquote(user_id), part)

    def _all(self, *, counted: bool) -> HttpResponse:
        asked = {name: values[0] for name, values in parse_qs(self._call.request.query).items()}
        first, limit = asked.get("first", "0"), asked.get("max", str(_DEFAULT_MAX))
        if not counted and not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(limit)):
            # Keycloak takes it for another address, whoever asks.
            return _NOT_FOUND
        if not self._may_ask:
            return _FORBIDDEN
        if filters := sorted(_FILTERS & set(asked)):
            return _error(501, f"the simulator does not filter users by {filters[0]}")
        if counted:
            return _answer(len(self._users) if self._visible is None else len(self._shown()))
        start, size = max(0, int(first)), int(limit)
        page = self._shown()[start : None if size < 0 else start + size]
        return _answer([_brief(user) for user in page])

    def _shown(self) -> list[Mapping[str, Any]]:
        return [
            user
            for user in self._users.values()
            if self._sees_all or _username(user) in (self._visible or ())
        ]

    def _one(self, user_id: str, part: str) -> HttpResponse:
        user = self._users.get(user_id)
        if user is None:
            return _error(404, "User not found") if self._may_ask else _FORBIDDEN
        if part not in _PARTS:
            return _NOT_FOUND
        return _answer(_PARTS[part](user)) if self._sees_all else _FORBIDDEN


def _brief(user: Mapping[str, Any]) -> dict[str, Any]:
    email = {"email": user["email"]} if "email" in user else {}
    return {
        "id": _id(user),
        "username": _username(user),
        **email,
        "emailVerified": False,
        "createdTimestamp": _CREATED_MS,
        "userProfileMetadata": _PROFILE,
        "enabled": user.get("enabled", True),
        "totp": "otp" in user.get("credentials", ()),
        "disableableCredentialTypes": [],
        "requiredActions": user.get("requiredActions", []),
        "notBefore": 0,
        "access": {"manage": False},
    }


def _whole(user: Mapping[str, Any]) -> dict[str, Any]:
    brief = {key: value for key, value in _brief(user).items() if key != "userProfileMetadata"}
    access = ("manageGroupMembership", "resetPassword", "view", "mapRoles", "impersonate", "manage")
    return brief | {
        "federatedIdentities": _identities(user),
        "access": {right: right == "view" for right in access},
    }


def _credentials(user: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": _uuid(f"{_id(user)}/{number}"),
            "type": kind,
            "createdDate": _CREATED_MS,
            "credentialData": json.dumps(_CREDENTIAL_DATA[kind]),
        }
        for number, kind in enumerate(user.get("credentials", ()))
    ]


def _identities(user: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "identityProvider": alias,
            "userId": f"{alias}-{_username(user)}",
            "userName": _username(user),
        }
        for alias in user.get("identityProviders", ())
    ]


_PARTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "": _whole,
    "credentials": _credentials,
    "federated-identity": _identities,
}


def _id(user: Mapping[str, Any]) -> str:
    return str(user.get("id") or _uuid(_username(user)))


def _username(user: Mapping[str, Any]) -> str:
    """Keycloak keeps user names in lower case."""
    return str(user["username"]).lower()


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _refuse_unknown(where: str, given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        msg = f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
        raise SettingsError(msg)


def _answer(body: Any) -> HttpResponse:
    return json_answer(200, body, SECURITY | NO_CACHE | _JSON)


def _error(status: int, text: str) -> HttpResponse:
    return json_answer(status, {"error": text}, SECURITY)


_NOT_FOUND = _error(404, "HTTP 404 Not Found")
_FORBIDDEN = _error(403, "HTTP 403 Forbidden")


def _attribute(name: str, *validators: str, **length: int) -> dict[str, Any]:
    ignore = {"ignore.empty.value": True}
    return {
        "name": name,
        "displayName": f"${{{name}}}",
        "required": name == "username",
        "readOnly": name == "username",
        "validators": {
            **dict.fromkeys(validators, ignore),
            "multivalued": {"max": "1"},
            "length": {"max": 255, **ignore, **length},
        },
        "multivalued": False,
    }


# Comes with every user of a list, however brief.
_PROFILE: Mapping[str, Any] = {
    "attributes": [
        _attribute(
            "username", "username-prohibited-characters", "up-username-not-idn-homograph", min=3
        ),
        _attribute("email", "email"),
        _attribute("firstName", "person-name-prohibited-characters"),
        _attribute("lastName", "person-name-prohibited-characters"),
    ],
    "groups": [
        {
            "name": "user-metadata",
            "displayHeader": "User metadata",
            "displayDescription": "Attributes, which refer to user metadata",
        }
    ],
}

KEYCLOAK_ADMIN = System(name="keycloakAdmin", prefix="/auth/admin", check=check, answer=answer)
