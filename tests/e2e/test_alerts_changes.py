"""What `comp_ai_alerts` says of the same finding on the days after the first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    PERSONS_FAIL,
    ago,
    github_test,
    said_by_a_person,
    said_by_the_kit,
    seed_of,
)

from compai_dags.outcomes import Outcome
from compai_kit.simulator.control import SimulatorControl


def told(simulator: SimulatorControl) -> str:
    """The sections of the only message since the last reset, as one text."""
    (message,) = simulator.slack_messages()
    return "\n".join(
        part["text"]
        for block in message.payload["blocks"]
        for part in block.get("elements", [block.get("text")])
    )


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "new, still, resolved")
def test_a_finding_is_new_once_then_ages_and_ends(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    failing = said_by_a_person("fail", PERSONS_FAIL, at=ago(days=3))
    due = (datetime.now(UTC) + timedelta(days=7)).date()
    task = {
        "id": 1,
        "control_id": 1,
        "assigned_to": "Kim Example",
        "due_date": due.isoformat(),
        "status": "open",
    }
    seed = seed_of(github_test(1, **failing), gaps=1) | {"remediation_tasks": [task]}
    simulator.reset(seed)
    run_dag(ALERTS_DAG)
    first = told(simulator)
    simulator.reset(seed)
    run_dag(ALERTS_DAG)
    second = told(simulator)
    passed = said_by_the_kit(Outcome.PASS, "pass", "Protected.", minutes=1)
    simulator.reset(seed_of(github_test(1, **passed)))
    run_dag(ALERTS_DAG)
    third = told(simulator)

    assert "1 failing (1 new)" in first
    assert "*Failing: new (1)*" in first
    assert "Kim Example" in first
    assert due.isoformat() in first
    assert "*New gaps: controls without evidence (1)*" in first

    assert "1 new" not in second
    assert "*Still failing (1)*" in second
    assert "3 days" in second or "3 d" in second
    assert "*Gaps: controls without evidence (1)*" in second

    assert "*Resolved since last (1)*" in third
    assert "*Gaps closed since last (1)*" in third
    assert "No gaps, no failed tests" in third
