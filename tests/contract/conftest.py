"""A server that answers as a fault wants it, and a client whose clock only moves as told."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import responses as reasons
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
from requests.adapters import HTTPAdapter

from compai_client import CallError, ClientCredentials, ClientSettings, CompAI, StaticToken

TOKEN_PATH = "/realms/r/protocol/openid-connect/token"


@dataclass
class Time:
    """Seconds of the client's clock: it moves when the client sleeps, and as a fault says."""

    seconds: float = 1000.0
    waited: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.waited += seconds
        self.seconds += seconds

    def settings(self) -> ClientSettings:
        """On this clock, and with a jitter that is always its upper bound."""
        return ClientSettings(
            clock=lambda: self.seconds, sleep=self.sleep, jitter=lambda upper: upper
        )


class Impatient(HTTPAdapter):
    """Keeps how long it is told to wait for an answer of Comp-AI, and waits `read_s` instead."""

    def __init__(self, read_s: float) -> None:
        super().__init__(max_retries=0)
        self._read_s = read_s
        self.told: set[tuple[float, float]] = set()

    def send(self, request: Any, *args: Any, timeout: Any = None, **options: Any) -> Any:
        if not request.path_url.endswith(TOKEN_PATH):
            self.told.add(timeout)
            timeout = (timeout[0], self._read_s)
        return super().send(request, *args, timeout=timeout, **options)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer in full."""

    status: int = 200
    text: str = ""
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __bytes__(self) -> bytes:
        body = self.text.encode()
        fields = {"Content-Type": self.media, "Content-Length": str(len(body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {self.status} {reasons[self.status]}\r\n{head}\r\n".encode() + body


class Handler(StreamRequestHandler):
    """Reads each request whole and lets the fault answer; Keycloak's endpoint always works."""

    server: Wire

    def handle(self) -> None:
        while line := self.rfile.readline():
            to_keycloak = line.split()[1].decode() == TOKEN_PATH
            if self.server.unread and not to_keycloak:
                self.server.asked += 1
                self.reset()
                return
            headers = self.headers()
            self.rfile.read(int(headers.get("content-length", 0)))
            if to_keycloak:
                self.server.tokens += 1
                grant = {"access_token": f"token-{self.server.tokens}", "expires_in": 300}
                self.reply(text=json.dumps(grant))
                continue
            self.server.asked += 1
            self.server.processed += 1
            if not self.server.answer(self, self.server.asked, headers):
                return

    def headers(self) -> dict[str, str]:
        lines = iter(self.rfile.readline, b"\r\n")
        pairs = (line.decode().partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def reply(self, **reply: Any) -> bool:
        made = Reply(**reply)
        self.server.processed -= made.status in (401, 429)  # refused before it was processed
        self.wfile.write(bytes(made))
        return True

    def succeed(self, *, copies: int = 1, without_end: bool = False) -> bool:
        whole = bytes(Reply(**self.server.success)) * copies
        self.wfile.write(whole[:-1] if without_end else whole)
        return True

    def stall(self) -> None:
        """For as long as the client waits for an answer of this operation."""
        self.server.time.seconds += self.server.patience_s
        self.rfile.read(1)  # until the client gives up


Answer = Callable[[Handler, int, Mapping[str, str]], bool | None]


class Wire(ThreadingTCPServer):
    """Lets `answer` deal with each request, told its number from 1 and its headers.

    It returns true while the connection goes on. `unread`: a request is reset in its first line.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer, *, success: Mapping[str, Any], patience_s: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.success, self.patience_s = answer, success, patience_s
        self.time = Time()
        self.unread = False
        self.asked = self.processed = self.tokens = 0

    def handle_error(self, *_: Any) -> None:
        """A client that has gone is part of most faults."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@dataclass(frozen=True)
class Met:
    """What a call came to; `processed` are the requests that the server acted on."""

    error: CallError | None
    requests: int
    processed: int
    tokens: int
    waited_s: float
    elapsed_s: float
    told: set[tuple[float, float]]


Call = Callable[[CompAI], Any]
Meet = Callable[..., Met]


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Makes a call against a server that answers as told; `calls`: only the last one may fail."""
    running: list[tuple[Wire, Thread]] = []

    def make(
        call: Call,
        answer: Answer,
        *,
        success: Mapping[str, Any],
        patience_s: float,
        unread: bool = False,
        calls: int = 1,
        read_s: float = 20,
        token: StaticToken | None = None,
    ) -> Met:
        wire = Wire(answer, success=success, patience_s=patience_s)
        wire.unread = unread
        thread = Thread(target=wire.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((wire, thread))
        adapter, time, error = Impatient(read_s), wire.time, None
        auth = token or ClientCredentials(
            keycloak_url=wire.url, realm="r", client_id="c", client_secret="s"
        )
        with CompAI(wire.url, auth=auth, settings=time.settings(), adapter=adapter) as client:
            client._tokens.current()
            started = time.seconds
            for _ in range(calls - 1):
                call(client)
            try:
                call(client)
            except CallError as raised:
                error = raised
        return Met(
            error=error,
            requests=wire.asked,
            processed=wire.processed,
            tokens=wire.tokens,
            waited_s=time.waited,
            elapsed_s=time.seconds - started,
            told=adapter.told,
        )

    yield make
    for wire, thread in running:
        wire.shutdown()
        thread.join()
        wire.server_close()
