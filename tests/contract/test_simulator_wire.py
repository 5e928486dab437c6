"""Faults as a caller meets them on a socket: nothing, too late, twice, or from elsewhere."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.control import Fault, SimulatorControl, SimulatorControlError
from compai_kit.simulator.server import serve

SEED = {
    "controls": [{"internal_id": "C-1", "name": "Locked"}],
    "control_tests": [{"control_id": 1, "name": "t"}],
}
TOKEN = "static-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS: dict[str, Any] = {"static_tokens": [TOKEN], "rate_limit": {"requests": 60}}
RESULT = "/api/v1/controls/1/tests/1/result"
TESTS = "/api/v1/tests"
KEYCLOAK = "/auth/realms/lianel/protocol/openid-connect"
CLIENT = {"client_id": "airflow", "client_secret": "simulator-only"}
NOW = datetime(2027, 1, 5, 6, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def url() -> Iterator[str]:
    with serve(SimulatorApp(SEED, SETTINGS)) as running:
        yield running.url


@pytest.fixture
def control(url: str) -> Iterator[SimulatorControl]:
    with SimulatorControl(url) as control:
        yield control


def get(url: str, path: str = TESTS, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        options = {"timeout": 5, "headers": BEARER} | options
        return session.get(url + path, **options)


def post(url: str, result: str = "fail", **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        options = {"timeout": 5, "headers": BEARER} | options
        return session.post(url + RESULT, json={"result": result}, **options)


def stored(control: SimulatorControl) -> str | None:
    result: str | None = control.state()["control_tests"][0]["last_result"]
    return result


def raw(url: str, path: str = TESTS) -> socket.socket:
    """A connection on which a whole request was sent."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=5)
    head = f"GET {path} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def fetch_token(url: str) -> str:
    form = {"grant_type": "client_credentials", **CLIENT}
    answer = requests.post(f"{url}{KEYCLOAK}/token", data=form, timeout=5)
    token: str = answer.json()["access_token"]
    return token


