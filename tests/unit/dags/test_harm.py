"""The judgement that ends every scenario finds what it is for, and nothing else."""

from types import SimpleNamespace
from typing import Any

import pytest
from harm import harm_of

from compai_dags.decisions import RunIdentity, decide, trailer_of
from compai_dags.outcomes import Observation, Outcome
from compai_dags.stored import NEVER_RUN
from compai_dags.trailer import write_details
from compai_kit.simulator.control import LedgerEntry

BAD = "Branch protection not configured or not accessible for branch: main"


def call(operation: str, table: str, number: int, body: Any = None) -> LedgerEntry:
    return LedgerEntry(
        seq=number, at="", operation=operation, method="POST", path=f"/{number}", query="",
        headers={}, request_body=body, caller={"run": "run-1"}, token="valid", status=200,
        response_body=None, stored=[{"table": table, "id": number, "change": "insert"}],
        fault=None, request_violations=[], response_violations=[],
    )  # fmt: skip


def result(outcome: Outcome, told: str, now: Any) -> LedgerEntry:
    observed = now if outcome in (Outcome.PASS, Outcome.FAIL) else None
    decision = decide(Observation(outcome=outcome, sentence="x", collected_at=observed), NEVER_RUN)
    trailer = trailer_of(decision, NEVER_RUN, RunIdentity(run_id="run-1"))
    details = write_details("x", trailer, told)  # type: ignore[arg-type]  # a wrong one on purpose
    return call("recordTestResult", "control_tests", 1, {"result": told, "details": details})


def row(number: int, **over: Any) -> dict[str, Any]:
    return {
        "id": number, "control_id": 1, "type": "note", "source": "s", "description": "d",
        "link_url": None, "collected_at": "2026-11-25T06:00:00Z", "created_by": None,
        "file_path": None, "file_name": None, "content_type": None, "extracted_text": None,
    } | over  # fmt: skip


def run(observed: int, state: str = "success") -> Any:
    counts = {"passed": observed, "failed": 0, "unproven": 0}
    return SimpleNamespace(
        dag_id="comp_ai_control_tests", run_id="run-1", state=state, xcom=lambda _: counts
    )


def harm(calls: list[LedgerEntry], *rows: dict[str, Any], runs: Any = ()) -> list[str]:
    state = {"evidence": list(rows), "control_tests": [{"id": 1, "control_id": 1}]}
    return harm_of(calls, state, runs)


@pytest.mark.parametrize(
    ("outcome", "told"), [(Outcome.ERROR, "pass"), (Outcome.ERROR, "fail"), (Outcome.FAIL, "pass")]
)
def test_a_verdict_that_nobody_observed(outcome: Outcome, told: str, now: Any) -> None:
    (found,) = harm([result(outcome, told, now)])
    assert found.startswith(f"wrong verdict: /1 {told}")


def test_an_observed_verdict_is_right(now: Any) -> None:
    assert harm([result(Outcome.PASS, "pass", now), result(Outcome.FAIL, "fail", now)]) == []
    assert harm([result(Outcome.ERROR, "skipped", now)]) == []


def test_a_result_that_is_lost_in_a_green_run(now: Any) -> None:
    stored = [result(Outcome.PASS, "pass", now)]
    assert harm(stored, runs=[run(1)]) == []
    assert harm(stored, runs=[run(2)]) == ["lost result: run-1 observed 2, stored 1"]
    assert harm(stored, runs=[run(2, state="failed")]) == [], "red: nothing is lost unseen"


@pytest.mark.parametrize("operation", ["createEvidence", "scanDocuments", "collectAwsEvidence"])
def test_a_row_that_is_there_twice(operation: str) -> None:
    calls = [call(operation, "evidence", number) for number in (1, 2)]
    assert harm(calls, row(1), row(2, source="other")) == []
    (found,) = harm(calls, row(1), row(2))
    assert found.startswith("evidence is there 2 times")


def test_a_bad_row_that_closes_a_gap() -> None:
    collected = row(2, type="github_branch_protection", description=BAD)
    calls = [call("collectGithubEvidence", "evidence", 2)]
    assert harm(calls, row(1), collected) == [], "the control had evidence before"
    (found,) = harm(calls, collected)
    assert found.startswith("a gap was closed by a bad row")
