"""Scenarios that prove the fixtures on a real Airflow. The last one fails on purpose."""

import pytest

SEED = {
    "controls": [{"id": 1, "internal_id": "C-1", "name": "One"}],
    "control_tests": [{"control_id": 1, "name": "A"}, {"control_id": 1, "name": "B"}],
}


@pytest.mark.scenario("sample_counts", "two tests")
def test_counts(simulator, run_dag, airflow_stack):
    """The DAG talks to the simulator, with a token of its Keycloak."""
    simulator.reset(SEED)
    run = run_dag("sample_counts")
    assert run.state == "success"
    assert run.xcom("count") == 2
    [call] = [entry for entry in simulator.ledger() if entry.operation == "listTests"]
    assert (call.token, call.caller["dag"], call.caller["task"]) == (
        "valid",
        "sample_counts",
        "count",
    )


@pytest.mark.scenario("sample_counts", "a Variable for one run")
def test_variables(run_dag):
    """A Variable that was given to a run is gone after it."""
    assert run_dag("sample_counts", variables={"SAMPLE": "only now"}).xcom("say") == "only now"
    assert run_dag("sample_counts").xcom("say") == "nothing"


@pytest.mark.scenario("sample_counts", "a default taken away and put back")
def test_default_is_put_back(run_dag):
    """None takes a Variable away for one run."""
    assert run_dag("sample_counts", variables={"COMP_AI_BASE_URL": None}).state == "failed"
    assert run_dag("sample_counts").state == "success"


@pytest.mark.scenario("sample_fails", "must be green")
def test_fails(run_dag):
    """This run ends well."""
    run = run_dag("sample_fails")
    assert run.state == "success"
