"""The replay adapter: no thread gets past it, and a miss says what was recorded instead."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import requests
from vcr import VCR  # type: ignore[import-untyped]  # vcrpy has no types
from vcr.errors import (  # type: ignore[import-untyped]  # as above
    CannotOverwriteExistingCassetteException,
)
from vcr.request import Request  # type: ignore[import-untyped]  # as above
from vcr.serialize import serialize  # type: ignore[import-untyped]  # as above
from vcr.serializers import yamlserializer  # type: ignore[import-untyped]  # as above
from werkzeug.serving import make_server
from werkzeug.wrappers import Request as WsgiRequest
from werkzeug.wrappers import Response

from compai_client import ClientSettings, CompAI, NoAnswerError, ServerError, StaticToken
from compai_kit.contract.recordings import RecordingsError
from compai_kit.contract.replay import MATCH_ON, NotRecordedError, ReplayAdapter

pytestmark = pytest.mark.block_network

SERVICE = "http://comp-ai.test:3002"
THREADS = 8
CALLS = 400
JSON = {"Content-Type": ["application/json"]}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
Exchange = tuple[str, str, Any, int, Any]


def task_of(control_id: int) -> dict[str, Any]:
    return {
        "id": control_id, "control_id": control_id, "assigned_to": None, "due_date": None,
        "status": "open", "notes": None, "created_at": "2026-10-01T08:00:00Z",
        "updated_at": "2026-10-01T08:00:00Z",
    }  # fmt: skip


Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a cassette of (method, path, JSON sent, status, JSON received), as vcrpy would."""

    def write(*exchanges: Exchange, headers: dict[str, list[str]] | None = None) -> Path:
        recorded = {
            "requests": [
                Request(method, SERVICE + path, sent and json.dumps(sent), JSON if sent else {})
                for method, path, sent, _, _ in exchanges
            ],
            "responses": [
                {
                    "status": {"code": status, "message": ""},
                    "headers": JSON if headers is None else headers,
                    "body": {
                        "string": body if isinstance(body, bytes) else json.dumps(body).encode()
                    },
                }
                for *_, status, body in exchanges
            ],
        }
        file = tmp_path / "calls.yaml"
        file.write_text(serialize(recorded, yamlserializer), encoding="utf-8")
        return file

    return write


def client(adapter: ReplayAdapter, **options: Any) -> CompAI:
    settings = ClientSettings(sleep=lambda _: None)
    return CompAI(
        SERVICE, auth=StaticToken("<token>"), settings=settings, adapter=adapter, **options
    )


