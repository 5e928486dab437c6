"""The tasks of comp_ai_control_tests, one after the other, without Airflow."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from pathlib import Path

import pytest

from compai_client import ServerError, SettingsError, UnauthorizedError
from compai_dags import control_tests
from compai_dags.decisions import RunIdentity
from compai_dags.kept_fails import VARIABLE, read_attempts
from compai_dags.listing import UnexpectedListError
from compai_dags.summary import RunFailedError
from compai_kit.simulator.control import Fault

POST = "recordTestResult"


def listed(*kinds: str) -> list[dict]:
    return [
        {"id": number, "control_id": 3, "name": f"Test {number}", "test_type": kind}
        for number, kind in enumerate(kinds, start=1)
    ]


@pytest.fixture
def start(simulator, seed):
    return lambda *kinds: simulator.reset(seed(*listed(*kinds)))


@pytest.fixture
def run(task):
    """The whole DAG in its order; the task of the verdict and its exception, if any."""

    def run(*, test_ids=(), try_number=1):
        identity = RunIdentity(run_id="run-1", try_number=try_number)

        def at(task_id: str, map_index: int = -1):
            return dataclasses.replace(
                task, task_id=task_id, map_index=map_index, identity=identity
            )

        chunks = control_tests.list_chunks(at("list_control_tests"), test_ids=list(test_ids))
        at("list_control_tests").push("return_value", chunks)
        for part in chunks:
            index = part["chunk"]
            try:
                control_tests.evaluate_chunk(at("evaluate_chunk", index), index)
            except (
                control_tests.ChunkFailedError,
                control_tests.ChunkIncompleteError,
                OSError,
            ) as failure:
                task.push(f"chunk {index} raised", str(failure))
        control_tests.summarise(at("summarise"))
        return task.xcoms["summarise", "return_value", -1]

    return run


def counts(**over: int) -> dict[str, int]:
    names = (
        "passed", "failed", "not_configured", "manual", "not_applicable", "not_due", "errors",
        "unrecorded", "unproven",
    )  # fmt: skip
    given = dict.fromkeys(names, 0) | over
    return given | {"total": sum(given.values())}


def test_plain_run(run, start) -> None:
    start("manual", "integration", "sonarqube_gate")
    assert run() == counts(manual=1, not_configured=2)


def test_the_counts_are_plain_integers(run, start) -> None:
    start("manual", "integration")
    assert {type(value) for value in run().values()} == {int}


def test_the_unchecked_pass_counts_as_unproven_only(run, start, task) -> None:
    start("integration", "manual")
    task.environment["COMP_AI_UNCHECKED_RESULT"] = "pass"
    assert run() == counts(unproven=1, manual=1)


def test_what_the_installation_allows_can_be_probed(run, simulator, seed, task) -> None:
    url = f"{simulator.url}/systems/web/health"
    (test,) = listed("integration")
    pages = {"/health": {"body": {"status": "green"}}}
    config = {"url": url, "json": {"/status": "green"}}
    for allow, expected in ((None, counts(not_configured=1)), ("127.0.0.1", counts(passed=1))):
        simulator.reset(seed(test | {"config": config}), {"systems": {"web": pages}})
        if allow:
            task.environment["COMP_AI_PROBE_ALLOW"] = allow
        assert run() == expected


def test_test_ids_narrow_the_run(run, start, simulator) -> None:
    start(*["integration"] * 5)
    assert run(test_ids=[4, 2]) == counts(not_configured=2)
    posted = [entry.path for entry in simulator.ledger() if entry.operation == POST]
    assert posted == [f"/api/v1/controls/3/tests/{number}/result" for number in (2, 4)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMP_AI_MAX_ERRORS", "many"),
        ("COMP_AI_COLLECT_EVIDENCE", "sometimes"),
        ("COMP_AI_UNCHECKED_RESULT", "fail"),
        ("COMP_AI_POST_ATTESTATION_EXPIRY", "perhaps"),
        ("COMP_AI_HISTORY_URL", "/var/lib/history"),
        ("COMP_AI_PROBE_ALLOW", "10.0.0.1/8"),
    ],
)
def test_a_wrong_setting_stops_the_run_before_anything_is_asked(
    run, start, simulator, task, name, value
) -> None:
    start("manual")
    task.environment[name] = value
    with pytest.raises(SettingsError, match=name):
        run()
    assert simulator.ledger() == []


def test_every_setting_says_once_where_it_came_from(task) -> None:
    task.environment["COMP_AI_MAX_ERRORS"] = "2"
    task.environment["COMP_AI_UNCHECKED_RESULT"] = "pass"
    settings = task.settings
    control_tests.RunSettings.read(settings)
    assert settings.origins == [
        "COMP_AI_MAX_ERRORS from the environment",
        "COMP_AI_UNCHECKED_RESULT from the environment",
    ]


class TestList:
    def test_an_empty_list_is_red(self, run, start) -> None:
        start()
        with pytest.raises(UnexpectedListError, match="0 tests: wrong database or tenant"):
            run()

    def test_unless_it_is_allowed(self, run, start, task) -> None:
        start()
        task.environment["COMP_AI_ALLOW_EMPTY"] = "1"
        assert run() == counts()

    @pytest.mark.parametrize(("status", "error"), [(500, ServerError), (401, UnauthorizedError)])
    def test_a_list_that_fails_posts_nothing(self, run, start, simulator, status, error) -> None:
        start("integration")
        simulator.faults(
            Fault(kind="status", operation="listTests", status=status, body={}, count=None)
        )
        with pytest.raises(error):
            run()
        assert not [entry for entry in simulator.ledger() if entry.operation == POST]

    def test_the_verdict_on_a_missing_list_is_red(self, task) -> None:
        with pytest.raises(RunFailedError, match="list_control_tests delivered no list"):
            control_tests.summarise(task)

    def test_a_bad_row_is_counted_and_turns_the_run_red(self, run, start, simulator, task) -> None:
        start("integration", "integration")
        rows = simulator.state()["control_tests"]
        rows.insert(1, {"id": "nine"})
        simulator.faults(Fault(kind="status", operation="listTests", status=200, body=rows))
        with pytest.raises(RunFailedError) as raised:
            run()
        assert "ERROR(malformed) control 0 test 0 'row 1: " in str(raised.value)
        assert task.xcoms["summarise", "return_value", -1] == counts(not_configured=2, errors=1)


class TestVerdict:
    def test_a_lost_result_is_red_with_name_and_reason(self, run, start, simulator, task) -> None:
        start("integration", "integration")
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        with pytest.raises(RunFailedError) as raised:
            run()
        assert str(raised.value).startswith(
            "1 of 2 control tests could not be verified or recorded (COMP_AI_MAX_ERRORS is 0):\n"
            "UNRECORDED(upstream_5xx) control 3 test 1 'Test 1': NOT_CONFIGURED could not be"
        )
        assert task.xcoms["summarise", "return_value", -1] == counts(not_configured=1, unrecorded=1)
        assert "UNRECORDED" in task.xcoms["task", "chunk 0 raised", -1]

    def test_as_many_as_allowed_are_green(self, run, start, simulator, task) -> None:
        start("integration", "integration")
        task.environment["COMP_AI_MAX_ERRORS"] = "1"
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        assert run() == counts(not_configured=1, unrecorded=1)

    def test_a_chunk_that_reported_nothing_is_red(self, run, start, task) -> None:
        start("integration", "manual")
        run()
        del task.xcoms["evaluate_chunk", "outcomes", 0]
        with pytest.raises(RunFailedError, match="Chunk 0 ended without a report on this test"):
            control_tests.summarise(task)

    def test_a_red_run_names_the_counts_in_one_line(self, run, start, caplog) -> None:
        start("integration", "manual")
        run()
        assert (
            "compai_dags.control_tests",
            logging.WARNING,
            "2 control tests: 0 passed, 0 failed, 1 not configured, 1 manual, 0 not applicable, "
            "0 not due, 0 could not be verified, 0 could not be recorded, 0 unproven",
        ) in caplog.record_tuples


class TestKeptFails:
    """Nothing is posted over a proven fail; why nobody could look again is left for the alert."""

    @pytest.fixture
    def two_fails(self, simulator, seed):
        """Both of them reported by a person; the pages that are probed answer with `status`."""

        def start(**status: int) -> None:
            tests = [
                {
                    "id": number,
                    "control_id": 3,
                    "name": f"Test {number}",
                    "test_type": "integration",
                    "config": {"url": f"{simulator.url}/systems/web/{name}"},
                    "last_result": "fail",
                    "last_details": "Out of order. /Kim",
                    "last_run_at": "2026-11-20T06:00:00Z",
                }
                for number, name in ((1, "a"), (2, "b"))
            ]
            pages = {f"/{name}": {"status": code} for name, code in status.items()}
            simulator.reset(seed(*tests), {"systems": {"web": pages}})

        return start

    def test_from_run_to_run(self, run, two_fails, task) -> None:
        task.environment["COMP_AI_PROBE_ALLOW"] = "127.0.0.1"
        task.environment["COMP_AI_MAX_ERRORS"] = "2"

        def kept() -> dict[int, str]:
            attempts, problem = read_attempts(task.variables[VARIABLE])
            assert problem is None
            return {number: attempt.reason for number, attempt in attempts.items()}

        two_fails(a=401, b=401)
        assert run()["errors"] == 2
        assert kept() == {1: "auth", 2: "auth"}
        two_fails(a=200, b=200)
        assert run(test_ids=[1])["errors"] == 0
        assert kept() == {2: "auth"}, "a run that did not look at it leaves it"
        run()
        assert kept() == {}

    def test_an_unreadable_memory_is_told_and_begun_anew(self, run, start, task, caplog) -> None:
        task.variables[VARIABLE] = "{"
        start("manual")
        run()
        assert "comp_ai_control_tests_kept is unreadable" in caplog.text
        assert read_attempts(task.variables[VARIABLE]) == ({}, None)


class TestChunks:
    def test_each_chunk_is_stored_by_itself(self, start, task) -> None:
        """Else every mapped task would read the whole list."""
        start(*["integration"] * 25)
        parts = control_tests.list_chunks(task, test_ids=[])
        assert parts == [
            {"chunk": 0, "tests": 10}, {"chunk": 1, "tests": 10}, {"chunk": 2, "tests": 5},
        ]  # fmt: skip
        assert [len(task.pull("task", key=f"chunk_{n}")) for n in range(3)] == [10, 10, 5]

    def test_the_words_of_good_tests_stay_in_the_chunk(self, run, start, task) -> None:
        start("integration")
        run()
        (record,) = task.pull("evaluate_chunk", key="outcomes", map_index=0)
        assert record["said"] == ""

    def test_outcomes_are_stored_before_the_chunk_fails(self, start, simulator, task) -> None:
        start("integration", "manual")
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=None))
        listing = dataclasses.replace(task, task_id="list_control_tests")
        (part,) = control_tests.list_chunks(listing, test_ids=[])
        with pytest.raises(control_tests.ChunkFailedError, match="UNRECORDED"):
            control_tests.evaluate_chunk(task, part["chunk"])
        records = task.pull("task", key="outcomes")
        assert [record["outcome"] for record in records] == ["UNRECORDED", "MANUAL"]

    def test_a_chunk_asks_for_another_try_while_there_is_one(self, start, simulator, task) -> None:
        start("integration")
        task.identity = RunIdentity(run_id="run-1", is_last_try=False)
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=None))
        listing = dataclasses.replace(task, task_id="list_control_tests")
        (part,) = control_tests.list_chunks(listing, test_ids=[])
        with pytest.raises(control_tests.ChunkIncompleteError):
            control_tests.evaluate_chunk(task, part["chunk"])

    def test_seventy_tests_under_the_limit_are_all_recorded(
        self, run, seed, simulator, task
    ) -> None:
        kinds = ["integration"] * 70
        simulator.reset(seed(*listed(*kinds)), {"rate_limit": {"requests": 60, "window_s": 1}})
        task.client_settings = dataclasses.replace(task.client_settings, sleep=time.sleep)
        assert run() == counts(not_configured=70)
        stored = [row["last_result"] for row in simulator.state()["control_tests"]]
        assert stored == ["skipped"] * 70


class TestHistory:
    @pytest.fixture
    def folder(self, task, tmp_path) -> Path:
        task.environment["COMP_AI_HISTORY_URL"] = f"file://{tmp_path}/history"
        return tmp_path / "history" / "run-1"

    def lines(self, folder: Path, name: str) -> list[dict]:
        return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]

    def test_every_outcome_and_the_counts(self, run, start, folder) -> None:
        start(*["manual", "integration"] * 8)
        run()
        assert sorted(path.name for path in folder.iterdir()) == [
            "chunk-000-try-1.jsonl", "chunk-001-try-1.jsonl", "summary-try-1.jsonl",
        ]  # fmt: skip
        first = self.lines(folder, "chunk-000-try-1.jsonl")
        assert {line["id"] for line in first} < set(range(1, 17))
        first.sort(key=lambda line: line["id"])
        assert first[0]["outcome"] == "MANUAL"
        assert first[0]["posted"] is None
        assert first[0]["kept_because"] == "the record of a person is never overwritten"
        assert first[1]["posted"] == "skipped"
        (summary,) = self.lines(folder, "summary-try-1.jsonl")
        assert summary["counts"] == counts(manual=8, not_configured=8)

    def test_what_could_not_be_recorded_is_in_it(self, run, start, folder, simulator) -> None:
        start("integration")
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        with pytest.raises(RunFailedError):
            run()
        (line,) = self.lines(folder, "chunk-000-try-1.jsonl")
        assert (line["outcome"], line["posted"]) == ("UNRECORDED", None)
        assert line["said"].startswith("NOT_CONFIGURED could not be recorded (recordTestResult ")

    def test_what_no_chunk_reported_is_in_it(self, run, start, folder, simulator, task) -> None:
        start("integration", "manual")
        rows = simulator.state()["control_tests"]
        rows.insert(1, {"id": "nine"})
        simulator.faults(Fault(kind="status", operation="listTests", status=200, body=rows))
        with pytest.raises(RunFailedError):
            run()
        del task.xcoms["evaluate_chunk", "outcomes", 0]
        with pytest.raises(RunFailedError):
            control_tests.summarise(dataclasses.replace(task, task_id="summarise"))
        bad, summary = self.lines(folder, "summary-try-1.jsonl")
        assert (bad["outcome"], bad["reason"], bad["chunk"]) == ("ERROR", "malformed", None)
        assert summary["kind"] == "summary"
        killed = self.lines(folder, "summary-try-1-2.jsonl")
        assert [line.get("id") for line in killed] == [0, 1, 2, None]
        assert killed[1]["said"].startswith("Chunk 0 ended without a report on this test")

    def test_each_try_has_its_own(self, run, start, folder) -> None:
        start("integration")
        run()
        run(try_number=2)
        assert sorted(path.name for path in folder.glob("chunk*")) == [
            "chunk-000-try-1.jsonl", "chunk-000-try-2.jsonl",
        ]  # fmt: skip
        (line,) = self.lines(folder, "chunk-000-try-2.jsonl")
        assert line["kept_because"] == "recorded in try 1"

    def test_without_the_setting_nothing_is_written(self, run, start, tmp_path) -> None:
        start("integration")
        run()
        assert list(tmp_path.iterdir()) == []


NOT_STORED = "The outcomes of chunk 0 were not stored in COMP_AI_HISTORY_URL"


class TestHistoryThatFails:
    @pytest.fixture(autouse=True)
    def in_the_way(self, task, tmp_path) -> Path:
        """A file where the folder should be."""
        path = tmp_path / "history"
        path.write_text("in the way")
        task.environment["COMP_AI_HISTORY_URL"] = f"file://{path}"
        return path

    def test_the_chunk_fails_after_everything_is_stored(self, start, simulator, task) -> None:
        start("integration", "manual")
        listing = dataclasses.replace(task, task_id="list_control_tests")
        (part,) = control_tests.list_chunks(listing, test_ids=[])
        with pytest.raises(OSError, match="history"):
            control_tests.evaluate_chunk(task, part["chunk"])
        assert [row["last_result"] for row in simulator.state()["control_tests"]] == [
            "skipped", None,
        ]  # fmt: skip
        assert [r["outcome"] for r in task.pull("task", key="outcomes")] == [
            "NOT_CONFIGURED", "MANUAL",
        ]  # fmt: skip

    def test_the_run_is_red_and_names_it(self, run, start, task, in_the_way) -> None:
        start("integration")
        with pytest.raises(RunFailedError, match=NOT_STORED):
            run()
        in_the_way.unlink()
        with pytest.raises(RunFailedError) as raised:
            control_tests.summarise(dataclasses.replace(task, task_id="summarise"))
        assert str(raised.value) == (
            "The outcomes of chunk 0 were not stored in COMP_AI_HISTORY_URL: see the log of "
            "evaluate_chunk. Clear it to evaluate and store them again; nothing else is lost."
        )
        assert task.xcoms["summarise", "return_value", -1] == counts(not_configured=1)

    def test_beside_other_trouble_both_are_named(
        self, run, start, task, simulator, in_the_way
    ) -> None:
        start("integration")
        task.environment["COMP_AI_MAX_ERRORS"] = "0"
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        with pytest.raises(RunFailedError, match="could not be verified or recorded") as raised:
            run()
        assert NOT_STORED in str(raised.value)
        assert isinstance(raised.value.__context__, OSError)

    def test_a_tolerance_for_errors_is_none_for_this(self, run, start, task, in_the_way) -> None:
        task.environment["COMP_AI_MAX_ERRORS"] = "5"
        start("integration")
        with pytest.raises(RunFailedError, match=NOT_STORED):
            run()

    def test_another_try_mends_it(self, run, start, task, in_the_way) -> None:
        start("integration")
        with pytest.raises(RunFailedError, match=NOT_STORED):
            run()
        in_the_way.unlink()
        assert run(try_number=2) == counts(not_configured=1)
