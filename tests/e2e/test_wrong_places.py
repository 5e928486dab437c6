"""A wrong address, identity provider or database: red, with the way out in the log."""

from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    GITHUB,
    TESTS_DAG,
    ago,
    collected_evidence,
    control,
    github_test,
    number_of_calls,
    posted_results,
    said,
    said_by_a_person,
    says_that_all_is_well,
    seed_of,
    stored_tests,
)

from compai_kit.simulator.control import Fault, SimulatorControl


def log_of(run: Any, task_id: str) -> str:
    return "\n".join(run.log(task_id))


@pytest.mark.scenario(TESTS_DAG, "another service answers")
def test_another_service_is_not_taken_for_comp_ai(
    simulator: SimulatorControl, run_dag: Any, airflow_stack: Any
) -> None:
    """A proxy that does not route the path hands it to its neighbour; here that is Airflow."""
    simulator.reset(seed_of(github_test(1)), GITHUB)

    run = run_dag(TESTS_DAG, variables={"COMP_AI_BASE_URL": airflow_stack.url})

    assert run.state == "failed"
    listing = run.task("list_control_tests")
    assert (listing.state, listing.try_number) == ("failed", 1), "asking again would not help"
    assert "does not lead to Comp-AI" in log_of(run, "list_control_tests")
    assert posted_results(simulator) == []


@pytest.mark.scenario(TESTS_DAG, "Keycloak's address without /auth")
def test_a_moved_token_endpoint_names_what_to_set(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(github_test(1)), GITHUB)

    run = run_dag(TESTS_DAG, variables={"COMP_AI_KEYCLOAK_URL": simulator.url})

    assert run.state == "failed"
    assert run.task("list_control_tests").try_number == 1, "asking again would not help"
    assert "/auth" in log_of(run, "list_control_tests")
    assert number_of_calls(simulator, "listTests") == 0, "no token, no call"


@pytest.mark.scenario(TESTS_DAG, "401 for good tokens")
def test_a_401_for_good_tokens_is_an_outage_and_no_result(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """Comp-AI cannot reach its Keycloak: it answers as if every token were bad."""
    proven = said_by_a_person("fail", "Nobody asked for a review. /Kim", at=ago(hours=2))
    down = {**GITHUB, "keycloak": {"reachable_by_service": False}}
    simulator.reset(seed_of(github_test(1, **proven), github_test(2)), down)
    before = stored_tests(simulator)

    run = run_dag(TESTS_DAG)
    refused = [call.status for call in simulator.ledger() if call.operation == "listTests"]
    alert = run_dag(ALERTS_DAG)

    assert (run.state, alert.state) == ("failed", "failed")
    assert refused == [401, 401], "one fresh token, then no more"
    assert stored_tests(simulator) == before
    assert "UNKNOWN" in said(simulator)
    assert not says_that_all_is_well(said(simulator))


@pytest.mark.scenario(TESTS_DAG, "database without its tables")
def test_missing_migrations_are_no_empty_list(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset({}, {"database": "no_schema"})

    run = run_dag(TESTS_DAG)

    assert run.state == "failed"
    assert "Failed to list tests" in log_of(run, "list_control_tests")
    assert "0 tests" not in log_of(run, "list_control_tests")


@pytest.mark.scenario(TESTS_DAG, "time stamp without a zone")
def test_a_time_without_a_zone_costs_one_row_only(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(github_test(1), github_test(2)), GITHUB)
    rows = list(stored_tests(simulator).values())
    rows[0] = {**rows[0], "last_run_at": "2026-11-24T06:00:00", "last_result": "pass"}
    simulator.faults(Fault(kind="wrong_shape", operation="listTests", body=rows, count=None))

    run = run_dag(TESTS_DAG)

    assert run.state == "failed", "a row that cannot be read must not go unnoticed"
    assert [number for number, _ in posted_results(simulator)] == [2]


@pytest.mark.scenario(TESTS_DAG, "nothing new, run after run")
def test_what_cannot_be_judged_adds_no_evidence_every_day(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    repository = {"commit": {"sha": "0123456789abcdef", "author": "Alex", "message": "Tidy"}}
    settings = {"github": {"configured": True, "repositories": {"example-org/app": repository}}}
    test = github_test(1, repo="app") | {"test_type": "github_last_commit"}
    simulator.reset(seed_of(test), settings)

    runs = [run_dag(TESTS_DAG) for _ in range(3)]

    assert len(collected_evidence(simulator)) == 1, "the same answer is not stored again"
    assert {run.state for run in runs} == {"failed"}, "its age cannot be told"
    assert stored_tests(simulator)[1]["last_details"].startswith("[error:ambiguous]")


@pytest.mark.scenario(ALERTS_DAG, "overdue remediation")
def test_overdue_remediation_is_told_with_its_owner(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """Due dates are DD/MM/YYYY, and a control without a task has none."""
    failing = said_by_a_person("fail", "Nobody asked for a review. /Kim", at=ago(hours=2))
    seed = seed_of(github_test(1, **failing))
    seed["controls"].append(control(2))
    seed["remediation_tasks"] = [
        {"control_id": 1, "assigned_to": "Kim", "due_date": ago(days=3)[:10], "status": "open"},
        {"control_id": 2, "assigned_to": None, "due_date": None, "status": "open"},
    ]
    seed["recorded_at"] = ago()
    simulator.reset(seed)

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    text = said(simulator)
    assert "Overdue remediation (1)" in text
    assert "3 days overdue" in text
    assert "Kim" in text
    assert text.index("Failing") < text.index("Overdue remediation")
