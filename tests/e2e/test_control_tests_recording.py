"""`comp_ai_control_tests`: lists that are not right, and results that cannot be recorded."""

from typing import Any

import pytest
from comp_ai_world import (
    GITHUB,
    TESTS_DAG,
    control,
    github_test,
    number_of_calls,
    posted_results,
    seed_of,
    stored_tests,
    summary,
)

from compai_kit.simulator.control import Fault, SimulatorControl


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "401 in mid-run")
def test_token_dies_in_mid_run(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(*(github_test(n) for n in range(1, 5))), GITHUB)
    simulator.faults(Fault(kind="token_expiry", operation="recordTestResult", after=1))

    run = run_dag(TESTS_DAG)

    refused = [call.operation for call in simulator.ledger() if call.status == 401]
    assert refused == ["recordTestResult"], "the dead token is really refused, once"
    # one per task that talks to Comp-AI, and one after the 401
    assert number_of_calls(simulator, "keycloakToken") == 3
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {"pass"}
    assert summary(run) == {"passed": 4, "total": 4}
    assert run.state == "success"


@pytest.mark.scenario(TESTS_DAG, "tokens shorter than the run")
def test_tokens_are_renewed_before_they_end(simulator: SimulatorControl, run_dag: Any) -> None:
    """One token for the whole loop ended in 401s late in the run."""
    short = {"keycloak": {"token_life_s": 2}}
    simulator.reset(seed_of(*(github_test(n) for n in range(1, 4))), {**GITHUB, **short})
    simulator.faults(
        Fault(kind="slow", operation="collectGithubEvidence", when="after", delay_s=2, count=1)
    )

    run = run_dag(TESTS_DAG)

    assert {row["last_result"] for row in stored_tests(simulator).values()} == {"pass"}
    assert number_of_calls(simulator, "keycloakToken") >= 3
    assert {call.status for call in simulator.ledger()} == {200, 201}, "no 401 had to tell it"
    assert run.state == "success"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "result POST 500")
def test_result_post_fails(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1), github_test(2)), GITHUB)
    simulator.faults(
        Fault(
            kind="status",
            operation="recordTestResult",
            status=500,
            body={"error": "Failed to record test result"},
            count=None,
        )
    )

    run = run_dag(TESTS_DAG)

    assert run.state == "failed"
    assert posted_results(simulator) == []
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {None}
    assert any("could not be recorded" in line for line in run.log("summarise"))
    assert summary(run) == {"unrecorded": 2, "total": 2}


@pytest.mark.scenario(TESTS_DAG, "test moved to another control")
def test_a_test_that_is_not_linked_to_the_control_is_not_recorded(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """It moved after the list was read, so the address of its result is wrong by now."""
    seed = seed_of(github_test(1), github_test(2, control_id=2))
    seed["controls"].append(control(2))
    simulator.reset(seed, GITHUB)
    listed = [{**row, "control_id": 1} for row in stored_tests(simulator).values()]
    simulator.faults(Fault(kind="wrong_shape", operation="listTests", body=listed, count=None))

    run = run_dag(TESTS_DAG)

    assert stored_tests(simulator)[2]["last_result"] is None, "stored under a foreign control"
    assert posted_results(simulator) == [(1, "pass")]
    assert summary(run) == {"passed": 1, "unrecorded": 1, "total": 2}
    assert run.state == "failed"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "empty list")
def test_empty_list_is_not_green(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset({"controls": [control(1)]})

    run = run_dag(TESTS_DAG)

    assert run.state == "failed"
    assert run.task("list_control_tests").try_number == 1, "asking again would not help"
    assert any("0 tests" in line for line in run.log("list_control_tests"))


@pytest.mark.scenario(TESTS_DAG, "empty list, allowed")
def test_empty_list_can_be_allowed(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset({"controls": [control(1)]})

    run = run_dag(TESTS_DAG, variables={"COMP_AI_ALLOW_EMPTY": "1"})

    assert run.state == "success"
    assert summary(run) == {}


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "malformed row in the middle")
def test_malformed_row_does_not_stop_the_others(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1), github_test(2)), GITHUB)
    good = stored_tests(simulator)
    rows = [
        {**good[1], "config": good[1]["config"]},
        {"id": "seven", "name": "broken"},
        {**good[2], "config": good[2]["config"]},
    ]
    simulator.faults(Fault(kind="wrong_shape", operation="listTests", body=rows, count=None))

    run = run_dag(TESTS_DAG)

    assert run.state == "failed", "a row that cannot be read must not go unnoticed"
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {"pass"}
    assert summary(run) == {"passed": 2, "errors": 1, "total": 3}
