"""How calls are authenticated: a fixed token, or Keycloak's client credentials.

Keycloak's token is fetched once, by one thread, and kept until shortly before it expires or until
Comp-AI refuses it. When the token endpoint fails nothing else is tried in its place.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from compai_client._errors import TokenError
from compai_client._keycloak import Grant, read_grant
from compai_client._masking import Masker
from compai_client._settings import ClientSettings, check_text, check_token, check_url
from compai_client._transport import Call, Tokens, Transport

logger = logging.getLogger("compai_client")

TOKEN_TIMEOUT_S = 15.0
TOKEN_BUDGET_S = 60.0
_DEFAULT_SETTINGS = ClientSettings()


@dataclass(frozen=True)
class StaticToken:
    """A fixed token; nothing can refresh it, so a 401 ends the call."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        check_token("token", self.token)


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """A confidential client of a Keycloak realm.

    `keycloak_url` includes Keycloak's relative path where it has one: http://keycloak:8080/auth.
    """

    keycloak_url: str
    realm: str
    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        check_url("keycloak_url", self.keycloak_url)
        check_text("realm", self.realm)
        check_text("client_id", self.client_id)
        check_text("client_secret", self.client_secret)


Auth = StaticToken | ClientCredentials


class FixedToken:
    """The state of a `StaticToken`: there is none."""

    def __init__(self, auth: StaticToken) -> None:
        self._token = auth.token
        if auth.token.count(".") != 2:
            logger.warning(
                "the token is not a JWT (three parts with dots); Keycloak's tokens are: "
                "is it complete, and is it an access token?"
            )

    def current(self) -> str:
        return self._token

    def replace(self, _refused: str) -> None:
        return None


class KeycloakTokens:
    """The current token of `ClientCredentials`; threads share it, and share its renewal."""

    def __init__(self, fetch: Callable[[], Grant], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._use_until = 0.0
        self._failure: TokenError | None = None
        self._fetches = 0

    def current(self) -> str:
        return self._get(None)

    def replace(self, refused: str) -> str:
        return self._get(refused)

    def _get(self, refused: str | None) -> str:
        seen = self._fetches
        with self._lock:
            renewed_meanwhile = self._fetches > seen
            if renewed_meanwhile and self._failure is not None:
                # The same question was answered while this thread waited; do not ask again.
                raise copy.copy(self._failure)
            held = self._token if self._clock() < self._use_until else None
            if held is not None and (renewed_meanwhile or held != refused):
                return held
            return self._renew()

    def _renew(self) -> str:
        asked_at = self._clock()
        self._token = self._failure = None
        try:
            grant = self._fetch()
        except TokenError as error:
            self._failure = error
            raise
        finally:
            self._fetches += 1
        life_s = grant.expires_in
        self._use_until = asked_at + life_s - min(30.0, life_s / 5)
        self._token = grant.access_token
        return grant.access_token


def tokens_for(auth: Auth, transport: Transport, mask: Masker) -> Tokens:
    """The state behind `auth`; what it holds or will hold is masked from now on."""
    if isinstance(auth, StaticToken):
        mask.add(auth.token)
        return FixedToken(auth)
    return _keycloak_tokens(auth, transport, mask)


def _keycloak_tokens(auth: ClientCredentials, transport: Transport, mask: Masker) -> KeycloakTokens:
    mask.add(auth.client_secret)
    call = Call(
        operation="keycloakToken",
        method="POST",
        url=f"{auth.keycloak_url.rstrip('/')}/realms/{quote(auth.realm, safe='')}"
        "/protocol/openid-connect/token",
        # A token that is asked for twice does no harm.
        retry="safe",
        timeout_s=TOKEN_TIMEOUT_S,
        budget_s=min(TOKEN_BUDGET_S, transport.settings.budget_s),
        body=urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": auth.client_id,
                "client_secret": auth.client_secret,
            }
        ).encode(),
        content_type="application/x-www-form-urlencoded",
    )

    def fetch() -> Grant:
        grant = read_grant(call, transport.run(call), auth.realm, auth.client_id, mask)
        mask.add(grant.access_token)
        return grant

    return KeycloakTokens(fetch, transport.settings.clock)


class TokenSource:
    """Tokens of a Keycloak client for calls that go elsewhere than to Comp-AI.

    Both ways to a token raise `TokenError`, whose text never holds a secret.
    """

    def __init__(
        self, auth: ClientCredentials, *, settings: ClientSettings = _DEFAULT_SETTINGS
    ) -> None:
        self._transport = Transport(settings, caller=None, trace_context={})
        self._tokens = _keycloak_tokens(auth, self._transport, Masker())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    def current(self) -> str:
        """A token that has life left; a new one when the last is about to expire."""
        return self._tokens.current()

    def replace(self, refused: str) -> str:
        """Another token in place of one that was refused with 401."""
        return self._tokens.replace(refused)
