"""Fault by fault: the error, the requests, the waits; for a read, an overwrite and an insert.

The waits are exact: the jitter of these clients is its upper bound, so 1, 2 and 4 seconds.
"""

import socket
import threading
import time as real_time
from collections.abc import Callable
from typing import Any

import pytest

from compai_client import (
    CallError,
    ClientSettings,
    CompAI,
    ForbiddenError,
    HtmlAnswerError,
    NoAnswerError,
    NotConfiguredError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ServerError,
    StaticToken,
    UnauthorizedError,
    UnknownStatusError,
    WrongMediaTypeError,
    WrongShapeError,
)

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])

BACK_OFF = [1.0, 2.0, 4.0]
HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>"
PAGE = {"content_type": "text/html"}
LIMITED = {"error": "Too many requests", "retry_after_secs": 60}
MINUTE = {"retry_after": "60"}
MOVED = {"location": "https://a.example/x"}
NOT_SET_UP = {"error": "GitHub integration not configured", "detail": "Set GITHUB_TOKEN"}
TEST = {
    "id": 1, "control_id": 1, "name": "n", "test_type": "manual", "schedule": None,
    "last_run_at": None, "last_result": None, "last_details": None,
    "created_at": "2026-10-01T08:00:00Z", "updated_at": "2026-10-01T08:00:00Z",
}  # fmt: skip


def read(client: CompAI) -> Any:
    return client.list_tests()


def collect(client: CompAI) -> Any:
    return client.collect_github_evidence(
        control_id=3, owner="example-org", repo="demo", evidence_type="last_commit"
    )


def record(client: CompAI) -> Any:
    return client.record_test_result(control_id=1, test_id=1, result="fail", details="d")


Call = Callable[[CompAI], Any]
NEVER_AGAIN: list[float] = []

# fault -> answer, error, waits of a read (and of recording a result), waits of collecting evidence
ANSWERS: dict[str, tuple[tuple[Any, ...], type[CallError], list[float], list[float]]] = {
    "408": ((408, None), ServerError, BACK_OFF, NEVER_AGAIN),
    "425": ((425, None), ServerError, BACK_OFF, NEVER_AGAIN),
    "500 JSON": ((500, {"error": "Failed"}), ServerError, BACK_OFF, NEVER_AGAIN),
    "502 page of the proxy": ((502, HTML, PAGE), ServerError, BACK_OFF, NEVER_AGAIN),
    "502 JSON": ((502, {"error": "e", "detail": "d"}), ServerError, BACK_OFF, NEVER_AGAIN),
    "503 page of the proxy": ((503, HTML, PAGE), ServerError, BACK_OFF, NEVER_AGAIN),
    "503 not configured": ((503, NOT_SET_UP), NotConfiguredError, NEVER_AGAIN, NEVER_AGAIN),
    "504": ((504, HTML, PAGE), ServerError, BACK_OFF, NEVER_AGAIN),
    "501": ((501, None), ServerError, NEVER_AGAIN, NEVER_AGAIN),
    "429 of Comp-AI": ((429, LIMITED, MINUTE), RateLimitedError, [60.0] * 3, [60.0] * 3),
    "429 of a proxy": ((429, HTML, PAGE), RateLimitedError, BACK_OFF, NEVER_AGAIN),
    "400 text": ((400, "Invalid URL: x"), RejectedError, NEVER_AGAIN, NEVER_AGAIN),
    "401": ((401, {"error": "Unauthorized"}), UnauthorizedError, NEVER_AGAIN, NEVER_AGAIN),
    "403": ((403, HTML, PAGE), ForbiddenError, NEVER_AGAIN, NEVER_AGAIN),
    "404 empty": ((404, None), RejectedError, NEVER_AGAIN, NEVER_AGAIN),
    "405": ((405, None), RejectedError, NEVER_AGAIN, NEVER_AGAIN),
    "409": ((409, None), RejectedError, NEVER_AGAIN, NEVER_AGAIN),
    "413": ((413, HTML, PAGE), RejectedError, NEVER_AGAIN, NEVER_AGAIN),
    "415": ((415, "Expected"), RejectedError, NEVER_AGAIN, NEVER_AGAIN),
    "422": ((422, "Failed to"), RejectedError, NEVER_AGAIN, NEVER_AGAIN),
    "418": ((418, None), UnknownStatusError, NEVER_AGAIN, NEVER_AGAIN),
    "204": ((204, None), UnknownStatusError, NEVER_AGAIN, NEVER_AGAIN),
    "202 page": ((202, HTML, PAGE), HtmlAnswerError, NEVER_AGAIN, NEVER_AGAIN),
    "202 JSON": ((202, {}), UnknownStatusError, NEVER_AGAIN, NEVER_AGAIN),
    "301": ((301, HTML, PAGE | MOVED), RedirectedError, NEVER_AGAIN, NEVER_AGAIN),
    "307": ((307, None, {"location": "/login?x=1"}), RedirectedError, NEVER_AGAIN, NEVER_AGAIN),
}  # fmt: skip


