"""`comp_ai_control_tests` when Comp-AI, its proxies, Keycloak or GitHub fail.

An outage is never a compliance result, and it does not touch what was proven.
"""

from dataclasses import replace
from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    BAD_GATEWAY,
    GITHUB,
    PERSONS_FAIL,
    TESTS_DAG,
    ago,
    collected_evidence,
    github_test,
    number_of_calls,
    posted_results,
    said,
    said_by_a_person,
    said_by_the_kit,
    seed_of,
    stored_tests,
    summary,
    typed_test,
)

from compai_dags.outcomes import Outcome
from compai_kit.simulator.control import Fault, SimulatorControl
from compai_kit.simulator.times import parse_time


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "Comp-AI down")
def test_comp_ai_down(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1)), GITHUB)
    before = simulator.state()
    simulator.faults(Fault(kind="reset", operation="*", count=None))

    run = run_dag(TESTS_DAG)

    assert run.state == "failed"
    assert run.task("list_control_tests").state == "failed"
    assert run.task("list_control_tests").try_number > 1, "an outage is worth another try"
    assert {**simulator.state(), "recorded_at": ""} == {**before, "recorded_at": ""}
    assert posted_results(simulator) == []


@pytest.mark.scenario(TESTS_DAG, "Keycloak down")
def test_keycloak_down_records_nothing(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1)), GITHUB)
    before = stored_tests(simulator)
    simulator.faults(Fault(kind="status", operation="keycloakToken", status=502, count=None))

    run = run_dag(TESTS_DAG)

    assert stored_tests(simulator) == before
    assert {call.operation for call in simulator.ledger()} == {"keycloakToken"}
    assert run.state == "failed"
    assert any("token" in line.lower() for line in run.log("list_control_tests"))


@pytest.mark.scenario(TESTS_DAG, "login page instead of JSON")
def test_a_login_page_is_no_answer(simulator: SimulatorControl, run_dag: Any) -> None:
    """A cookie proxy in front of the API answers 200 with HTML."""
    simulator.reset(seed_of(github_test(1)), GITHUB)
    simulator.faults(Fault(kind="html", operation="listTests", count=None))

    run = run_dag(TESTS_DAG)

    assert run.state == "failed"
    assert run.task("list_control_tests").try_number == 1, "asking again would not help"
    assert any("HTML" in line for line in run.log("list_control_tests"))
    assert posted_results(simulator) == []


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "429, then an answer")
def test_rate_limited_once(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1)), GITHUB)
    simulator.faults(
        Fault(kind="rate_limit", operation="recordTestResult", headers={"Retry-After": "1"})
    )

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    refused, accepted = [c for c in simulator.ledger() if c.operation == "recordTestResult"]
    assert (refused.status, accepted.status) == (429, 200)
    waited = parse_time(accepted.at) - parse_time(refused.at)
    assert waited.total_seconds() >= 1, "Retry-After was 1 s"
    assert stored_tests(simulator)[1]["last_result"] == "pass"


@pytest.mark.scenario(TESTS_DAG, "503 of a proxy, then an answer")
def test_a_proxys_503_is_waited_out(simulator: SimulatorControl, run_dag: Any) -> None:
    """nginx limits polling clients with a 503 and a page of its own."""
    simulator.reset(seed_of(github_test(1)), GITHUB)
    page = Fault(kind="html", operation="listTests", status=503, count=2)
    simulator.faults(page)

    run = run_dag(TESTS_DAG)

    assert run.state == "success"
    assert number_of_calls(simulator, "listTests") == 3
    assert {task.try_number for task in run.tasks} == {1}


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "more tests than the rate limit allows")
def test_more_tests_than_the_rate_limit_allows(simulator: SimulatorControl, run_dag: Any) -> None:
    """70 results against a bucket, as 60 a minute are; the window is short to save the minute."""
    tests = [typed_test(n, "unheard_of") for n in range(1, 71)]
    simulator.reset(seed_of(*tests), {"rate_limit": {"requests": 20, "window_s": 3}})

    run = run_dag(TESTS_DAG)

    statuses = {call.status for call in simulator.ledger()}
    assert statuses == {200, 429}, "429 is really met"
    assert {row["last_result"] for row in stored_tests(simulator).values()} == {"skipped"}
    assert len(posted_results(simulator)) == 70, "each result is recorded once"
    assert summary(run) == {"not_configured": 70, "total": 70}
    assert run.state == "success"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "500 for one test, again and again")
