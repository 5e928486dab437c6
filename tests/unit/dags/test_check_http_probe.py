"""`http_probe`: what a web address must answer, and when its answer says nothing."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from compai_dags.checks import CheckContext, evaluate
from compai_dags.checks.http_probe import evaluate as probe
from compai_dags.checks.http_probe_config import read_config
from compai_dags.connection import ConnectionFields
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.proof import content_sha256
from compai_dags.web import Web
from compai_dags.web_guard import Allowed
from compai_kit.simulator.control import Fault, SimulatorControl

NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
HEALTH = {"status": "green", "nodes": 3, "last_event": "2026-11-25T06:48:00Z"}


@pytest.fixture
def context(client: Any) -> CheckContext:
    return CheckContext(
        client=client,
        now=lambda: NOW,
        sleep=lambda _: None,
        web=Web(Allowed.parse("127.0.0.1")),
    )


@pytest.fixture
def page(simulator: SimulatorControl) -> Any:
    """Let /health of the simulated web answer this."""

    def page(body: Any = "", **fields: Any) -> None:
        pages = {"/health": {"body": body, **fields}}
        simulator.reset(settings={"systems": {"web": pages}})

    return page


@pytest.fixture
def look(simulator: SimulatorControl, context: CheckContext, row: Any) -> Any:
    """The observation of a test with this config; `url` is that of /health."""

    def look(test_type: str = "http_probe", **config: Any) -> Observation:
        url = f"{simulator.url}/systems/web/health"
        return evaluate(row(test_type, config={"url": url, **config}), context)

    return look


def calls(simulator: SimulatorControl) -> list[Any]:
    return [call for call in simulator.ledger() if call.operation == "web"]


def test_everything_that_is_asserted_holds(page: Any, look: Any, simulator: Any) -> None:
    page(HEALTH)
    seen = look(json={"/status": "green", "/nodes": 3}, max_age={"/last_event": "1h"})

    host = simulator.url.removeprefix("http://")
    assert seen.outcome is Outcome.PASS
    assert seen.collected_at == NOW
    assert seen.sentence == (
        f'http://{host}/systems/web/health answers HTTP 200; /status is "green"; /nodes is 3; '
        "/last_event is 12 minutes old (at most 1h)."
    )
    proof = seen.proof
    assert proof is not None
    assert (proof.type, proof.source) == ("http_probe", f"http:{host}/systems/web/health")
    assert proof.link_url is None
    assert len(proof.raw_sha256) == 64
    assert [(a.path, a.observed, a.expected, a.holds, a.volatile) for a in proof.assertions] == [
        ("status", 200, "200", True, False),
        ("/status", "green", '"green"', True, False),
        ("/nodes", 3, "3", True, False),
        ("/last_event", "2026-11-25T06:48:00Z", "at most 1h old", True, True),
    ]


def test_the_raw_answer_is_hashed_and_a_new_time_stamp_is_no_new_content(
    page: Any, look: Any
) -> None:
    page(json.dumps(HEALTH))
    first = look(max_age={"/last_event": "1h"}).proof
    assert first.raw_sha256 == sha256(json.dumps(HEALTH).encode()).hexdigest()
    page(json.dumps(HEALTH | {"last_event": "2026-11-25T06:59:00Z"}))
    second = look(max_age={"/last_event": "1h"}).proof
    assert second.raw_sha256 != first.raw_sha256
    assert content_sha256(second) == content_sha256(first)


def test_the_query_is_in_neither_sentence_nor_source(page: Any, look: Any, simulator: Any) -> None:
    page(HEALTH)
    url = f"{simulator.url}/systems/web/health?key=not-for-others"
    seen = look(url=url)
    assert seen.outcome is Outcome.PASS
    assert "not-for-others" not in f"{seen.sentence} {seen.proof}"
    assert calls(simulator)[0].query == "key=not-for-others"


def test_a_status_alone_passes_and_says_that_it_is_all(page: Any, look: Any) -> None:
    page("<h1>hello</h1>")
    seen = look()
    assert seen.outcome is Outcome.PASS
    assert seen.sentence.endswith("answers HTTP 200. Nothing but the status was asserted.")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"json": {"/status": "yellow"}}, '/status is "green", expected "yellow"'),
        ({"json": {"/nodes": 4}}, "/nodes is 3, expected 4"),
        ({"json": {"/nodes": "3"}}, '/nodes is 3, expected "3"'),
        ({"json": {"/nodes": None}}, "/nodes is 3, expected null"),
        ({"max_age": {"/last_event": 600}}, "/last_event is 12 minutes old, expected at most 600s"),
    ],
)
def test_a_value_that_is_another_is_a_finding(
    page: Any, look: Any, config: dict[str, Any], said: str
) -> None:
    page(HEALTH)
    seen = look(**config)
    assert seen.outcome is Outcome.FAIL
    assert seen.collected_at == NOW
    assert said in seen.sentence
    assert seen.proof is not None


@pytest.mark.parametrize(
    ("value", "expected", "equal"),
    [
        (True, 1, False),
        (0, False, False),
        (1, 1.0, True),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, True),
        ({"a": [True]}, {"a": [1]}, False),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ("", None, False),
    ],
)
def test_values_are_compared_as_json(
    page: Any, look: Any, value: Any, expected: Any, equal: bool
) -> None:
    page({"x": value})
    wanted = Outcome.PASS if equal else Outcome.FAIL
    assert look(json={"/x": expected}).outcome is wanted


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"a/b": {"m~n": [10, {"": 5}]}, "": 7, "0": 8}),
        ("/", 7),
        ("/0", 8),
        ("/a~1b/m~0n/0", 10),
        ("/a~1b/m~0n/1/", 5),
    ],
)
def test_pointers_are_those_of_rfc_6901(page: Any, look: Any, pointer: str, value: Any) -> None:
    page({"a/b": {"m~n": [10, {"": 5}]}, "": 7, "0": 8})
    assert look(json={pointer: value}).outcome is Outcome.PASS


@pytest.mark.parametrize("pointer", ["/b", "/a/2", "/a/-", "/a/01", "/a/x", "/a/0/0", "/a/-1"])
def test_what_is_not_there_was_not_seen(page: Any, look: Any, pointer: str) -> None:
    """A wrong pointer, another version, or a caller who is shown less: none is a finding."""
    page({"a": [1, 2]})
    seen = look(json={pointer: 1})
    assert (seen.outcome, seen.reason) == (Outcome.ERROR, Reason.MALFORMED)
    assert f"the answer has nothing at {pointer}" in seen.sentence
    assert seen.proof is None


def test_a_proven_false_value_counts_although_another_was_not_seen(page: Any, look: Any) -> None:
    page({"a": 1})
    seen = look(json={"/a": 2, "/gone": 1})
    assert seen.outcome is Outcome.FAIL
    assert "/a is 1, expected 2" in seen.sentence
    assert "the answer has nothing at /gone" in seen.sentence


@pytest.mark.parametrize("status", [404, 410, 400, 204, 226])
def test_a_status_that_is_another_is_a_finding(page: Any, look: Any, status: int) -> None:
    page("", status=status)
    seen = look(json={"/status": "green"})
    assert seen.outcome is Outcome.FAIL
    assert f"answers HTTP {status}, expected 200" in seen.sentence
    status_seen, value = seen.proof.assertions
    assert (status_seen.observed, status_seen.holds) == (status, False)
    assert (value.observed, value.holds) == (None, None)


@pytest.mark.parametrize(
    ("status", "reason", "transient"),
    [
        (401, Reason.AUTH, False),
        (407, Reason.AUTH, False),
        (403, Reason.PERMISSION, False),
        (429, Reason.RATE_LIMITED, True),
        (408, Reason.UPSTREAM_5XX, True),
        (500, Reason.UPSTREAM_5XX, True),
        (502, Reason.UPSTREAM_5XX, True),
        (503, Reason.UPSTREAM_5XX, True),
    ],
)
def test_an_outage_or_a_refusal_is_never_a_result(
    page: Any, look: Any, simulator: Any, status: int, reason: Reason, transient: bool
) -> None:
    page(HEALTH, status=status)
    seen = look(json={"/status": "green"})
    assert (seen.outcome, seen.reason, seen.transient) == (Outcome.ERROR, reason, transient)
    assert f"answers HTTP {status}" in seen.sentence
    assert len(calls(simulator)) == (2 if transient else 1)


def test_an_outage_that_ends_at_once_is_none(page: Any, look: Any, simulator: Any) -> None:
    page(HEALTH)
    simulator.faults(Fault(kind="status", operation="web", status=503))
    assert look().outcome is Outcome.PASS


@pytest.mark.parametrize("kind", ["reset", "hang_up", "truncate"])
def test_no_answer_is_never_a_result(page: Any, look: Any, simulator: Any, kind: str) -> None:
    page(HEALTH)
    simulator.faults(Fault(kind=kind, operation="web", count=None))
    seen = look(json={"/status": "green"})
    assert seen.outcome is Outcome.ERROR
    assert seen.reason in (Reason.TIMEOUT, Reason.MALFORMED)
    assert seen.proof is None


@pytest.mark.parametrize("status", [301, 302, 307, 304])
def test_a_redirect_says_nothing_about_the_address(page: Any, look: Any, status: int) -> None:
    page("", status=status, headers={"Location": "https://login.example.com/?next=1"})
    seen = look()
    assert (seen.outcome, seen.reason) == (Outcome.ERROR, Reason.MALFORMED)
    assert f"answers HTTP {status}, which is not followed: config.url must be" in seen.sentence
    assert "next=1" not in seen.sentence


@pytest.mark.parametrize("status", [204, 301, 401, 403, 404])
def test_a_status_can_be_what_is_expected(page: Any, look: Any, status: int) -> None:
    page("", status=status, headers={"Location": "https://www.example.com/"})
    assert look(status=status).outcome is Outcome.PASS
    assert look(status=[200, status]).outcome is Outcome.PASS
    assert look(status=400).outcome is not Outcome.PASS


@pytest.mark.parametrize(
    "body",
    ["<html>Please log in</html>", "", "{", '{"status": NaN}', "[" * 3000 + "]" * 3000],
    ids=["page", "nothing", "cut", "no number", "too deep"],
)
def test_a_page_that_is_not_json_was_not_read(page: Any, look: Any, body: str) -> None:
    page(body)
    seen = look(json={"/status": "green"})
    assert (seen.outcome, seen.reason) == (Outcome.ERROR, Reason.MALFORMED)
    assert "HTTP 200, but the answer is not JSON" in seen.sentence


def test_an_answer_that_is_too_long_was_not_read(page: Any, look: Any) -> None:
    page({"status": "green", "more": "x" * 1_100_000})
    seen = look(json={"/status": "green"})
    assert (seen.outcome, seen.reason) == (Outcome.ERROR, Reason.TRUNCATED)
    assert "more than 1048576 bytes" in seen.sentence
    assert look().outcome is Outcome.PASS, "the status alone needs no body"


@pytest.mark.parametrize(
    ("stamp", "age"),
    [
        ("2026-11-25T06:48:00Z", "12 minutes"),
        ("2026-11-25t06:48:00.123456789z", "11 minutes"),
        ("2026-11-25T07:48:00+01:00", "12 minutes"),
        (NOW.timestamp() - 720, "12 minutes"),
        (int(NOW.timestamp() * 1000) - 720_000, "12 minutes"),
        ("2026-11-25T07:04:00Z", "0 seconds"),
    ],
)
def test_a_time_stamp_is_rfc_3339_or_epoch(page: Any, look: Any, stamp: Any, age: str) -> None:
    page({"at": stamp})
    seen = look(max_age={"/at": "1h"})
    assert seen.outcome is Outcome.PASS
    assert f"/at is {age} old (at most 1h)" in seen.sentence


@pytest.mark.parametrize(
    ("stamp", "problem"),
    [
        ("2026-11-25T06:48:00", "has no time zone"),
        ("2026-11-25", "has no time zone"),
        ("yesterday", "is neither RFC 3339 nor seconds since 1970"),
        ("1732517280", "is neither RFC 3339 nor seconds since 1970"),
        (True, "is neither RFC 3339 nor seconds since 1970"),
        (None, "is neither RFC 3339 nor seconds since 1970"),
        ({"at": 1}, "is neither RFC 3339 nor seconds since 1970"),
        (-1, "is neither RFC 3339 nor seconds since 1970"),
        (1e300, "is neither RFC 3339 nor seconds since 1970"),
        ("2026-11-25T08:00:00Z", "lies in the future"),
        ("9999-12-31T23:59:59-23:59", "lies in the future"),
    ],
)
def test_a_time_stamp_that_cannot_be_read_is_no_age(
    page: Any, look: Any, stamp: Any, problem: str
) -> None:
    page({"at": stamp})
    seen = look(max_age={"/at": "1h"})
    assert (seen.outcome, seen.reason) == (Outcome.ERROR, Reason.MALFORMED)
    assert f"/at {problem}" in seen.sentence


def test_an_age_is_judged_to_the_second(page: Any, look: Any) -> None:
    page({"at": f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"})
    assert look(max_age={"/at": 3600}).outcome is Outcome.PASS
    assert look(max_age={"/at": 3599}).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"url": 5}, "config.url must be text"),
        ({"url": ""}, "config.url is no absolute http or https address"),
        ({"url": "ftp://x.example.com/"}, "config.url is no absolute http or https address"),
        ({"url": "http://kim:pw@x.example.com/"}, "config.url holds a user name or password"),
        ({"status": "200"}, "config.status must be a status or a list of statuses"),
        ({"status": True}, "config.status must be a status or a list of statuses"),
        ({"status": []}, "config.status must be a status or a list of statuses"),
        ({"status": 99}, "config.status must be a status or a list of statuses"),
        ({"status": 503}, "config.status: 503 is what an outage looks like"),
        ({"status": [200, 429]}, "config.status: 429 is what an outage looks like"),
        ({"method": "POST"}, "config.method must be GET or HEAD"),
        ({"json": []}, "config.json must be an object of pointers and values"),
        ({"json": {"status": 1}}, "config.json: 'status' is no JSON pointer"),
        ({"json": {"/a~2": 1}}, "config.json: '/a~2' is no JSON pointer"),
        ({"max_age": "1h"}, "config.max_age must be an object of pointers and ages"),
        ({"max_age": {"at": "1h"}}, "config.max_age: 'at' is no JSON pointer"),
        ({"max_age": {"/at": "1 week"}}, "config.max_age: the age at /at must be seconds or"),
        ({"max_age": {"/at": 0}}, "config.max_age: the age at /at must be seconds or"),
        ({"max_age": {"/at": True}}, "config.max_age: the age at /at must be seconds or"),
        ({"method": "HEAD", "json": {"/a": 1}}, "config.method HEAD brings nothing to read"),
        ({"connection": 5}, "config.connection must be the id of an Airflow Connection"),
        ({"statuss": 200}, "config.statuss is no key of http_probe"),
        ({"vendor": "x", "jsn": {}}, "config.jsn and config.vendor are no keys of http_probe"),
    ],
)
def test_a_config_that_cannot_be_used_is_not_configured(
    page: Any, look: Any, simulator: Any, config: dict[str, Any], problem: str
) -> None:
    page(HEALTH)
    seen = look(**config)
    assert (seen.outcome, seen.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
    assert problem in seen.sentence
    assert calls(simulator) == []


def test_keys_of_every_test_are_no_mistake(page: Any, look: Any) -> None:
    page(HEALTH)
    general = {"evidence_refresh": 30, "attest_every": 30, "timezone": "UTC", "note": "SIEM"}
    assert look(**general).outcome is Outcome.PASS


def test_an_internal_address_is_called_only_when_the_installation_says_so(
    page: Any, look: Any, simulator: Any, context: CheckContext, row: Any
) -> None:
    page(HEALTH)
    bare = dataclasses.replace(context, web=Web(Allowed()))
    config = {"url": f"{simulator.url}/systems/web/health"}
    seen = evaluate(row("http_probe", config=config), bare)
    assert (seen.outcome, seen.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
    assert "the host has a loopback address" in seen.sentence
    assert "COMP_AI_PROBE_ALLOW" in seen.sentence
    assert calls(simulator) == []


def test_without_a_setting_nothing_internal_is_open(client: Any) -> None:
    context = CheckContext(client=client, now=lambda: NOW)
    assert context.web.allowed == Allowed()


def test_nobody_answers_there(context: CheckContext, row: Any) -> None:
    seen = evaluate(row("http_probe", config={"url": "http://127.0.0.1:9/"}), context)
    assert (seen.outcome, seen.reason, seen.transient) == (Outcome.ERROR, Reason.TIMEOUT, True)
    assert "Could not verify: http://127.0.0.1:9/: no answer" in seen.sentence


class TestConnection:
    SECRET = "-".join(["of", "the", "siem"])

    @pytest.fixture
    def with_connection(self, simulator: Any, context: CheckContext, row: Any, page: Any) -> Any:
        page(HEALTH)

        def look(**fields: Any) -> Observation:
            host = {"host": simulator.url, "password": self.SECRET}
            found = {"siem": ConnectionFields(**(host | fields))}
            armed = dataclasses.replace(context, connection=found.get)
            url = f"{simulator.url}/systems/web/health"
            config = {"url": url, "connection": "siem", "json": {"/status": "green"}}
            return probe(row("http_probe", config=config), armed)

        return look

    @pytest.fixture
    def echo(self) -> Iterator[str]:
        """A server that answers with the Authorization that it was sent."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"got": self.headers["Authorization"]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing on the console of the tests."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()

    @pytest.mark.parametrize(
        ("login", "sent"),
        [
            (None, "Bearer of-the-siem"),
            ("kim", f"Basic {base64.b64encode(b'kim:of-the-siem').decode()}"),
        ],
    )
    def test_its_password_is_sent_as_bearer_or_with_a_login_as_basic(
        self, echo: str, context: CheckContext, row: Any, login: str | None, sent: str
    ) -> None:
        fields = ConnectionFields(host=echo, login=login, password=self.SECRET)
        armed = dataclasses.replace(context, connection={"siem": fields}.get)
        config = {"url": f"{echo}/health", "connection": "siem", "json": {"/got": sent}}
        assert evaluate(row("http_probe", config=config), armed).outcome is Outcome.PASS
        bare = {"url": f"{echo}/health", "json": {"/got": None}}
        assert evaluate(row("http_probe", config=bare), armed).outcome is Outcome.PASS

    def test_its_password_is_nowhere_to_be_read(
        self, with_connection: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen = with_connection()
        assert seen.outcome is Outcome.PASS
        assert self.SECRET not in f"{seen} {caplog.text}"

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"password": None}, "the Connection siem has no password"),
            ({"password": "zwölf"}, "the Connection siem has a password that cannot be sent"),
            ({"host": None}, "the Connection siem names no host"),
            (
                {"host": "https://siem.example.com"},
                "the Connection siem is for https://siem.example.com",
            ),
            ({"host": "siem.example.com"}, "Connection siem tells no scheme"),
        ],
    )
    def test_its_password_goes_only_where_it_belongs(
        self, with_connection: Any, simulator: Any, fields: dict[str, Any], problem: str
    ) -> None:
        """Whoever may edit a test must not be able to send a secret to a host of theirs."""
        from compai_dags.checks.base import InvalidConfigError

        with pytest.raises(InvalidConfigError) as invalid:
            with_connection(**fields)
        assert problem in str(invalid.value)
        assert calls(simulator) == []

    def test_one_that_is_not_there_is_named(self, page: Any, look: Any, simulator: Any) -> None:
        page(HEALTH)
        seen = look(connection="siem")
        assert seen.outcome is Outcome.NOT_CONFIGURED
        assert "config.connection: there is no Airflow Connection siem" in seen.sentence
        assert calls(simulator) == []


