"""`comp_ai_control_tests` in a real Airflow: whole runs, and what starts them."""

from typing import Any

import pytest
from comp_ai_world import (
    GITHUB,
    TESTS_DAG,
    github_test,
    posted_results,
    said_by_a_person,
    said_by_the_kit,
    seed_of,
    stored_tests,
    summary,
    trailer,
    typed_test,
)

from compai_dags.outcomes import Outcome
from compai_kit.simulator.control import SimulatorControl


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "plain run")
def test_plain_run(simulator: SimulatorControl, run_dag: Any) -> None:
    manual = typed_test(2, "manual")
    unknown = typed_test(3, "sonarqube_gate")
    simulator.reset(seed_of(github_test(1), manual, unknown), GITHUB)

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    assert {task.try_number for task in run.tasks} == {1}
    assert summary(run) == {"passed": 1, "manual": 1, "not_configured": 1, "total": 3}
    rows = stored_tests(simulator)
    assert rows[1]["last_result"] == "pass"
    assert rows[1]["last_details"].startswith("Branch protection is enabled on the default branch")
    assert trailer(rows[1])["run"] == run.run_id
    assert rows[2]["last_run_at"] is None
    assert rows[3]["last_result"] == "skipped"
    assert rows[3]["last_details"].startswith("[config] No check for test type 'sonarqube_gate'")
    callers = {
        (c.caller or {}).get("dag") for c in simulator.ledger() if c.operation != "keycloakToken"
    }
    assert callers == {TESTS_DAG}
    log = run.log("list_control_tests")
    assert any(line.startswith("compai-kit ") for line in log), "which code ran, and from where"
    assert "COMP_AI_BASE_URL from an Airflow Variable" in log


# The control tests of the recorded Comp-AI, which has no integration configured: none can honestly
# pass, and what people or other systems wrote must stay.
KEPT = None
REAL_INPUT: dict[int, str | None] = {
    1: KEPT,  # okta_org_summary: a pass that somebody else wrote
    2: KEPT,  # okta_users_snapshot: a fail that a person wrote
    # okta_groups_snapshot, of a control about second factors, which groups say nothing about
    3: "[config] Not configured: the control is named 'Two-factor sign-in for staff'",
    4: KEPT,  # manual
    5: KEPT,  # github_branch_protection: 503 "not configured" over a pass that somebody else wrote
    6: KEPT,  # github_last_commit: likewise, over somebody's skipped
    7: "[config] Not configured: config.owner and config.repo must be set",  # never run
    8: KEPT,  # sonarqube_gate: a fail that another system wrote
    9: "[config] No check can tell what a test of type 'integration' asserts",
    10: KEPT,  # manual, with a long text
    11: "[config] No check can tell what a test of type 'integration' asserts",  # never run
    # aws_iam_summary: Comp-AI does not tell missing credentials from an outage.
    12: "[error:upstream_5xx] Could not verify: asking Comp-AI about AWS IAM failed.",
    13: KEPT,  # manual, never attested
    14: "[config] Not configured: the test has no config",
}


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "the real input")
def test_the_real_input(
    simulator: SimulatorControl, run_dag: Any, recorded_seed: dict[str, Any]
) -> None:
    simulator.reset(recorded_seed)
    before = stored_tests(simulator)
    evidence_before = simulator.state()["evidence"]
    assert set(before) == set(REAL_INPUT), "each recorded control test needs its expected outcome"

    run = run_dag(TESTS_DAG)

    after = stored_tests(simulator)
    for number, text in REAL_INPUT.items():
        if text is KEPT:
            assert after[number] == before[number], f"control test {number} must stay as it is"
        else:
            assert after[number]["last_result"] == "skipped"
            assert after[number]["last_details"].startswith(text)
    assert run.state == "failed", "what could not be verified must not go unnoticed"
    assert summary(run) == {"not_configured": 10, "manual": 3, "errors": 1, "total": 14}
    assert simulator.state()["evidence"] == evidence_before


@pytest.mark.scenario(TESTS_DAG, "started by hand")
def test_a_run_by_hand_evaluates_every_automated_test(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """Somebody who has just fixed a rule wants to see it green, however fresh the result is."""
    fresh = said_by_the_kit(Outcome.FAIL, "fail", "Branch protection is off.", minutes=5)
    simulator.reset(
        seed_of(github_test(1, **fresh), github_test(2, schedule="weekly", **fresh)), GITHUB
    )

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    assert posted_results(simulator) == [(1, "pass"), (2, "pass")]
    assert {trailer(row)["run"] for row in stored_tests(simulator).values()} == {run.run_id}


@pytest.mark.scenario(TESTS_DAG, "started by hand for some tests")
def test_ids_narrow_a_run(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(*(github_test(n) for n in range(1, 4))), GITHUB)

    run = run_dag(TESTS_DAG, conf={"test_ids": [2]})

    assert run.state == "success"
    assert summary(run) == {"passed": 1, "total": 1}
    assert posted_results(simulator) == [(2, "pass")]


@pytest.mark.scenario(TESTS_DAG, "the unchecked pass of the first design")
def test_unchecked_pass_is_marked_and_never_over_a_fail(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    fail = said_by_a_person("fail", "Coverage 79.9 is under 80.5.", at="2026-11-24T06:00:00Z")
    simulator.reset(seed_of(typed_test(1, "integration"), typed_test(2, "sonarqube_gate", **fail)))

    run = run_dag(TESTS_DAG, variables={"COMP_AI_UNCHECKED_RESULT": "pass"})

    assert run.state == "success"
    rows = stored_tests(simulator)
    assert rows[1]["last_result"] == "pass"
    assert "[unchecked]" in rows[1]["last_details"]
    assert rows[2]["last_result"] == "fail"
    assert summary(run) == {"unproven": 1, "not_configured": 1, "total": 2}
