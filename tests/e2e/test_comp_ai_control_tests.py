"""`comp_ai_control_tests` in a real Airflow: what it decides, what Comp-AI received and stored."""

import json
from typing import Any

import pytest

from compai_kit.airflow_stack.runs import Run
from compai_kit.simulator.control import Fault, SimulatorControl

DAG = "comp_ai_control_tests"
PROTECTED = {
    "github": {
        "configured": True,
        "repositories": {
            "example-org/locked": {"protection": "enabled"},
            "example-org/open": {"protection": "absent"},
        },
    }
}
HUMAN_TEXT = "\n".join(
    f"Step {n:02}: restored sample {n * 37 % 91} – checksum “ok” ✅" for n in range(1, 16)
)


def control(number: int) -> dict[str, Any]:
    return {"id": number, "internal_id": f"CTL-{number:03}", "name": f"Control {number}"}


def policy_for(control_id: int) -> dict[str, Any]:
    """Evidence, without which the check through Comp-AI collects nothing."""
    return {"control_id": control_id, "type": "policy", "source": "Handbook chapter 4"}


def github_test(number: int, *, repo: str = "locked", **stored: Any) -> dict[str, Any]:
    return {
        "id": number,
        "control_id": 1,
        "name": f"Branch rule {number}",
        "test_type": "github_branch_protection",
        "config": {"owner": "example-org", "repo": repo},
        **stored,
    }


def seed_of(*tests: dict[str, Any], has_evidence: bool = True) -> dict[str, Any]:
    return {
        "controls": [control(1)],
        "control_tests": list(tests),
        "evidence": [policy_for(1)] if has_evidence else [],
    }


def stored_tests(simulator: SimulatorControl) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in simulator.state()["control_tests"]}


def posted_results(simulator: SimulatorControl) -> list[tuple[str, str]]:
    """(path, result) of every result that Comp-AI stored, in order."""
    return [
        (call.path, call.request_body["result"])
        for call in simulator.ledger()
        if call.operation == "recordTestResult" and call.stored
    ]


def number_of_calls(simulator: SimulatorControl, operation: str) -> int:
    return sum(call.operation == operation for call in simulator.ledger())


def trailer(row: dict[str, Any]) -> dict[str, Any]:
    mark = "\ncompai-kit "
    assert mark in row["last_details"], row["last_details"]
    value: dict[str, Any] = json.loads(row["last_details"].rpartition(mark)[2])
    return value


def summary(run: Run) -> dict[str, int]:
    value: dict[str, int] = run.xcom("summarise")
    assert all(type(number) is int for number in value.values()), value
    return {name: number for name, number in value.items() if number}


@pytest.mark.scenario(DAG, "plain run")
def test_plain_run(simulator: SimulatorControl, run_dag: Any) -> None:
    manual = {"id": 2, "control_id": 1, "name": "Paper form", "test_type": "manual"}
    unknown = {"id": 3, "control_id": 1, "name": "Gate", "test_type": "sonarqube_gate"}
    simulator.reset(seed_of(github_test(1), manual, unknown), PROTECTED)

    run = run_dag(DAG)

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
    assert callers == {DAG}


# The control tests of the recorded Comp-AI, which has no integration configured: none can honestly
# pass, and what people or other systems wrote must stay.
KEPT = None
REAL_INPUT: dict[int, str | None] = {
    1: KEPT,  # okta_org_summary: a pass that somebody else wrote
    2: KEPT,  # okta_users_snapshot: a fail that a person wrote
    3: "[config] No check for test type 'okta_groups_snapshot'",
    4: KEPT,  # manual
    5: KEPT,  # github_branch_protection: 503 "not configured" over a pass that somebody else wrote
    6: KEPT,  # github_last_commit: likewise, over somebody's skipped
    7: "[config] Not configured: config.owner and config.repo must be set",  # never run
    8: KEPT,  # sonarqube_gate: a fail that another system wrote
    9: "[config] No check can tell what a test of type 'integration' asserts",
    10: KEPT,  # manual, with a long text
    11: "[config] No check can tell what a test of type 'integration' asserts",  # never run
    12: KEPT,  # aws_iam_summary: a pass that somebody else wrote
    13: KEPT,  # manual, never attested
    14: "[config] Not configured: the test has no config",
}


