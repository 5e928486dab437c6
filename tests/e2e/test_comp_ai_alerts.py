"""`comp_ai_alerts` in a real Airflow: what it says, where it says it, and when it must be red."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compai_kit.simulator.control import Fault, SimulatorControl

DAG = "comp_ai_alerts"
CHECKED = "comp_ai_control_tests"
GOOD_WORDS = ("all clear", "no failed tests", "no gaps")
PROTECTED = {
    "github": {
        "configured": True,
        "repositories": {"example-org/locked": {"protection": "enabled"}},
    }
}


def ago(**age: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**age):%Y-%m-%dT%H:%M:%SZ}"


def control(number: int) -> dict[str, Any]:
    return {"id": number, "internal_id": f"CTL-{number:03}", "name": f"Control {number}"}


def branch_test(number: int = 1) -> dict[str, Any]:
    return {
        "id": number,
        "control_id": 1,
        "name": f"Branch rule {number}",
        "test_type": "github_branch_protection",
        "config": {"owner": "example-org", "repo": "locked"},
    }


def failing_test(number: int, name: str) -> dict[str, Any]:
    return {
        "id": number,
        "control_id": 1,
        "name": name,
        "test_type": "github_branch_protection",
        "last_run_at": ago(hours=2),
        "last_result": "fail",
        "last_details": "Two reviewers are required, none is asked for. /Kim",
    }


def seed_of(*tests: dict[str, Any], gaps: int = 0) -> dict[str, Any]:
    return {
        "controls": [control(1), *(control(100 + n) for n in range(gaps))],
        "control_tests": list(tests),
        "evidence": [{"control_id": 1, "type": "policy", "source": "Handbook"}],
    }


def said(simulator: SimulatorControl) -> str:
    """Everything that Slack was sent, as one text."""
    return json.dumps(
        [message.payload for message in simulator.slack_messages()], ensure_ascii=False
    )


def says_that_all_is_well(text: str) -> bool:
    return any(words in text.lower() for words in GOOD_WORDS)


@pytest.mark.scenario(DAG, "all verified")
def test_all_verified_says_no_gaps_no_failed_tests(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(branch_test(1), branch_test(2)), PROTECTED)
    assert run_dag(CHECKED).state == "success"

    run = run_dag(DAG)

    assert run.state == "success"
    assert run.xcom("send_alert") == {
        "gaps": 0,
        "failed_tests": 0,
        "has_issues": False,
        "delivered": True,
        "all_clear": True,
    }
    assert len(simulator.slack_messages()) == 1
    assert "No gaps, no failed tests" in said(simulator)
    assert "2 of 2" in said(simulator), "the coverage belongs to the good news"


@pytest.mark.scenario(DAG, "gaps and failures")
def test_gaps_and_failures_are_told(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing_test(1, "Branch rule is on"), gaps=2))

    run = run_dag(DAG)

    assert run.state == "success", "an open finding is not a broken run"
    result = run.xcom("send_alert")
    assert (result["gaps"], result["failed_tests"], result["has_issues"]) == (2, 1, True)
    assert result["has_issues"] is True
    text = said(simulator)
    assert "Branch rule is on" in text
    assert "CTL-100" in text
    assert not says_that_all_is_well(text)
    assert any("Branch rule is on" in line for line in run.log("send_alert"))


@pytest.mark.scenario(DAG, "the real input")
def test_the_real_input(
    simulator: SimulatorControl, run_dag: Any, recorded_seed: dict[str, Any]
) -> None:
    simulator.reset(recorded_seed)

    run = run_dag(DAG)

    assert run.state == "success"
    result = run.xcom("send_alert")
    # Controls 2, 5 and 8 have no evidence; tests 2 and 8 are fails that somebody observed.
    assert (result["gaps"], result["failed_tests"], result["all_clear"]) == (3, 2, False)
    text = said(simulator)
    assert all(gap in text for gap in ("EX-IAM-02", "EX-OPS-01", "EX-VEN-01"))
    assert not says_that_all_is_well(text)


@pytest.mark.scenario(DAG, "Comp-AI down")
def test_comp_ai_down_is_unknown_and_red(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(branch_test()))
    simulator.faults(Fault(kind="reset", operation="*", count=None))

    run = run_dag(DAG)

    assert run.state == "failed"
    messages = simulator.slack_messages()
    assert len(messages) == 1, "one message for the incident, however many tries"
    text = said(simulator)
    assert "UNKNOWN" in text
    assert "gaps: unknown" in text.lower()
    assert not says_that_all_is_well(text)


@pytest.mark.scenario(DAG, "tests known, gaps not")
def test_what_could_not_be_fetched_is_never_zero(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing_test(1, "Branch rule is on")))
    simulator.faults(Fault(kind="status", operation="listGaps", status=500, count=None))

    run = run_dag(DAG)

    assert run.state == "failed"
    text = said(simulator)
    assert "UNKNOWN" in text
    assert "gaps: unknown" in text.lower()
    assert "0 gaps" not in text
    assert "gaps: 0" not in text.lower()


@pytest.mark.scenario(DAG, "gaps as an object")
def test_a_wrong_shape_is_no_all_clear(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(branch_test()))
    simulator.faults(Fault(kind="wrong_shape", operation="listGaps", count=None))

    run = run_dag(DAG)

    assert run.state == "failed"
    assert not says_that_all_is_well(said(simulator))


@pytest.mark.scenario(DAG, "never run")
def test_never_run_tests_are_no_all_clear(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(branch_test()))

    run = run_dag(DAG)

    assert run.state == "success"
    assert run.xcom("send_alert")["all_clear"] is False
    assert not says_that_all_is_well(said(simulator))


@pytest.mark.scenario(DAG, "Slack 404")
def test_slack_404_is_red(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing_test(1, "Branch rule is on")))
    simulator.faults(
        Fault(kind="status", operation="slack", status=404, body="no_service", count=None)
    )

    run = run_dag(DAG)

    assert run.state == "failed"
    task = run.task("send_alert")
    assert (task.state, task.try_number) == ("failed", 1), "Slack's 404 is permanent"
    log = "\n".join(run.log("send_alert"))
    assert "Branch rule is on" in log, "the log has the message that Slack did not take"
    assert "no_service" in log
    assert "/slack/services/" not in log, "the webhook address is a secret"


@pytest.mark.scenario(DAG, "Slack 429, then ok")
def test_slack_429_is_sent_again(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing_test(1, "Branch rule is on")))
    simulator.faults(
        Fault(kind="status", operation="slack", status=429, body="", headers={"Retry-After": "1"})
    )

    run = run_dag(DAG)

    assert run.state == "success"
    assert [m.status for m in simulator.slack_messages()][-1] == 200


@pytest.mark.scenario(DAG, "a name that would page everybody")
def test_names_are_escaped(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing_test(1, "<!channel> & co")))

    run = run_dag(DAG)

    assert run.state == "success"
    assert "<!channel>" not in said(simulator)
    assert "&lt;!channel&gt; &amp; co" in said(simulator)


@pytest.mark.scenario(DAG, "no webhook")
def test_without_a_webhook_the_log_has_it_all(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing_test(1, "Branch rule is on")))

    run = run_dag(DAG, variables={"SLACK_WEBHOOK_URL": None})

    assert run.state == "success"
    assert run.xcom("send_alert")["delivered"] is False
    assert simulator.slack_messages() == []
    assert any("Branch rule is on" in line for line in run.log("send_alert"))
