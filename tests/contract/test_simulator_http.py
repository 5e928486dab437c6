"""The served simulator: what only shows on a socket, its admin API, its control and its command."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner

from compai_kit.cli.simulate import simulate
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.control import Fault, SimulatorControl, SimulatorControlError
from compai_kit.simulator.server import serve

SEED_FILE = Path(__file__).parents[1] / "data" / "recorded.seed.json"
SEED = json.loads(SEED_FILE.read_text())
BEARER = {"Authorization": "Bearer static-token"}
SETTINGS = {"static_tokens": ["static-token"]}


@pytest.fixture
def url() -> Iterator[str]:
    with serve(SimulatorApp(SEED, SETTINGS)) as running:
        yield running.url


@pytest.fixture
def control(url: str) -> Iterator[SimulatorControl]:
    with SimulatorControl(url) as control:
        yield control


def get(url: str, path: str = "/api/v1/tests", **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url + path, headers=BEARER | headers, timeout=10)


def post_result(url: str, result: str = "pass") -> requests.Response:
    path = "/api/v1/controls/1/tests/4/result"
    return requests.post(url + path, headers=BEARER, json={"result": result}, timeout=10)


def test_a_slow_call_does_not_hold_up_the_others(url: str, control: SimulatorControl) -> None:
    control.faults(Fault(kind="slow", operation="listTests", delay_s=1.0))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(get, url)
        time.sleep(0.1)
        started = time.monotonic()
        assert get(url, "/api/v1/controls/gaps").status_code == 200
        assert time.monotonic() - started < 0.8
        assert not slow.done()
        assert slow.result().status_code == 200


def test_eight_callers_at_once_lose_nothing(url: str, control: SimulatorControl) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post_result(url), range(80)))
    assert {answer.status_code for answer in answers} == {200}
    entries = control.ledger()
    assert [entry.seq for entry in entries] == list(range(80))
    assert all(len(entry.stored) == 1 for entry in entries)


def test_a_thousand_tests_are_listed_and_noted_without_effort() -> None:
    controls = [{"internal_id": f"C-{n}", "name": f"Control {n}"} for n in range(100)]
    tests = [{"control_id": 1 + n % 100, "name": f"Test {n}"} for n in range(1000)]
    with serve(SimulatorApp({"controls": controls, "control_tests": tests}, SETTINGS)) as running:
        started = time.monotonic()
        for _ in range(10):
            assert len(get(running.url).json()) == 1000
        assert time.monotonic() - started < 5
        entries = SimulatorControl(running.url).ledger()
        assert [entry.response_violations for entry in entries] == [[]] * 10
        assert len(json.dumps([entry.as_json() for entry in entries])) < 50_000


def test_of_two_authorization_headers_the_first_counts(url: str) -> None:
    def status(*values: str) -> int:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.putrequest("GET", "/api/v1/tests")
        for value in values:
            connection.putheader("Authorization", value)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status

    assert status("Bearer static-token", "Bearer garbage") == 200
    assert status("Bearer garbage", "Bearer static-token") == 401
    assert status("Bearer static-token  ") == 200


def test_a_chunked_body_is_read(url: str) -> None:
    path = "/api/v1/controls/1/tests/4/result"
    chunks = iter([b'{"result":', b'"skipped"}'])
    headers = BEARER | {"Content-Type": "application/json"}
    response = requests.post(url + path, data=chunks, headers=headers, timeout=10)
    assert response.json()["last_result"] == "skipped"


def test_leaving_the_context_stops_the_server() -> None:
    with serve(SimulatorApp(SEED, SETTINGS)) as running:
        address = urlsplit(running.url)
        assert get(running.url).status_code == 200
    assert not any(thread.name == "simulator" for thread in threading.enumerate())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port), timeout=5)


class TestAdmin:
    def test_control_reads_and_resets(self, url: str, control: SimulatorControl) -> None:
        assert post_result(url, "fail").status_code == 200
        [stored] = [t for t in control.state()["control_tests"] if t["id"] == 4]
        assert stored["last_result"] == "fail"
        control.reset({"controls": []}, {"rate_limit": {"requests": 1}})
        assert control.state()["control_tests"] == []
        assert control.ledger() == []
        assert [get(url).status_code, get(url).status_code] == [200, 429]
        control.reset()
        assert len(control.state()["control_tests"]) == 14

    def test_slack_messages_are_read(self, url: str, control: SimulatorControl) -> None:
        message = {"text": "Två fel ✅"}
        requests.post(f"{url}/slack/services/T/B/x", json=message, timeout=10)
        assert [m.payload for m in control.slack_messages()] == [message]

    def test_admin_calls_are_no_calls_to_comp_ai(self, control: SimulatorControl) -> None:
        control.faults(Fault(kind="reset", count=None))
        assert control.ledger() == []

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"seed": {"rows": []}}, "seed: unknown key 'rows'"),
            ({"settings": {"limit": 1}}, "settings: unknown key 'limit'"),
            ({"settings": {"github": {"repositories": {"o/r": {"x": 1}}}}}, "unknown key 'x'"),
        ],
    )
    def test_a_reset_that_cannot_be_says_why(
        self, control: SimulatorControl, call: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(SimulatorControlError, match=f"/_simulator/reset: 400 .*{message}"):
            control.reset(**call)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"faults":[{"kind":"x"}]}', "fault kind 'x'"),
            (b'{"faults":{}}', "faults: expected a list"),
            (b"{", "the body is no JSON"),
            (b"[]", "the body must be a JSON object"),
        ],
    )
    def test_so_does_a_bad_call(self, url: str, body: bytes, message: str) -> None:
        response = requests.put(f"{url}/_simulator/faults", data=body, timeout=10)
        assert response.status_code == 400
        assert message in response.json()["error"]

    def test_an_unknown_admin_call_names_the_known_ones(self, url: str) -> None:
        response = requests.get(f"{url}/_simulator/reset", timeout=10)
        assert response.status_code == 404
        assert "POST /_simulator/reset" in response.json()["error"]

    def test_an_unreachable_simulator_is_named(self) -> None:
        with serve(SimulatorApp(SEED, SETTINGS)) as running:
            pass
        with pytest.raises(SimulatorControlError) as caught:
            SimulatorControl(running.url, timeout_s=1).ledger()
        address = f"{running.url}/_simulator/ledger"
        assert str(caught.value) == (
            f"GET {address}: no answer from the simulator (ConnectionError)"
        )

    @pytest.mark.parametrize(
        ("peer", "anywhere", "status"),
        [
            ("127.0.0.1", False, 200),
            ("127.8.8.8", False, 200),
            ("::1", False, 200),
            ("172.18.0.5", False, 403),
            ("", False, 403),
            ("172.18.0.5", True, 200),
        ],
    )
    def test_only_loopback_may_call_unless_told_otherwise(
        self, peer: str, anywhere: bool, status: int
    ) -> None:
        app = SimulatorApp(SEED, SETTINGS, admin_from_anywhere=anywhere)
        seen: list[str] = []

        def start_response(line: str, _headers: list[tuple[str, str]]) -> None:
            seen.append(line)

        environ = {
            "REQUEST_METHOD": "GET",
            "RAW_URI": "/_simulator/state",
            "REMOTE_ADDR": peer,
            "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        }
        list(app(environ, start_response))
        assert seen[0].startswith(str(status))


class TestCommand:
    def test_the_first_line_is_the_address_and_sigterm_ends_it(self, tmp_path: Path) -> None:
        settings = tmp_path / "settings.json"
        settings.write_text(json.dumps(SETTINGS))
        process = subprocess.Popen(  # our own command
            [
                sys.executable,
                "-c",
                "from compai_kit.cli.simulate import simulate; simulate()",
                *("--seed", str(SEED_FILE), "--settings", str(settings)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert len(get(url).json()) == 14
            assert len(SimulatorControl(url).ledger()) == 1
            process.send_signal(signal.SIGTERM)
            rest, errors = process.communicate(timeout=10)
            assert (process.returncode, rest, errors) == (0, "", "")
        finally:
            process.kill()
            process.communicate()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "seed.json: no JSON: "),
            ("[]", "seed.json: expected a JSON object, got list"),
            ('{"rows": []}', "seed: unknown key 'rows'"),
            (None, "No such file or directory"),
        ],
    )
    def test_a_seed_that_cannot_be_read_is_exit_code_3(
        self, tmp_path: Path, content: str | None, message: str
    ) -> None:
        file = tmp_path / "seed.json"
        if content is not None:
            file.write_text(content)
        result = CliRunner().invoke(simulate, ["--seed", str(file)])
        assert result.exit_code == 3
        assert result.stdout == ""
        assert message in result.stderr

    def test_no_seed_is_a_usage_error(self) -> None:
        assert CliRunner().invoke(simulate, []).exit_code == 2
