"""`comp_ai_alerts` in a real Airflow: what it says about what Comp-AI knows."""

from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    GITHUB,
    PERSONS_FAIL,
    TESTS_DAG,
    ago,
    github_test,
    said,
    said_by_a_person,
    says_that_all_is_well,
    seed_of,
    typed_test,
)

from compai_kit.simulator.control import SimulatorControl


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "all verified")
def test_all_verified_says_no_gaps_no_failed_tests(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(github_test(1), github_test(2, repo="locked-2")), GITHUB)
    assert run_dag(TESTS_DAG).state == "success"

    run = run_dag(ALERTS_DAG)

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


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "gaps and failures")
def test_gaps_and_failures_are_told(simulator: SimulatorControl, run_dag: Any) -> None:
    failing = said_by_a_person("fail", PERSONS_FAIL, at=ago(hours=2))
    simulator.reset(seed_of(github_test(1, **failing), gaps=2))

    run = run_dag(ALERTS_DAG)

    assert run.state == "success", "an open finding is not a broken run"
    result = run.xcom("send_alert")
    assert (result["gaps"], result["failed_tests"]) == (2, 1)
    assert result["has_issues"] is True
    text = said(simulator)
    assert "Branch rule 1" in text
    assert "CTL-100" in text
    assert not says_that_all_is_well(text)
    assert any("Branch rule 1" in line for line in run.log("send_alert"))


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "the real input")
def test_the_real_input(
    simulator: SimulatorControl, run_dag: Any, recorded_seed: dict[str, Any]
) -> None:
    simulator.reset(recorded_seed)

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    result = run.xcom("send_alert")
    # Controls 2, 5 and 8 have no evidence; tests 2 and 8 are fails that somebody observed.
    assert (result["gaps"], result["failed_tests"], result["all_clear"]) == (3, 2, False)
    text = said(simulator)
    assert all(gap in text for gap in ("EX-IAM-02", "EX-OPS-01", "EX-VEN-01"))
    assert not says_that_all_is_well(text)


@pytest.mark.scenario(ALERTS_DAG, "never run")
def test_never_run_tests_are_no_all_clear(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1)))

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    assert run.xcom("send_alert")["all_clear"] is False
    assert "Never run (1)" in said(simulator)
    assert not says_that_all_is_well(said(simulator))


@pytest.mark.scenario(ALERTS_DAG, "empty list")
def test_no_control_tests_are_no_all_clear(simulator: SimulatorControl, run_dag: Any) -> None:
    """Another database, a missing seed, the wrong tenant: all look like health to a counter."""
    simulator.reset({"controls": []})

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    assert run.xcom("send_alert")["has_issues"] is True
    assert "0 control tests: wrong database or tenant?" in said(simulator)
    assert not says_that_all_is_well(said(simulator))


@pytest.mark.scenario(ALERTS_DAG, "passes of the first generation")
def test_what_the_runner_of_before_passed_is_unproven(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """It posted a pass for every type that it could not check, also over people's results."""
    fabricated = said_by_a_person(
        "pass", "Scheduled run (Airflow); test_type=manual", at=ago(hours=1)
    )
    simulator.reset(seed_of(typed_test(1, "manual", **fabricated)))

    run = run_dag(ALERTS_DAG)

    assert run.xcom("send_alert")["all_clear"] is False
    assert "Unproven (1)" in said(simulator)
    assert not says_that_all_is_well(said(simulator))


@pytest.mark.scenario(ALERTS_DAG, "no webhook")
def test_without_a_webhook_the_log_has_it_all(simulator: SimulatorControl, run_dag: Any) -> None:
    failing = said_by_a_person("fail", PERSONS_FAIL, at=ago(hours=2))
    simulator.reset(seed_of(github_test(1, **failing)))

    first = run_dag(ALERTS_DAG, variables={"SLACK_WEBHOOK_URL": None})
    second = run_dag(ALERTS_DAG, variables={"SLACK_WEBHOOK_URL": None})

    assert (first.state, second.state) == ("success", "success")
    assert second.xcom("send_alert")["delivered"] is False
    assert simulator.slack_messages() == []
    assert any("Branch rule 1" in line for line in first.log("send_alert"))
    assert any("Failing: new (1)" in line for line in first.log("send_alert"))
    again = second.log("send_alert")
    assert any("Still failing (1)" in line for line in again), "the log is where it was told"
