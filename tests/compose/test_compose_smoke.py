"""The DAGs in the shape in which they are deployed: green once each, and red for the right reason.

What they decide in every case is in tests/e2e; here it is about image, network and database.
"""

import json
from typing import Any

import pytest

from compai_kit.airflow_stack.compose import ComposeStack
from compai_kit.pytest_plugin.world import SimulatedCompAI
from compai_kit.simulator.control import Fault, SimulatorControl

pytestmark = pytest.mark.requires_docker(compose=True)

CONTROL_TESTS = "comp_ai_control_tests"
ALERTS = "comp_ai_alerts"
PROTECTED = {
    "github": {
        "configured": True,
        "repositories": {"example-org/locked": {"protection": "enabled"}},
    }
}
SEED = {
    "controls": [
        {"id": 1, "internal_id": "CTL-001", "name": "Changes are reviewed"},
        {"id": 2, "internal_id": "CTL-002", "name": "Nobody has looked at this one"},
    ],
    "control_tests": [
        {
            "id": 7,
            "control_id": 1,
            "name": "Branch rule",
            "test_type": "github_branch_protection",
            "config": {"owner": "example-org", "repo": "locked"},
        }
    ],
    "evidence": [{"control_id": 1, "type": "policy", "source": "Handbook"}],
}


def stored_result(simulator: SimulatorControl) -> str | None:
    (row,) = simulator.state()["control_tests"]
    result: str | None = row["last_result"]
    return result


def test_control_tests_run_green_and_comp_ai_has_the_result(
    simulator: SimulatorControl, run_dag: Any, simulated_comp_ai: SimulatedCompAI
) -> None:
    simulator.reset(SEED, PROTECTED)

    run = run_dag(CONTROL_TESTS)

    assert run.state == "success"
    assert {(task.name, task.state, task.try_number) for task in run.tasks} == {
        ("list_control_tests", "success", 1),
        ("evaluate_chunk[0]", "success", 1),
        ("summarise", "success", 1),
    }
    calls = simulator.ledger()
    posted = [call for call in calls if call.operation == "recordTestResult"]
    assert [(call.request_body["result"], call.status) for call in posted] == [("pass", 200)]
    assert stored_result(simulator) == "pass"
    tokens = [call.status for call in calls if call.operation == "keycloakToken"]
    assert set(tokens) == {200}, "with the client secret of this run"
    logs = [line for task in ("list_control_tests", "summarise") for line in run.log(task)]
    assert any("COMP_AI_BASE_URL from" in line for line in logs)
    assert not any(secret in line for secret in simulated_comp_ai.secrets for line in logs)


def test_alerts_run_green_and_slack_has_the_message(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(SEED, PROTECTED)

    run = run_dag(ALERTS)

    assert run.state == "success"
    assert {task.state for task in run.tasks} == {"success"}
    assert run.xcom("send_alert")["gaps"] == 1
    (message,) = simulator.slack_messages()
    assert "CTL-002" in json.dumps(message.payload)


def test_the_weekly_dags_run_green(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(SEED, {"model": {"configured": True, "answer": "CTL-002 has no proof."}})

    analysis, scan = run_dag("comp_ai_gap_analysis"), run_dag("comp_ai_scan_documents")

    assert (analysis.state, scan.state) == ("success", "success")
    assert analysis.xcom("analyse_gaps")["summary"] == "CTL-002 has no proof."
    assert scan.xcom("summarise")["jobs"] == 0, "nothing is configured"


def test_control_tests_turn_red_when_results_cannot_be_stored(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(SEED, PROTECTED)
    simulator.faults(
        Fault(
            kind="status",
            operation="recordTestResult",
            status=500,
            body={"error": "Failed to record test result"},
            count=None,
        )
    )

    run = run_dag(CONTROL_TESTS)

    assert run.state == "failed"
    assert run.task("list_control_tests").state == "success"
    assert run.task("summarise").state == "failed"
    assert any("could not be recorded" in line for line in run.log("summarise"))
    refused = [c.status for c in simulator.ledger() if c.operation == "recordTestResult"]
    assert refused, "it was tried"
    assert set(refused) == {500}
    assert stored_result(simulator) is None


def test_alerts_turn_red_when_the_status_is_unknown(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(SEED, PROTECTED)
    error = {"error": "Failed to list gaps"}
    simulator.faults(Fault(kind="status", operation="listGaps", status=500, body=error, count=None))

    run = run_dag(ALERTS)

    assert run.state == "failed"
    assert run.task("fetch_gaps").state == "failed"
    assert run.xcom("send_alert")["gaps"] is None
    (message,) = simulator.slack_messages()
    assert "Compliance status UNKNOWN" in json.dumps(message.payload)


def test_it_is_the_deployed_shape(airflow_stack: ComposeStack) -> None:
    assert set(airflow_stack.api.health().values()) == {"healthy"}
    assert airflow_stack.api.import_errors() == []
    assert airflow_stack.version.startswith("3.")
