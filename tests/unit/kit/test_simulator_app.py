"""The application in process: tokens, faults, ledger and Slack around the operations."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.faults import Fault

SEED = {
    "controls": [{"internal_id": "C-1", "name": "Locked"}],
    "control_tests": [{"control_id": 1, "name": "t"}],
}
CLIENT = {"client_id": "airflow", "client_secret": "simulator-only"}
STATIC = "static-token"
BEARER = {"authorization": f"Bearer {STATIC}"}
RESULT = "/api/v1/controls/1/tests/1/result"


class World:
    """A simulator with its clock, and the calls that tests make."""

    def __init__(self, **settings: Any) -> None:
        self.now = datetime(2026, 11, 25, 6, 0, 0, 250_000, tzinfo=UTC)
        self.slept: list[float] = []
        self.app = SimulatorApp(
            SEED,
            {"static_tokens": [STATIC], **settings},
            clock=lambda: self.now,
            sleep=self.slept.append,
        )

    def call(self, method: str, path: str, **sent: Any) -> HttpResponse | None:
        path, _, query = path.partition("?")
        headers = sent.get("headers", BEARER)
        body = sent.get("body", b"")
        return self.app.handle(
            HttpRequest(method=method, url_path=path, query=query, headers=headers, body=body)
        )

    def answer(self, method: str, path: str, **sent: Any) -> HttpResponse:
        response = self.call(method, path, **sent)
        assert response is not None
        return response

    def status(self, path: str = "/api/v1/tests", token: str = STATIC) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return self.answer("GET", path, headers=headers).status

    def post_result(self, **body: Any) -> HttpResponse | None:
        headers = BEARER | {"content-type": "application/json"}
        return self.call("POST", RESULT, headers=headers, body=json.dumps(body).encode())

    def keycloak(self, endpoint: str, **form: str) -> HttpResponse:
        return self.answer(
            "POST",
            f"/auth/realms/lianel/protocol/openid-connect/{endpoint}",
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )

    def token(self) -> str:
        response = self.keycloak("token", grant_type="client_credentials", **CLIENT)
        token: str = json.loads(response.body)["access_token"]
        return token

    def slack(self, body: bytes = b'{"text":"hi"}') -> HttpResponse | None:
        headers = {"content-type": "application/json"}
        return self.call("POST", "/slack/services/T/B/x", headers=headers, body=body)

    @property
    def last_result(self) -> str | None:
        return self.app.service.database.control_tests[1].last_result


@pytest.fixture
def world() -> World:
    return World()


class TestTokens:
    def test_a_token_lives_as_long_as_it_says(self, world: World) -> None:
        token = world.token()
        world.now += timedelta(seconds=299)
        assert world.status(token=token) == 200
        world.now += timedelta(seconds=1)
        assert world.status(token=token) == 401

    def test_a_revoked_token_dies_at_once(self, world: World) -> None:
        token, other = world.token(), world.token()
        assert world.keycloak("revoke", token=token, **CLIENT).status == 200
        assert (world.status(token=token), world.status(token=other)) == (401, 200)

    def test_tokens_look_like_jwt_and_are_never_the_same(self, world: World) -> None:
        first, second = world.token(), world.token()
        assert first != second
        header, payload, _ = first.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "JWT"
        assert claims["exp"] - claims["iat"] == 300
        assert claims["iss"].endswith("/auth/realms/lianel")

    def test_evidence_is_created_by_the_subject_of_the_token(self) -> None:
        repositories = {"o/r": {"protection": "enabled"}}
        world = World(github={"configured": True, "repositories": repositories})
        evidence = {"control_id": 1, "owner": "o", "repo": "r"}
        body = json.dumps(evidence | {"evidence_type": "branch_protection"}).encode()
        for token in (world.token(), STATIC):
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            path = "/api/v1/integrations/github/evidence"
            assert world.answer("POST", path, headers=headers, body=body).status == 201
        first, second = world.app.service.database.evidence.values()
        assert first.created_by not in (None, "unknown")
        assert second.created_by == "unknown"

    def test_when_the_service_cannot_reach_keycloak_every_token_is_bad(self) -> None:
        world = World(keycloak={"reachable_by_service": False})
        assert world.status(token=world.token()) == 401
        assert world.status() == 401
        assert world.status("/health") == 200

    @pytest.mark.parametrize(
        "value",
        ["static-token", "bearer static-token", "Bearer  static-token", "Bearer", "Bearer é"],
    )
    def test_only_exactly_bearer_and_a_token_will_do(self, world: World, value: str) -> None:
        assert world.answer("GET", "/api/v1/tests", headers={"authorization": value}).status == 401

    def test_secrets_with_any_character_work_in_a_basic_header(self) -> None:
        world = World(keycloak={"clients": {"airflow": "yz.-~!%:ö"}})
        credentials = base64.b64encode("airflow:yz.-~!%25:ö".encode()).decode()
        response = world.answer(
            "POST",
            "/auth/realms/lianel/protocol/openid-connect/token",
            headers={
                "authorization": f"Basic {credentials}",
                "content-type": "application/x-www-form-urlencoded",
            },
            body=b"grant_type=client_credentials",
        )
        assert response.status == 200


class TestFaults:
    """What a fault does to a call; which fault is next is in test_simulator_faults."""

    def test_a_star_means_comp_ai_and_neither_keycloak_nor_slack(self, world: World) -> None:
        world.app.set_faults(Fault(kind="reset", count=None))
        assert world.call("GET", "/api/v1/tests") is None
        assert world.call("GET", "/nowhere") is None
        assert world.call("GET", "/health") is None
        assert world.token()
        assert world.slack() is not None

    def test_a_replaced_call_is_not_processed(self, world: World) -> None:
        for kind in ("status", "reset", "html", "rate_limit"):
            world.app.set_faults(Fault(kind=kind, operation="recordTestResult"))
            world.post_result(result="pass")
            assert world.last_result is None

    @pytest.mark.parametrize("kind", ["status", "reset", "html"])
    def test_a_fault_afterwards_loses_the_answer_and_keeps_the_write(
        self, world: World, kind: Any
    ) -> None:
        world.app.set_faults(Fault(kind=kind, operation="recordTestResult", when="after"))
        world.post_result(result="fail")
        assert world.last_result == "fail"
        [entry] = world.app.ledger_entries()
        assert entry.stored == [{"table": "control_tests", "id": 1, "change": "update"}]
        assert entry.fault == kind

    def test_slow_waits_and_then_answers(self, world: World) -> None:
        world.app.set_faults(
            Fault(kind="slow", delay_s=1.5), Fault(kind="slow", delay_s=2.5, when="after")
        )
        assert [world.status(), world.status(), world.status()] == [200, 200, 200]
        assert world.slept == [1.5, 2.5]

    def test_token_expiry_kills_every_token_so_far(self, world: World) -> None:
        token = world.token()
        world.app.set_faults(Fault(kind="token_expiry", operation="listTests", after=1))
        assert [world.status(token=token) for _ in range(3)] == [200, 401, 401]
        assert world.status(token=STATIC) == 401
        assert world.status(token=world.token()) == 200

    def test_keycloak_and_slack_have_faults_of_their_own(self, world: World) -> None:
        world.app.set_faults(
            Fault(kind="status", operation="keycloakToken", status=503),
            Fault(kind="status", operation="slack", status=404, body="no_service"),
            Fault(kind="rate_limit", operation="slack", headers={"Retry-After": "30"}),
            Fault(kind="reset", operation="slack"),
        )
        assert world.keycloak("token", grant_type="client_credentials", **CLIENT).status == 503
        answers = [world.slack() for _ in range(4)]
        assert [a and (a.status, a.body) for a in answers] == [
            (404, b"no_service"),
            (429, b"rate_limited"),
            None,
            (200, b"ok"),
        ]
        assert [m.status for m in world.app.slack_messages()] == [404, 429, None, 200]


class TestLedger:
    def test_a_call_is_told_in_full(self, world: World) -> None:
        run = "manual__2026-11-25T06:00:00+00:00"
        agent = f"compai-client/0.1 (dag=d; run={run}; task=t; map=2; try=1)"
        headers = BEARER | {"content-type": "application/json", "user-agent": agent}
        world.call("POST", RESULT, headers=headers, body=b'{"result":"pass"}')
        [entry] = world.app.ledger_entries()
        assert (entry.seq, entry.at, entry.operation) == (
            0,
            "2026-11-25T06:00:00.250Z",
            "recordTestResult",
        )
        assert (entry.method, entry.path, entry.query) == ("POST", RESULT, "")
        assert entry.request_body == {"result": "pass"}
        assert entry.caller == {
            "dag": "d",
            "run": run,
            "task": "t",
            "map": "2",
            "try": "1",
        }
        assert (entry.token, entry.status, entry.fault) == ("valid", 200, None)
        assert entry.response_body["last_result"] == "pass"
        assert entry.stored == [{"table": "control_tests", "id": 1, "change": "update"}]
        assert (entry.request_violations, entry.response_violations) == ([], [])

    @pytest.mark.parametrize(
        ("agent", "caller"),
        [
            ("compai-client/0.1", None),
            ("curl/8 (x86_64; linux)", None),
            ("compai-client/0.1 (dag=d)", {"dag": "d"}),
            (
                "c/1 (dag=d; run=a (b) c; map=-1; other=x)",
                {"dag": "d", "run": "a (b) c", "map": "-1"},
            ),
        ],
    )
    def test_a_caller_is_what_its_comment_says(
        self, world: World, agent: str, caller: dict[str, str] | None
    ) -> None:
        world.call("GET", "/health", headers={"user-agent": agent})
        assert world.app.ledger_entries()[0].caller == caller

    def test_the_contract_judges_the_request(self, world: World) -> None:
        world.post_result(result="PASS")
        world.call("GET", "/api/v1/tests?control_id=abc", headers={})
        world.call("GET", "/api/v1/nowhere")
        upper, query, nowhere = world.app.ledger_entries()
        assert upper.status == 200
        assert [v.partition(":")[0] for v in upper.request_violations] == ["body/result"]
        assert [v.partition(":")[0] for v in query.request_violations] == [
            "security",
            "query/control_id",
        ]
        assert nowhere.operation is None
        assert nowhere.request_violations == ["operation: no operation answers GET /api/v1/nowhere"]

    def test_and_the_answer_unless_a_fault_was_active(self, world: World) -> None:
        row = world.app.service.database.control_tests[1]
        world.app.service.database.control_tests[1] = type(row)(
            **{name: getattr(row, name) for name in row.__slots__} | {"last_result": "perhaps"}
        )
        world.call("GET", "/api/v1/tests")
        world.app.set_faults(Fault(kind="wrong_shape"))
        world.call("GET", "/api/v1/tests")
        judged, faulty = world.app.ledger_entries()
        assert [v.partition(":")[0] for v in judged.response_violations] == ["body/0/last_result"]
        assert faulty.response_violations == []

    def test_no_token_and_no_secret_is_in_it(self, world: World) -> None:
        token = world.token()
        world.status(token=token)
        world.status()
        world.keycloak("revoke", token=token, **CLIENT)
        world.keycloak(
            "token", grant_type="client_credentials", client_id="x", client_secret="oops"
        )
        world.post_result(result="pass", details=f"with {token} and {STATIC}")
        world.call("GET", f"/api/v1/tests?access_token={token}", headers={"cookie": token})
        world.app.set_faults(Fault(kind="reset", operation="keycloakToken"))
        world.call("POST", "/auth/realms/lianel/protocol/openid-connect/token", body=b"token=short")
        kept = json.dumps([entry.as_json() for entry in world.app.ledger_entries()])
        assert len(world.app.ledger_entries()) == 8
        for secret in (
            token,
            token.rpartition(".")[2],
            "static-token",
            "simulator-only",
            "oops",
            "short",
        ):
            assert secret not in kept

    def test_what_a_token_was_worth_is_told(self, world: World) -> None:
        world.status(token="garbage")
        world.call("GET", "/health", headers={})
        world.slack()
        assert [e.token for e in world.app.ledger_entries()] == ["invalid", "none", None]

    def test_bodies_are_bounded(self, world: World) -> None:
        world.post_result(result="pass", details="d" * 300_000)
        [entry] = world.app.ledger_entries()
        assert entry.status == 200
        assert len(entry.request_body) < 2100
        assert entry.request_body.endswith("… [shortened, 300033 bytes]")
        assert entry.response_body.startswith('{"id":1,')

    def test_a_body_that_is_no_json_is_kept_as_text(self, world: World) -> None:
        world.call("POST", RESULT, body=b"\xff{")
        [entry] = world.app.ledger_entries()
        assert entry.request_body == "�{"
        assert entry.response_body.startswith("Expected request with")

    def test_a_cut_connection_has_no_status(self, world: World) -> None:
        world.app.set_faults(Fault(kind="reset"))
        assert world.call("GET", "/api/v1/tests") is None
        [entry] = world.app.ledger_entries()
        assert (entry.status, entry.response_body, entry.fault) == (None, None, "reset")


class TestSlack:
    def test_it_says_ok_and_keeps_the_payload(self, world: World) -> None:
        response = world.slack(b'{"text":"hi","blocks":[]}')
        assert response is not None
        assert (response.status, response.body) == (200, b"ok")
        [message] = world.app.slack_messages()
        assert message.payload == {"text": "hi", "blocks": []}
        assert (message.path, message.status) == ("/slack/services/T/B/x", 200)
        assert message.at == "2026-11-25T06:00:00.250Z"

    @pytest.mark.parametrize(
        ("body", "text"),
        [(b"hi", b"invalid_payload"), (b"[]", b"invalid_payload"), (b"{}", b"no_text")],
    )
    def test_it_refuses_what_slack_refuses(self, world: World, body: bytes, text: bytes) -> None:
        response = world.slack(body)
        assert response is not None
        assert (response.status, response.body) == (400, text)


class TestReset:
    def test_everything_starts_again(self, world: World) -> None:
        world.post_result(result="pass")
        token = world.token()
        world.slack()
        world.app.set_faults(Fault(kind="reset", count=None))
        world.app.reset()
        assert (world.last_result, world.app.ledger_entries(), world.app.slack_messages()) == (
            None,
            [],
            [],
        )
        assert world.status(token=token) == 401
        assert world.status() == 200

    def test_given_settings_are_merged_over_those_of_the_start(self, world: World) -> None:
        world.app.reset(settings={"rate_limit": {"requests": 1}})
        assert [world.status(), world.status()] == [200, 429]
        world.app.reset()
        assert [world.status(), world.status()] == [200, 200]

    def test_a_call_that_was_still_waiting_does_not_reach_the_next_world(
        self, world: World
    ) -> None:
        world.app.set_faults(Fault(kind="slow", operation="recordTestResult"))
        world.app._sleep = lambda _: world.app.reset()
        assert world.post_result(result="pass") is None
        assert (world.last_result, world.app.ledger_entries()) == (None, [])

    def test_a_bad_seed_leaves_everything_as_it_was(self, world: World) -> None:
        world.post_result(result="pass")
        with pytest.raises(ValueError, match="unknown key"):
            world.app.reset({"rows": []})
        assert world.last_result == "pass"

    def test_what_is_stored_is_shown_as_a_seed(self, world: World) -> None:
        world.post_result(result="fail", details="why")
        stored = world.app.stored()
        assert stored["control_tests"][0]["last_details"] == "why"
        world.app.reset(stored)
        assert world.app.stored() == stored


def test_operations_that_are_not_simulated_say_so(world: World) -> None:
    assert world.status("/api/v1/system-description") == 501
    [entry] = world.app.ledger_entries()
    assert entry.operation == "getSystemDescription"


def test_head_has_the_headers_of_get_and_no_body(world: World) -> None:
    for path in ("/api/v1/tests", "/health", "/api/v1/tests?control_id=x"):
        head, got = world.answer("HEAD", path), world.answer("GET", path)
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["content-length"] == str(len(got.body))
    assert {v for e in world.app.ledger_entries() for v in e.response_violations} == set()


def test_the_limit_counts_what_is_refused_and_leaves_health_alone() -> None:
    world = World(rate_limit={"requests": 2, "window_s": 5})
    assert [world.status("/nowhere"), world.status(token="x"), world.status()] == [404, 401, 429]
    assert world.status("/health") == 200
    response = world.answer("DELETE", "/api/v1/tests")
    assert (response.status, response.headers["allow"]) == (429, "GET,HEAD")
    world.now += timedelta(seconds=5)
    assert world.status() == 200
