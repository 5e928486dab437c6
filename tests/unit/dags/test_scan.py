"""The tasks of comp_ai_scan_documents, one after the other, without Airflow."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import pytest

from compai_client import CompAIError, SettingsError
from compai_dags import scan
from compai_dags.failures import meaning_of
from compai_dags.scan import JobFailedError, JobIncompleteError, ScanFailedError
from compai_dags.scan_attach import UnknownControlError
from compai_kit.simulator.control import Fault, SimulatorControl

SETTING = "COMP_AI_SCAN_DOCUMENTS_CONFIG"
CONTROLS = [{"id": n, "internal_id": f"C-{n}", "name": f"Control {n}"} for n in (1, 2, 3)]
PAGES: dict[str, Any] = {f"/{n}": {} for n in range(130)} | {
    "/gone": {"status": 404},
    "/busy": {"status": 503},
    "/login": {"status": 401},
}


@pytest.fixture
def comp_ai(simulator: SimulatorControl, task: Any) -> SimulatorControl:
    simulator.reset({"controls": CONTROLS}, {"systems": {"web": PAGES}})
    task.environment["COMP_AI_PROBE_ALLOW"] = "127.0.0.1"
    return simulator


@pytest.fixture
def url(simulator: SimulatorControl) -> Any:
    return lambda page: f"{simulator.url}/systems/web/{page}"


@pytest.fixture
def run(task: Any) -> Any:
    """One run: every job in one try; what each raised, and what the verdict was."""

    def run(
        jobs: Any = None, *, form: dict[str, Any] | None = None, dry_run: bool = False
    ) -> tuple[dict[int, Exception], dict[str, int], ScanFailedError | None]:
        if jobs is not None:
            task.variables[SETTING] = json.dumps(jobs)

        def at(task_id: str, map_index: int = -1) -> Any:
            return dataclasses.replace(task, task_id=task_id, map_index=map_index)

        filled = {"control_id": None, "urls": [], "type": None} | (form or {})
        listed = scan.list_jobs(at("list_jobs"), **filled)
        at("list_jobs").push("return_value", listed)
        raised: dict[int, Exception] = {}
        for index, job in enumerate(listed):
            try:
                scan.scan_job(at("scan_job", index), job, dry_run=dry_run)
            except (CompAIError, JobFailedError, JobIncompleteError, UnknownControlError) as error:
                raised[index] = error
        verdict = None
        try:
            scan.summarise(at("summarise"))
        except ScanFailedError as failed:
            verdict = failed
        return raised, task.xcoms["summarise", "return_value", -1], verdict

    return run


def links(simulator: SimulatorControl) -> dict[int, Counter[str]]:
    """By control, the last part of each link and how often it is attached."""
    found: dict[int, Counter[str]] = {}
    for row in simulator.state()["evidence"]:
        counted = found.setdefault(row["control_id"], Counter())
        counted[row["link_url"].rpartition("/")[2]] += 1
    return found


def counts(**over: int) -> dict[str, int]:
    return {"jobs": 0, "failed": 0, "attached": 0, "already": 0, "not_evidence": 0} | over


def test_documents_are_attached_once_however_often_it_runs(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    jobs = [
        {"control_id": 1, "documents": [url("1"), {"url": url("2"), "type": "x"}, "", url("1")]},
        {"control_id": 2, "documents": [url("1")]},
    ]
    assert run(jobs) == ({}, counts(jobs=2, attached=3), None)
    assert run(jobs) == ({}, counts(jobs=2, already=3), None)
    assert links(comp_ai) == {1: Counter({"1": 1, "2": 1}), 2: Counter({"1": 1})}


def test_unset_is_nothing_to_do_and_says_so(
    run: Any, comp_ai: SimulatorControl, caplog: pytest.LogCaptureFixture
) -> None:
    assert run() == ({}, counts(), None)
    assert f"{SETTING} is not set: there is nothing to scan." in caplog.messages
    assert comp_ai.ledger() == []


def test_a_second_job_for_the_same_control_sees_the_first(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    job = {"control_id": 1, "documents": [url("1")]}
    assert run([job, job])[1] == counts(jobs=2, attached=1, already=1)


@pytest.mark.parametrize("text", ["{", '[{"control_id": 1, "documents": [5]}]'])
def test_a_wrong_config_stops_before_anything_is_asked(
    task: Any, comp_ai: SimulatorControl, text: str
) -> None:
    task.variables[SETTING] = text
    with pytest.raises(SettingsError, match=SETTING) as wrong:
        scan.list_jobs(task, control_id=None, urls=[], type=None)
    assert not meaning_of(wrong.value).transient
    assert comp_ai.ledger() == []
    with pytest.raises(ScanFailedError, match="list_jobs delivered no jobs, so nothing"):
        scan.summarise(task)


def test_a_wrong_allow_list_stops_before_anything_is_asked(
    run: Any, task: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    task.environment["COMP_AI_PROBE_ALLOW"] = "10.0.0.1/8"
    with pytest.raises(SettingsError, match="COMP_AI_PROBE_ALLOW entry 1"):
        run([{"control_id": 1, "documents": [url("1")]}])
    assert comp_ai.ledger() == []


def test_the_middle_one_of_three_fails_and_the_others_are_done(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    jobs = [{"control_id": n, "documents": [url("1"), url("2")]} for n in (1, 999, 3)]
    for expected in ({"attached": 4}, {"already": 4}):
        raised, counted, verdict = run(jobs)
        assert list(raised) == [1]
        assert isinstance(raised[1], UnknownControlError)
        assert counted == counts(jobs=3, failed=1, **expected)
        assert str(verdict) == (
            "1 of 3 jobs failed\n"
            "job 2 (control 999): 0 attached, 0 there already, 0 not evidence:\n"
            "Comp-AI has no control 999"
        )
    assert links(comp_ai) == {1: Counter({"1": 1, "2": 1}), 3: Counter({"1": 1, "2": 1})}


def test_a_dead_link_is_no_evidence_and_the_others_are_attached(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    raised, counted, verdict = run(
        [{"control_id": 1, "documents": [url("1"), url("gone?key=1"), url("2")]}]
    )
    assert links(comp_ai) == {1: Counter({"1": 1, "2": 1})}
    assert counted == counts(jobs=1, failed=1, attached=2, not_evidence=1)
    assert isinstance(raised[0], JobFailedError), "no further try can help"
    said = f"documents[1] {url('gone')} is not evidence: {url('gone')} answers HTTP 404"
    assert said in str(raised[0])
    assert said in str(verdict)
    assert "key=1" not in f"{raised[0]} {verdict}"


def test_a_link_that_does_not_answer_now_is_tried_again(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    jobs = [{"control_id": 1, "documents": [url("gone"), url("busy"), url("2")]}]
    raised, _, _ = run(jobs)
    assert isinstance(raised[0], JobIncompleteError)
    assert links(comp_ai) == {1: Counter({"2": 1})}


def test_a_document_behind_a_login_is_attached_and_the_log_says_that_nobody_opened_it(
    run: Any, comp_ai: SimulatorControl, url: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert run([{"control_id": 1, "documents": [url("login")]}])[2] is None
    assert links(comp_ai) == {1: Counter({"login": 1})}
    said = f"documents[0] {url('login')}: HTTP 401: behind a login, not opened"
    assert said in caplog.messages


def test_an_internal_link_is_no_evidence_unless_the_installation_says_so(
    run: Any, task: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    del task.environment["COMP_AI_PROBE_ALLOW"]
    raised, counted, _ = run([{"control_id": 1, "documents": [url("1")]}])
    assert counted == counts(jobs=1, failed=1, not_evidence=1)
    assert "COMP_AI_PROBE_ALLOW" in str(raised[0])
    assert links(comp_ai) == {}


def test_what_is_attached_is_not_called_again(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    jobs = [{"control_id": 1, "documents": [url("1")]}]
    run(jobs)
    run(jobs)
    assert sum(call.operation == "web" for call in comp_ai.ledger()) == 1


def test_an_outage_is_tried_again_and_its_job_named(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    comp_ai.faults(Fault(kind="status", operation="listEvidence", status=503, count=None))
    raised, counted, verdict = run([{"control_id": 1, "documents": [url("1")]}])
    assert isinstance(raised[0], CompAIError)
    assert meaning_of(raised[0]).transient
    assert counted == counts(jobs=1, failed=1)
    assert "listEvidence" in str(verdict)


def test_what_was_attached_before_an_outage_is_counted(
    run: Any, comp_ai: SimulatorControl, url: Any
) -> None:
    comp_ai.faults(Fault(kind="hang_up", operation="scanDocuments", after=1))
    jobs = [{"control_id": 1, "documents": [url(str(n)) for n in range(60)]}]
    assert run(jobs)[1] == counts(jobs=1, failed=1, attached=50)
    assert run(jobs)[1] == counts(jobs=1, attached=10, already=50)
    assert set(links(comp_ai)[1].values()) == {1}


def test_a_dry_run_attaches_nothing(
    run: Any, comp_ai: SimulatorControl, url: Any, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [{"control_id": 1, "documents": [url("1?key=1"), url("gone")]}]
    _, counted, verdict = run(jobs, dry_run=True)
    assert counted == counts(jobs=1, failed=1, not_evidence=1)
    assert verdict is not None, "a dead link is told as well"
    assert f"dry_run: would be attached: documents[0] {url('1')}" in caplog.messages
    assert links(comp_ai) == {}


def test_the_form_goes_before_the_setting(run: Any, comp_ai: SimulatorControl, url: Any) -> None:
    jobs = [{"control_id": 1, "documents": [url("1")]}]
    form = {"control_id": 2, "urls": [url("2"), url("3")], "type": "policy"}
    assert run(jobs, form=form)[1] == counts(jobs=1, attached=2)
    assert links(comp_ai) == {2: Counter({"2": 1, "3": 1})}
    assert {row["type"] for row in comp_ai.state()["evidence"]} == {"policy"}


def test_a_job_that_was_killed_is_named(task: Any, comp_ai: SimulatorControl) -> None:
    job = {"number": 1, "control_id": 1, "documents": []}
    dataclasses.replace(task, task_id="list_jobs").push("return_value", [job])
    with pytest.raises(ScanFailedError, match="it ended without a report: see the log of scan_job"):
        scan.summarise(task)


def test_the_counts_are_plain_integers(run: Any, comp_ai: SimulatorControl, url: Any) -> None:
    _, counted, _ = run([{"control_id": 1, "documents": [url("1")]}])
    assert {type(value) for value in counted.values()} == {int}


class _TimeOutError(BaseException):
    """As Airflow's own: it passes by whatever catches an Exception."""


@pytest.mark.parametrize("interruption", [_TimeOutError, RuntimeError])
def test_a_job_that_was_broken_off_never_leaves_the_run_green(
    comp_ai: SimulatorControl, task: Any, url: Any, interruption: type[BaseException]
) -> None:
    task.variables[SETTING] = json.dumps({"control_id": 1, "documents": [url("1")]})

    def at(task_id: str, map_index: int = -1) -> Any:
        return dataclasses.replace(task, task_id=task_id, map_index=map_index)

    listed = scan.list_jobs(at("list_jobs"), control_id=None, urls=[], type=None)
    at("list_jobs").push("return_value", listed)
    scanning = at("scan_job", 0)
    scanning.client_settings = dataclasses.replace(
        task.client_settings, sleep=_raising(interruption)
    )
    comp_ai.faults(Fault(kind="status", operation="listEvidence", status=503, count=None))
    with pytest.raises(interruption):
        scan.scan_job(scanning, listed[0], dry_run=False)
    with pytest.raises(ScanFailedError, match="broken off: see the log of scan_job"):
        scan.summarise(at("summarise"))


def _raising(kind: type[BaseException]) -> Any:
    def sleep(_: float) -> None:
        raise kind

    return sleep
