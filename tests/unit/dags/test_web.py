"""Asking a web address over real sockets: where the connection goes, and when it ends."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from compai_client import SettingsError
from compai_dags.web import Limits, UnreachableError, Web
from compai_dags.web_guard import AddressRefusedError, Allowed

NAME = "siem.internal"  # a name that no name server knows
FOLLOW = Limits(max_redirects=3)
Answer = Callable[[BaseHTTPRequestHandler], None]


def found(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda _host, _port: list(addresses)


def web(*, allow: str = NAME, resolve: Any = None) -> Web:
    return Web(Allowed.parse(allow), resolve=resolve or found("127.0.0.1"))


class Server:
    """Answers by path; `seen` is what it was asked."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.pages: dict[str, Answer] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {key.lower(): value for key, value in self.headers.items()}
                outer.seen.append((self.command, self.path, headers))
                page = outer.pages.get(self.path.partition("?")[0])
                if page is None:
                    send(self, 404)
                else:
                    page(self)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Nothing on the console of the tests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def page(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    return lambda handler: send(handler, status, body, **headers)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def url(server: Server) -> str:
    return f"http://{NAME}:{server.port}"


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """One connection, answered byte by byte as `talk` likes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                try:
                    talk(connection)
                except OSError:
                    return  # the caller has left, as it should

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)
        assert not thread.is_alive(), "the connection is still open"


def test_it_connects_to_what_was_judged_and_asks_by_the_name(server: Server, url: str) -> None:
    server.pages["/health"] = page(200, b'{"ok":true}', **{"Content-Type": "application/json"})

    answer = web().fetch(f"{url}/health?key=1")

    assert (answer.status, answer.body, answer.is_whole) == (200, b'{"ok":true}', True)
    assert answer.headers["content-type"] == "application/json"
    ((method, path, headers),) = server.seen
    assert (method, path) == ("GET", "/health?key=1")
    assert headers["host"] == f"{NAME}:{server.port}"
    assert headers["user-agent"].startswith("compai-kit/")
    assert str(answer.target) == f"{url}/health", "without the query"


def test_a_name_is_resolved_once_so_it_cannot_change_after_it_was_judged(
    server: Server, url: str
) -> None:
    answers = iter([["127.0.0.1"], ["192.0.2.1"]])
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    server.pages["/"] = page()
    assert web(resolve=resolve).fetch(url).status == 200
    assert asked == [NAME]


def test_what_is_refused_is_never_connected_to(server: Server) -> None:
    with pytest.raises(AddressRefusedError, match="a loopback address"):
        Web(Allowed()).fetch(f"http://127.0.0.1:{server.port}/")
    with pytest.raises(AddressRefusedError, match="a loopback address"):
        Web(Allowed()).fetch(f"http://localhost:{server.port}/")
    assert server.seen == []


def test_the_second_address_is_tried_when_the_first_does_not_answer(
    server: Server, url: str
) -> None:
    server.pages["/"] = page()
    # No server listens on this one.
    both = web(resolve=found("127.0.0.9", "127.0.0.1"))
    assert both.fetch(url).status == 200


def test_proxies_and_netrc_of_the_environment_are_not_used(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {NAME} login kim password not-for-others\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    server.pages["/"] = page()
    assert web().fetch(url).status == 200
    assert "authorization" not in server.seen[0][2]


def test_a_redirect_is_an_answer_unless_it_may_be_followed(server: Server, url: str) -> None:
    server.pages["/old"] = page(302, Location="/new?x=1")
    server.pages["/new"] = page(200, b"here")
    assert web().fetch(f"{url}/old").status == 302
    followed = web().fetch(f"{url}/old", limits=FOLLOW)
    assert (followed.status, followed.body) == (200, b"here")
    assert server.seen[-1][1] == "/new?x=1"


def test_each_redirect_is_judged_as_if_it_had_been_given(
    server: Server, url: str, elsewhere: Server
) -> None:
    server.pages["/"] = page(302, Location=f"http://127.0.0.1:{elsewhere.port}/latest/meta-data")
    with pytest.raises(AddressRefusedError, match="a loopback address"):
        web().fetch(url, limits=FOLLOW)
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("ftp://files.example.com/", "it redirects to what is no absolute http or https address"),
        ("http://kim:pw@siem.internal/", "it redirects to what holds a user name or password"),
        ("file:///etc/passwd", "it redirects to what is no absolute http or https address"),
    ],
)
def test_a_redirect_to_what_is_no_web_address_is_refused(
    server: Server, url: str, location: str, problem: str
) -> None:
    server.pages["/"] = page(301, Location=location)
    with pytest.raises(AddressRefusedError) as refused:
        web().fetch(url, limits=FOLLOW)
    assert str(refused.value) == f"{url}/: {problem}"


def test_redirects_come_to_an_end(server: Server, url: str) -> None:
    server.pages["/"] = page(307, Location="/")
    with pytest.raises(UnreachableError, match="more than 3 redirects") as failure:
        web().fetch(url, limits=FOLLOW)
    assert len(server.seen) == 4
    assert not failure.value.transient


def test_headers_do_not_follow_to_another_host(server: Server, url: str, elsewhere: Server) -> None:
    server.pages["/"] = page(302, Location="/here")
    server.pages["/here"] = page(302, Location=f"http://other.internal:{elsewhere.port}/")
    elsewhere.pages["/"] = page()

    web(allow=f"{NAME},other.internal").fetch(
        url, headers={"Authorization": "Bearer not-for-others"}, limits=FOLLOW
    )

    assert [seen[2].get("authorization") for seen in server.seen] == ["Bearer not-for-others"] * 2
    assert "authorization" not in elsewhere.seen[0][2]


def test_a_head_has_no_body(server: Server, url: str) -> None:
    server.pages["/"] = page(200, b"x" * 10)
    answer = web().fetch(url, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert server.seen[0][0] == "HEAD"


def test_a_body_is_read_up_to_a_limit(server: Server, url: str) -> None:
    server.pages["/"] = page(200, b"x" * 200_000)
    whole = web().fetch(url, limits=Limits(max_bytes=200_000))
    assert (len(whole.body), whole.is_whole) == (200_000, True)
    cut = web().fetch(url, limits=Limits(max_bytes=199_999))
    assert (len(cut.body), cut.is_whole) == (199_999, False)
    unread = web().fetch(url, limits=Limits(max_bytes=0))
    assert (unread.body, unread.is_whole) == (b"", False)


def drip(text: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        for byte in text:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    return talk


@pytest.mark.parametrize(
    "talk",
    [
        drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 1000),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 9999),
        lambda connection: connection.recv(1),  # until the caller leaves
    ],
    ids=["headers", "body", "nothing"],
)
def test_the_deadline_holds_however_slow_the_answer_is(
    talk: Callable[[socket.socket], None],
) -> None:
    with raw_server(talk) as port:
        started = time.monotonic()
        with pytest.raises(UnreachableError) as failure:
            web().fetch(f"http://{NAME}:{port}/a?key=1", limits=Limits(deadline_s=0.4))
        assert time.monotonic() - started < 2
    assert str(failure.value) == f"http://{NAME}:{port}/a: no answer within 0.4 s"
    assert failure.value.transient


def test_the_deadline_holds_for_a_name_server_that_is_silent() -> None:
    released = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        released.wait(10)
        return []

    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
        web(resolve=resolve).fetch(f"http://{NAME}/", limits=Limits(deadline_s=0.2))
    released.set()


def test_a_pause_is_bounded_before_the_deadline() -> None:
    silent = raw_server(lambda connection: connection.recv(1))
    with silent as port, pytest.raises(UnreachableError, match=r"no answer \(TimeoutError\)"):
        web().fetch(f"http://{NAME}:{port}/", limits=Limits(read_s=0.2, deadline_s=5))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"", "no answer (RemoteDisconnected)"),
        (b"SSH-2.0-OpenSSH\r\n", "no answer (BadStatusLine)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "the answer broke off"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            "no answer (IncompleteRead)",
        ),
    ],
)
def test_an_answer_that_is_none_is_unreachable(said: bytes, problem: str) -> None:
    talker = raw_server(lambda connection: connection.sendall(said))
    with talker as port, pytest.raises(UnreachableError) as failure:
        web().fetch(f"http://{NAME}:{port}/a?key=1")
    assert str(failure.value) == f"http://{NAME}:{port}/a: {problem}"


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(UnreachableError, match=r"no answer \(ConnectionRefusedError\)"):
        web().fetch(f"http://{NAME}:{port}/")


@pytest.mark.parametrize(
    ("code", "transient"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)]
)
def test_a_name_without_an_address(code: int, transient: bool) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(code, "of the resolver")

    with pytest.raises(UnreachableError, match="the host has no address") as failure:
        web(resolve=resolve).fetch(f"https://{NAME}/a")
    assert failure.value.transient is transient


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Callable[[str], Server]]:
    """A server with a certificate for this name."""
    running: list[Server] = []

    def start(name: str) -> Server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        running.append(Server(context))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))


@pytest.mark.usefixtures("trusted")
def test_the_certificate_must_be_that_of_the_name(secure: Callable[[str], Server]) -> None:
    server = secure(NAME)
    server.pages["/"] = page(200, b"ok")
    assert web().fetch(f"https://{NAME}:{server.port}/").body == b"ok"
    assert server.seen[0][2]["host"] == f"{NAME}:{server.port}"

    other = secure("other.internal")
    with pytest.raises(UnreachableError, match="its certificate is not accepted") as failure:
        web().fetch(f"https://{NAME}:{other.port}/")
    assert other.seen == []
    assert not failure.value.transient


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_the_address_does_not_stand_for_the_name(
    secure: Callable[[str], Server],
) -> None:
    server = secure("127.0.0.1")
    with pytest.raises(UnreachableError, match="its certificate is not accepted"):
        web().fetch(f"https://{NAME}:{server.port}/")


@pytest.mark.usefixtures("trusted")
def test_it_does_not_follow_from_https_to_http(
    secure: Callable[[str], Server], elsewhere: Server
) -> None:
    server = secure(NAME)
    server.pages["/"] = page(302, Location=f"http://{NAME}:{elsewhere.port}/?key=1")
    with pytest.raises(AddressRefusedError) as refused:
        web().fetch(f"https://{NAME}:{server.port}/", limits=FOLLOW)
    assert str(refused.value) == (
        f"https://{NAME}:{server.port}/: it redirects from https to http, "
        f"http://{NAME}:{elsewhere.port}/"
    )
    assert elsewhere.seen == []


def test_an_unknown_authority_is_not_trusted(secure: Callable[[str], Server]) -> None:
    server = secure(NAME)
    with pytest.raises(UnreachableError, match="its certificate is not accepted"):
        web().fetch(f"https://{NAME}:{server.port}/")


def test_a_bundle_that_is_not_there_is_a_wrong_setting(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    with pytest.raises(SettingsError, match="REQUESTS_CA_BUNDLE names no file of certificates"):
        web().fetch(f"https://{NAME}:{server.port}/")
