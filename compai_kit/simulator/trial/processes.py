"""One served simulator per recorded setting.

Those that shared a database when they were recorded share one here.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.load import Contract
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.seed import EMPTY_SEED
from compai_kit.simulator.server import serve
from compai_kit.simulator.state import Database

MAIN = "main"
OWN_DATABASE = frozenset({"empty_database", "no_schema", "keycloak"})
CLIENT_ID = "airflow"
_FORM = {"content-type": "application/x-www-form-urlencoded"}


class AppFactory(Protocol):
    """`compai_kit.simulator.app.create_app`, or that of a wrong twin."""

    def __call__(
        self,
        seed: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        *,
        clock: Callable[[], datetime],
        contract: Contract | None = None,
    ) -> SimulatorApp: ...


@dataclass(slots=True)
class Clock:
    """Stands still until the replay moves it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class Process:
    """A served simulator, and a token of each kind from its own Keycloak."""

    app: SimulatorApp
    url: str
    secret: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> dict[str, str]:
        return {"client_id": CLIENT_ID, "client_secret": self.secret}

    def fetch_tokens(self, clock: Clock) -> None:
        """The recorded calls were made with tokens from before; one expired, one was revoked."""
        started_at = clock.now
        clock.now = started_at - timedelta(hours=1)
        self.tokens["expired"] = self._token()
        clock.now = started_at
        self.tokens["revoked"] = self._token()
        self._keycloak("revoke", {"token": self.tokens["revoked"], **self.client})
        self.tokens["valid"] = self._token()
        self.tokens["garbage"] = "garbage"

    def _token(self) -> str:
        answer = self._keycloak("token", {"grant_type": "client_credentials", **self.client})
        token: str = json.loads(answer.body)["access_token"]
        return token

    def _keycloak(self, endpoint: str, form: Mapping[str, str]) -> HttpResponse:
        path = f"/auth/realms/lianel/protocol/openid-connect/{endpoint}"
        body = urlencode(form).encode()
        return send(self.url, HttpRequest(method="POST", url_path=path, headers=_FORM, body=body))


@dataclass(frozen=True, slots=True)
class Processes:
    by_setting: Mapping[str, Process]

    @property
    def database(self) -> Database:
        """The one that most settings share."""
        return self.by_setting[MAIN].app.service.database


@contextmanager
def started(
    settings: Mapping[str, Mapping[str, Any]],
    seed: Mapping[str, Any],
    *,
    clock: Clock,
    create: AppFactory,
) -> Iterator[Processes]:
    """`settings` by name; `main` comes first because it owns the shared database."""
    processes: dict[str, Process] = {}
    with ExitStack() as stack:
        for name in sorted(settings, key=lambda name: name != MAIN):
            app = create(EMPTY_SEED if name in OWN_DATABASE else seed, settings[name], clock=clock)
            if name not in OWN_DATABASE and name != MAIN:
                app.service.database = processes[MAIN].app.service.database
            secret = settings[name]["keycloak"]["clients"][CLIENT_ID]
            processes[name] = Process(app, stack.enter_context(serve(app)).url, secret)
        for process in processes.values():
            process.fetch_tokens(clock)
        yield Processes(processes)


def send(url: str, request: HttpRequest, *, timeout_s: float = 10.0) -> HttpResponse:
    """As it is: no header added, no address tidied."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
    target = request.url_path + (f"?{request.query}" if request.query else "")
    try:
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"host": "comp-ai.test", **request.headers}.items():
            if name != "content-length":
                connection.putheader(name, value.encode("latin-1"))
        connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return HttpResponse(status=response.status, headers=headers, body=response.read())
    finally:
        connection.close()
