"""The client's tokens from a real Keycloak, and what it says when the settings are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import requests
from real_keycloak import TryRealm

from compai_client import ClientCredentials, ClientSettings, TokenError, TokenSource

IMPATIENT = ClientSettings(sleep=lambda _: None)


@pytest.fixture(scope="module")
def realm(realm_with: Callable[..., TryRealm]) -> TryRealm:
    return realm_with(accessTokenLifespan=60)


@pytest.fixture
def credentials(realm: TryRealm) -> ClientCredentials:
    return ClientCredentials(
        keycloak_url=realm.keycloak.url,
        realm=realm.name,
        client_id="viewer",
        client_secret=realm.secret,
    )


def is_alive(realm: TryRealm, token: str) -> bool:
    answer = requests.post(
        f"{realm.keycloak.url}/realms/{realm.name}/protocol/openid-connect/token/introspect",
        data={"token": token, "client_id": "viewer", "client_secret": realm.secret},
        timeout=30,
    )
    alive: bool = answer.json()["active"]
    return alive


@pytest.mark.parametrize("end", ["", "/"])
def test_a_token_is_had_kept_and_renewed(
    realm: TryRealm, credentials: ClientCredentials, end: str
) -> None:
    elapsed = [0.0]
    given = replace(credentials, keycloak_url=credentials.keycloak_url + end)
    settings = replace(IMPATIENT, clock=lambda: elapsed[0])
    with TokenSource(given, settings=settings) as tokens:
        first = tokens.current()
        assert is_alive(realm, first)
        assert tokens.current() == first
        elapsed[0] += 50
        assert tokens.current() != first, "it would not last for the next call"
        assert tokens.replace(tokens.current()) != first


@pytest.mark.parametrize(
    ("over", "status", "words"),
    [
        ({"client_secret": "wrong"}, 401, 'refuses the client "viewer": correct client_secret'),
        ({"client_id": "other"}, 401, 'no enabled client "other": correct client_id'),
        ({"realm": "compai-none"}, 404, 'has no realm "compai-none": correct realm'),
        ({"keycloak_url": "{root}"}, 404, "may live under /auth: set keycloak_url to {root}/auth"),
        ({"keycloak_url": "{root}/auth/auth"}, 404, "perhaps without its /auth"),
    ],
)
def test_wrong_settings_are_told_apart(
    credentials: ClientCredentials, over: dict[str, str], status: int, words: str
) -> None:
    root = credentials.keycloak_url.removesuffix("/auth")
    given = replace(credentials, **{key: text.format(root=root) for key, text in over.items()})
    with (
        TokenSource(given, settings=IMPATIENT) as tokens,
        pytest.raises(TokenError) as caught,
    ):
        tokens.current()
    assert (caught.value.status, caught.value.permanent) == (status, True)
    assert words.format(root=root) in str(caught.value)