def wait_until_no_call_is_left() -> None:
    """A call is a thread of the server; the one that serves stays."""
    deadline = time.monotonic() + 3
    while any("process_request" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a call is still being answered"
        time.sleep(0.01)


@pytest.mark.parametrize(("when", "result"), [("before", None), ("after", "fail")])
class TestNoAnswer:
    """Before: nothing was done. After: the write is stored and its answer is lost."""

    def test_reset(self, url: str, control: SimulatorControl, when: Any, result: Any) -> None:
        control.faults(Fault(kind="reset", operation="recordTestResult", when=when))
        with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
            post(url)
        assert stored(control) == result

    def test_hang_up(self, url: str, control: SimulatorControl, when: Any, result: Any) -> None:
        control.faults(Fault(kind="hang_up", operation="recordTestResult", when=when))
        with pytest.raises(requests.ConnectionError, match="closed connection without response"):
            post(url)
        assert stored(control) == result

    def test_stall(self, url: str, control: SimulatorControl, when: Any, result: Any) -> None:
        control.faults(Fault(kind="stall", operation="recordTestResult", when=when))
        with pytest.raises(requests.ReadTimeout):
            post(url, timeout=0.2)
        assert stored(control) == result

    def test_the_ledger_knows_it(
        self, url: str, control: SimulatorControl, when: Any, result: Any
    ) -> None:
        control.faults(Fault(kind="hang_up", operation="recordTestResult", when=when))
        with pytest.raises(requests.ConnectionError):
            post(url)
        [entry] = control.ledger()
        assert (entry.status, entry.fault) == (None, "hang_up")
        assert len(entry.stored) == (0 if result is None else 1)


class TestStall:
    def test_it_ends_when_the_caller_leaves(self, url: str, control: SimulatorControl) -> None:
        control.faults(Fault(kind="stall"))
        raw(url).close()
        wait_until_no_call_is_left()
        assert get(url).status_code == 200

    def test_it_ends_in_time_without_a_byte(self, url: str, control: SimulatorControl) -> None:
        control.faults(Fault(kind="stall", delay_s=0.1))
        started = time.monotonic()
        with closing(raw(url)) as connection:
            assert connection.recv(1) == b""
        assert 0.1 <= time.monotonic() - started < 3

    def test_it_ends_when_the_simulator_starts_again(
        self, url: str, control: SimulatorControl
    ) -> None:
        control.faults(Fault(kind="stall"))
        with closing(raw(url)) as connection:
            while not control.ledger():
                time.sleep(0.01)
            control.reset()
            assert connection.recv(1) == b""

    def test_it_does_not_hold_up_the_end_of_the_server(self) -> None:
        app = SimulatorApp(SEED, SETTINGS)
        app.set_faults(Fault(kind="stall"))
        with serve(app) as running:
            connection = raw(running.url)
            while not app.ledger_entries():
                time.sleep(0.01)
            started = time.monotonic()
        with closing(connection):
            assert time.monotonic() - started < 3
            assert connection.recv(1) == b""


class TestDrip:
    def test_no_single_wait_is_long_but_the_whole_is(
        self, url: str, control: SimulatorControl
    ) -> None:
        whole = get(url).content
        control.faults(Fault(kind="drip", delay_s=0.02, piece_bytes=10))
        started = time.monotonic()
        answer = get(url, timeout=0.5)
        took = time.monotonic() - started
        assert (answer.status_code, answer.content) == (200, whole)
        assert took >= 0.02 * (len(whole) // 10)

    def test_pieces_come_one_by_one_behind_the_head(
        self, url: str, control: SimulatorControl
    ) -> None:
        control.faults(Fault(kind="drip", operation="getHealth", delay_s=0.2, piece_bytes=40))
        with closing(raw(url, "/health")) as connection:
            seen = [connection.recv(65536) for _ in range(3)]
        head, first, second = seen
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert [len(first), len(second)] == [40, 26]

    def test_it_ends_when_the_caller_leaves(self, url: str, control: SimulatorControl) -> None:
        control.faults(Fault(kind="drip", delay_s=1.0))
        raw(url).close()
        wait_until_no_call_is_left()


class TestElsewhere:
    """Something in front of Comp-AI answers in its place."""

    def test_a_login_page_comes_with_200(self, url: str, control: SimulatorControl) -> None:
        control.faults(Fault(kind="html"))
        answer = get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "text/html; charset=utf-8",
        )
        assert "Sign in" in answer.text
        assert "access-control-allow-origin" not in answer.headers

    def test_whoever_follows_a_redirect_sees_a_login_page(
        self, url: str, control: SimulatorControl
    ) -> None:
        control.faults(Fault(kind="redirect", operation="recordTestResult"))
        moved = post(url, allow_redirects=False)
        assert moved.status_code == 302
        assert moved.headers["location"].startswith(f"{url}{KEYCLOAK}/auth?client_id=proxy")
        control.faults(Fault(kind="redirect", operation="recordTestResult"))
        followed = post(url)
        assert (followed.status_code, followed.request.method) == (200, "GET")
        assert "Sign in" in followed.text
        assert stored(control) is None
        login = control.ledger()[-1]
        assert (login.operation, login.path) == (None, f"{KEYCLOAK}/auth")

    def test_a_write_that_follows_307_is_sent_again(
        self, url: str, control: SimulatorControl
    ) -> None:
        again = {"Location": RESULT}
        control.faults(
            Fault(kind="redirect", operation="recordTestResult", status=307, headers=again)
        )
        assert post(url).status_code == 200
        assert [entry.status for entry in control.ledger()] == [307, 200]


class TestDuplicate:
    def test_a_pool_gets_over_an_early_copy(self, url: str, control: SimulatorControl) -> None:
        control.faults(Fault(kind="duplicate", operation="getHealth"))
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(f"{url}/health", timeout=5).json()["status"] == "healthy"
            time.sleep(0.1)
            assert session.get(url + TESTS, headers=BEARER, timeout=5).json()[0]["name"] == "t"

    def test_a_late_copy_answers_the_next_request(
        self, url: str, control: SimulatorControl
    ) -> None:
        control.faults(Fault(kind="duplicate", operation="getHealth", delay_s=0.3))
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)) as connection:
            connection.request("GET", "/health")
            first = connection.getresponse().read()
            connection.request("GET", TESTS, headers=BEARER)
            assert connection.getresponse().read() == first
        wait_until_no_call_is_left()
        assert [entry.operation for entry in control.ledger()] == ["getHealth", "listTests"]