def test_one_test_in_an_outage_is_skipped_and_the_others_are_posted(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(*(github_test(n, repo=f"locked-{n}") for n in range(1, 4))), GITHUB)
    refused = Fault(
        kind="status",
        operation="collectGithubEvidence",
        status=500,
        body={"error": "Failed to save evidence"},
        after=1,
        count=2,
    )
    # The second test's call and its one repetition; in the tries after that, only it asks.
    simulator.faults(refused, replace(refused, after=2, count=None))

    run = run_dag(TESTS_DAG)

    rows = stored_tests(simulator)
    assert rows[2]["last_result"] == "skipped"
    assert rows[2]["last_details"].startswith("[error:upstream_5xx] Could not verify")
    assert posted_results(simulator) == [(1, "pass"), (3, "pass"), (2, "skipped")]
    assert summary(run) == {"passed": 2, "errors": 1, "total": 3}
    assert run.state == "failed"
    assert any("'Branch rule 2'" in line for line in run.log("summarise"))


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "outage over a proven fail")
def test_an_outage_does_not_touch_a_proven_fail(simulator: SimulatorControl, run_dag: Any) -> None:
    """Nothing is posted over it, and the alert goes on counting it as failing."""
    by_person = said_by_a_person("fail", PERSONS_FAIL, at=ago(days=1))
    by_kit = said_by_the_kit(Outcome.FAIL, "fail", "Branch main is not protected.", days=2)
    simulator.reset(
        seed_of(
            github_test(1, repo="broken", **by_person), github_test(2, repo="broken", **by_kit)
        ),
        GITHUB,
    )
    before = stored_tests(simulator)

    run = run_dag(TESTS_DAG)
    alert = run_dag(ALERTS_DAG)

    assert stored_tests(simulator) == before, "result, details and last_run_at"
    assert number_of_calls(simulator, "recordTestResult") == 0
    assert summary(run) == {"errors": 2, "total": 2}
    assert run.state == "failed"
    assert alert.xcom("send_alert")["failed_tests"] == 2
    text = said(simulator)
    assert "Failing: new (2)" in text
    assert "Branch main is not protected. [not re-verified since" in text
    assert text.count(", because upstream_5xx: ") >= 2, "the reason is in the alert only"


@pytest.mark.scenario(TESTS_DAG, "outage over a first-generation fail")
def test_an_outage_replaces_what_proved_nothing(simulator: SimulatorControl, run_dag: Any) -> None:
    """The runner of before wrote the text of a failed call as a compliance fail."""
    unproven = said_by_a_person(
        "fail", '{"error":"GitHub integration not configured"}', at="2026-11-24T06:00:00Z"
    )
    simulator.reset(seed_of(github_test(1, **unproven)), GITHUB)
    outage = Fault(
        kind="status",
        operation="collectGithubEvidence",
        status=502,
        body=BAD_GATEWAY,
        count=None,
    )
    simulator.faults(outage)

    run = run_dag(TESTS_DAG)

    row = stored_tests(simulator)[1]
    assert row["last_result"] == "skipped"
    assert row["last_details"].startswith("[error:upstream_5xx]")
    assert len(posted_results(simulator)) == 1, "an ERROR is posted on the last try only"
    assert run.state == "failed"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "answer lost after the write")
def test_a_lost_answer_does_not_double_the_evidence(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """Comp-AI wrote the row and the connection broke: look for it, do not ask again."""
    simulator.reset(seed_of(github_test(1)), GITHUB)
    simulator.faults(Fault(kind="reset", operation="collectGithubEvidence", when="after"))

    run = run_dag(TESTS_DAG)

    assert len(collected_evidence(simulator)) == 1, "evidence cannot be deleted"
    assert number_of_calls(simulator, "collectGithubEvidence") == 1
    assert stored_tests(simulator)[1]["last_result"] == "pass"
    assert run.state == "success"


@pytest.mark.scenario(TESTS_DAG, "redirect on a write")
def test_a_redirect_of_a_write_is_not_followed(simulator: SimulatorControl, run_dag: Any) -> None:
    """Where it leads nobody knows: a login, another tenant. The result counts as not recorded."""
    simulator.reset(seed_of(github_test(1)), GITHUB)
    elsewhere = f"{simulator.url}/api/v1/controls/1/tests/1/result"
    simulator.faults(
        Fault(
            kind="status",
            operation="recordTestResult",
            status=307,
            body="",
            headers={"Location": elsewhere},
        )
    )

    run = run_dag(TESTS_DAG)

    assert number_of_calls(simulator, "recordTestResult") == 1, "a redirect was followed"
    assert stored_tests(simulator)[1]["last_result"] is None
    assert summary(run) == {"unrecorded": 1, "total": 1}
    assert run.state == "failed"
