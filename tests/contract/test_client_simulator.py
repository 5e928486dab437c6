"""The client against the simulator, each of which is held to the recordings on its own.

Here they meet: every method, every fault that the simulator knows, tokens and the rate limit.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from compai_client import (
    CallError,
    ClientCredentials,
    ClientSettings,
    CompAI,
    HtmlAnswerError,
    NoAnswerError,
    NotConfiguredError,
    PartlyCreatedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ScanDocument,
    ServerError,
    TokenError,
    WrongShapeError,
)
from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import Fault, SimulatorControl
from compai_kit.simulator.faults import FaultKind
from compai_kit.simulator.server import serve

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])

DATA = Path(__file__).parents[1] / "data"
SEED = json.loads((DATA / "recorded.seed.json").read_text(encoding="utf-8"))
GITHUB = {
    "configured": True,
    "repositories": {"example-org/demo-service": {"protection": "enabled"}},
}
OKTA = {"domain": "example.okta.com", "has_token": True}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def simulator() -> Iterator[SimulatorControl]:
    with (
        serve(create_app(SEED, {"github": GITHUB})) as running,
        SimulatorControl(running.url) as control,
    ):
        yield control


@pytest.fixture
def waits() -> list[float]:
    return []


def simulated_client(simulator: SimulatorControl) -> ClientCredentials:
    return ClientCredentials(
        keycloak_url=f"{simulator.url}/auth",
        realm="lianel",
        client_id="airflow",
        client_secret="simulator-only",
    )


@pytest.fixture
def client(simulator: SimulatorControl, waits: list[float]) -> Iterator[CompAI]:
    auth = simulated_client(simulator)
    settings = ClientSettings(sleep=waits.append, jitter=lambda upper: upper, read_timeout_s=0.3)
    caller = "dag=d; run=manual__2026-11-25T06:00:00+00:00; task=t; map=3; try=2"
    with CompAI(simulator.url, auth=auth, caller=caller, settings=settings) as client:
        yield client


def collect(client: CompAI) -> Any:
    return client.collect_github_evidence(
        control_id=3, owner="example-org", repo="demo-service", evidence_type="branch_protection"
    )


def statuses(simulator: SimulatorControl, operation: str) -> list[int | None]:
    return [entry.status for entry in simulator.ledger() if entry.operation == operation]


def test_every_method_and_what_arrived(simulator: SimulatorControl, client: CompAI) -> None:
    client.check_base_url()
    assert client.get_health().service == "comp-ai-service"
    [test, *_] = client.list_tests()
    assert test in client.list_control_tests(control_id=test.control_id)
    stored = client.record_test_result(
        control_id=test.control_id, test_id=test.id, result="skipped", details="später ✅"
    )
    assert (stored.last_result, stored.last_details) == ("skipped", "später ✅")
    made = collect(client)
    [newest] = client.list_evidence(control_id=3, limit=1)
    assert newest.id == made.id
    assert 3 not in {gap.id for gap in client.list_gaps()}
    tasks = client.list_remediation()
    assert {task.due is None for task in tasks} == {True, False}
    assert client.get_control_remediation(control_id=tasks[0].control_id) == tasks[0]
    assert client.get_control_remediation(control_id=424242) is None
    for entry in simulator.ledger():
        assert (entry.request_violations, entry.response_violations) == ([], [])
        assert entry.caller == {
            "dag": "d",
            "run": "manual__2026-11-25T06:00:00+00:00",
            "task": "t",
            "map": "3",
            "try": "2",
        }
    assert statuses(simulator, "keycloakToken") == [200]


def test_controls_requirements_and_frameworks(client: CompAI) -> None:
    controls = client.list_controls()
    category = next(control.category for control in controls if control.category)
    assert {control.category for control in client.list_controls(category=category)} == {category}
    whole = [client.get_control(control_id=control.id) for control in controls]
    assert [control.internal_id for control in whole] == [c.internal_id for c in controls]
    [slug, *_] = {need.framework_slug for control in whole for need in control.requirements}
    assert {need.framework_slug for need in client.list_requirements(framework=slug)} == {slug}
    assert slug not in {framework.id for framework in client.list_frameworks()}
    with pytest.raises(RejectedError, match="Control not found"):
        client.get_control(control_id=424242)


def test_evidence_of_every_source_closes_a_gap(simulator: SimulatorControl, client: CompAI) -> None:
    simulator.reset(settings={"okta": OKTA, "aws": {"answers": True}, "github": GITHUB})
    gap = client.list_gaps()[0].id
    made = client.create_evidence(control_id=gap, type="note", link_url="https://docs.example.com")
    assert gap not in {control.id for control in client.list_gaps()}
    okta = client.collect_okta_evidence(control_id=gap, evidence_type="users_snapshot")
    aws = client.collect_aws_evidence(control_id=gap, evidence_type="iam_summary")
    rows = client.list_evidence(control_id=gap)
    assert [row.id for row in rows] == [aws.id, okta.id, made.id]
    assert [row.type for row in rows] == ["aws_iam_summary", "okta_users_snapshot", "note"]


def test_a_scan_that_stopped_half_way_is_gone_on_with(client: CompAI) -> None:
    """What the error says is enough to know which documents are still to be sent."""
    urls = ["https://docs.example.com/1", "https://docs.example.com/2", "u" * 495, "b", "c"]
    documents = [ScanDocument(url=url) for url in urls]
    with pytest.raises(PartlyCreatedError) as caught:
        client.scan_documents(control_id=3, documents=documents)
    rest = documents[caught.value.created_before_error + 1 :]
    assert client.scan_documents(control_id=3, documents=rest).created == 2
    attached = [row.link_url for row in client.list_evidence(control_id=3, limit=4)]
    assert attached == ["c", "b", urls[1], urls[0]]


def test_an_analysis_says_whether_a_model_wrote_it(
    simulator: SimulatorControl, client: CompAI
) -> None:
    with pytest.raises(NotConfiguredError, match="AI model not configured"):
        client.analyse_gaps()
    simulator.reset(settings={"model": {"configured": True, "name": "demo-model"}})
    assert not client.analyse_gaps(framework="baseline").is_degraded
    down = {"configured": True, "failure": "unreachable", "fallback_to_mock": True}
    simulator.reset(settings={"model": down})
    assert client.analyse_gaps().is_degraded
    simulator.reset(settings={"model": down | {"fallback_to_mock": False}})
    with pytest.raises(ServerError, match="AI model unavailable"):
        client.analyse_gaps()


def read(client: CompAI) -> Any:
    return client.list_tests()


TWICE_AS_LONG = 0.6
FAULTS: dict[str, tuple[Fault, type[CallError], int, int]] = {
    # fault, error, requests of a read, requests of collecting evidence
    "500": (Fault(kind="status", status=500, count=None), ServerError, 4, 1),
    "422": (Fault(kind="status", status=422, count=None), RejectedError, 1, 1),
    "rate limit": (Fault(kind="rate_limit", count=None), RateLimitedError, 4, 4),
    "slow": (Fault(kind="slow", delay_s=TWICE_AS_LONG, count=None), NoAnswerError, 4, 1),
    "stall": (Fault(kind="stall", delay_s=TWICE_AS_LONG, count=None), NoAnswerError, 4, 1),
    "reset": (Fault(kind="reset", count=None), NoAnswerError, 4, 1),
    "hang up": (Fault(kind="hang_up", count=None), NoAnswerError, 4, 1),
    "redirect": (Fault(kind="redirect", count=None), RedirectedError, 1, 1),
    "truncated": (Fault(kind="truncate", count=None), WrongShapeError, 1, 1),
    "login page": (Fault(kind="html", count=None), HtmlAnswerError, 1, 1),
    "wrong shape": (Fault(kind="wrong_shape", count=None), WrongShapeError, 1, 1),
}


@pytest.mark.parametrize(("fault", "error", "reads", "collects"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(
    ("call", "operation"), [(read, "listTests"), (collect, "collectGithubEvidence")]
)
def test_fault(
    fault: Fault,
    error: type[CallError],
    reads: int,
    collects: int,
    call: Callable[[CompAI], Any],
    operation: str,
    simulator: SimulatorControl,
    client: CompAI,
) -> None:
    client._tokens.current()
    simulator.faults(fault)
    with pytest.raises(CallError) as caught:
        call(client)
    expected = reads if call is read else collects
    assert type(caught.value) is error
    assert caught.value.attempt == expected
    if fault.kind not in (
        "slow",
        "stall",
    ):  # the ledger gets that call when the simulator is done with it
        assert len(statuses(simulator, operation)) == expected


# What costs the client nothing but a token or a wait, so that the call succeeds.
HARMLESS: dict[str, tuple[Fault, list[int | None], list[float]]] = {
    "drip": (Fault(kind="drip", delay_s=0.001, piece_bytes=400), [200], []),
    "duplicate": (Fault(kind="duplicate"), [200], []),
    "clock skew": (Fault(kind="clock_skew", skew_s=60), [200], []),
    "clock skew that outlives the token": (Fault(kind="clock_skew", skew_s=900), [401, 200], []),
    "token expiry": (Fault(kind="token_expiry"), [401, 200], []),
    "token revoked": (Fault(kind="token_revoked"), [401, 200], []),
    "limit used up": (Fault(kind="rate_limit_used_up"), [429, 200], [1.0]),
}


@pytest.mark.parametrize(("fault", "answers", "waited"), HARMLESS.values(), ids=HARMLESS)
def test_fault_that_the_client_gets_over(
    fault: Fault,
    answers: list[int | None],
    waited: list[float],
    simulator: SimulatorControl,
) -> None:
    simulator.reset(settings={"rate_limit": {"requests": 10, "window_s": 1}})
    waits: list[float] = []

    def really(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds)

    settings = ClientSettings(sleep=really, jitter=lambda upper: upper)
    with CompAI(simulator.url, auth=simulated_client(simulator), settings=settings) as client:
        client._tokens.current()
        simulator.faults(replace(fault, operation="listGaps"))
        assert client.list_gaps() == client.list_gaps()
    assert statuses(simulator, "listGaps") == [*answers, 200]
    assert waits == waited


def test_every_fault_of_the_simulator_has_an_expectation() -> None:
    met = {fault.kind for fault, *_ in [*FAULTS.values(), *HARMLESS.values()]}
    assert met == set(get_args(FaultKind))


def test_evidence_that_was_stored_although_its_answer_got_lost_is_stored_once(
    simulator: SimulatorControl, client: CompAI
) -> None:
    before = len(simulator.state()["evidence"])
    simulator.faults(Fault(kind="reset", operation="collectGithubEvidence", when="after"))
    with pytest.raises(NoAnswerError) as caught:
        collect(client)
    assert caught.value.processed == "unknown"
    assert len(simulator.state()["evidence"]) == before + 1


def test_a_result_whose_answer_got_lost_is_sent_again(
    simulator: SimulatorControl, client: CompAI, waits: list[float]
) -> None:
    simulator.faults(Fault(kind="reset", operation="recordTestResult", when="after"))
    client.record_test_result(control_id=1, test_id=4, result="fail", details="d")
    assert statuses(simulator, "recordTestResult") == [None, 200]
    assert waits == [1.0]


def test_a_token_that_dies_in_the_middle_costs_one_fetch(
    simulator: SimulatorControl, client: CompAI
) -> None:
    client.list_tests()
    simulator.faults(Fault(kind="token_expiry", operation="collectGithubEvidence"))
    collect(client)
    assert statuses(simulator, "collectGithubEvidence") == [401, 201]
    assert statuses(simulator, "keycloakToken") == [200, 200]


def test_eight_threads_after_a_token_died_fetch_one(
    simulator: SimulatorControl, client: CompAI
) -> None:
    client.list_tests()
    simulator.faults(Fault(kind="token_expiry", operation="listGaps"))
    with ThreadPoolExecutor(8) as pool:
        gaps = [call.result() for call in [pool.submit(client.list_gaps) for _ in range(8)]]
    assert len({len(found) for found in gaps}) == 1
    assert statuses(simulator, "listGaps").count(200) == 8
    assert statuses(simulator, "keycloakToken") == [200, 200]


def test_the_wait_that_comp_ai_asks_for_is_kept(
    simulator: SimulatorControl, client: CompAI, waits: list[float]
) -> None:
    simulator.reset(settings={"rate_limit": {"requests": 2, "window_s": 7}, "github": GITHUB})
    client.list_tests()
    client.list_tests()
    with pytest.raises(RateLimitedError) as caught:
        client.list_tests()
    assert (waits, caught.value.retry_after_s) == ([7.0, 7.0, 7.0], 7.0)


def test_an_integration_that_is_not_set_up(simulator: SimulatorControl, client: CompAI) -> None:
    simulator.reset(settings={"github": {"configured": False}})
    with pytest.raises(NotConfiguredError, match="GitHub integration not configured"):
        collect(client)
    assert statuses(simulator, "collectGithubEvidence") == [503]


def test_a_wrong_secret_never_reaches_comp_ai(simulator: SimulatorControl) -> None:
    auth = ClientCredentials(
        keycloak_url=f"{simulator.url}/auth",
        realm="lianel",
        client_id="airflow",
        client_secret="not-the-secret",
    )
    with (
        CompAI(simulator.url, auth=auth) as client,
        pytest.raises(TokenError, match="correct client_secret"),
    ):
        client.list_tests()
    assert [entry.operation for entry in simulator.ledger()] == ["keycloakToken"]
