"""Reads what Keycloak's token endpoint answered: a token, or an error that names the fix.

Every answer here was recorded from Keycloak 26.4.7 or belongs to something that stood in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from compai_client._answers import Answer, redirect_target, said
from compai_client._decoding import NOT_DECODABLE
from compai_client._errors import SettingsError, TokenError
from compai_client._retry import RETRIED_STATUSES
from compai_client._settings import check_token
from compai_client._transport import Call, Exchange
from compai_client._wire_errors import Failure


class Grant(Struct, frozen=True, kw_only=True):
    """The part of a token answer that is used; `expires_in` in seconds."""

    access_token: str
    expires_in: Annotated[int, Meta(ge=1)]
    token_type: str | None = None


_GRANT = msgspec.json.Decoder(Grant)


def read_grant(
    call: Call, exchange: Exchange, realm: str, client_id: str, mask: Callable[[str], str]
) -> Grant:
    """The granted token, or a `TokenError`."""
    result = exchange.result
    if isinstance(result, Failure):
        raise TokenError(
            _text(call, f"no answer after {exchange.attempts} tries: {result.text}"),
            permanent=result.settled,
        )
    if result.status == 200 and not result.is_html:
        return _decode(call, result)
    raise TokenError(
        _text(call, _seen(result, exchange, mask), _fix(call, result, realm, client_id, mask)),
        permanent=result.status not in RETRIED_STATUSES,
        status=result.status,
    )


def _decode(call: Call, answer: Answer) -> Grant:
    try:
        grant = _GRANT.decode(answer.body)
        check_token("access_token", grant.access_token)
    except SettingsError as error:
        problem = str(error)
    except NOT_DECODABLE:
        problem = "no JSON object with access_token and a positive expires_in"
    else:
        if (grant.token_type or "bearer").lower() == "bearer":
            return grant
        problem = "its token_type is not Bearer"
    raise TokenError(
        _text(call, f"HTTP 200, but {problem}", "Is keycloak_url the address of a Keycloak?"),
        permanent=True,
        status=200,
    )


def _text(call: Call, seen: str, fix: str = "") -> str:
    text = f"no token from POST {call.url}: {seen}"
    return f"{text}. {fix}" if fix else text


def _seen(answer: Answer, exchange: Exchange, mask: Callable[[str], str]) -> str:
    words = [part for part in said(answer, mask) if part]
    seen = f"HTTP {answer.status} at attempt {exchange.attempts}"
    return f"{seen} ({' / '.join(words)})" if words else seen


def _fix(call: Call, answer: Answer, realm: str, client_id: str, mask: Callable[[str], str]) -> str:
    error = said(answer, mask)[0] or ""
    if answer.status in RETRIED_STATUSES:
        return "Keycloak, or a proxy in front of it, is overloaded or down; try again later"
    if 300 <= answer.status < 400:
        return (
            "Redirects are not followed: set keycloak_url to the address that answers itself "
            f"(it points to {redirect_target(answer, mask) or 'nowhere'})"
        )
    if answer.status == 404 and "realm" in error.lower():
        return f'Keycloak has no realm "{realm}": correct realm'
    if answer.is_html or answer.status in (404, 405):
        return _wrong_place(call)
    if error == "invalid_client":
        return f'The realm "{realm}" has no enabled client "{client_id}": correct client_id'
    if error == "unauthorized_client":
        return (
            f'Keycloak refuses the client "{client_id}": correct client_secret (it may have been '
            "regenerated), and enable the client's service account"
        )
    return "Check realm, client_id and client_secret"


def _wrong_place(call: Call) -> str:
    base = call.url.split("/realms/")[0]
    if urlsplit(base).path.rstrip("/").endswith("/auth"):
        return f"{base} is not a Keycloak: correct keycloak_url, perhaps without its /auth"
    return f"Keycloak may live under /auth: set keycloak_url to {base}/auth"
