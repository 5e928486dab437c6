"""Reading another system: what is an answer, what is tried again; nothing hangs, nothing tells."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from compai_dags.checks.outside import (
    Answer,
    Limits,
    Outside,
    OutsideError,
    next_link,
    retry_after_s,
    words_of,
)
from compai_dags.outcomes import Reason

SECRET = "-".join(["simulated", "secret", "of", "another", "system"])
Script = bytes | Callable[[socket.socket], None]


@dataclass
class Server:
    """Answers the n-th request with the n-th script, the last one for ever."""

    url: str
    scripts: list[Script] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def answer(self, *scripts: Script) -> None:
        self.scripts = list(scripts)

    @property
    def paths(self) -> list[str]:
        return [request.split()[1] for request in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    running = Server(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve_one(connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            running.requests.append(head.decode())
            number = min(len(running.requests), len(running.scripts)) - 1
            script = running.scripts[number]
            try:
                if isinstance(script, bytes):
                    connection.sendall(script)
                else:
                    script(connection)
            except OSError:
                return  # the caller has left, as it should

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield running
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def http(
    body: Any = None,
    status: int = 200,
    *,
    media_type: str = "application/json",
    announced: int | None = None,
    **headers: str,
) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Said"]
    if raw:
        lines.append(f"Content-Type: {media_type}")
    lines.append(f"Content-Length: {len(raw) if announced is None else announced}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + raw


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def outside(server: Server, waits: list[float]) -> Iterator[Callable[..., Outside]]:
    opened: list[Outside] = []

    def build(path: str = "", **over: Any) -> Outside:
        values: dict[str, Any] = {
            "system": "Example",
            "headers": {"Authorization": f"Bearer {SECRET}"},
            "sleep": waits.append,
        }
        opened.append(Outside(server.url + path, **(values | over)))
        return opened[-1]

    yield build
    for one in opened:
        one.close()


def failure_of(call: Callable[[], object]) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        call()
    assert SECRET not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


class TestAnswers:
    def test_json_with_its_status(self, server, outside) -> None:
        server.answer(http({"a": [1]}, X_Extra="yes"))
        answer = outside().get("/things", params={"q": "x y"})
        assert (answer.status, answer.body) == (200, {"a": [1]})
        assert answer.headers["x-extra"] == "yes"
        assert server.paths == ["/things?q=x+y"]

    def test_who_asks_and_with_what(self, server, outside) -> None:
        server.answer(http({}))
        outside().get("/things")
        sent = server.requests[0].lower()
        assert f"authorization: bearer {SECRET}" in sent
        assert "user-agent: compai-kit/" in sent
        assert "accept: application/json" in sent

    def test_a_netrc_of_the_machine_does_not_replace_the_token(
        self, server, outside, tmp_path, monkeypatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login someone password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        server.answer(http({}))
        outside().get("/things")
        assert f"Bearer {SECRET}" in server.requests[0]
        assert "Basic" not in server.requests[0]

    def test_cookies_are_not_kept(self, server, outside) -> None:
        server.answer(http({}, Set_Cookie="session=1"))
        one = outside()
        one.get("/a")
        one.get("/b")
        assert "cookie" not in server.requests[1].lower()

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 451, 501])
    def test_a_refusal_is_an_answer_and_not_repeated(self, server, outside, status) -> None:
        server.answer(http({"message": "No."}, status))
        answer = outside().get("/things")
        assert (answer.status, words_of(answer)) == (status, "No.")
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_an_answer_and_not_followed(self, server, outside, status) -> None:
        server.answer(
            http(b"<html>", status, media_type="text/html", Location="http://else.example/")
        )
        answer = outside().get("/things")
        assert (answer.status, answer.body) == (status, None)
        assert len(server.requests) == 1

    def test_nothing_is_an_answer(self, server, outside) -> None:
        server.answer(http(b"", 204))
        assert outside().get("/things").body is None

    def test_packed_answers_are_unpacked(self, server, outside) -> None:
        server.answer(http(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip"))
        assert outside().get("/things").body == {"a": 1}

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            (
                http(b"<html>Sign in</html>", media_type="text/html; charset=utf-8"),
                "with text/html",
            ),
            (http(b'{"a": [1, 2', media_type="application/json"), "with application/json"),
            (http(b"\xff\xfe", media_type="application/json"), "with application/json"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "with no content type"),
            # Deeper than any decoder follows.
            (http(b"[" * 3000 + b"]" * 3000, media_type="application/json"), "with application/"),
        ],
    )
    def test_what_is_no_json_is_malformed_and_not_repeated(
        self, server, outside, script, said
    ) -> None:
        server.answer(script)
        failure = failure_of(lambda: outside().get("/things"))
        assert failure.reason is Reason.MALFORMED
        assert not failure.transient
        assert str(failure).startswith(f"GET /things of Example: HTTP 200 {said}")
        assert str(failure).endswith(", not JSON")
        assert len(server.requests) == 1

    def test_an_error_page_is_an_answer_without_a_body(self, server, outside) -> None:
        server.answer(http(b"<html>", 404, media_type="text/html"))
        answer = outside().get("/things")
        assert (answer.body, words_of(answer)) == (None, "")

    def test_a_post_carries_json(self, server, outside) -> None:
        server.answer(http({"ok": True}, 201))
        answer = outside().post("/tokens", json={"for": "a day"})
        assert answer.status == 201
        assert server.requests[0].startswith("POST /tokens ")

    def test_the_digest_is_over_what_was_answered_not_over_failed_tries(
        self, server, outside
    ) -> None:
        server.answer(http({"a": 1}))
        calm = outside()
        calm.get("/things")
        server.requests.clear()
        server.answer(http({"busy": 1}, 503), http({"a": 1}))
        unlucky = outside()
        unlucky.get("/things")
        assert unlucky.raw_sha256 == calm.raw_sha256
        server.requests.clear()
        server.answer(http({"a": 2}))
        other = outside()
        other.get("/things")
        assert other.raw_sha256 != calm.raw_sha256


class TestTries:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_a_bad_moment_is_tried_again(self, server, outside, waits, status) -> None:
        server.answer(http({}, status), http({"a": 1}))
        assert outside().get("/things").body == {"a": 1}
        assert len(server.requests) == 2
        assert len(waits) == 1

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (408, Reason.TIMEOUT),
            (429, Reason.RATE_LIMITED),
            (500, Reason.UPSTREAM_5XX),
            (503, Reason.UPSTREAM_5XX),
        ],
    )
    def test_three_bad_moments_are_an_error(self, server, outside, waits, status, reason) -> None:
        server.answer(http({}, status))
        failure = failure_of(lambda: outside().get("/things"))
        assert (failure.reason, failure.transient) == (reason, True)
        assert str(failure) == f"GET /things of Example: HTTP {status} after 3 tries"
        assert len(server.requests) == 3
        assert waits == [2.0, 4.0]

    def test_the_query_is_in_no_message(self, server, outside) -> None:
        server.answer(http({}, 500))
        failure = failure_of(lambda: outside().get("/things", params={"code": "hidden"}))
        assert "hidden" not in str(failure)

    @pytest.mark.parametrize("how", ["seconds", "date"])
    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_is_kept(self, server, outside, waits, how, status) -> None:
        now = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
        when = "7" if how == "seconds" else format_datetime(now + timedelta(seconds=7), usegmt=True)
        server.answer(http({}, status, Retry_After=when), http({}))
        outside(now=lambda: now).get("/things")
        assert waits == [7.0]

    def test_a_long_retry_after_is_an_error_at_once(self, server, outside, waits) -> None:
        server.answer(http({}, 429, Retry_After="3600"))
        failure = failure_of(lambda: outside().get("/things"))
        assert (failure.reason, failure.transient) == (Reason.RATE_LIMITED, True)
        assert str(failure) == ("GET /things of Example: HTTP 429 after 1 try, asks to wait 3600 s")
        assert (len(server.requests), waits) == (1, [])

    def test_nor_is_one_waited_for_that_the_call_has_time_for(self, server, outside, waits) -> None:
        """A chunk has other tests, and Airflow tries again."""
        server.answer(http({}, 429, Retry_After="91"))
        failure_of(lambda: outside().get("/things"))
        assert (len(server.requests), waits) == (1, [])

    def test_waits_end_with_the_time_for_the_call(self, server, outside, waits) -> None:
        server.answer(http({}, 503, Retry_After="30"))
        one = outside(limits=Limits(call_s=20.0))
        failure = failure_of(lambda: one.get("/things"))
        assert failure.reason is Reason.UPSTREAM_5XX
        assert (len(server.requests), waits) == (1, [])

    def test_a_refused_connection(self, outside, waits) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        one = Outside(f"http://127.0.0.1:{port}", system="Example", sleep=waits.append)
        failure = failure_of(lambda: one.get("/things"))
        assert (failure.reason, failure.transient) == (Reason.TIMEOUT, True)
        assert str(failure) == "GET /things of Example: no answer after 3 tries (ConnectionError)"

    @pytest.mark.parametrize(
        "script",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"a"',
            http(b"no gzip at all", Content_Encoding="gzip"),
            b"SSH-2.0-OpenSSH\r\n",
        ],
        ids=["hang up", "cut body", "cut chunk", "broken packing", "no HTTP"],
    )
    def test_a_cut_answer_is_no_answer(self, server, outside, script) -> None:
        server.answer(script)
        failure = failure_of(lambda: outside().get("/things"))
        assert (failure.reason, failure.transient) == (Reason.TIMEOUT, True)
        assert "no answer after 3 tries" in str(failure)
        assert len(server.requests) == 3

    def test_an_address_that_cannot_be_used_is_not_tried_again(self, waits) -> None:
        one = Outside("http://[broken", system="Example", sleep=waits.append)
        failure = failure_of(lambda: one.get("/things"))
        assert (failure.reason, failure.transient) == (Reason.MALFORMED, False)
        assert str(failure) == (
            "GET /things of Example: its address, or that of the proxy, cannot be used (InvalidURL)"
        )
        assert waits == []

    def test_certificates_that_are_not_there_are_named(self, server, outside, monkeypatch) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
        one = Outside(server.url.replace("http", "https"), system="Example")
        failure = failure_of(lambda: one.get("/things"))
        assert not failure.transient
        assert "REQUESTS_CA_BUNDLE" in str(failure)

    def test_a_system_may_say_by_itself_when_to_wait(self, server, outside, waits) -> None:
        server.answer(http({"message": "slow down"}, 403), http({}))
        one = outside(must_wait=lambda answer: 61.0 if answer.status == 403 else None)
        one.get("/things")
        assert waits == [61.0]


class TestNothingHangs:
    """Each of these would last for ever without a deadline."""

    SHORT = Limits(read_s=0.4, try_s=0.6, call_s=20.0)

    def test_silence(self, server, outside) -> None:
        server.answer(lambda _: time.sleep(3))
        started = time.monotonic()
        failure = failure_of(lambda: outside(limits=self.SHORT).get("/things"))
        assert failure.reason is Reason.TIMEOUT
        assert time.monotonic() - started < 2.5

    @pytest.mark.parametrize(
        "first",
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "],
        ids=["body", "headers"],
    )
    def test_a_drip_is_cut_although_every_piece_is_in_time(self, server, outside, first) -> None:
        def drip(connection: socket.socket) -> None:
            connection.sendall(first)
            for _ in range(100):
                connection.sendall(b"1")
                time.sleep(0.1)

        server.answer(drip)
        started = time.monotonic()
        failure = failure_of(lambda: outside(limits=self.SHORT).get("/things"))
        assert time.monotonic() - started < 2.8
        assert (failure.reason, failure.transient) == (Reason.TIMEOUT, True)
        assert str(failure) == (
            "GET /things of Example: no answer after 3 tries (not complete after 0.6 s)"
        )

    def test_a_call_after_a_cut_one_works(self, server, outside) -> None:
        server.answer(lambda _: time.sleep(3))
        one = outside(limits=self.SHORT)
        failure_of(lambda: one.get("/things"))
        server.answer(http({"a": 1}))
        assert one.get("/things").body == {"a": 1}

    def test_no_more_is_read_than_is_allowed(self, server, outside) -> None:
        server.answer(http(b"[" + b"1," * 5000 + b"1]"))
        failure = failure_of(lambda: outside(limits=Limits(max_bytes=1000)).get("/things"))
        assert (failure.reason, failure.transient) == (Reason.TRUNCATED, False)
        assert str(failure) == "GET /things of Example: more than 1000 bytes"
        assert len(server.requests) == 1

    def test_packing_does_not_hide_a_size(self, server, outside) -> None:
        bomb = gzip.compress(b" " * 3_000_000)
        server.answer(http(bomb, Content_Encoding="gzip"))
        failure = failure_of(lambda: outside(limits=Limits(max_bytes=1_000_000)).get("/things"))
        assert failure.reason is Reason.TRUNCATED


class TestPages:
    def test_all_are_read(self, server, outside) -> None:
        server.answer(
            http([1], Link=f'<{server.url}/things?page=2>; rel="next", </x>; rel="last"'),
            http([2], Link='</things?page=3>; rel="next"'),
            http([3], Link='</things?page=1>; rel="first"'),
        )
        pages = list(outside().pages("/things", params={"per_page": 1}))
        assert [page.body for page in pages] == [[1], [2], [3]]
        assert server.paths == ["/things?per_page=1", "/things?page=2", "/things?page=3"]

    @pytest.mark.parametrize(
        "link",
        [
            "http://else.example/things?page=2",
            "https://127.0.0.1/things",
            "//else.example/things",
            "http://127.0.0.1:1/things",
        ],
    )
    def test_another_host_is_not_asked(self, server, outside, link) -> None:
        server.answer(http([1], Link=f'<{link}>; rel="next"'))
        with pytest.raises(OutsideError) as caught:
            list(outside().pages("/things"))
        assert caught.value.reason is Reason.MALFORMED
        assert "names a next page on another host" in str(caught.value)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("link", ["http://[", "http://[::1"])
    def test_a_next_page_that_is_no_address(self, server, outside, link) -> None:
        server.answer(http([1], Link=f'<{link}>; rel="next"'))
        failure = failure_of(lambda: list(outside().pages("/things")))
        assert failure.reason is Reason.MALFORMED
        assert str(failure) == "the answer names a next page that is no address"

    def test_the_usual_port_may_be_written_or_not(self) -> None:
        one = Outside("https://api.example", system="Example")
        assert one.is_own("https://API.example:443/x")
        assert not one.is_own("http://api.example/x")
        assert not one.is_own("https://user@api.example/x")
        assert not one.is_own("https://api.example.evil/x")

    def test_a_whole_address_elsewhere_is_never_asked(self, server, outside) -> None:
        failure = failure_of(lambda: outside().get("http://else.example/things"))
        assert failure.reason is Reason.MALFORMED
        assert server.requests == []

    def test_a_circle_ends(self, server, outside) -> None:
        server.answer(http([1], Link='</things>; rel="next"'))
        failure = failure_of(lambda: list(outside().pages("/things")))
        assert failure.reason is Reason.MALFORMED
        assert str(failure) == "Example names a page of /things as next that was read already"

    def test_more_than_the_cap_is_truncated_not_complete(self, server, outside) -> None:
        number = iter(range(1, 100))

        def more(connection: socket.socket) -> None:
            connection.sendall(http([1], Link=f'</things?page={next(number)}>; rel="next"'))

        server.answer(more)
        failure = failure_of(lambda: list(outside().pages("/things", max_pages=3)))
        assert failure.reason is Reason.TRUNCATED
        assert str(failure) == "Example has more than 3 pages of /things"
        assert len(server.requests) == 3

    def test_a_refusal_in_the_middle_is_the_last_page(self, server, outside) -> None:
        server.answer(http([1], Link='</things?page=2>; rel="next"'), http({}, 403))
        assert [page.status for page in outside().pages("/things")] == [200, 403]


class TestRenewedTokens:
    def test_a_refused_token_is_replaced_once(self, server, outside) -> None:
        tokens = Tokens(["first", "second", "third"])
        server.answer(http({}, 401), http({"a": 1}))
        assert outside(tokens=tokens).get("/things").body == {"a": 1}
        assert [
            line for r in server.requests for line in r.splitlines() if "Authorization" in line
        ] == [
            "Authorization: Bearer first",
            "Authorization: Bearer second",
        ]

    def test_a_second_refusal_is_the_answer(self, server, outside) -> None:
        server.answer(http({}, 401))
        assert outside(tokens=Tokens(["a", "b", "c"])).get("/things").status == 401
        assert len(server.requests) == 2

    def test_without_another_token_the_refusal_is_the_answer(self, server, outside) -> None:
        server.answer(http({}, 401))
        assert outside(tokens=Tokens(["a"])).get("/things").status == 401
        assert len(server.requests) == 1


@dataclass
class Tokens:
    values: list[str]

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.values[0]}"}

    def renew(self) -> bool:
        if len(self.values) == 1:
            return False
        del self.values[0]
        return True


def answer(status: int = 200, body: Any = None, **headers: str) -> Answer:
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=lower, body=body, url="https://api.example/a/b")


NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "text", "wait"),
    [
        (429, "3", 3.0),
        (503, " 3 ", 3.0),
        (200, "3", None),
        (403, "3", None),
        (429, "-3", None),
        (429, "soon", None),
        (429, "", None),
        (429, "Wed, 25 Nov 2026 07:00:10 GMT", 10.0),
        (429, "Wed, 25 Nov 2026 06:00:00 GMT", 0.0),
        (429, "Wed, 25 Nov 2026 07:00:10 -0000", None),
        (429, "Wed, 99 Nov 99999 07:00:10 GMT", None),
    ],
)
def test_retry_after_is_read_or_left(status, text, wait) -> None:
    assert retry_after_s(answer(status, **{"Retry-After": text}), NOW) == wait


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ('</c?page=2>; rel="next"', "https://api.example/c?page=2"),
        ('<https://api.example/c>; rel="last"', None),
        ("", None),
        ("nonsense", None),
        ('<>; rel="next"', None),
    ],
)
def test_the_next_link_is_read_or_there_is_none(header, link) -> None:
    assert next_link(answer(Link=header)) == link


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "Not Found"}, "Not Found"),
        ({"message": "two\nlines\x00"}, "two lines"),
        ({"message": "x" * 300}, "x" * 199 + "…"),
        ({"message": 7}, ""),
        ({"errorSummary": "Denied"}, ""),
        (["message"], ""),
        (None, ""),
    ],
)
def test_the_words_of_a_refusal(body, words) -> None:
    assert words_of(answer(403, body)) == words
    assert words_of(answer(403, {"errorSummary": "Denied"}), key="errorSummary") == "Denied"
