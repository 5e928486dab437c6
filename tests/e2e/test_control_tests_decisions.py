"""What `comp_ai_control_tests` makes of one control test when everything answers."""

import json
from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    GITHUB,
    HUMAN_TEXT,
    TESTS_DAG,
    collected_evidence,
    github_test,
    number_of_calls,
    said,
    said_by_a_person,
    seed_of,
    stored_tests,
    summary,
    trailer,
    typed_test,
)

from compai_kit.simulator.control import SimulatorControl


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "manual text untouched")
def test_manual_text_is_untouched(simulator: SimulatorControl, run_dag: Any) -> None:
    attested = said_by_a_person("pass", HUMAN_TEXT, at="2025-01-01T09:00:00Z")
    simulator.reset(seed_of(typed_test(1, "manual", **attested)))
    before = stored_tests(simulator)

    run = run_dag(TESTS_DAG)

    assert stored_tests(simulator)[1]["last_details"] == HUMAN_TEXT
    assert stored_tests(simulator) == before
    posts = [c.operation for c in simulator.ledger() if c.method == "POST"]
    assert set(posts) == {"keycloakToken"}, "no POST at all"
    assert summary(run) == {"manual": 1, "total": 1}
    assert run.state == "success"


@pytest.mark.scenario(TESTS_DAG, "GitHub test without owner and repo")
def test_unconfigured_github_is_skipped_not_passed(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(github_test(1, config={"branch": "main"})), GITHUB)

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "skipped"
    assert row["last_details"].startswith(
        "[config] Not configured: config.owner and config.repo must be set"
    )
    assert number_of_calls(simulator, "collectGithubEvidence") == 0


@pytest.mark.scenario(TESTS_DAG, "config as a JSON string")
def test_config_as_a_json_string_is_accepted(simulator: SimulatorControl, run_dag: Any) -> None:
    config = json.dumps({"owner": "example-org", "repo": "locked"})
    simulator.reset(seed_of(github_test(1, config=config)), GITHUB)

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    assert stored_tests(simulator)[1]["last_result"] == "pass"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "unknown type with another system's result")
def test_what_another_system_wrote_is_untouched_and_listed(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    theirs = said_by_a_person("pass", "Quality gate is green.", at="2026-06-01T06:00:00Z")
    simulator.reset(seed_of(typed_test(1, " SonarQube_Gate ", **theirs)))
    before = stored_tests(simulator)

    run = run_dag(TESTS_DAG)
    alert = run_dag(ALERTS_DAG)

    assert stored_tests(simulator) == before
    assert number_of_calls(simulator, "recordTestResult") == 0
    assert run.state == "success"
    assert summary(run) == {"not_configured": 1, "total": 1}
    assert alert.state == "success"
    assert "Not ours: results of other systems (1)" in said(simulator)
    assert "Test 01 (control 1, test 1): pass of 2026-06-01, type SonarQube_Gate" in said(simulator)


@pytest.mark.scenario(TESTS_DAG, "unknown type, never run")
def test_unknown_type_that_never_ran_is_skipped_and_warned_about(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(typed_test(1, "quantum_audit")))

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "skipped"
    assert row["last_details"].startswith("[config] No check for test type 'quantum_audit'")
    assert "github_branch_protection" in row["last_details"], "what there are checks for"
    log = dict(run.every_text())["log of summarise, try 1"]
    assert "1 not configured" in log
    assert "warning" in log.split()


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "no honest answer")
def test_ambiguous_answer_is_neither_pass_nor_fail(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(github_test(1, repo="open"), github_test(2)), GITHUB)

    run = run_dag(TESTS_DAG)

    rows = stored_tests(simulator)
    assert rows[1]["last_result"] == "skipped"
    assert rows[1]["last_details"].startswith("[error:ambiguous]")
    assert "comp_ai_github" in rows[1]["last_details"]
    assert rows[2]["last_result"] == "pass"
    assert run.state == "failed"


@pytest.mark.scenario(TESTS_DAG, "unknown commit")
def test_a_commit_that_could_not_be_read_is_never_a_pass(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """Comp-AI answers 201 with the text "Last commit: unknown"."""
    config = {"owner": "example-org", "repo": "bare", "require": "reachable"}
    simulator.reset(seed_of(typed_test(1, "github_last_commit", config=config)), GITHUB)

    run = run_dag(TESTS_DAG)

    assert "unknown" in collected_evidence(simulator)[0]["description"]
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "skipped"
    assert row["last_details"].startswith("[error:not_found_or_no_access]")
    assert run.state == "failed"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "control without evidence")
def test_nothing_is_collected_for_a_control_without_evidence(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """Any row that Comp-AI writes would close the control's gap for ever."""
    simulator.reset(seed_of(github_test(1), has_evidence=False), GITHUB)

    run = run_dag(TESTS_DAG)
    alert = run_dag(ALERTS_DAG)

    assert stored_tests(simulator)[1]["last_result"] == "skipped"
    assert trailer(stored_tests(simulator)[1])["reason"] == "no_evidence_yet"
    assert simulator.state()["evidence"] == []
    assert number_of_calls(simulator, "collectGithubEvidence") == 0
    assert run.state == "success"
    assert alert.xcom("send_alert")["gaps"] == 1, "the gap is still open"


@pytest.mark.scenario(TESTS_DAG, "503 not configured")
def test_an_integration_that_is_not_set_up_is_no_outage(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """The one 503 that is an answer: it is not repeated, and it is not a compliance fail."""
    simulator.reset(seed_of(github_test(1)))

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    assert {task.try_number for task in run.tasks} == {1}
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "skipped"
    assert row["last_details"].startswith(
        "[config] Comp-AI says: GitHub integration not configured"
    )
    assert number_of_calls(simulator, "collectGithubEvidence") == 1
    assert collected_evidence(simulator) == []
