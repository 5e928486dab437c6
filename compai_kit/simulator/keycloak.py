"""Tokens as Keycloak hands them out.

Made at run time, checked against what was issued, dead once expired or revoked.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from compai_kit.simulator.settings import Settings

ClientVerdict = Literal["ok", "unknown client", "wrong secret"]
# Scopes that the realm knows; the first two are granted without being asked for.
DEFAULT_SCOPES = ("profile", "email")
KNOWN_SCOPES = ("openid", *DEFAULT_SCOPES)
_COMPOSITE: Mapping[str, tuple[str, ...]] = {"view-users": ("query-groups", "query-users")}


@dataclass(frozen=True, slots=True)
class IssuedToken:
    client_id: str
    subject: str
    token_id: str
    issuer: str
    scope: str
    issued_at: datetime
    expires_at: datetime
    # Of the client realm-management: what the client may do with the admin API.
    admin_roles: tuple[str, ...] = ()

    def claims(self) -> dict[str, Any]:
        admin = {"realm-management": {"roles": list(self.admin_roles)}} if self.admin_roles else {}
        return {
            "exp": int(self.expires_at.timestamp()),
            "iat": int(self.issued_at.timestamp()),
            "jti": self.token_id,
            "iss": self.issuer,
            "aud": [*admin, "account"] if admin else "account",
            "sub": self.subject,
            "typ": "Bearer",
            "azp": self.client_id,
            "acr": "1",
            "realm_access": {
                "roles": [
                    "offline_access",
                    "uma_authorization",
                    f"default-roles-{self.issuer.rpartition('/')[2]}",
                ]
            },
            "resource_access": admin
            | {"account": {"roles": ["manage-account", "manage-account-links", "view-profile"]}},
            "scope": self.scope,
            "email_verified": False,
            "preferred_username": f"service-account-{self.client_id}",
        }


class Keycloak:
    """Which token is alive.

    Static tokens are alive without having been issued, until all tokens are killed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.keycloak
        self._admin_roles = settings.systems.get("keycloakAdmin", {}).get("roles", {})
        self._static = set(settings.static_tokens)
        self._issued: dict[str, IssuedToken] = {}
        self._subjects: dict[str, str] = {}

    @property
    def realm(self) -> str:
        return self._settings.realm

    @property
    def life_s(self) -> float:
        return self._settings.token_life_s

    def check_client(self, client_id: str | None, client_secret: str | None) -> ClientVerdict:
        expected = self._settings.clients.get(client_id) if client_id else None
        if expected is None:
            return "unknown client"
        if client_secret is None or not secrets.compare_digest(
            client_secret.encode(), expected.encode()
        ):
            return "wrong secret"
        return "ok"

    def issue(self, client_id: str, *, issuer: str, scope: str, now: datetime) -> str:
        subject = self._subjects.setdefault(client_id, str(uuid.uuid4()))
        issued = IssuedToken(
            client_id=client_id,
            subject=subject,
            token_id=str(uuid.uuid4()),
            issuer=issuer,
            scope=scope,
            issued_at=now,
            expires_at=now + timedelta(seconds=self._settings.token_life_s),
            admin_roles=with_composites(self._admin_roles.get(client_id, ())),
        )
        token = _signed(issued.claims())
        self._issued[token] = issued
        return token

    def look_up(self, token: str, *, now: datetime) -> IssuedToken | None:
        """None for a token that is not alive.

        Static tokens were never issued and are not found here.
        """
        issued = self._issued.get(token)
        return issued if issued is not None and now < issued.expires_at else None

    def subject_of(self, token: str, *, now: datetime) -> str | None:
        """Who calls, as the service learns it by introspection; None means that it answers 401."""
        if not self._settings.reachable_by_service:
            return None
        if token in self._static:
            return "unknown"
        issued = self.look_up(token, now=now)
        return None if issued is None else issued.subject

    def revoke(self, token: str) -> None:
        self._issued.pop(token, None)
        self._static.discard(token)

    def kill_all(self) -> None:
        """Every token so far dies, static ones included; new ones can be had."""
        self._issued.clear()
        self._static.clear()


def with_composites(roles: Iterable[str]) -> tuple[str, ...]:
    """These roles of realm-management and those that they bring along."""
    return tuple(
        dict.fromkeys(part for role in roles for part in (role, *_COMPOSITE.get(role, ())))
    )


def _signed(claims: dict[str, Any]) -> str:
    """Shaped like a JWT, signed with noise: nobody verifies it but the look-up above."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    ]
    return ".".join([*encoded, secrets.token_urlsafe(32)])
