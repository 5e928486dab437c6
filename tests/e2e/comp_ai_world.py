"""The worlds that scenarios start in, and what Comp-AI holds when a run is over."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from compai_dags.outcomes import Outcome, Result
from compai_dags.trailer import Trailer, write_details
from compai_kit.airflow_stack.runs import Run
from compai_kit.simulator.control import SimulatorControl

TESTS_DAG = "comp_ai_control_tests"
ALERTS_DAG = "comp_ai_alerts"

# GitHub as Comp-AI sees it: protected branches, one that is not, one without a commit to read.
GITHUB: dict[str, Any] = {
    "github": {
        "configured": True,
        "repositories": {
            "example-org/locked": {"protection": "enabled"},
            "example-org/open": {"protection": "absent"},
            "example-org/bare": {"commit": {}},
            "example-org/broken": {"failure": "error"},
            **{f"example-org/locked-{n}": {"protection": "enabled"} for n in range(1, 6)},
        },
    }
}
# What Comp-AI forwards when GitHub fails.
BAD_GATEWAY = {"error": "Failed to fetch GitHub branch protection", "detail": "repo API error"}
PERSONS_FAIL = "Two reviewers are required, none is asked for. /Kim"
HUMAN_TEXT = "\n".join(
    f"Step {n:02}: restored sample {n * 37 % 91} – checksum “ok” ✅" for n in range(1, 16)
)
GOOD_WORDS = ("all clear", "no failed tests", "no gaps")


def ago(**age: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**age):%Y-%m-%dT%H:%M:%SZ}"


def control(number: int) -> dict[str, Any]:
    return {"id": number, "internal_id": f"CTL-{number:03}", "name": f"Control {number}"}


def github_test(number: int, *, repo: str = "locked", **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "control_id": 1,
        "name": f"Branch rule {number}",
        "test_type": "github_branch_protection",
        "config": {"owner": "example-org", "repo": repo},
        **fields,
    }


def typed_test(number: int, test_type: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "control_id": 1,
        "name": f"Test {number:02}",
        "test_type": test_type,
        **fields,
    }


def said_by_a_person(result: str, text: str, *, at: str) -> dict[str, Any]:
    """A stored result that this kit did not write."""
    return {"last_run_at": at, "last_result": result, "last_details": text}


def said_by_the_kit(
    outcome: Outcome, result: Result, sentence: str, **age: float
) -> dict[str, Any]:
    """A stored result with the sealed line of an earlier run."""
    at = ago(**age)
    trailer = Trailer(
        outcome=outcome,
        reason=None,
        prev=None,
        prev_at=None,
        collected_at=datetime.fromisoformat(at),
        run="scheduled__earlier",
        try_number=1,
        n_errors=0,
        kit="0.1.0",
    )
    details = write_details(sentence, trailer, result)
    return {"last_run_at": at, "last_result": result, "last_details": details}


def seed_of(*tests: dict[str, Any], has_evidence: bool = True, gaps: int = 0) -> dict[str, Any]:
    """Control 1 with these tests, and controls that nobody has evidence for.

    Without evidence for a control the check through Comp-AI collects nothing.
    """
    policy = {"control_id": 1, "type": "policy", "source": "Handbook chapter 4"}
    return {
        "controls": [control(1), *(control(100 + n) for n in range(gaps))],
        "control_tests": list(tests),
        "evidence": [policy] if has_evidence else [],
    }


def stored_tests(simulator: SimulatorControl) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in simulator.state()["control_tests"]}


def collected_evidence(simulator: SimulatorControl) -> list[dict[str, Any]]:
    """The rows that Comp-AI wrote while it looked at other systems, oldest first."""
    return [row for row in simulator.state()["evidence"] if row["type"].startswith("github_")]


def posted_results(simulator: SimulatorControl) -> list[tuple[int, str]]:
    """(test id, result) of every result that Comp-AI stored, in order."""
    return [
        (call.stored[0]["id"], call.request_body["result"])
        for call in simulator.ledger()
        if call.operation == "recordTestResult" and call.stored
    ]


def number_of_calls(simulator: SimulatorControl, operation: str) -> int:
    return sum(call.operation == operation for call in simulator.ledger())


def trailer(row: Mapping[str, Any]) -> dict[str, Any]:
    """The kit's own line at the end of a stored text."""
    mark = "\ncompai-kit "
    assert mark in row["last_details"], row["last_details"]
    value: dict[str, Any] = json.loads(row["last_details"].rpartition(mark)[2])
    return value


def summary(run: Run) -> dict[str, int]:
    """The counts of a run of the control tests that are not zero."""
    value: dict[str, int] = run.xcom("summarise")
    assert all(type(number) is int for number in value.values()), value
    return {name: number for name, number in value.items() if number}


def said(simulator: SimulatorControl) -> str:
    """Everything that Slack was sent, as one text."""
    return json.dumps(
        [message.payload for message in simulator.slack_messages()], ensure_ascii=False
    )


def says_that_all_is_well(text: str) -> bool:
    return any(words in text.lower() for words in GOOD_WORDS)
