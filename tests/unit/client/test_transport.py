"""What goes over the wire, and what never does."""

import gzip
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compai_client import NoAnswerError, RedirectedError, SettingsError
from compai_client._transport import user_agent

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])

NOTHING: tuple[int, list[Any]] = (200, [])


def test_headers_of_a_call(script: Any, connect: Any) -> None:
    server = script(NOTHING)
    connect(server.url, caller="dag=a; run=b; task=c; map=-1; try=1").list_gaps()
    [request] = server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers.pop("host")
    assert headers == {
        "user-agent": "compai-client/0.1.0 (dag=a; run=b; task=c; map=-1; try=1)",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "authorization": "Bearer one.two.three",
    }


def test_a_call_can_be_joined_to_the_trace_of_its_task(script: Any, connect: Any) -> None:
    server = script(NOTHING)
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    connect(server.url, trace_context={"traceparent": traceparent, "X-Real-IP": "1"}).list_gaps()
    [request] = server.requests
    assert request.headers["traceparent"] == traceparent
    assert "X-Real-IP" not in request.headers, "a trace context is no way to add other headers"


def test_no_header_that_would_dodge_the_rate_limit(script: Any, connect: Any) -> None:
    server = script(NOTHING, (200, {"status": "healthy", "service": "s", "version": "1"}))
    client = connect(server.url)
    client.list_tests()
    client.get_health()
    for request in server.requests:
        assert not {"X-Real-Ip", "X-Forwarded-For", "Forwarded"} & set(request.headers.keys())


def test_health_goes_without_a_token(script: Any, connect: Any) -> None:
    server = script((200, {"status": "healthy", "service": "s", "version": "1"}))
    connect(server.url).get_health()
    [request] = server.requests
    assert (request.path, "Authorization" in request.headers) == ("/health", False)


@pytest.mark.parametrize(
    ("caller", "comment"),
    [
        (None, ""),
        ("", ""),
        ("dag=a; run=manual__2026-11-25T06:00:00+00:00", None),
        ("run=a\r\nX-Real-IP: 1", " (run=a%0D%0AX-Real-IP: 1)"),
        ("run=a) b(c\\", " (run=a%29 b%28c%5C)"),
        ("dag=übung%", " (dag=%C3%BCbung%25)"),
        ("\x00\x7f", " (%00%7F)"),
    ],
)
def test_caller_cannot_break_the_header(caller: str | None, comment: str | None) -> None:
    expected = f" ({caller})" if comment is None else comment
    assert user_agent(caller) == f"compai-client/0.1.0{expected}"


def test_caller_is_bounded() -> None:
    assert len(user_agent("x" * 5000)) < 1100


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int, script: Any, connect: Any) -> None:
    """Followed, 301 would turn the POST into a GET, and the token would go to another address."""
    elsewhere = script(NOTHING)
    server = script((status, None, {"location": f"{elsewhere.url}/api/v1/tests?token=x"}))
    with pytest.raises(RedirectedError) as caught:
        connect(server.url).record_test_result(control_id=1, test_id=2, result="pass", details=None)
    assert caught.value.location == f"{elsewhere.url}/api/v1/tests"
    assert (len(server.requests), elsewhere.requests) == (1, [])


def test_a_netrc_never_replaces_the_token(
    script: Any, connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = script(NOTHING, (200, {"status": "healthy", "service": "s", "version": "1"}))
    client = connect(server.url)
    client.list_tests()
    client.get_health()
    sent = [request.headers.get("Authorization") for request in server.requests]
    assert sent == ["Bearer one.two.three", None]


def test_the_environments_proxy_is_used(
    script: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = script(NOTHING)
    monkeypatch.setenv("http_proxy", proxy.url)
    assert connect("http://comp-ai.invalid:3002").list_tests() == []
    assert proxy.requests[0].environ["RAW_URI"] == "http://comp-ai.invalid:3002/api/v1/tests"


def test_a_proxy_that_is_down_is_named(
    connect: Any, monkeypatch: pytest.MonkeyPatch, time: Any
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(
        NoAnswerError, match=r"the environment's proxy for comp-ai\.invalid"
    ) as caught:
        connect("http://comp-ai.invalid").list_tests()
    assert caught.value.processed == "no"


def test_a_proxy_that_cannot_be_used_is_a_setting(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "socks9://user:hunter2@127.0.0.1:1")
    with pytest.raises(SettingsError, match="names a proxy that cannot be used") as caught:
        connect("http://comp-ai.invalid").list_tests()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_missing_ca_bundle_is_a_setting(
    connect: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(SettingsError, match="REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file"):
        connect("https://127.0.0.1:1").list_tests()


def test_https_to_a_plain_port_is_told(script: Any, connect: Any) -> None:
    server = script(NOTHING)
    with pytest.raises(NoAnswerError, match=r"no TLS with 127\.0\.0\.1"):
        connect(server.url.replace("http:", "https:")).list_tests()


def test_a_cookie_is_not_kept(script: Any, connect: Any) -> None:
    server = script((200, [], {"set_cookie": "session=1; Path=/"}), NOTHING)
    client = connect(server.url)
    client.list_tests()
    client.list_tests()
    assert "Cookie" not in server.requests[1].headers


def test_calls_share_one_connection(wire: Any, connect: Any) -> None:
    def keep_answering(connection: socket.socket) -> None:
        while True:
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
            )
            if not connection.recv(65536):
                return

    server = wire(keep_answering)
    client = connect(server.url)
    assert [client.list_tests() for _ in range(5)] == [[]] * 5
    assert server.connections == 1
    client.close()


def test_a_compressed_answer_is_read_although_none_was_asked_for(
    serve: Callable[..., str], connect: Any
) -> None:
    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        body = gzip.compress(b"[]")
        start(
            "200 OK",
            [
                ("Content-Type", "application/json"),
                ("Content-Encoding", "gzip"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body]

    assert connect(serve(app)).list_tests() == []


def test_a_large_list_arrives_whole(script: Any, connect: Any) -> None:
    row = {
        "id": 1, "internal_id": "A", "name": "å" * 300, "description": None, "category": None,
        "external_id": None, "created_at": "2026-10-01T08:00:00Z",
    }  # fmt: skip
    server = script((200, [row] * 3000))
    assert len(connect(server.url).list_gaps()) == 3000


def test_a_client_can_be_used_after_it_was_closed_and_closes_twice(
    script: Any, connect: Any
) -> None:
    server = script(NOTHING)
    client = connect(server.url)
    with client:
        client.list_tests()
    client.close()
    assert client.list_tests() == []


def test_a_retry_is_logged_without_secrets(
    script: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = script((503, "one.two.three"), NOTHING)
    connect(server.url).list_tests()
    assert caplog.messages == ["listTests GET /api/v1/tests: HTTP 503 at attempt 1; next in 1.0 s"]
