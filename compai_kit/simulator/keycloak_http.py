"""Keycloak's three endpoints (token, introspection, revocation) over `keycloak.Keycloak`, with its
own errors and headers, and the login page that a proxy in front of Comp-AI would send people to.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, unquote

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.answers import LOGIN_PAGE, empty_answer, html_answer, json_answer
from compai_kit.simulator.keycloak import DEFAULT_SCOPES, KNOWN_SCOPES, Keycloak

PREFIX = "/auth/realms/"
PREFIX_WITHOUT_BASE = "/realms/"
TOKEN_ENDPOINT = "/token"  # noqa: S105  # the end of an address
LOGIN_ENDPOINT = "/auth"
SECURITY = {
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
}
_REVOKED = {
    "content-security-policy": "frame-src 'self'; frame-ancestors 'self'; object-src 'none';",
    "x-robots-tag": "none",
}
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
NO_CACHE = {"cache-control": "no-cache"}


def is_keycloak_path(url_path: str) -> bool:
    return url_path.startswith((PREFIX, PREFIX_WITHOUT_BASE))


def is_token_path(url_path: str) -> bool:
    """With or without the base path: whoever forgets it wanted a token as well."""
    return is_keycloak_path(url_path) and url_path.endswith("/openid-connect/token")


def is_introspection_path(url_path: str) -> bool:
    return is_keycloak_path(url_path) and url_path.endswith("/openid-connect/token/introspect")


def login_url(request: HttpRequest, realm: str) -> str:
    """Where a proxy sends whoever has no session."""
    query = "client_id=proxy&response_type=code&scope=openid"
    return f"{_issuer(request, realm)}/protocol/openid-connect{LOGIN_ENDPOINT}?{query}"


def answer(request: HttpRequest, keycloak: Keycloak, *, now: datetime) -> HttpResponse:
    if not request.url_path.startswith(PREFIX):
        return _no_base_path()
    realm, _, rest = request.url_path.removeprefix(PREFIX).partition("/")
    if unquote(realm) != keycloak.realm:
        return _error(404, "Realm does not exist")
    endpoint = rest.removeprefix("protocol/openid-connect")
    if request.method in ("GET", "HEAD") and endpoint == LOGIN_ENDPOINT:
        return html_answer(200, LOGIN_PAGE, SECURITY | _NO_STORE)
    exchange = _Exchange.read(request, issuer=_issuer(request, realm), now=now)
    if request.method == "POST" and endpoint == TOKEN_ENDPOINT:
        return _token(exchange, keycloak)
    if request.method == "POST" and endpoint == "/token/introspect":
        return _introspection(exchange, keycloak)
    if request.method == "POST" and endpoint == "/revoke":
        return _revocation(exchange, keycloak)
    return _error(405, "HTTP 405 Method Not Allowed")


@dataclass(frozen=True, slots=True)
class _Exchange:
    form: Mapping[str, str]
    client_id: str | None
    client_secret: str | None
    issuer: str
    now: datetime

    @classmethod
    def read(cls, request: HttpRequest, *, issuer: str, now: datetime) -> _Exchange:
        form = _form(request)
        client_id, client_secret = _basic(request.headers.get("authorization", ""))
        return cls(
            form,
            client_id or form.get("client_id"),
            client_secret or form.get("client_secret"),
            issuer,
            now,
        )


def _token(exchange: _Exchange, keycloak: Keycloak) -> HttpResponse:
    grant = exchange.form.get("grant_type")
    if grant is None:
        return _error(400, "invalid_request", "Missing form parameter: grant_type", _NO_STORE)
    if grant not in ("client_credentials", "password"):
        return _error(400, "unsupported_grant_type", "Unsupported grant_type", _NO_STORE)
    verdict = keycloak.check_client(exchange.client_id, exchange.client_secret)
    if verdict != "ok":
        error = "invalid_client" if verdict == "unknown client" else "unauthorized_client"
        text = "Invalid client or Invalid client credentials"
        return _error(401, error, text, _NO_STORE)
    if grant == "password":
        text = "Client not allowed for direct access grants"
        return _error(400, "unauthorized_client", text, _NO_STORE)
    asked = exchange.form.get("scope", "")
    if not set(asked.split()) <= set(KNOWN_SCOPES):
        return _error(400, "invalid_scope", f"Invalid scopes: {asked}", _NO_STORE)
    wants_id_token = "openid" in asked.split()
    scope = " ".join((("openid",) if wants_id_token else ()) + DEFAULT_SCOPES)
    client_id = exchange.client_id or ""
    token = keycloak.issue(client_id, issuer=exchange.issuer, scope=scope, now=exchange.now)
    body = {
        "access_token": token,
        "expires_in": int(keycloak.life_s),
        "refresh_expires_in": 0,
        "token_type": "Bearer",
        **({"id_token": token} if wants_id_token else {}),
        "not-before-policy": 0,
        "scope": scope,
    }
    return json_answer(200, body, SECURITY | _NO_STORE)


def _introspection(exchange: _Exchange, keycloak: Keycloak) -> HttpResponse:
    if keycloak.check_client(exchange.client_id, exchange.client_secret) != "ok":
        return _error(401, "invalid_request", "Authentication failed.")
    token = exchange.form.get("token")
    if token is None:
        return _error(400, "invalid_request", "Token not provided.")
    issued = keycloak.look_up(token, now=exchange.now)
    if issued is None:
        return json_answer(200, {"active": False}, SECURITY | NO_CACHE)
    body = issued.claims() | {
        "client_id": issued.client_id,
        "username": f"service-account-{issued.client_id}",
        "token_type": "Bearer",
        "active": True,
    }
    return json_answer(200, body, SECURITY | NO_CACHE)


def _revocation(exchange: _Exchange, keycloak: Keycloak) -> HttpResponse:
    if keycloak.check_client(exchange.client_id, exchange.client_secret) != "ok":
        return _error(401, "invalid_client", "Invalid client or Invalid client credentials")
    token = exchange.form.get("token")
    if token is None:
        return _error(400, "invalid_request", "Token not provided")
    keycloak.revoke(token)
    return empty_answer(200, SECURITY | _REVOKED)


def _form(request: HttpRequest) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        return {}
    pairs = parse_qs(request.body.decode(errors="replace"), keep_blank_values=True)
    return {name: values[0] for name, values in pairs.items()}


def _basic(authorization: str) -> tuple[str | None, str | None]:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    client_id, _, client_secret = text.partition(":")
    return unquote(client_id), unquote(client_secret)


def _issuer(request: HttpRequest, realm: str) -> str:
    return f"http://{request.headers.get('host', 'localhost')}{PREFIX}{realm}"


def _error(
    status: int,
    error: str,
    description: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    text = {} if description is None else {"error_description": description}
    return json_answer(status, {"error": error} | text, SECURITY | dict(headers or {}))


def _no_base_path() -> HttpResponse:
    """Keycloak is served under /auth; beside it its web server answers, in HTML."""
    return html_answer(404, "<html><body><h1>Resource not found</h1></body></html>")
