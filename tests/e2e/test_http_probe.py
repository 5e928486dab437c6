"""`integration` tests whose config has a `url`, in a real Airflow: SIEM and alert pipelines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comp_ai_world import TESTS_DAG, seed_of, stored_tests, summary, typed_test

from compai_kit.simulator.control import SimulatorControl


def pages(age: timedelta) -> dict[str, Any]:
    """A SIEM that is well, whose last event is this old, and one that is down."""
    at = f"{datetime.now(UTC) - age:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "/health": {"body": {"status": "green", "last_event": at}},
        "/down": {"status": 503},
    }


def siem_test(number: int, simulator: SimulatorControl, path: str, **config: Any) -> dict[str, Any]:
    url = f"{simulator.url}/systems/web{path}"
    return typed_test(number, "integration", config={"url": url, **config})


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "a SIEM that is probed")
def test_a_siem_is_judged_by_what_it_answers(simulator: SimulatorControl, run_dag: Any) -> None:
    fresh = {"max_age": {"/last_event": "1h"}}
    simulator.reset(
        seed_of(
            siem_test(1, simulator, "/health", json={"/status": "green"}, **fresh),
            siem_test(2, simulator, "/health", json={"/status": "red"}),
            siem_test(3, simulator, "/gone"),
            siem_test(4, simulator, "/health", **fresh, statuss=204),
        ),
        {"systems": {"web": pages(age=timedelta(minutes=9))}},
    )

    run = run_dag(TESTS_DAG, variables={"COMP_AI_PROBE_ALLOW": "127.0.0.1"})

    assert run.state == "success", "findings are no broken run"
    assert summary(run) == {"passed": 1, "failed": 2, "not_configured": 1, "total": 4}
    stored = stored_tests(simulator)
    assert [stored[n]["last_result"] for n in (1, 2, 3, 4)] == ["pass", "fail", "fail", "skipped"]
    assert "/last_event is 9 minutes old (at most 1h)" in stored[1]["last_details"]
    assert '/status is "green", expected "red"' in stored[2]["last_details"]
    assert "answers HTTP 404, expected 200" in stored[3]["last_details"]
    assert "config.statuss is no key of http_probe" in stored[4]["last_details"]
    written = [row for row in simulator.state()["evidence"] if row["type"] == "http_probe"]
    assert len(written) == 1, "evidence of the pass alone"
    host = simulator.url.removeprefix("http://")
    assert written[0]["source"] == f"http:{host}/systems/web/health"


@pytest.mark.scenario(TESTS_DAG, "a SIEM that is down or internal")
def test_what_was_not_seen_is_never_a_verdict(simulator: SimulatorControl, run_dag: Any) -> None:
    config = {"url": "http://169.254.169.254/latest/meta-data/"}
    simulator.reset(
        seed_of(
            siem_test(1, simulator, "/down"),
            typed_test(2, "integration", config=config),
        ),
        {"systems": {"web": pages(age=timedelta())}},
    )

    run = run_dag(TESTS_DAG, variables={"COMP_AI_PROBE_ALLOW": "127.0.0.1"})

    assert run.state == "failed"
    assert summary(run) == {"not_configured": 1, "errors": 1, "total": 2}
    stored = stored_tests(simulator)
    assert [stored[n]["last_result"] for n in (1, 2)] == ["skipped", "skipped"]
    assert "[error:upstream_5xx]" in stored[1]["last_details"]
    assert "the host has a cloud's metadata address" in stored[2]["last_details"]