@pytest.mark.parametrize("call", [read, record, collect])
@pytest.mark.parametrize(
    ("given", "error", "waits", "waits_of_collect"), ANSWERS.values(), ids=ANSWERS
)
def test_answer(
    given: Any, error: Any, waits: Any, waits_of_collect: Any,
    call: Call, script: Any, connect: Any, time: Any,
) -> None:  # fmt: skip
    server = script(given)
    with pytest.raises(CallError) as caught:
        call(connect(server.url))
    expected = waits_of_collect if call is collect else waits
    assert type(caught.value) is error
    assert time.waits == expected
    assert len(server.requests) == caught.value.attempt == len(expected) + 1


# What cannot be used although the status says success; never asked again.
UNUSABLE: dict[str, tuple[tuple[Any, ...], type[CallError]]] = {
    "login page": ((HTML, PAGE), HtmlAnswerError),
    "page that claims to be JSON": ((HTML, {"content_type": "application/json"}), HtmlAnswerError),
    "text": (("[]",), WrongMediaTypeError),
    "no media type": ((None,), WrongMediaTypeError),
    "other JSON": (({"message": "hello"},), WrongShapeError),
    "cut JSON": (('[{"id": 1, "con', {"content_type": "application/json"}), WrongShapeError),
    "not UTF-8": ((b'{"id": "\xff"}', {"content_type": "application/json"}), WrongShapeError),
}


