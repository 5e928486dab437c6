"""Who calls GitHub, and what that token may do: fixed tokens, and an App's for an hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.systems import SystemCall
from compai_kit.simulator.systems.github_answers import refusal
from compai_kit.simulator.systems.github_settings import APP, INSTALLATION, TOKEN, filled

# GitHub refuses a longer life of what an App signs, and tolerates no clock that is ahead.
_LONGEST_S = 600


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    permissions: tuple[str, ...]

    def may(self, permission: str) -> bool:
        return permission in self.permissions or f"{permission}:write" in self.permissions


def token_of(call: SystemCall) -> Token | None:
    """None for no token, an unknown one, and one whose hour is over."""
    given = _credentials(call)
    known = call.settings.get("tokens", {}).get(given)
    if known is not None:
        values = filled(known, TOKEN)
        return Token(values["kind"], tuple(values["permissions"]))
    minted = call.memory.get("minted", {}).get(given)
    if minted is None or minted[1] <= call.now:
        return None
    token: Token = minted[0]
    return token


def new_token(call: SystemCall, installation_id: str) -> HttpResponse:
    """POST /app/installations/{id}/access_tokens."""
    app = filled(call.settings.get("app") or {}, APP)
    problem = _signature_problem(call, app)
    if problem:
        return json_answer(401, refusal(problem, 401))
    installation = app["installations"].get(installation_id)
    if installation is None:
        return json_answer(404, refusal("Not Found", 404))
    values = filled(installation, INSTALLATION)
    if values["suspended"]:
        return json_answer(403, refusal("This installation has been suspended", 403))
    minted = call.memory.setdefault("minted", {})
    token = f"simulated-secret-installation-{len(minted) + 1}"
    call.hide(token)
    expires = (call.now + timedelta(seconds=app["token_life_s"])).replace(microsecond=0)
    minted[token] = (Token("installation", tuple(values["permissions"])), expires)
    body = {
        "token": token,
        "expires_at": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
        "permissions": _granted(values["permissions"]),
        "repository_selection": "all",
    }
    return json_answer(201, body)


def _credentials(call: SystemCall) -> str:
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() in ("bearer", "token") else ""


def _signature_problem(call: SystemCall, app: Mapping[str, Any]) -> str:
    """What GitHub says about the signed token of an App; empty when it is good."""
    try:
        claims = jwt.decode(
            _credentials(call),
            app["public_key"],
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]},
        )
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError):
        return "A JSON web token could not be decoded"
    now = _seconds(call.now)
    if claims["iss"] != app["id"]:
        return "Integration must generate a public key"
    if claims["iat"] > now:
        return (
            "'Issued at' claim ('iat') must be an Integer representing the time that the "
            "assertion was issued"
        )
    if claims["exp"] <= now:
        return (
            "'Expiration time' claim ('exp') must be a numeric value representing the future "
            "time at which the assertion expires"
        )
    if claims["exp"] > now + _LONGEST_S:
        return "'Expiration time' claim ('exp') is too far in the future"
    return ""


def _granted(permissions: list[str]) -> dict[str, str]:
    pairs = (permission.partition(":") for permission in permissions)
    return {name: level or "read" for name, _, level in pairs}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
