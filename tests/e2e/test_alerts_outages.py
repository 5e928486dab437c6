"""`comp_ai_alerts` when it does not know: "unknown", never 0, and red; then the recovery."""

from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    PERSONS_FAIL,
    ago,
    github_test,
    said,
    said_by_a_person,
    says_that_all_is_well,
    seed_of,
)

from compai_kit.simulator.control import Fault, SimulatorControl


@pytest.fixture
def one_failing_test(simulator: SimulatorControl) -> None:
    failing = said_by_a_person("fail", PERSONS_FAIL, at=ago(hours=2))
    simulator.reset(seed_of(github_test(1, **failing), gaps=1))


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "Comp-AI down")
def test_comp_ai_down_is_unknown_and_red(
    simulator: SimulatorControl, run_dag: Any, one_failing_test: None
) -> None:
    simulator.faults(Fault(kind="reset", operation="*", count=None))

    run = run_dag(ALERTS_DAG)

    assert run.state == "failed"
    assert run.task("fetch_gaps").try_number == 3, "an outage is worth another try"
    assert len(simulator.slack_messages()) == 1, "one message, however many tries"
    text = said(simulator)
    assert "Compliance status UNKNOWN" in text
    assert "gaps: unknown; tests: unknown" in text
    assert "listGaps failed: no answer after 4 attempts" in text
    assert not says_that_all_is_well(text)
    result = run.xcom("send_alert")
    assert (result["gaps"], result["failed_tests"]) == (None, None)
    assert result["has_issues"] is True


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "an outage and its end")
def test_an_outage_is_posted_once_and_its_end_as_well(
    simulator: SimulatorControl, run_dag: Any, one_failing_test: None
) -> None:
    """A login page in front of Comp-AI: no try can help, so each run is short."""
    simulator.faults(Fault(kind="html", operation="*", count=None))

    first, second = run_dag(ALERTS_DAG), run_dag(ALERTS_DAG)

    assert (first.state, second.state) == ("failed", "failed"), "red every time"
    assert len(simulator.slack_messages()) == 1, "posted once per incident"
    assert "UNKNOWN" in said(simulator)

    simulator.faults()
    recovered = run_dag(ALERTS_DAG)

    assert recovered.state == "success"
    assert len(simulator.slack_messages()) == 2
    assert "Recovered: the status was unknown since" in said(simulator)
    assert recovered.xcom("send_alert")["failed_tests"] == 1


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "tests known, gaps not")
def test_what_could_not_be_fetched_is_never_zero(
    simulator: SimulatorControl, run_dag: Any, one_failing_test: None
) -> None:
    """Missing grants made listGaps a 500, and the alert of before said "0 gaps"."""
    error = {"error": "Failed to list gaps"}
    simulator.faults(Fault(kind="status", operation="listGaps", status=500, body=error, count=None))

    run = run_dag(ALERTS_DAG)

    text = said(simulator)
    assert "gaps: unknown; tests: 1 failing" in text
    assert "0 gaps" not in text
    assert "gaps: 0" not in text
    assert "UNKNOWN" in text
    assert "listGaps failed: HTTP 500 after 4 attempts" in text
    assert run.xcom("send_alert")["gaps"] is None
    assert run.state == "failed"


@pytest.mark.scenario(ALERTS_DAG, "gaps as an object")
def test_a_wrong_shape_is_no_all_clear(
    simulator: SimulatorControl, run_dag: Any, one_failing_test: None
) -> None:
    simulator.faults(Fault(kind="wrong_shape", operation="listGaps", count=None))

    run = run_dag(ALERTS_DAG)

    assert "gaps: unknown" in said(simulator)
    assert not says_that_all_is_well(said(simulator))
    assert run.state == "failed"


@pytest.mark.scenario(ALERTS_DAG, "remediation unknown")
def test_without_remediation_the_rest_is_told(
    simulator: SimulatorControl, run_dag: Any, one_failing_test: None
) -> None:
    error = {"error": "Failed to list remediation tasks"}
    simulator.faults(
        Fault(kind="status", operation="listRemediation", status=500, body=error, count=None)
    )

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    assert "Overdue remediation: unknown." in said(simulator)
    assert "Failing: new (1)" in said(simulator)
