"""The simulated Keycloak answers as the real one: same status, same media type, same shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from real_keycloak import TryRealm, user

from compai_kit.simulator.app import create_app
from compai_kit.simulator.seed import EMPTY_SEED
from compai_kit.simulator.server import serve

PEOPLE: dict[str, tuple[str, ...]] = {
    "ash": ("webauthn-passwordless",),
    "kim": ("password", "otp"),
    "lee": ("password", "webauthn", "recovery-authn-codes"),
    "robin": ("password",),
}
BROKERED = "corporate.one"
USERS = "/admin/realms/{realm}/users"
TOKEN = "/realms/{realm}/protocol/openid-connect/token"
GRANT = {"grant_type": "client_credentials"}
PATHS = [
    ("GET", f"{USERS}?first=0&max=100&briefRepresentation=true"),
    ("GET", f"{USERS}?first=1&max=2&briefRepresentation=true"),
    ("GET", f"{USERS}?first=100&max=100"),
    ("GET", f"{USERS}?first=-1&max=-1"),
    ("GET", f"{USERS}?max=0"),
    ("GET", f"{USERS}?max=x"),
    ("GET", f"{USERS}/"),
    ("HEAD", USERS),
    ("GET", f"{USERS}/count"),
    ("GET", f"{USERS}/count?max=x"),
    *(("GET", f"{USERS}/{{{name}}}/credentials") for name in (*PEOPLE, BROKERED)),
    ("GET", f"{USERS}/{{kim}}/federated-identity"),
    ("GET", f"{USERS}/{{{BROKERED}}}/federated-identity"),
    ("GET", f"{USERS}/{{robin}}"),
    ("GET", f"{USERS}/{{kim}}/nothing"),
    ("GET", f"{USERS}/none/credentials"),
    ("GET", f"{USERS}/none/federated-identity"),
    ("GET", "/admin/realms/{realm}/nothing"),
    ("GET", "/admin/realms/compai-none/users"),
    ("PUT", USERS),
    ("DELETE", USERS),
]
HEADERS = ("Cache-Control", "Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options")
CLIENTS = ("viewer", "querier", "nobody")


class Side:
    """One of the two, and the ids that its users have."""

    def __init__(self, url: str, realm: str, secret: str) -> None:
        self.url, self.realm, self.secret = url, realm, secret
        self.session = requests.Session()
        self.session.trust_env = False
        self.ids: dict[str, str] = {}
        listed = self.ask("GET", f"{USERS}?max=100", self.token("viewer")).json()
        self.ids = {row["username"]: row["id"] for row in listed}

    def ask(self, method: str, path: str, token: str | None, **sent: Any) -> requests.Response:
        for name, value in {"realm": self.realm, **self.ids}.items():
            path = path.replace(f"{{{name}}}", value)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.session.request(
            method, f"{self.url}{path}", headers=headers, timeout=30, allow_redirects=False, **sent
        )

    def token(self, client: str) -> str:
        form = {**GRANT, "client_id": client, "client_secret": self.secret}
        token: str = self.ask("POST", TOKEN, None, data=form).json()["access_token"]
        return token


@pytest.fixture(scope="module")
def real(realm_with: Callable[..., TryRealm]) -> Side:
    realm = realm_with()
    realm.add(
        *(user(name, *kinds) for name, kinds in PEOPLE.items()),
        user(BROKERED, broker="corporate", requiredActions=["CONFIGURE_TOTP"]),
    )
    return Side(realm.keycloak.url, realm.name, realm.secret)


@pytest.fixture(scope="module")
def simulated(real: Side) -> Iterator[Side]:
    brokered = {"username": BROKERED, "identityProviders": ["corporate"]}
    settings = {
        "keycloak": {"realm": real.realm, "clients": dict.fromkeys(CLIENTS, real.secret)},
        "systems": {
            "keycloakAdmin": {
                "roles": {"viewer": ["view-users"], "querier": ["query-users"]},
                "users": [
                    *({"username": name, "credentials": kinds} for name, kinds in PEOPLE.items()),
                    brokered | {"requiredActions": ["CONFIGURE_TOTP"]},
                ],
            }
        },
    }
    with serve(create_app(EMPTY_SEED, settings)) as running:
        yield Side(f"{running.url}/auth", real.realm, real.secret)


def shape(value: Any) -> Any:
    """Names and types; a list is what its elements have between them, and how many they are."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        merged: dict[str, Any] = {}
        kinds = set()
        for inner in map(shape, value):
            merged |= inner if isinstance(inner, dict) else {}
            kinds.add("object" if isinstance(inner, dict) else str(inner))
        return [len(value), sorted(kinds), merged]
    return type(value).__name__


def seen(answer: requests.Response) -> dict[str, Any]:
    return {
        "status": answer.status_code,
        "media type": answer.headers.get("Content-Type"),
        "headers": [name for name in HEADERS if name in answer.headers],
        "body": shape(answer.json()) if answer.content else None,
        "words": answer.text if answer.status_code >= 400 else None,
    }


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_admin_api(real: Side, simulated: Side, client: str, method: str, path: str) -> None:
    answers = [seen(side.ask(method, path, side.token(client))) for side in (real, simulated)]
    assert answers[1] == answers[0]


@pytest.mark.parametrize("token", [None, "a.b.c", ""])
@pytest.mark.parametrize("path", [USERS, f"{USERS}/count", "/admin/realms/compai-none/users"])
def test_without_a_token(real: Side, simulated: Side, token: str | None, path: str) -> None:
    answers = [seen(side.ask("GET", path, token)) for side in (real, simulated)]
    assert answers[1] == answers[0]
    assert answers[0]["status"] == 401


def test_the_users_are_in_the_same_order_with_the_same_values(real: Side, simulated: Side) -> None:
    told = [
        [
            (row["username"], row["enabled"], row["totp"], row["requiredActions"])
            for row in side.ask("GET", f"{USERS}?max=100", side.token("viewer")).json()
        ]
        for side in (real, simulated)
    ]
    assert told[1] == told[0]


@pytest.mark.parametrize("client", CLIENTS)
def test_what_introspection_says_of_roles(real: Side, simulated: Side, client: str) -> None:
    def roles(side: Side) -> list[str]:
        form = {"client_id": client, "client_secret": side.secret, "token": side.token(client)}
        said = side.ask("POST", f"{TOKEN}/introspect", None, data=form).json()
        found = said.get("resource_access", {}).get("realm-management", {}).get("roles", [])
        return sorted(found)

    assert roles(simulated) == roles(real)


@pytest.mark.parametrize(
    "form",
    [
        {},
        GRANT | {"client_id": "viewer", "client_secret": "wrong"},
        GRANT | {"client_id": "unknown", "client_secret": "x"},
        {"grant_type": "magic", "client_id": "viewer"},
    ],
)
def test_what_the_token_endpoint_refuses(real: Side, simulated: Side, form: dict[str, str]) -> None:
    answers = [seen(side.ask("POST", TOKEN, None, data=form)) for side in (real, simulated)]
    assert answers[1] == answers[0]


def test_a_difference_would_be_seen() -> None:
    assert shape([{"id": 1}, {"id": 2, "name": "x"}]) == [
        2,
        ["object"],
        {"id": "int", "name": "str"},
    ]
    assert shape([{"id": 1}]) != shape([{"id": "1"}])
    assert shape([]) != shape([{"id": 1}])
