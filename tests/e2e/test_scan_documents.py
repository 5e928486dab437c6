"""`comp_ai_scan_documents` in a real Airflow: each document once, and red for what is missing."""

import json
from collections import Counter
from typing import Any

import pytest
from comp_ai_world import control, number_of_calls

from compai_kit.simulator.control import Fault, SimulatorControl

SCAN_DAG = "comp_ai_scan_documents"
SETTING = "COMP_AI_SCAN_DOCUMENTS_CONFIG"


@pytest.fixture
def comp_ai(simulator: SimulatorControl) -> SimulatorControl:
    """Three controls without evidence, and a web in which /doc/1 to /doc/120 exist."""
    simulator.reset(
        {"controls": [control(1), control(2), control(3)]},
        {"systems": {"web": {f"/doc/{n}": {} for n in range(1, 121)}}},
    )
    return simulator


@pytest.fixture
def scan(comp_ai: SimulatorControl, run_dag: Any) -> Any:
    """Run with these jobs: (control, pages) each; what is no list is taken as the setting."""

    def scan(*jobs: tuple[int, list[str]], text: str | None = None, **options: Any) -> Any:
        value = json.dumps(
            [{"control_id": number, "documents": pages} for number, pages in jobs], indent=1
        )
        variables = {SETTING: text or value, "COMP_AI_PROBE_ALLOW": "127.0.0.1"}
        return run_dag(SCAN_DAG, variables=variables, **options)

    return scan


def page(comp_ai: SimulatorControl, number: int | str) -> str:
    return f"{comp_ai.url}/systems/web/doc/{number}"


def attached(simulator: SimulatorControl) -> dict[int, Counter[str]]:
    """By control, the last part of each link and how often it is attached."""
    found: dict[int, Counter[str]] = {}
    for row in simulator.state()["evidence"]:
        counted = found.setdefault(row["control_id"], Counter())
        counted[row["link_url"].rpartition("/")[2]] += 1
    return found


@pytest.mark.core
@pytest.mark.scenario(SCAN_DAG, "job 2 of 3 fails")
def test_job_2_of_3_fails_and_1_and_3_are_done_once(
    comp_ai: SimulatorControl, scan: Any, run_dag: Any
) -> None:
    pages = [page(comp_ai, 1), page(comp_ai, 2)]

    run = scan((1, pages), (999, pages), (3, pages))

    assert run.state == "failed"
    states = [task.state for task in run.mapped("scan_job")]
    assert states == ["success", "failed", "success"]
    assert run.task("scan_job", 1).try_number == 1, "no further try can help"
    both = Counter({"1": 1, "2": 1})
    assert attached(comp_ai) == {1: both, 3: both}
    log = run.log("summarise")
    assert any("Comp-AI has no control 999" in line for line in log)

    again = scan((1, pages), (999, pages), (3, pages))

    assert again.state == "failed"
    assert attached(comp_ai) == {1: both, 3: both}
    assert again.xcom("summarise") == {
        "jobs": 3,
        "failed": 1,
        "attached": 0,
        "already": 4,
        "not_evidence": 0,
    }


@pytest.mark.scenario(SCAN_DAG, "120 documents, one answer lost")
def test_120_documents_are_50_50_20_and_a_lost_answer_doubles_none(
    comp_ai: SimulatorControl, scan: Any
) -> None:
    lost = Fault(kind="hang_up", operation="scanDocuments", when="after", after=1)
    comp_ai.faults(lost)

    run = scan((1, [page(comp_ai, n) for n in range(1, 121)]))

    assert run.state == "success"
    sizes = [
        len(call.request_body["documents"])
        for call in comp_ai.ledger()
        if call.operation == "scanDocuments"
    ]
    assert sizes == [50, 50, 20]
    assert attached(comp_ai) == {1: Counter(str(n) for n in range(1, 121))}


@pytest.mark.core
@pytest.mark.scenario(SCAN_DAG, "connection lost in mid-job")
def test_a_retry_goes_on_from_what_is_stored(comp_ai: SimulatorControl, scan: Any) -> None:
    """The second call was not processed, but nobody can know: only the next try sends it again."""
    comp_ai.faults(Fault(kind="reset", operation="scanDocuments", after=1))

    run = scan((1, [page(comp_ai, n) for n in range(1, 61)]))

    assert run.state == "success"
    assert run.task("scan_job", 0).try_number == 2
    assert attached(comp_ai) == {1: Counter(str(n) for n in range(1, 61))}


@pytest.mark.scenario(SCAN_DAG, "a 500 after a part was stored")
def test_a_partial_failure_is_judged_by_what_is_stored(
    comp_ai: SimulatorControl, scan: Any
) -> None:
    """The answer speaks of one row; all three are there."""
    said = {
        "error": "Failed to create evidence for one or more documents",
        "detail": "Created 1 before error",
    }
    comp_ai.faults(
        Fault(kind="status", operation="scanDocuments", status=500, body=said, when="after")
    )

    run = scan((1, [page(comp_ai, n) for n in (1, 2, 3)]))

    assert run.state == "success"
    assert attached(comp_ai) == {1: Counter({"1": 1, "2": 1, "3": 1})}
    assert number_of_calls(comp_ai, "scanDocuments") == 1


@pytest.mark.scenario(SCAN_DAG, "a dead link")
def test_a_dead_link_is_no_evidence_and_red(comp_ai: SimulatorControl, scan: Any) -> None:
    run = scan((1, [page(comp_ai, 1), page(comp_ai, "gone"), page(comp_ai, 2)]))

    assert run.state == "failed"
    assert attached(comp_ai) == {1: Counter({"1": 1, "2": 1})}
    dead = f"documents[1] {page(comp_ai, 'gone')} is not evidence"
    assert any(dead in line for line in run.log("summarise"))


@pytest.mark.scenario(SCAN_DAG, "invalid JSON")
def test_invalid_json_is_red_and_attaches_nothing(comp_ai: SimulatorControl, scan: Any) -> None:
    run = scan(text='[{"control_id": 1,\n "documents": ["https://docs.example.com/a",]}]')

    assert run.state == "failed"
    assert run.task("list_jobs").try_number == 1, "no further try can help"
    place = f"{SETTING} is not JSON: "
    line = next(line for line in run.log("list_jobs") if place in line)
    assert "line 2, column" in line
    assert comp_ai.ledger() == []


@pytest.mark.scenario(SCAN_DAG, "nothing configured, then one job by hand")
def test_unset_is_green_and_the_form_is_one_job(comp_ai: SimulatorControl, run_dag: Any) -> None:
    allow = {"COMP_AI_PROBE_ALLOW": "127.0.0.1"}

    unset = run_dag(SCAN_DAG, variables=allow)

    assert unset.state == "success"
    assert any(f"{SETTING} is not set" in line for line in unset.log("list_jobs"))
    assert comp_ai.ledger() == []

    form = {"control_id": 2, "urls": [page(comp_ai, 7)], "type": "policy"}
    run = run_dag(SCAN_DAG, conf=form, variables=allow)

    assert run.state == "success"
    (row,) = comp_ai.state()["evidence"]
    assert (row["control_id"], row["type"], row["link_url"]) == (2, "policy", page(comp_ai, 7))