class TestIntegration:
    """Comp-AI's default type: a label, until a url says what it means."""

    def test_with_a_url_is_probed(self, page: Any, look: Any) -> None:
        page(HEALTH)
        assert look("integration", json={"/status": "green"}).outcome is Outcome.PASS
        assert look(" Integration ", json={"/status": "red"}).outcome is Outcome.FAIL

    def test_as_a_json_string_as_well(
        self, page: Any, simulator: Any, context: CheckContext, row: Any
    ) -> None:
        page(HEALTH)
        config = json.dumps({"url": f"{simulator.url}/systems/web/health"})
        assert evaluate(row("integration", config=config), context).outcome is Outcome.PASS

    @pytest.mark.parametrize("config", [None, {}, {"vendor": "x"}, "{", "[]", [], 5, {"url": None}])
    def test_without_one_has_no_check(self, context: CheckContext, row: Any, config: Any) -> None:
        seen = evaluate(row("integration", config=config), context)
        assert (seen.outcome, seen.reason) == (Outcome.NOT_CONFIGURED, Reason.NO_CHECK)
        assert "unless its config has a url to probe" in seen.sentence

    def test_a_probe_without_a_url_is_not_configured(self, context: CheckContext, row: Any) -> None:
        seen = evaluate(row("http_probe", config={"json": {}}), context)
        assert (seen.outcome, seen.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert seen.sentence == "Not configured: config.url must be text."


def test_the_example_of_its_page_is_a_config(row: Any) -> None:
    page = (Path(__file__).parents[3] / "docs" / "http-probe.md").read_text(encoding="utf-8")
    config = read_config(row("http_probe", config=page.split("```json")[1].split("```")[0]))
    assert config.values == {"/status": "green", "/cluster/nodes": 3}
    assert config.ages["/last_event"].seconds == 86_400
    assert config.connection == "siem"
    keys = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert tuple(keys) == ("url", "method", "status", "json", "max_age", "connection")
