"""Small real servers on loopback, and a clock that only moves when the client sleeps."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from compai_client import ClientSettings, CompAI, StaticToken

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


WsgiApp = Callable[..., Any]


@dataclass
class FakeTime:
    """Monotonic seconds; `waits` are the sleeps, in order."""

    seconds: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def settings(self, **changes: Any) -> ClientSettings:
        """Settings on this clock whose jitter is always the upper bound."""
        options = {"clock": self.clock, "sleep": self.sleep, "jitter": lambda upper: upper}
        return ClientSettings(**(options | changes))


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


class KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Be silent."""


@pytest.fixture
def serve() -> Iterator[Callable[[WsgiApp], str]]:
    """Serves WSGI apps on loopback; gives the URL of each."""
    running: list[tuple[Any, threading.Thread]] = []

    def start(app: WsgiApp) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAlive)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Script:
    """Answers in order and repeats the last; keeps what was asked."""

    answers: list[Response]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        request.get_data()
        self.requests.append(request)
        number = min(len(self.requests), len(self.answers)) - 1
        return self.answers[number](environ, start)


def answer(status: int, body: Any = None, **headers: str) -> Response:
    """An answer: JSON for objects and lists, text as given; `content_type` overrides."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    media = named.pop("content-type", None)
    if isinstance(body, str | bytes):
        return Response(body, status, named, content_type=media or "text/plain; charset=utf-8")
    if body is None:
        response = Response(b"", status, named)
        response.headers.pop("Content-Type", None)
        if media:
            response.headers["Content-Type"] = media
        return response
    return Response(json.dumps(body), status, named, content_type=media or "application/json")


@pytest.fixture
def script(serve: Callable[[WsgiApp], str]) -> Callable[..., Script]:
    """Serves answers given as (status, body, headers…) in order."""

    def start(*answers: tuple[Any, ...]) -> Script:
        made = [answer(*each[:2], **(each[2] if len(each) > 2 else {})) for each in answers]
        app = Script(made)
        app.url = serve(app)
        return app

    return start


@dataclass
class Wire:
    """A raw server; `connections` counts those that sent a request."""

    url: str
    connections: int = 0


Behaviour = Callable[[socket.socket], None]


def read_request(connection: socket.socket) -> None:
    """Read one request with its body; what lies unread would turn the close into a reset."""
    with connection.makefile("rb") as stream:
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        stream.read(length)


@pytest.fixture
def wire() -> Iterator[Callable[[Behaviour], Wire]]:
    """A socket server that reads each request and then misbehaves as told."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept(listener: socket.socket, behave: Behaviour, wire: Wire) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                read_request(connection)
                wire.connections += 1
                try:
                    behave(connection)
                except OSError:
                    continue  # the client has gone

    def start(behave: Behaviour) -> Wire:
        listener = socket.create_server(("127.0.0.1", 0))
        wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=accept, args=(listener, behave, wire))
        thread.start()
        listeners.append(listener)
        threads.append(thread)
        return wire

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def reset_connection() -> Behaviour:
    return reset


@pytest.fixture
def connect(time: FakeTime) -> Iterator[Callable[..., CompAI]]:
    """Clients with a fixed token on the fake clock; closed after the test."""
    clients: list[CompAI] = []

    def make(url: str, *, settings: dict[str, Any] | None = None, **options: Any) -> CompAI:
        options.setdefault("auth", StaticToken("one.two.three"))
        client = CompAI(url, settings=time.settings(**(settings or {})), **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
