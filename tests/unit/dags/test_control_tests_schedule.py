"""Which control tests a run evaluates: by their schedules, by overrides, and by who started it."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compai_dags import alerting, control_tests
from compai_dags.decisions import RunIdentity
from compai_dags.outcomes import Outcome
from compai_dags.standing import Standing, standing_of
from compai_dags.trailer import Trailer, write_details

POST = "recordTestResult"


def ago(**age: float) -> datetime:
    return datetime.now(UTC) - timedelta(**age)


def said_by_us(outcome: Outcome, result: str, at: datetime) -> dict[str, Any]:
    observed = at if outcome in (Outcome.PASS, Outcome.FAIL) else None
    trailer = Trailer(
        outcome=outcome, reason=None, prev=None, prev_at=None, collected_at=observed,
        run="scheduled__earlier", try_number=1, n_errors=0, kit="0.1.0",
    )  # fmt: skip
    details = write_details("Looked at.", trailer, result)
    return {
        "last_run_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "last_result": result,
        "last_details": details,
    }


@pytest.fixture
def probe(simulator, task):
    """A control test that passes as long as its page says so."""
    task.environment["COMP_AI_PROBE_ALLOW"] = "127.0.0.1"

    def build(number: int, **over: Any) -> dict[str, Any]:
        config = {"url": f"{simulator.url}/systems/web/health"}
        named = {"id": number, "control_id": 3, "name": f"Probe {number}"}
        return named | {"test_type": "integration", "config": config} | over

    return build


@pytest.fixture
def start(simulator, seed):
    def start(*tests: dict[str, Any]) -> None:
        simulator.reset(seed(*tests), {"systems": {"web": {"/health": {"body": {}}}}})

    return start


@pytest.fixture
def run(task):
    """One whole run; the counts that are not zero."""

    def run(*, by_hand: bool = False, **asked: Any) -> dict[str, int]:
        def at(task_id: str, map_index: int = -1):
            return dataclasses.replace(
                task, task_id=task_id, map_index=map_index, is_started_by_hand=by_hand,
                identity=RunIdentity(run_id="run-2"),
            )  # fmt: skip

        listing = at("list_control_tests")
        chunks = control_tests.list_chunks(listing, **{"test_ids": [], **asked})
        listing.push("return_value", chunks)
        for part in chunks:
            control_tests.evaluate_chunk(at("evaluate_chunk", part["chunk"]), part["chunk"])
        control_tests.summarise(at("summarise"))
        counts = task.xcoms["summarise", "return_value", -1]
        return {name: number for name, number in counts.items() if number}

    return run


@pytest.fixture
def stored(simulator):
    return lambda: {row["id"]: row for row in simulator.state()["control_tests"]}


def posts(simulator) -> int:
    return sum(entry.operation == POST for entry in simulator.ledger())


class TestDue:
    @pytest.fixture(autouse=True)
    def tests(self, start, probe) -> None:
        """One passed a moment ago, one never ran, one is yearly and of a minute ago."""
        start(
            probe(1, schedule="yearly", **said_by_us(Outcome.PASS, "pass", ago(minutes=1))),
            probe(2, schedule="yearly"),
            probe(3, schedule="never"),
            {"id": 4, "control_id": 3, "name": "Drill", "test_type": "manual", "schedule": "never"},
        )

    def test_the_clock_asks_for_what_is_due_only(self, run, stored, simulator) -> None:
        before = stored()
        assert run() == {"passed": 1, "not_due": 2, "manual": 1, "total": 4}
        after = stored()
        assert [n for n in after if after[n] != before[n]] == [2]
        assert posts(simulator) == 1

    def test_a_person_gets_everything(self, run) -> None:
        assert run(by_hand=True) == {"passed": 3, "manual": 1, "total": 4}

    def test_a_person_can_ask_for_what_is_due(self, run) -> None:
        counts = run(by_hand=True, only_due=True)
        assert counts == {"passed": 1, "not_due": 2, "manual": 1, "total": 4}

    def test_a_run_without_anything_due_is_green(self, run, task) -> None:
        assert run()
        assert run() == {"not_due": 3, "manual": 1, "total": 4}

    def test_the_next_runs_are_told(self, run, caplog) -> None:
        run()
        assert "control 3 test 3 'Probe 3': not scheduled" in caplog.text
        year = datetime.now(UTC).year + 1
        assert f"control 3 test 1 'Probe 1': next due {year}-01-01 06:00 UTC" in caplog.text
        assert "2 control tests are not due and are left alone" in caplog.text


def test_the_log_of_a_large_installation_stays_short(run, start, probe, caplog) -> None:
    start(*(probe(n, **said_by_us(Outcome.PASS, "pass", ago(seconds=1))) for n in range(1, 231)))
    run()
    assert caplog.text.count("next due") == 200
    assert "… and 30 more tests" in caplog.text


def test_an_invalid_schedule_runs_and_says_so(run, start, probe, stored) -> None:
    start(probe(1, schedule="every now and then"))
    assert run() == {"passed": 1, "total": 1}
    assert "[config] invalid schedule 'every now and then'" in stored()[1]["last_details"]


def test_a_finer_schedule_names_the_setting(run, start, probe, caplog) -> None:
    start(probe(1, schedule="*/10 * * * *"))
    run()
    assert (
        "1 control tests have a finer schedule than this DAG (0 6 * * *) and run when it does, "
        "such as control 3 test 1 'Probe 1'; COMP_AI_CONTROL_TESTS_SCHEDULE makes the DAG run "
        "more often."
    ) in caplog.text


class TestOverrides:
    @pytest.fixture
    def override(self, task):
        def override(**settings: Any) -> None:
            said = {"EX-3": {"Probe 1": settings}}
            task.environment["COMP_AI_TEST_OVERRIDES"] = json.dumps(said)

        return override

    def excepted(self, days: int) -> dict[str, Any]:
        expires = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
        return {"exceptions": [{"reason": "Migration is under way.", "expires": expires}]}

    def test_without_them_the_controls_are_not_asked_for(
        self, run, start, probe, simulator
    ) -> None:
        start(probe(1))
        run()
        assert "listControls" not in [entry.operation for entry in simulator.ledger()]

    def test_an_exception_replaces_even_a_proven_fail(
        self, run, start, probe, override, stored
    ) -> None:
        start(probe(1, **said_by_us(Outcome.FAIL, "fail", ago(days=2))))
        override(**self.excepted(days=3))
        assert run() == {"not_applicable": 1, "total": 1}
        row = stored()[1]
        assert row["last_result"] == "skipped"
        assert row["last_details"].startswith("[n/a] Exception until ")
        assert "Migration is under way." in row["last_details"]
        assert '"prev":"fail"' in row["last_details"]

    def test_when_it_has_expired_the_test_is_evaluated(
        self, run, start, probe, override, caplog
    ) -> None:
        start(probe(1))
        override(**self.excepted(days=-1))
        assert run() == {"passed": 1, "total": 1}
        assert "is ignored: Migration is under way." in caplog.text

    def test_a_manual_test_stays_the_record_of_a_person(
        self, run, start, probe, override, stored
    ) -> None:
        start(probe(1, test_type="manual"))
        override(**self.excepted(days=3))
        before = stored()
        assert run() == {"manual": 1, "total": 1}
        assert stored() == before

    def test_the_config_is_laid_over(self, run, start, probe, override, stored) -> None:
        start(probe(1))
        override(config={"status": 204})
        assert run() == {"failed": 1, "total": 1}

    def test_the_schedule_decides(self, run, start, probe, override, simulator) -> None:
        start(probe(1))
        override(schedule="never")
        assert run() == {"not_due": 1, "total": 1}
        assert posts(simulator) == 0

    def test_a_retry_keeps_what_is_in_force(self, task, start, probe, override, stored) -> None:
        start(probe(1))
        override(config={"status": 204})
        listing = dataclasses.replace(task, task_id="list_control_tests")
        control_tests.list_chunks(listing, test_ids=[])
        again = RunIdentity(run_id="run-2", try_number=2)
        control_tests.evaluate_chunk(dataclasses.replace(task, identity=again, map_index=0), 0)
        assert stored()[1]["last_result"] == "fail"

    def test_a_mistake_stops_the_run_before_anything_is_asked(
        self, run, start, probe, override, simulator
    ) -> None:
        start(probe(1))
        override(shedule="never")
        with pytest.raises(Exception, match="COMP_AI_TEST_OVERRIDES in control 'EX-3', test"):
            run()
        assert simulator.ledger() == []

    def test_the_alerts_judge_by_the_same_schedule(self, task, start, probe, override) -> None:
        start(probe(1, **said_by_us(Outcome.PASS, "pass", ago(days=4))))
        now = datetime.now(UTC)
        standings = []
        for schedule in ("daily", "yearly"):
            override(schedule=schedule)
            listing = control_tests.msgspec.convert(alerting.fetch_tests(task), alerting.Listing)
            standings += [standing_of(row, now) for row in listing.rows]
        assert standings == [Standing.STALE, Standing.VERIFIED]


def test_a_scheduled_run_that_a_person_cleared_evaluates_its_tests_again(
    start, probe, task, simulator
) -> None:
    others = said_by_us(Outcome.PASS, "pass", ago(minutes=5))
    start(probe(1, schedule="yearly"), probe(2, schedule="yearly", **others))

    def listed(first_try: int) -> int:
        identity = RunIdentity(run_id="run-2", try_number=first_try, first_try=first_try)
        again = dataclasses.replace(
            task, task_id="list_control_tests", is_started_by_hand=False, identity=identity
        )
        chunks = control_tests.list_chunks(again, test_ids=[])
        for part in chunks:
            control_tests.evaluate_chunk(again, part["chunk"])
        return sum(part["tests"] for part in chunks)

    assert [listed(1), listed(1), listed(2), listed(2)] == [1, 0, 1, 1]
    assert task.xcoms["list_control_tests", "not_due", -1] == 1
    assert posts(simulator) == 3