@pytest.mark.scenario(DAG, "the real input")
def test_the_real_input(
    simulator: SimulatorControl, run_dag: Any, recorded_seed: dict[str, Any]
) -> None:
    simulator.reset(recorded_seed)
    before = stored_tests(simulator)
    evidence_before = simulator.state()["evidence"]
    assert set(before) == set(REAL_INPUT), "each recorded control test needs its expected outcome"

    run = run_dag(DAG)

    after = stored_tests(simulator)
    for number, text in REAL_INPUT.items():
        if text is KEPT:
            assert after[number] == before[number], f"control test {number} must stay as it is"
        else:
            assert after[number]["last_result"] == "skipped"
            assert after[number]["last_details"].startswith(text)
    assert run.state == "success"
    assert summary(run) == {"not_configured": 11, "manual": 3, "total": 14}
    assert simulator.state()["evidence"] == evidence_before


@pytest.mark.scenario(DAG, "Comp-AI down")
def test_comp_ai_down(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1)), PROTECTED)
    before = simulator.state()
    simulator.faults(Fault(kind="reset", operation="*", count=None))

    run = run_dag(DAG)

    assert run.state == "failed"
    assert run.task("list_control_tests").state == "failed"
    assert run.task("list_control_tests").try_number > 1, "an outage is worth another try"
    assert simulator.state() == before
    assert posted_results(simulator) == []


@pytest.mark.scenario(DAG, "429, then an answer")
def test_rate_limited_once(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1)), PROTECTED)
    body = {"error": "Too many requests", "retry_after_secs": 1}
    simulator.faults(
        Fault(
            kind="status",
            operation="recordTestResult",
            status=429,
            body=body,
            headers={"Retry-After": "1"},
        )
    )

    run = run_dag(DAG)

    assert run.state == "success"
    assert number_of_calls(simulator, "recordTestResult") == 2
    assert stored_tests(simulator)[1]["last_result"] == "pass"


@pytest.mark.scenario(DAG, "more tests than the rate limit allows")
def test_more_tests_than_the_rate_limit_allows(simulator: SimulatorControl, run_dag: Any) -> None:
    tests = [
        {"id": n, "control_id": 1, "name": f"Test {n:02}", "test_type": "unheard_of"}
        for n in range(1, 71)
    ]
    simulator.reset(seed_of(*tests), {"rate_limit": {"requests": 20, "window_s": 3}})

    run = run_dag(DAG)

    assert run.state == "success"
    assert summary(run) == {"not_configured": 70, "total": 70}
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {"skipped"}
    assert len(posted_results(simulator)) == 70, "each result is recorded once"
    assert {call.status for call in simulator.ledger()} == {200, 429}


@pytest.mark.scenario(DAG, "401 in mid-run")
def test_token_dies_in_mid_run(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(*(github_test(n) for n in range(1, 5))), PROTECTED)
    simulator.faults(Fault(kind="token_expiry", operation="recordTestResult", after=1))

    run = run_dag(DAG)

    assert run.state == "success"
    assert summary(run) == {"passed": 4, "total": 4}
    refused = [call for call in simulator.ledger() if call.status == 401]
    assert [call.operation for call in refused] == ["recordTestResult"]
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {"pass"}


@pytest.mark.scenario(DAG, "result POST 500")
def test_result_post_fails(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1), github_test(2), github_test(3)), PROTECTED)
    # 4 tries of the client, for the first result of each try of the task
    simulator.faults(
        Fault(
            kind="status",
            operation="recordTestResult",
            status=500,
            body={"error": "Failed to record test result"},
            count=None,
        )
    )

    run = run_dag(DAG)

    assert run.state == "failed"
    assert posted_results(simulator) == []
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {None}
    assert any("could not be recorded" in line for line in run.log("summarise"))


@pytest.mark.scenario(DAG, "manual text untouched")
def test_manual_text_is_untouched(simulator: SimulatorControl, run_dag: Any) -> None:
    manual = {
        "id": 1,
        "control_id": 1,
        "name": "Rehearsal of the quarter",
        "test_type": "manual",
        "last_run_at": "2025-01-01T09:00:00Z",
        "last_result": "pass",
        "last_details": HUMAN_TEXT,
    }
    simulator.reset(seed_of(manual))
    before = stored_tests(simulator)

    run = run_dag(DAG)

    assert run.state == "success"
    assert summary(run) == {"manual": 1, "total": 1}
    assert stored_tests(simulator) == before
    assert stored_tests(simulator)[1]["last_details"] == HUMAN_TEXT
    assert number_of_calls(simulator, "recordTestResult") == 0


