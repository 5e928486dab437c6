"""A realm of a real Keycloak to try things in, and a relay in front that can act in mid-run."""

from __future__ import annotations

import json
import os
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from compai_dags.connection import ConnectionFields
from compai_dags.outcomes import Observation

# Evaluates `keycloak_mfa` on what a Connection leads to.
Check = Callable[..., Observation]
ADMIN = "admin"
WEBAUTHN = {"credentialId": "x", "counter": 0, "attestationStatementFormat": "none"}
# What Keycloak keeps of each kind of credential; nobody can sign in with these.
CREDENTIALS: dict[str, dict[str, Any]] = {
    "password": {
        "secretData": {"value": "x", "salt": "eA=="},
        "credentialData": {"hashIterations": 1, "algorithm": "pbkdf2-sha512"},
    },
    "otp": {
        "secretData": {"value": "x"},
        "credentialData": {"subType": "totp", "digits": 6, "period": 30, "algorithm": "HmacSHA1"},
    },
    "webauthn": {"secretData": {}, "credentialData": WEBAUTHN},
    "webauthn-passwordless": {"secretData": {}, "credentialData": WEBAUTHN},
    "recovery-authn-codes": {
        "secretData": {"codes": []},
        "credentialData": {"hashIterations": 1, "totalCodes": 12, "remainingCodes": 12},
    },
}


def credential(kind: str) -> dict[str, str]:
    return {"type": kind} | {part: json.dumps(data) for part, data in CREDENTIALS[kind].items()}


def user(name: str, *kinds: str, broker: str = "", **over: Any) -> dict[str, Any]:
    """A representation as the admin API takes it; enabled unless told otherwise."""
    link = {"identityProvider": broker, "userId": f"{broker}-{name}", "userName": name}
    return {
        "username": name,
        "enabled": True,
        "credentials": [credential(kind) for kind in kinds],
        **({"federatedIdentities": [link]} if broker else {}),
        **over,
    }


@dataclass(frozen=True, kw_only=True)
class Keycloak:
    """A Keycloak and its admin."""

    url: str
    password: str = field(repr=False)
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """A call as the admin; the JSON of the answer, None when it is empty."""
        # Asked for each time: a token of the realm master lives for a minute.
        grant = self.session.post(
            f"{self.url}/realms/master/protocol/openid-connect/token",
            data={
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": ADMIN,
                "password": self.password,
            },
            timeout=30,
        )
        grant.raise_for_status()
        headers = {"Authorization": f"Bearer {grant.json()['access_token']}"}
        answer = self.session.request(
            method, f"{self.url}/admin/realms{path}", json=body, headers=headers, timeout=120
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None


@dataclass(frozen=True, kw_only=True)
class TryRealm:
    """A realm with clients by the roles of realm-management that their service accounts have."""

    keycloak: Keycloak
    name: str
    secret: str = field(repr=False)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        return self.keycloak.admin(method, f"/{self.name}{path}", body)

    def add(self, *users: dict[str, Any]) -> None:
        """One by one, as a person at the admin API would."""
        for one in users:
            self.admin("POST", "/users", one)

    def id_of(self, username: str) -> str:
        found = self.admin("GET", f"/users?exact=true&username={username}")
        identity: str = found[0]["id"]
        return identity

    def connection(self, client: str, *, url: str = "", **extra: str) -> ConnectionFields:
        return ConnectionFields(
            conn_type="http",
            host=url or self.keycloak.url,
            login=client,
            password=self.secret,
            extra=json.dumps({"realm": self.name} | extra),
        )


@contextmanager
def try_realm(
    keycloak: Keycloak,
    *,
    clients: dict[str, tuple[str, ...]],
    users: tuple[dict[str, Any], ...] = (),
    **settings: Any,
) -> Iterator[TryRealm]:
    """It is deleted at the end, when there still is a Keycloak."""
    realm = TryRealm(
        keycloak=keycloak,
        name=f"compai-{secrets.token_hex(4)}",
        secret="-".join(["secret", secrets.token_hex(8)]),
    )
    provider = {
        "alias": "corporate",
        "providerId": "oidc",
        "enabled": True,
        "config": dict.fromkeys(("authorizationUrl", "tokenUrl"), "http://127.0.0.1/x")
        | {"clientId": "x", "clientSecret": "x"},
    }
    representation = {
        "realm": realm.name,
        "enabled": True,
        "sslRequired": "none",
        "identityProviders": [provider],
        "clients": [
            {
                "clientId": client,
                "secret": realm.secret,
                "publicClient": False,
                "serviceAccountsEnabled": True,
            }
            for client in clients
        ],
        "users": [
            *users,
            *(
                {
                    "username": f"service-account-{client}",
                    "enabled": True,
                    "serviceAccountClientId": client,
                    **({"clientRoles": {"realm-management": list(roles)}} if roles else {}),
                }
                for client, roles in clients.items()
            ),
        ],
        **settings,
    }
    keycloak.admin("POST", "", representation)
    try:
        yield realm
    finally:
        # One of the tests stops Keycloak, and the realm was in its memory.
        with suppress(requests.ConnectionError):
            realm.admin("DELETE", "")


class Relay:
    """Passes connections on; before request number `at` it does `action`, once."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._path = parts.path
        self._lock = threading.Lock()
        self.requests: list[str] = []
        self.at: int | None = None
        self.action: Callable[[], None] = lambda: None

    @contextmanager
    def running(self) -> Iterator[str]:
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError), socket.create_connection(relay._target) as upstream:
                    back = threading.Thread(target=_pump, args=(upstream, self.request))
                    back.start()
                    _pump(self.request, upstream, relay._seen)
                    back.join()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        with Server(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}{self._path}"
            server.shutdown()

    def _seen(self, data: bytes) -> None:
        # Requests of these tests begin with a packet of their own.
        line = data.split(b"\r\n", 1)[0].decode("latin-1")
        if not line.endswith(" HTTP/1.1"):
            return
        with self._lock:
            self.requests.append(line.removesuffix(" HTTP/1.1"))
            due = len(self.requests) == self.at
        if due:
            self.action()


def _pump(
    source: socket.socket, sink: socket.socket, seen: Callable[[bytes], None] = lambda _: None
) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            seen(data)
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def the_keycloak() -> Keycloak:
    session = requests.Session()
    session.trust_env = False
    return Keycloak(
        url=os.environ["COMPAI_KEYCLOAK_URL"].rstrip("/"),
        password=os.environ["COMPAI_KEYCLOAK_ADMIN_PASSWORD"],
        session=session,
    )