@pytest.mark.parametrize("call", [read, record, collect])
@pytest.mark.parametrize(("given", "error"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_success(
    given: Any, error: Any, call: Call, script: Any, connect: Any, time: Any
) -> None:
    server = script((201 if call is collect else 200, *given))
    with pytest.raises(CallError) as caught:
        call(connect(server.url))
    assert type(caught.value) is error
    assert (len(server.requests), time.waits) == (1, [])


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the client gives up


def half_an_answer(connection: socket.socket) -> None:
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[{"
    )


def half_a_chunked_answer(connection: socket.socket) -> None:
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n[{\r\n"
    )


def not_http(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.7\r\n")


WIRE: dict[str, tuple[Callable[[socket.socket], None] | None, str]] = {
    "closed without an answer": (lambda _: None, "closed the connection without an answer"),
    "reset": (None, "closed the connection without an answer"),
    "silent": (silent, "was silent for 0.1 s"),
    "cut": (half_an_answer, "broke off"),
    "cut between chunks": (half_a_chunked_answer, "broke off"),
    "not HTTP": (not_http, "closed the connection without an answer"),
}


@pytest.mark.parametrize("call", [read, record, collect])
@pytest.mark.parametrize(("behave", "text"), WIRE.values(), ids=WIRE)
def test_lost_answer(
    behave: Any, text: str, call: Call, wire: Any, reset_connection: Any, connect: Any, time: Any
) -> None:
    server = wire(behave or reset_connection)
    with pytest.raises(NoAnswerError, match=text) as caught:
        call(connect(server.url, settings={"read_timeout_s": 0.1}))
    expected = [] if call is collect else BACK_OFF
    assert caught.value.processed == "unknown"
    assert time.waits == expected
    assert server.connections == caught.value.attempt == len(expected) + 1


@pytest.mark.parametrize("call", [read, record, collect])
def test_refused_connection_is_repeated_even_for_a_write_that_adds_rows(
    call: Call, connect: Any, time: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NoAnswerError, match=f"no connection to 127.0.0.1:{port}") as caught:
        call(connect(f"http://127.0.0.1:{port}"))
    assert (caught.value.processed, caught.value.attempt, time.waits) == ("no", 4, BACK_OFF)
    assert "refused" in str(caught.value)


def test_a_write_that_may_have_been_processed_stays_so_when_the_service_then_goes_away(
    connect: Any, time: Any
) -> None:
    """The last tries were not processed, the first may have been: the answer is "unknown"."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def once() -> None:
        connection, _ = listener.accept()
        listener.close()
        connection.recv(65536)
        connection.close()

    thread = threading.Thread(target=once)
    thread.start()
    with pytest.raises(NoAnswerError, match="refused") as caught:
        record(connect(f"http://127.0.0.1:{port}"))
    thread.join()
    assert (caught.value.processed, caught.value.attempt) == ("unknown", 4)


def test_unknown_name(connect: Any, time: Any) -> None:
    with pytest.raises(NoAnswerError, match=r"the name in no-such-host\.invalid:3002") as caught:
        read(connect("http://no-such-host.invalid:3002"))
    assert (caught.value.processed, time.waits) == ("no", BACK_OFF)


def test_429_with_retry_after_1_then_200_is_two_requests(
    script: Any, connect: Any, time: Any
) -> None:
    limited = {"error": "Too many requests", "retry_after_secs": 1}
    server = script((429, limited, {"retry_after": "1"}), (200, []))
    assert read(connect(server.url, settings={"jitter": lambda _: 0.0})) == []
    assert (len(server.requests), time.waits) == (2, [1.0])


def test_collecting_is_repeated_after_comp_ais_own_429(
    script: Any, connect: Any, time: Any
) -> None:
    made = {"id": 9, "control_id": 3, "collected_at": "2026-11-25T00:55:45.367654270Z"}
    server = script((429, LIMITED, {"retry_after": "60"}), (201, made))
    assert collect(connect(server.url)).id == 9
    assert (len(server.requests), time.waits) == (2, [60.0])


def test_retry_after_of_an_hour_is_capped_and_the_budget_ends_the_call(
    script: Any, connect: Any, time: Any
) -> None:
    server = script((429, LIMITED, {"retry_after": "3600"}))
    with pytest.raises(RateLimitedError) as caught:
        read(connect(server.url))
    assert (len(server.requests), time.waits) == (3, [90.0, 90.0])
    assert caught.value.retry_after_s == 3600
    assert (
        "The next wait of 90 s was not started: with a try of up to 35 s it would break the "
        "budget of 250 s per call (180 s are used)"
    ) in str(caught.value)


def test_the_budget_holds_three_whole_windows_for_every_operation(
    script: Any, connect: Any, time: Any
) -> None:
    limited = (429, LIMITED, {"retry_after": "60"})
    server = script(limited, limited, limited, (200, []))
    assert read(connect(server.url)) == []
    assert time.waits == [60.0] * 3


def test_an_answer_that_drips_ends_with_the_budget(wire: Any) -> None:
    """A read timeout alone never ends it: a byte arrives before each time-out."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        for _ in range(200):
            connection.sendall(b" ")
            real_time.sleep(0.02)

    server = wire(drip)
    settings = ClientSettings(budget_s=0.3, read_timeout_s=0.2, connect_timeout_s=0.1)
    started = real_time.monotonic()
    with (
        CompAI(server.url, auth=StaticToken("a.b.c"), settings=settings) as client,
        pytest.raises(NoAnswerError, match=r"kept dripping in until the budget of 0\.3 s"),
    ):
        read(client)
    assert real_time.monotonic() - started < 2


def test_a_call_recovers_and_returns_the_row(script: Any, connect: Any, time: Any) -> None:
    server = script((500, {"error": "Failed"}), (502, HTML, PAGE), (200, TEST))
    assert record(connect(server.url)).id == 1
    assert time.waits == [1.0, 2.0]
    assert {request.get_data() for request in server.requests} == {
        b'{"result":"fail","details":"d"}'
    }
