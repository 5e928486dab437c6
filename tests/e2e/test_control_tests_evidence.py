"""`comp_ai_control_tests`: what a pass rests on is stored before it, once, and for nothing less."""

from typing import Any

import pytest
from comp_ai_world import (
    TESTS_DAG,
    number_of_calls,
    posted_results,
    seed_of,
    stored_tests,
    summary,
    trailer,
    typed_test,
)

from compai_kit.simulator.control import Fault, SimulatorControl

ALLOWED = {"COMP_AI_PROBE_ALLOW": "127.0.0.1"}


def start(simulator: SimulatorControl, *paths: str) -> None:
    """A test for each address; control 1 is a gap until it has evidence."""
    tests = [
        typed_test(n, "http_probe", config={"url": f"{simulator.url}/systems/web{path}"})
        for n, path in enumerate(paths, start=1)
    ]
    pages = {path: {"body": "ok"} for path in paths if path.startswith("/up")}
    simulator.reset(
        seed_of(*tests, has_evidence=False),
        {"systems": {"web": {"/down": {"status": 503}, **pages}}},
    )


def evidence(simulator: SimulatorControl) -> list[dict[str, Any]]:
    return list(simulator.state()["evidence"])


def writes(simulator: SimulatorControl) -> list[str]:
    """The operations that store something, in order."""
    writing = ("createEvidence", "recordTestResult")
    return [call.operation for call in simulator.ledger() if call.operation in writing]


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "evidence, and a second run without a change")
def test_a_pass_is_backed_once(simulator: SimulatorControl, run_dag: Any) -> None:
    start(simulator, "/up-1", "/up-2")

    first = run_dag(TESTS_DAG, variables=ALLOWED)

    assert first.state == "success"
    assert writes(simulator) == ["createEvidence", "recordTestResult"] * 2
    rows = {row["id"]: row for row in evidence(simulator)}
    for stored in stored_tests(simulator).values():
        ref = trailer(stored)["evidence"]
        assert f" Evidence {ref['id']}.\n" in stored["last_details"]
        assert ref["content"] in rows[ref["id"]]["description"]
        assert first.run_id in rows[ref["id"]]["description"]

    run_dag(TESTS_DAG, variables=ALLOWED)

    assert len(evidence(simulator)) == 2
    assert writes(simulator)[4:] == ["recordTestResult"] * 2
    assert number_of_calls(simulator, "listEvidence") == 1, "the second run had nothing to look for"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "evidence, and every answer to it lost")
def test_no_loss_and_no_repetition_doubles_evidence(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """A lost answer, then a lost result, then a retry, then a person's Clear."""
    start(simulator, "/up-1", "/up-2")
    simulator.faults(
        Fault(kind="hang_up", operation="createEvidence", when="after", count=2),
        Fault(kind="status", operation="recordTestResult", status=500, count=4),
    )

    run = run_dag(TESTS_DAG, variables=ALLOWED)

    assert run.state == "success"
    assert run.task("evaluate_chunk", 0).try_number == 2, "the first result was lost"
    assert posted_results(simulator) == [(2, "pass"), (1, "pass")]
    assert len(evidence(simulator)) == 2

    cleared = run_dag.clear(run, task_ids=["evaluate_chunk"], variables=ALLOWED)

    assert cleared.state == "success"
    assert posted_results(simulator)[2:] == [(1, "pass"), (2, "pass")], "looked at again"
    assert len(evidence(simulator)) == 2


@pytest.mark.scenario(TESTS_DAG, "evidence cannot be stored")
def test_without_its_evidence_no_pass_is_posted(simulator: SimulatorControl, run_dag: Any) -> None:
    start(simulator, "/up-1", "/gone", "/down")
    simulator.faults(Fault(kind="status", operation="createEvidence", status=500, count=None))

    run = run_dag(TESTS_DAG, variables=ALLOWED)

    assert run.state == "failed"
    assert summary(run) == {"unrecorded": 1, "failed": 1, "errors": 1, "total": 3}
    assert {n: row["last_result"] for n, row in stored_tests(simulator).items()} == {
        1: None, 2: "fail", 3: "skipped",
    }  # fmt: skip
    assert "\nFailed: status is 404, expected 200.\n" in stored_tests(simulator)[2]["last_details"]
    assert evidence(simulator) == []
    assert any("PASS could not be recorded (createEvidence" in it for it in run.log("summarise"))
