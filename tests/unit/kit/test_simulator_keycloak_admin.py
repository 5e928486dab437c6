"""The simulated admin API of Keycloak: who sees what, and how it is paged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.settings import SettingsError

TOKENS = "/auth/realms/lianel/protocol/openid-connect/token"
USERS = "/auth/admin/realms/lianel/users"
SETTINGS: dict[str, Any] = {
    "keycloak": {"clients": {name: name for name in ("viewer", "querier", "nobody", "some")}},
    "systems": {
        "keycloakAdmin": {
            "roles": {
                "viewer": ["view-users"],
                "querier": ["query-users"],
                "some": ["query-users"],
            },
            "visible": {"some": ["Kim"]},
            "users": [
                {"username": "Robin", "credentials": ["password"], "enabled": False},
                {"username": "Kim", "credentials": ["password", "otp"], "email": "kim@x.example"},
                {"username": "ash", "identityProviders": ["corporate"]},
            ],
        }
    },
}


class World:
    def __init__(self, settings: dict[str, Any] = SETTINGS) -> None:
        self.now = datetime(2026, 11, 25, 6, tzinfo=UTC)
        self.app = SimulatorApp({}, settings, clock=lambda: self.now)

    def call(self, method: str, path: str, **sent: Any) -> HttpResponse:
        path, _, query = path.partition("?")
        request = HttpRequest(method=method, url_path=path, query=query, **sent)
        response = self.app.handle(request)
        assert response is not None
        return response

    def token(self, client: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": client}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = self.call("POST", TOKENS, headers=headers, body=urlencode(form).encode())
        token: str = json.loads(answer.body)["access_token"]
        return token

    def get(self, client: str, path: str, *, method: str = "GET") -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.token(client)}"}
        answer = self.call(method, path, headers=headers, body=b"")
        return answer.status, json.loads(answer.body) if answer.body else None


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("client", "names", "count"),
    [
        ("viewer", ["ash", "kim", "robin"], (200, 3)),
        ("querier", [], (200, 3)),
        ("some", ["kim"], (200, 1)),
        ("nobody", None, (403, {"error": "HTTP 403 Forbidden"})),
    ],
)
def test_who_sees_whom(world: World, client: str, names: Any, count: Any) -> None:
    status, body = world.get(client, f"{USERS}?first=0&max=100&briefRepresentation=true")
    assert (status, [user["username"] for user in body] if names is not None else None) == (
        200 if names is not None else 403,
        names,
    )
    assert world.get(client, f"{USERS}/count") == count


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("first=0&max=2", ["ash", "kim"]),
        ("first=2&max=2", ["robin"]),
        ("first=4&max=2", []),
        ("first=-3&max=-1", ["ash", "kim", "robin"]),
        ("max=0", []),
        ("", ["ash", "kim", "robin"]),
    ],
)
def test_paging(world: World, query: str, names: list[str]) -> None:
    status, body = world.get("viewer", f"{USERS}?{query}")
    assert (status, [user["username"] for user in body]) == (200, names)


def test_a_page_holds_a_hundred_unless_told_otherwise() -> None:
    people = [{"username": f"u{n:03}"} for n in range(120)]
    admin = SETTINGS["systems"]["keycloakAdmin"] | {"users": people}
    world = World(SETTINGS | {"systems": {"keycloakAdmin": admin}})
    assert len(world.get("viewer", USERS)[1]) == 100


def test_credentials_and_identities_are_for_who_may_view(world: World) -> None:
    ids = {user["username"]: user["id"] for user in world.get("viewer", USERS)[1]}
    status, body = world.get("viewer", f"{USERS}/{ids['kim']}/credentials")
    assert (status, [credential["type"] for credential in body]) == (200, ["password", "otp"])
    status, body = world.get("viewer", f"{USERS}/{ids['ash']}/federated-identity")
    assert (status, [identity["identityProvider"] for identity in body]) == (200, ["corporate"])
    for client in ("querier", "nobody", "some"):
        assert world.get(client, f"{USERS}/{ids['kim']}/credentials")[0] == 403
    assert world.get("querier", f"{USERS}/none/credentials") == (404, {"error": "User not found"})
    assert world.get("nobody", f"{USERS}/none/credentials")[0] == 403
    assert world.get("viewer", f"{USERS}/{ids['kim']}")[1]["requiredActions"] == []


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/auth/admin/realms/other/users", 404, "Realm not found."),
        ("GET", "/auth/admin/realms/lianel/nothing", 404, "HTTP 404 Not Found"),
        ("GET", "/auth/admin/nothing", 404, "HTTP 404 Not Found"),
        ("GET", f"{USERS}?first=x", 404, "HTTP 404 Not Found"),
        ("DELETE", USERS, 405, "HTTP 405 Method Not Allowed"),
        ("GET", f"{USERS}?search=k", 501, "the simulator does not filter users by search"),
    ],
)
def test_what_else_it_answers(
    world: World, method: str, path: str, status: int, error: str
) -> None:
    assert world.get("viewer", path, method=method) == (status, {"error": error})


def test_without_a_living_token_it_is_401(world: World) -> None:
    token = world.token("viewer")
    headers = {"authorization": f"Bearer {token}"}
    assert world.call("GET", USERS, headers=headers, body=b"").status == 200
    world.now += timedelta(seconds=301)
    for sent in (headers, {}, {"authorization": f"Basic {token}"}):
        answer = world.call("GET", USERS, headers=sent, body=b"")
        assert (answer.status, answer.body) == (401, b'{"error":"HTTP 401 Unauthorized"}')


def test_introspection_tells_the_roles_with_what_they_bring_along(world: World) -> None:
    form = {"token": world.token("viewer"), "client_id": "viewer", "client_secret": "viewer"}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = world.call(
        "POST", f"{TOKENS}/introspect", headers=headers, body=urlencode(form).encode()
    )
    roles = json.loads(answer.body)["resource_access"]["realm-management"]["roles"]
    assert set(roles) == {"view-users", "query-users", "query-groups"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"user": []}, r"keycloakAdmin: unknown key 'user'"),
        ({"users": [{}]}, r"users\[0\]: expected an object with a username"),
        ({"users": [{"username": "k", "otp": 1}]}, r"users\[0\]: unknown key 'otp'"),
        (
            {"users": [{"username": "k", "credentials": ["totp"]}]},
            r"users\[0\].credentials: unknown type 'totp'",
        ),
    ],
)
def test_settings_that_would_be_misread_are_refused(section: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        World({"systems": {"keycloakAdmin": section}})