def session(adapter: ReplayAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("http://", adapter)
    return session


# --- threads ----------------------------------------------------------------------------------


def test_400_calls_on_8_threads_get_each_its_own_answer(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every answer is the asker's, every interaction is played once, the network is not used."""
    file = written(
        *(("GET", f"/api/v1/controls/{n}/remediation", None, 200, task_of(n)) for n in range(CALLS))
    )
    adapter = ReplayAdapter(file)
    with client(adapter) as comp_ai, ThreadPoolExecutor(THREADS) as pool:

        def ask(n: int) -> int | None:
            task = comp_ai.get_control_remediation(control_id=n)
            return task and task.control_id

        answered = list(pool.map(ask, range(CALLS)))
    with capsys.disabled():
        print(f"\nreplay: {adapter.plays} calls on {THREADS} threads, 0 leaks")  # noqa: T201 - figure
    assert answered == list(range(CALLS))
    assert (adapter.plays, adapter.unused) == (CALLS, [])


def test_the_network_is_really_blocked_meanwhile() -> None:
    """Without this, the test before could pass because nothing tells that a call got out."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket() as caller,
        pytest.raises(RuntimeError, match="Network is disabled"),
    ):
        caller.connect(listener.getsockname())


class Counting:
    """Answers any control's tests with none; knows how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Any:
        self.asked += 1
        WsgiRequest(environ).get_data()
        return Response("[]", content_type="application/json")(environ, start)


@pytest.fixture
def server() -> Iterator[tuple[Counting, str, Callable[[], None]]]:
    app = Counting()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    yield app, f"http://127.0.0.1:{server.server_port}", stop
    if thread.is_alive():
        stop()


@pytest.mark.block_network(allowed_hosts=["127.0.0.1"])
def test_what_vcrpy_recorded_is_replayed_when_the_server_is_gone(
    server: tuple[Counting, str, Callable[[], None]], tmp_path: Path
) -> None:
    app, url, stop = server
    file = tmp_path / "recorded.yaml"
    settings = ClientSettings(tries=1)
    with (
        VCR(match_on=MATCH_ON, filter_headers=["authorization"]).use_cassette(file),
        CompAI(url, auth=StaticToken("one.two.three"), settings=settings) as recording,
    ):
        for control_id in range(3):
            assert recording.list_control_tests(control_id=control_id) == []
    stop()
    assert app.asked == 3
    assert "one.two.three" not in file.read_text()

    adapter = ReplayAdapter(file, repeats=True)
    with (
        CompAI(url, auth=StaticToken("x.y.z"), settings=settings, adapter=adapter) as replaying,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        answers = list(
            pool.map(lambda n: replaying.list_control_tests(control_id=n % 3), range(CALLS))
        )
    assert answers == [[]] * CALLS
    assert (app.asked, adapter.plays, adapter.unused) == (3, CALLS, [])
    with (
        CompAI(url, auth=StaticToken("x.y.z"), settings=settings) as without,
        pytest.raises(NoAnswerError, match="refused"),
    ):
        without.list_control_tests(control_id=0)


# --- what is played -----------------------------------------------------------------------------


def test_equal_requests_get_their_answers_in_the_order_of_the_file(written: Written) -> None:
    file = written(
        ("GET", "/api/v1/controls/gaps", None, 500, {"error": "Failed to list gaps"}),
        ("GET", "/api/v1/controls/gaps", None, 200, []),
    )
    adapter = ReplayAdapter(file)
    with client(adapter) as comp_ai:
        assert comp_ai.list_gaps() == []
    assert (adapter.plays, adapter.unused) == (2, [])


def test_bodies_are_compared_as_values(written: Written) -> None:
    sent = {"control_id": 3, "documents": [{"url": "länk ✅", "type": "policy"}]}
    file = written(
        ("POST", "/api/v1/scan/documents", sent, 200, {"evidence_ids": [9], "created": 1})
    )
    text = '{ "documents": [ {"type":"policy", "url":"l\\u00e4nk \\u2705"} ], "control_id":3 }'
    answer = session(ReplayAdapter(file)).post(
        f"{SERVICE}/api/v1/scan/documents",
        data=text.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["evidence_ids"] == [9]


def test_what_nobody_asked_for_is_listed(written: Written) -> None:
    file = written(
        ("GET", "/api/v1/controls/gaps", None, 200, []),
        ("GET", "/api/v1/remediation", None, 200, []),
    )
    adapter = ReplayAdapter(file)
    with client(adapter) as comp_ai:
        comp_ai.list_gaps()
    assert adapter.unused == [f"calls.yaml#1 GET {SERVICE}/api/v1/remediation"]


def test_a_session_that_closes_leaves_the_cassette_to_the_next(written: Written) -> None:
    file = written(
        ("GET", "/api/v1/controls/gaps", None, 200, []),
        ("GET", "/api/v1/remediation", None, 200, []),
    )
    adapter = ReplayAdapter(file)
    with client(adapter) as first:
        first.list_gaps()
    with client(adapter) as second:
        second.list_remediation()
    assert adapter.unused == []


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Content-Type": ["application/octet-stream"]}, b"\xff\x00", b"\xff\x00"),
        ({"Transfer-Encoding": ["chunked"], "Content-Type": ["text/plain"]}, b"whole", b"whole"),
        ({"Set-Cookie": ["a=1", "b=2"]}, b"", b""),
    ],
)
def test_headers_and_bytes_are_as_recorded(
    headers: dict[str, list[str]], body: bytes, expected: bytes, written: Written
) -> None:
    file = written(("GET", "/x", None, 200, body), headers=headers)
    answer = session(ReplayAdapter(file)).get(f"{SERVICE}/x")
    assert answer.content == expected
    for name, values in headers.items():
        assert answer.raw.headers.getlist(name) == values


def test_the_players_own_settings_count(written: Written) -> None:
    file = written(("GET", "/api/v1/controls/gaps?page=1", None, 200, []))
    player = VCR(match_on=["method", "path"], filter_query_parameters=["key"])
    answer = session(ReplayAdapter(file, player=player)).get(
        f"{SERVICE}/api/v1/controls/gaps?page=2&key=k"
    )
    assert answer.json() == []


# --- misses -----------------------------------------------------------------------------------


def test_a_miss_names_the_closest_request_and_how_it_differs(written: Written) -> None:
    path = "/api/v1/controls/1/tests/4/result"
    file = written(
        ("GET", "/api/v1/controls/gaps", None, 200, []),
        ("POST", path, {"result": "pass", "details": "Signed."}, 200, {}),
    )
    adapter = ReplayAdapter(file)
    with client(adapter) as comp_ai, pytest.raises(NotRecordedError) as caught:
        comp_ai.record_test_result(control_id=1, test_id=4, result="fail", details="Signed.")
    text = str(caught.value)
    assert text.startswith(
        "Can't play back this request: no recorded interaction matches it (the closest differ in "
        "body)."
    )
    assert f"Closest recorded requests:\n  1. POST {SERVICE}{path}\n     body differs:" in text
    assert '-  "result": "pass"\n' in text
    assert '+  "result": "fail"\n' in text
    assert f"Cassette: {file}" in text
    assert isinstance(caught.value, CannotOverwriteExistingCassetteException)
    assert caught.value.reason == "no_match"
    assert adapter.plays == 0


def test_a_second_play_is_refused_unless_it_is_allowed(written: Written) -> None:
    file = written(("GET", "/api/v1/controls/gaps", None, 200, []))
    adapter = ReplayAdapter(file)
    with client(adapter) as comp_ai:
        comp_ai.list_gaps()
        with pytest.raises(NotRecordedError, match="already been played back") as caught:
            comp_ai.list_gaps()
    assert caught.value.reason == "already_played"
    with client(ReplayAdapter(file, repeats=True)) as comp_ai:
        assert [comp_ai.list_gaps(), comp_ai.list_gaps()] == [[], []]


def test_a_miss_is_no_failure_that_the_client_would_repeat(written: Written) -> None:
    file = written(("GET", "/api/v1/remediation", None, 500, {"error": "Failed"}))
    waits: list[float] = []
    settings = ClientSettings(sleep=waits.append)
    adapter = ReplayAdapter(file)
    with (
        CompAI(SERVICE, auth=StaticToken("<token>"), settings=settings, adapter=adapter) as comp_ai,
        pytest.raises(NotRecordedError),
    ):
        comp_ai.list_gaps()
    assert waits == []


def test_a_miss_never_shows_a_secret(written: Written) -> None:
    """vcrpy shows bodies as they are; a token request holds the client's secret."""
    url = f"{SERVICE}/token"
    file = written(("POST", "/token", None, 200, {}))
    file.write_text(
        file.read_text()
        .replace("body: null", "body: client_id=airflow&client_secret=%3Cclient_secret%3E")
        .replace("headers: {}", f"headers: {{Content-Type: [{FORM['Content-Type']}]}}")
    )
    secret = "-".join(("correct", "horse", "battery", "staple"))
    with pytest.raises(NotRecordedError) as caught:
        session(ReplayAdapter(file)).post(
            url, data={"client_id": "airflow", "client_secret": secret}, headers=FORM
        )
    assert "the closest differ in body" in str(caught.value)
    assert secret not in str(caught.value)


def test_a_request_that_the_player_ignores_does_not_get_out_either(written: Written) -> None:
    file = written(("GET", "/api/v1/controls/gaps", None, 200, []))
    player = VCR(match_on=MATCH_ON, ignore_hosts=["keycloak.test"])
    with pytest.raises(RecordingsError) as caught:
        session(ReplayAdapter(file, player=player)).get("http://keycloak.test/auth?key=k")
    assert str(caught.value) == (
        "GET keycloak.test/auth: the player is told to ignore such requests, and a replay never "
        "goes to the network"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no such cassette"),
        ("", "there is no such cassette"),
        ("interactions: [", "is not a vcrpy cassette: ParserError"),
        ("version: 1", "is not a vcrpy cassette: KeyError"),
        ("- 1", "is not a vcrpy cassette: TypeError"),
    ],
)
def test_a_file_that_is_no_cassette(content: str | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(RecordingsError, match=problem) as caught:
        ReplayAdapter(file)
    assert str(caught.value).startswith(str(file))


def test_recorded_failures_come_back_as_the_clients_errors(written: Written) -> None:
    file = written(("POST", "/api/v1/evidence", {"control_id": 1, "type": "note"}, 500, {}))
    with client(ReplayAdapter(file)) as comp_ai, pytest.raises(ServerError):
        comp_ai.create_evidence(control_id=1, type="note")