class TestClockSkew:
    @pytest.fixture
    def url(self) -> Iterator[str]:
        with serve(SimulatorApp(SEED, SETTINGS, clock=lambda: NOW)) as running:
            yield running.url

    def test_answers_are_dated_by_the_clock_of_the_simulator(self, url: str) -> None:
        date = get(url).headers["date"]
        assert parsedate_to_datetime(date) == NOW.replace(microsecond=0)

    def test_times_are_those_of_a_clock_that_is_ahead(
        self, url: str, control: SimulatorControl
    ) -> None:
        control.faults(Fault(kind="clock_skew", operation="recordTestResult", skew_s=3600))
        answer = post(url)
        assert answer.json()["last_run_at"] == "2027-01-05T07:00:00.250Z"
        assert parsedate_to_datetime(answer.headers["date"]).hour == 7
        assert post(url).json()["last_run_at"] == "2027-01-05T06:00:00.250Z"

    def test_a_token_can_be_dead_when_it_is_born(self, url: str, control: SimulatorControl) -> None:
        control.faults(Fault(kind="clock_skew", operation="keycloakToken", skew_s=-900))
        token = fetch_token(url)
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert datetime.fromtimestamp(claims["exp"], UTC) == NOW.replace(microsecond=0) - timedelta(
            seconds=600
        )
        assert get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 401


class TestTokenRevoked:
    def test_one_token_dies_in_mid_run_and_the_others_live(
        self, url: str, control: SimulatorControl
    ) -> None:
        mine, other = fetch_token(url), fetch_token(url)

        def status(token: str) -> int:
            return get(url, headers={"Authorization": f"Bearer {token}"}).status_code

        control.faults(Fault(kind="token_revoked", operation="listTests", after=1))
        assert [status(mine), status(mine), status(mine)] == [200, 401, 401]
        assert (status(other), status(fetch_token(url))) == (200, 200)
        assert [e.token for e in control.ledger() if e.operation == "listTests"][:2] == [
            "valid",
            "invalid",
        ]

    def test_afterwards_means_that_this_call_still_works(
        self, url: str, control: SimulatorControl
    ) -> None:
        control.faults(Fault(kind="token_revoked", when="after"))
        assert [get(url).status_code, get(url).status_code] == [200, 401]


class TestRateLimitUsedUp:
    def test_a_neighbour_takes_the_whole_window(self) -> None:
        now = [NOW]
        settings = SETTINGS | {"rate_limit": {"requests": 9, "window_s": 60}}
        with serve(SimulatorApp(SEED, settings, clock=lambda: now[0])) as running:
            url = running.url
            with SimulatorControl(url) as control:
                control.faults(Fault(kind="rate_limit_used_up", operation="listTests"))
            refused = get(url)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
            now[0] += timedelta(seconds=59)
            assert get(url, "/api/v1/controls/gaps").status_code == 429
            assert get(url, headers=BEARER | {"X-Real-IP": "10.0.0.9"}).status_code == 200
            now[0] += timedelta(seconds=1)
            assert get(url).status_code == 200

    def test_without_a_limit_there_is_nothing_to_use_up(
        self, url: str, control: SimulatorControl
    ) -> None:
        control.reset(settings={"rate_limit": None})
        with pytest.raises(SimulatorControlError, match="nothing is used up"):
            control.faults(Fault(kind="rate_limit_used_up"))


def test_in_process_there_is_no_socket_and_so_no_oddity() -> None:
    app = SimulatorApp(SEED, SETTINGS)
    app.set_faults(Fault(kind="drip"), Fault(kind="duplicate"), Fault(kind="stall"))
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": TESTS,
        "HTTP_AUTHORIZATION": BEARER["Authorization"],
    }
    seen: list[str] = []

    def start_response(line: str, _headers: list[tuple[str, str]]) -> None:
        seen.append(line)

    for _ in range(2):
        list(app(dict(environ), start_response))
    assert seen == ["200 OK", "200 OK"]
    with pytest.raises(ConnectionAbortedError):
        app(dict(environ), start_response)
