"""Which control tests a run of `comp_ai_control_tests` evaluates, and what overrides change."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    GITHUB,
    TESTS_DAG,
    control,
    github_test,
    posted_results,
    said,
    said_by_the_kit,
    seed_of,
    stored_tests,
    summary,
    typed_test,
)

from compai_dags.outcomes import Outcome
from compai_kit.simulator.control import SimulatorControl


def just_passed(**age: float) -> dict[str, Any]:
    return said_by_the_kit(Outcome.PASS, "pass", "Protected.", **age)


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "only what is due")
def test_what_is_not_due_gets_no_post(simulator: SimulatorControl, run_dag: Any) -> None:
    """Due by ticks, not by age: a tick of the weekly test is a minute old, its result six days."""
    tick = datetime.now(UTC) - timedelta(minutes=1)
    weekly = f"{tick.minute} {tick.hour} * * {tick.isoweekday() % 7}"
    almost_a_week = just_passed(days=6, hours=23, minutes=56)
    simulator.reset(
        seed_of(
            github_test(1, schedule="yearly", **just_passed(minutes=5)),
            github_test(2, schedule=weekly, **almost_a_week),
            github_test(3, schedule="never"),
            github_test(4),
        ),
        GITHUB,
    )
    before = stored_tests(simulator)

    run = run_dag(TESTS_DAG, conf={"only_due": True})

    assert run.state == "success"
    assert sorted(posted_results(simulator)) == [(2, "pass"), (4, "pass")]
    after = stored_tests(simulator)
    assert {n: after[n] for n in (1, 3)} == {n: before[n] for n in (1, 3)}
    assert summary(run) == {"passed": 2, "not_due": 2, "total": 4}

    simulator.reset(simulator.state(), GITHUB)
    by_hand = run_dag(TESTS_DAG)

    assert summary(by_hand) == {"passed": 4, "total": 4}, "a person wants to see all of them"


@pytest.mark.scenario(TESTS_DAG, "a schedule that nobody can read")
def test_an_invalid_schedule_runs_and_is_shown(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(github_test(1, schedule="61 25 * * *")), GITHUB)

    run = run_dag(TESTS_DAG, conf={"only_due": True})
    run_dag(ALERTS_DAG)

    assert summary(run) == {"passed": 1, "total": 1}
    assert "[config] invalid schedule '61 25 * * *'" in stored_tests(simulator)[1]["last_details"]
    assert "invalid schedule '61 25 * * *'" in said(simulator)


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "settings per test and an exception")
def test_overrides_are_in_force_and_logged(simulator: SimulatorControl, run_dag: Any) -> None:
    expires = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    excepted = [{"reason": "Archived in January, see /Kim.", "expires": expires}]
    overrides = {
        "CTL-001": {
            "Branch rule 1": {"exceptions": excepted},
            "Branch rule 2": {"config": {"owner": "example-org", "repo": "locked"}},
            "Test 03": {"schedule": "never"},
        }
    }
    simulator.reset(
        seed_of(
            github_test(1, **said_by_the_kit(Outcome.FAIL, "fail", "Not protected.", days=3)),
            github_test(2, config=None),
            typed_test(3, "github_last_commit"),
        )
        | {"controls": [control(1)]},
        GITHUB,
    )

    run = run_dag(
        TESTS_DAG,
        conf={"only_due": True},
        variables={"COMP_AI_TEST_OVERRIDES": json.dumps(overrides)},
    )

    assert summary(run) == {"passed": 1, "not_applicable": 1, "not_due": 1, "total": 3}
    rows = stored_tests(simulator)
    assert rows[1]["last_result"] == "skipped"
    assert rows[1]["last_details"].startswith(
        f"[n/a] Exception until {expires}: Archived in January"
    )
    assert rows[2]["last_result"] == "pass"
    assert rows[3]["last_run_at"] is None
    log = "\n".join(run.log("list_control_tests"))
    assert "config (owner, repo) from COMP_AI_TEST_OVERRIDES" in log
