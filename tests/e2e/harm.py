"""What no run may leave behind, whatever its scenario is about; judged from what Comp-AI holds.

Four kinds: a verdict that nobody observed, a result that was lost in a green run, a row of evidence
that is there twice, and a bad row that closed a gap.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from compai_client import EvidenceItem
from compai_dags.checks.collected_texts import is_negative
from compai_dags.evidence import read_evidence
from compai_dags.outcomes import Outcome, Reason
from compai_dags.trailer import read_details
from compai_kit.airflow_stack.runs import Run
from compai_kit.simulator.control import LedgerEntry

VERDICTS = {"pass": Outcome.PASS, "fail": Outcome.FAIL}
TESTS_DAG = "comp_ai_control_tests"


def harm_of(calls: list[LedgerEntry], state: dict[str, Any], runs: Iterable[Run]) -> list[str]:
    """One line for each; empty when all is well.

    What was observed is the word of the DAG's own line: whether it looked right is what the
    scenario itself asserts.
    """
    return [
        *_wrong_verdicts(calls),
        *_lost_results(calls, runs),
        *_doubled_evidence(calls, state),
        *_gaps_closed_by_nothing(calls, state),
    ]


def _stored_results(calls: list[LedgerEntry]) -> list[LedgerEntry]:
    return [call for call in calls if call.operation == "recordTestResult" and call.stored]


def _wrong_verdicts(calls: list[LedgerEntry]) -> list[str]:
    wrong = []
    for call in _stored_results(calls):
        result = call.request_body["result"]
        _, trailer = read_details(call.request_body["details"], result)
        if trailer is None:
            wrong.append(f"wrong verdict: {call.path} {result} without the kit's line")
        elif result in VERDICTS and trailer.reason != Reason.UNCHECKED:
            observed = trailer.collected_at is not None
            if trailer.outcome is not VERDICTS[result] or not observed:
                wrong.append(f"wrong verdict: {call.path} {result}, but {trailer.outcome}")
    return wrong


def _lost_results(calls: list[LedgerEntry], runs: Iterable[Run]) -> list[str]:
    lost = []
    for run in runs:
        by_it = [call for call in calls if call.caller and call.caller["run"] == run.run_id]
        if run.dag_id != TESTS_DAG or run.state != "success" or not by_it:
            continue
        counts = run.xcom("summarise")
        observed = counts["passed"] + counts["failed"] + counts["unproven"]
        stored = {
            call.stored[0]["id"]
            for call in _stored_results(by_it)
            if call.request_body["result"] in VERDICTS
        }
        if len(stored) < observed:
            lost.append(f"lost result: {run.run_id} observed {observed}, stored {len(stored)}")
    return lost


def _inserted(calls: list[LedgerEntry], state: dict[str, Any], begins: str) -> list[dict[str, Any]]:
    ids = {
        change["id"]
        for call in calls
        if (call.operation or "").startswith(begins)
        for change in call.stored
        if change["table"] == "evidence"
    }
    return [row for row in state["evidence"] if row["id"] in ids]


def _doubled_evidence(calls: list[LedgerEntry], state: dict[str, Any]) -> list[str]:
    written = [*_inserted(calls, state, "create"), *_inserted(calls, state, "scan")]
    keys = Counter(map(_key, written))
    # Through Comp-AI a run can only look by letting it write: once for each test is enough.
    tests = len(state["control_tests"])
    runs = {call.caller["run"] for call in calls if call.caller}
    for run in sorted(runs):
        by_it = [call for call in calls if call.caller and call.caller["run"] == run]
        looked = Counter((run, *_key(row)) for row in _inserted(by_it, state, "collect"))
        keys += Counter({key: n for key, n in looked.items() if n > tests})
    return [f"evidence is there {n} times: {key}" for key, n in keys.items() if n > 1]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["control_id"], row["type"], row["source"], row["link_url"], _content(row)


def _content(row: dict[str, Any]) -> str:
    said = read_evidence(row["description"])
    return row["description"] if said is None else said[1].content_sha256


def _gaps_closed_by_nothing(calls: list[LedgerEntry], state: dict[str, Any]) -> list[str]:
    first = {
        row["control_id"]: row["id"]
        for row in sorted(state["evidence"], key=lambda row: -int(row["id"]))
    }
    return [
        f"a gap was closed by a bad row: {row}"
        for row in _inserted(calls, state, "collect")
        if first[row["control_id"]] == row["id"]
        and is_negative(msgspec.convert(row, EvidenceItem, strict=False))
    ]
