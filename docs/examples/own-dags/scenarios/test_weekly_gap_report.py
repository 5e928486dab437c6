"""What `weekly_gap_report` does, on a real Airflow against a simulated Comp-AI."""

import pytest

from compai_kit.simulator.control import Fault

CONTROLS = [
    {"id": 1, "internal_id": "AC-1", "name": "Access is reviewed"},
    {"id": 2, "internal_id": "AC-2", "name": "Leavers lose access"},
]


@pytest.mark.scenario("weekly_gap_report", "two gaps")
def test_two_gaps(simulator, run_dag):
    """Controls without evidence are counted, and nothing is written."""
    simulator.reset({"controls": CONTROLS})
    run = run_dag("weekly_gap_report")
    assert run.state == "success"
    assert run.xcom("count_gaps") == 2
    to_comp_ai = [call for call in simulator.ledger() if call.operation != "keycloakToken"]
    assert [call.method for call in to_comp_ai] == ["GET"]


@pytest.mark.scenario("weekly_gap_report", "Comp-AI down")
def test_comp_ai_down(simulator, run_dag):
    """An outage turns the run red; it is not zero gaps."""
    simulator.reset({"controls": CONTROLS})
    simulator.faults(Fault(kind="status", status=503, operation="listGaps", count=None))
    run = run_dag("weekly_gap_report")
    assert run.state == "failed"
    assert run.task("count_gaps").try_number == 2
