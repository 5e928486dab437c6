"""How calls are authenticated: a fixed token, or Keycloak's client credentials."""

from __future__ import annotations

from dataclasses import dataclass, field

from compai_client._settings import check_text, check_token, check_url


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