@pytest.mark.scenario(DAG, "empty list")
def test_empty_list_is_not_green(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset({"controls": [control(1)]})

    run = run_dag(DAG)

    assert run.state == "failed"
    assert run.task("list_control_tests").try_number == 1, "asking again would not help"
    assert any("0 tests" in line for line in run.log("list_control_tests"))


@pytest.mark.scenario(DAG, "empty list, allowed")
def test_empty_list_can_be_allowed(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset({"controls": [control(1)]})

    run = run_dag(DAG, variables={"COMP_AI_ALLOW_EMPTY": "1"})

    assert run.state == "success"
    assert summary(run) == {}


@pytest.mark.scenario(DAG, "malformed row in the middle")
def test_malformed_row_does_not_stop_the_others(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1), github_test(2)), PROTECTED)
    good = stored_tests(simulator)
    rows = [
        {**good[1], "config": good[1]["config"]},
        {"id": "seven", "name": "broken"},
        {**good[2], "config": good[2]["config"]},
    ]
    simulator.faults(Fault(kind="wrong_shape", operation="listTests", body=rows, count=None))

    run = run_dag(DAG)

    assert run.state == "failed", "a row that cannot be read must not go unnoticed"
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {"pass"}


@pytest.mark.scenario(DAG, "no honest answer")
def test_ambiguous_answer_is_neither_pass_nor_fail(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(github_test(1, repo="open"), github_test(2)), PROTECTED)

    run = run_dag(DAG)

    assert run.state == "failed"
    rows = stored_tests(simulator)
    assert rows[1]["last_result"] == "skipped"
    assert rows[1]["last_details"].startswith("[error:ambiguous]")
    assert "comp_ai_github" in rows[1]["last_details"]
    assert rows[2]["last_result"] == "pass"


@pytest.mark.scenario(DAG, "control without evidence")
def test_nothing_is_collected_for_a_control_without_evidence(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(github_test(1), has_evidence=False), PROTECTED)

    run = run_dag(DAG)

    assert run.state == "success"
    assert simulator.state()["evidence"] == [], "a row would close the control's gap for ever"
    assert number_of_calls(simulator, "collectGithubEvidence") == 0
    assert stored_tests(simulator)[1]["last_result"] == "skipped"


@pytest.mark.scenario(DAG, "outage over a proven fail")
def test_an_outage_does_not_touch_a_proven_fail(simulator: SimulatorControl, run_dag: Any) -> None:
    proven = github_test(
        1,
        last_run_at="2026-11-24T06:00:00Z",
        last_result="fail",
        last_details="Two reviewers are required, none is asked for. /Kim",
    )
    simulator.reset(seed_of(proven), PROTECTED)
    before = stored_tests(simulator)
    simulator.faults(
        Fault(kind="status", operation="collectGithubEvidence", status=502, count=None)
    )

    run = run_dag(DAG)

    assert run.state == "failed"
    assert stored_tests(simulator) == before


@pytest.mark.scenario(DAG, "outage over a first-generation fail")
def test_an_outage_replaces_what_proved_nothing(simulator: SimulatorControl, run_dag: Any) -> None:
    unproven = github_test(
        1,
        last_run_at="2026-11-24T06:00:00Z",
        last_result="fail",
        last_details='{"error":"GitHub integration not configured"}',
    )
    simulator.reset(seed_of(unproven), PROTECTED)
    simulator.faults(
        Fault(kind="status", operation="collectGithubEvidence", status=502, count=None)
    )

    run = run_dag(DAG)

    assert run.state == "failed"
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "skipped"
    assert row["last_details"].startswith("[error:upstream_5xx]")
    assert len(posted_results(simulator)) == 1, "an ERROR is posted on the last try only"


@pytest.mark.scenario(DAG, "the unchecked pass of the first design")
def test_unchecked_pass_is_marked_and_never_over_a_fail(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    tests = [
        {"id": 1, "control_id": 1, "name": "Alerts arrive", "test_type": "integration"},
        {
            "id": 2,
            "control_id": 1,
            "name": "Gate",
            "test_type": "sonarqube_gate",
            "last_run_at": "2026-11-24T06:00:00Z",
            "last_result": "fail",
            "last_details": "Coverage 79.9 is under 80.5.",
        },
    ]
    simulator.reset(seed_of(*tests))

    run = run_dag(DAG, variables={"COMP_AI_UNCHECKED_RESULT": "pass"})

    assert run.state == "success"
    rows = stored_tests(simulator)
    assert rows[1]["last_result"] == "pass"
    assert "[unchecked]" in rows[1]["last_details"]
    assert rows[2]["last_result"] == "fail"
    assert summary(run) == {"unproven": 1, "not_configured": 1, "total": 2}
