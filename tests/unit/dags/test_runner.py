"""A chunk of control tests against a simulated Comp-AI: what it stores and what it reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compai_client import ClientCredentials, CompAI, StaticToken
from compai_dags.checks import CheckContext, evaluate
from compai_dags.decisions import RunIdentity
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.records import explain_trouble
from compai_dags.rows import read_row
from compai_dags.runner import ChunkRunner
from compai_dags.trailer import read_details
from compai_kit.simulator.control import Fault

COLLECT, POST, LIST = "collectGithubEvidence", "recordTestResult", "listTests"
GITHUB = {
    "github": {"configured": True, "repositories": {"example-org/demo": {"protection": "enabled"}}}
}
HUMAN = "\n".join(f"Line {number}: seen by a person." for number in range(15))


def control_test(number: int, test_type: str = "github_branch_protection", **over: Any) -> dict:
    test = {"id": number, "control_id": 3, "name": f"Test {number}", "test_type": test_type}
    if test_type.startswith("github"):
        test["config"] = {"owner": "example-org", "repo": "demo"}
    return test | over


@pytest.fixture
def start(simulator, seed):
    def start(*tests: dict) -> None:
        simulator.reset(seed(*tests), GITHUB)

    return start


@pytest.fixture
def run(client):
    """Run all tests of the simulator as one chunk."""

    def run(*, using: CompAI = client, **over: Any) -> ChunkRunner:
        identity = {"run_id": "run-1"} | over.pop("identity", {})
        context = {"client": using, "now": lambda: datetime.now(UTC)} | over.pop("context", {})
        runner = ChunkRunner(
            context=CheckContext(**context), identity=RunIdentity(**identity), **over
        )
        runner.run([read_row(test) for test in client.list_tests()])
        return runner

    return run


@pytest.fixture
def stored(simulator):
    def stored(number: int) -> dict:
        return next(test for test in simulator.state()["control_tests"] if test["id"] == number)

    return stored


@pytest.fixture
def calls(simulator):
    def calls(operation: str) -> int:
        return sum(entry.operation == operation for entry in simulator.ledger())

    return calls


def outcomes(runner: ChunkRunner) -> list[str]:
    return [
        f"{record.outcome}({record.reason})" if record.reason else str(record.outcome)
        for record in sorted(runner.records, key=lambda record: record.id)
    ]


def trailer(row: dict):
    return read_details(row["last_details"], row["last_result"])[1]


NOT_LAST = {"is_last_try": False}
RETRY = {"try_number": 2}


class TestPlainRun:
    def test_each_test_has_its_own_outcome(self, start, run, stored, calls) -> None:
        start(
            control_test(1),
            control_test(2, "manual", last_result="pass", last_details=HUMAN),
            control_test(3, "integration"),
            control_test(4, config=None),
        )
        assert outcomes(run()) == [
            "PASS",
            "MANUAL",
            "NOT_CONFIGURED(no_check)",
            "NOT_CONFIGURED(config)",
        ]
        assert [stored(number)["last_result"] for number in (1, 2, 3, 4)] == [
            "pass", "pass", "skipped", "skipped",
        ]  # fmt: skip
        assert calls(POST) == 3

    def test_what_is_stored_can_be_read_back(self, start, run, stored) -> None:
        start(control_test(1))
        run(identity={"run_id": "manual__2026-11-25T06:00:00+00:00"})
        line = trailer(stored(1))
        assert line.outcome is Outcome.PASS
        assert line.collected_at is not None
        assert line.run == "manual__2026-11-25T06:00:00+00:00"

    def test_a_persons_text_is_untouched_to_the_byte(self, start, run, stored, calls) -> None:
        start(
            control_test(
                1, "manual", last_result="pass", last_details=HUMAN,
                last_run_at="2026-11-01T00:00:00Z",
            )
        )  # fmt: skip
        before = stored(1)
        run()
        assert stored(1) == before
        assert calls(POST) == 0

    def test_each_outcome_is_one_line_of_the_log(self, start, run, caplog) -> None:
        start(control_test(1), control_test(2, "integration"))
        run()
        lines = [r.message for r in caplog.records if r.name == "compai_dags.runner"]
        assert lines[0].startswith("PASS control 3 test 1 'Test 1': posted pass. Branch protection")
        assert lines[1].startswith("NOT_CONFIGURED(no_check) control 3 test 2 'Test 2': posted sk")

    def test_the_unchecked_pass_is_marked(self, start, run, stored) -> None:
        start(control_test(1, "integration"), control_test(2, "sonarqube_gate"))
        assert outcomes(run(unchecked_pass=True)) == ["NOT_CONFIGURED(unchecked)"] * 2
        for number in (1, 2):
            assert stored(number)["last_result"] == "pass"
            assert stored(number)["last_details"].startswith("[unchecked] Nothing was checked")


class TestErrors:
    def test_one_bad_test_does_not_stop_the_others(self, start, run, stored) -> None:
        bad = {"owner": "example-org", "repo": "missing"}
        start(control_test(1), control_test(2, config=bad), control_test(3, "integration"))
        runner = run()
        assert outcomes(runner) == ["PASS", "ERROR(upstream_5xx)", "NOT_CONFIGURED(no_check)"]
        assert stored(2)["last_result"] == "skipped"
        assert stored(2)["last_details"].startswith("[error:upstream_5xx] Could not verify: ")
        assert trailer(stored(2)).n_errors == 1
        assert not runner.wants_retry

    def test_a_defect_of_a_check_is_an_error_of_one_test(self, start, run, stored, caplog) -> None:
        def evaluate_badly(row, context) -> Observation:
            if row.id == 1:
                raise KeyError("secret-value")
            return evaluate(row, context)

        start(control_test(1), control_test(2))
        assert outcomes(run(evaluate=evaluate_badly)) == ["ERROR(bug)", "PASS"]
        assert "secret-value" not in stored(1)["last_details"]
        assert "The check of control 3 test 1 'Test 1' has a defect" in caplog.text

    def test_an_outage_does_not_touch_a_proven_fail(self, start, run, stored, simulator) -> None:
        fail = {"last_result": "fail", "last_run_at": "2026-11-20T00:00:00Z"}
        start(control_test(1, **fail, last_details="Two accounts without a second factor."))
        before = stored(1)
        simulator.faults(Fault(kind="status", operation=COLLECT, status=502, count=None))
        assert outcomes(run()) == ["ERROR(upstream_5xx)"]
        assert stored(1) == before

    def test_an_outage_replaces_a_fail_of_the_first_generation(
        self, start, run, stored, simulator
    ) -> None:
        fail = {"last_result": "fail", "last_run_at": "2026-11-20T00:00:00Z"}
        start(control_test(1, **fail, last_details='{"error":"Unauthorized"}'))
        simulator.faults(Fault(kind="status", operation=COLLECT, status=502, count=None))
        run()
        assert stored(1)["last_result"] == "skipped"
        assert trailer(stored(1)).prev == "unproven"


class TestRecording:
    def test_a_result_that_cannot_be_posted_is_unrecorded(self, start, run, simulator) -> None:
        start(control_test(1), control_test(2, "integration"))
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        runner = run()
        assert outcomes(runner) == ["UNRECORDED(upstream_5xx)", "NOT_CONFIGURED(no_check)"]
        assert runner.records[0].said.startswith("PASS could not be recorded (recordTestResult")

    def test_an_answer_with_another_result_is_unrecorded(self, start, run, simulator) -> None:
        start(control_test(1))
        other = control_test(1, last_result="fail", last_details=None, last_run_at=None)
        times = dict.fromkeys(("created_at", "updated_at"), "2026-11-25T00:00:00Z")
        simulator.faults(
            Fault(
                kind="status", operation=POST, status=200, body=other | times | {"schedule": None}
            )
        )
        assert outcomes(run()) == ["UNRECORDED(malformed)"]

    def test_a_test_that_is_gone_is_unrecorded(self, start, run, simulator) -> None:
        start(control_test(1))
        simulator.faults(Fault(kind="status", operation=POST, status=404, body={"error": "x"}))
        runner = run(identity=NOT_LAST)
        assert outcomes(runner) == ["UNRECORDED(not_found_or_no_access)"]
        assert not runner.wants_retry

    def test_evidence_comes_before_the_result(self, start, run, simulator) -> None:
        start(control_test(1))
        run()
        operations = [entry.operation for entry in simulator.ledger()]
        assert operations.index(COLLECT) < operations.index(POST)


class TestRetries:
    def test_an_error_is_posted_on_the_last_try_only(
        self, start, run, stored, simulator, calls
    ) -> None:
        start(control_test(1), control_test(2, "integration"))
        simulator.faults(Fault(kind="status", operation=COLLECT, status=502, count=None))
        first = run(identity=NOT_LAST)
        assert first.wants_retry
        assert stored(1)["last_result"] is None
        assert stored(2)["last_result"] == "skipped"
        assert calls(POST) == 1

        second = run(identity=RETRY)
        assert not second.wants_retry
        assert outcomes(second) == ["ERROR(upstream_5xx)", "NOT_CONFIGURED(no_check)"]
        assert calls(POST) == 2, "what try 1 recorded is not posted again"

    def test_what_no_retry_can_mend_is_posted_at_once(self, start, run, stored, simulator) -> None:
        start(control_test(1))
        simulator.faults(Fault(kind="status", operation=COLLECT, status=403, count=None))
        runner = run(identity=NOT_LAST)
        assert not runner.wants_retry
        assert stored(1)["last_details"].startswith("[error:permission]")

    def test_a_retry_does_not_collect_again(self, start, run, simulator, calls) -> None:
        start(control_test(1))
        started = datetime.now(UTC)
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        assert outcomes(run(identity=NOT_LAST)) == ["UNRECORDED(upstream_5xx)"]
        assert outcomes(run(identity=RETRY, context={"reuse_since": started})) == ["PASS"]
        assert calls(COLLECT) == 1

    def test_a_clear_evaluates_again(self, start, run, calls) -> None:
        start(control_test(1))
        run()
        run(identity={"try_number": 2, "first_try": 2})
        assert calls(COLLECT) == 2
        assert calls(POST) == 2

    def test_a_later_try_sees_what_was_stored_meanwhile(
        self, start, client, simulator, stored
    ) -> None:
        start(control_test(1, "integration"))
        as_listed = [read_row(test) for test in client.list_tests()]
        client.record_test_result(control_id=3, test_id=1, result="fail", details="By a person.")
        runner = ChunkRunner(
            context=CheckContext(client=client, now=lambda: datetime.now(UTC)),
            identity=RunIdentity(run_id="run-1", try_number=2),
        )
        runner.run(as_listed)
        assert stored(1)["last_details"] == "By a person."

    def test_a_list_that_fails_on_a_later_try_touches_nothing(
        self, start, client, simulator, stored, calls
    ) -> None:
        start(control_test(1), control_test(2, "integration"))
        as_listed = [read_row(test) for test in client.list_tests()]
        simulator.faults(Fault(kind="status", operation=LIST, status=500, count=None))
        runner = ChunkRunner(
            context=CheckContext(client=client, now=lambda: datetime.now(UTC)),
            identity=RunIdentity(run_id="run-1", try_number=2, is_last_try=False),
        )
        runner.run(as_listed)
        assert outcomes(runner) == ["ERROR(upstream_5xx)"] * 2
        assert runner.wants_retry
        assert calls(POST) == 0


class TestDeadToken:
    def test_a_401_while_posting_ends_the_batch(self, start, run, simulator, calls) -> None:
        start(*(control_test(number, "integration") for number in range(1, 6)))
        simulator.faults(Fault(kind="status", operation=POST, status=401, after=2, count=None))
        runner = run(identity=NOT_LAST)
        assert outcomes(runner) == [
            "NOT_CONFIGURED(no_check)",
            "NOT_CONFIGURED(no_check)",
            "UNRECORDED(auth)",
            "ERROR(auth)",
            "ERROR(auth)",
        ]
        assert calls(POST) == 3
        assert not runner.wants_retry
        assert runner.records[-1].said.startswith("Not evaluated, the batch was ended.")

    def test_a_401_of_the_collecting_call_alone_is_one_error(
        self, start, run, simulator, stored
    ) -> None:
        start(control_test(1), control_test(2, "integration"))
        simulator.faults(Fault(kind="status", operation=COLLECT, status=401, count=None))
        assert outcomes(run()) == ["ERROR(auth)", "NOT_CONFIGURED(no_check)"]
        assert stored(1)["last_details"].startswith("[error:auth]")

    def test_a_keycloak_that_is_down_ends_the_batch_for_now(
        self, start, run, simulator, impatient, calls
    ) -> None:
        start(control_test(1), control_test(2, "integration"))
        auth = ClientCredentials(
            keycloak_url=f"{simulator.url}/auth", realm="lianel", client_id="airflow",
            client_secret="simulator-only",
        )  # fmt: skip
        simulator.faults(Fault(kind="status", operation="keycloakToken", status=503, count=None))
        with CompAI(simulator.url, auth=auth, settings=impatient) as client:
            runner = run(using=client, identity=NOT_LAST)
        assert outcomes(runner) == ["ERROR(auth)", "ERROR(auth)"]
        assert runner.wants_retry
        assert calls(POST) == 0

    def test_a_token_that_expires_in_the_middle_is_no_verdict(
        self, start, run, simulator, impatient, stored
    ) -> None:
        start(*(control_test(number) for number in range(1, 4)))
        auth = ClientCredentials(
            keycloak_url=f"{simulator.url}/auth", realm="lianel", client_id="airflow",
            client_secret="simulator-only",
        )  # fmt: skip
        simulator.faults(Fault(kind="token_expiry", operation=COLLECT, after=1))
        with CompAI(simulator.url, auth=auth, settings=impatient) as client:
            assert outcomes(run(using=client)) == ["PASS"] * 3

    def test_a_wrong_static_token_records_nothing(
        self, start, run, simulator, impatient, calls
    ) -> None:
        start(control_test(1), control_test(2))
        wrong = ".".join(["another", "token", "of-the-tests"])
        with CompAI(simulator.url, auth=StaticToken(wrong), settings=impatient) as client:
            runner = run(using=client)
        assert {record.reason for record in runner.records} == {Reason.AUTH}
        assert [entry.status for entry in simulator.ledger() if entry.operation == POST] == [401]


def test_trouble_is_told_by_name_and_reason(start, run) -> None:
    bad = {"owner": "example-org", "repo": "missing"}
    start(*(control_test(number, config=bad) for number in range(1, 24)))
    text = explain_trouble(run().records)
    assert text.startswith("ERROR(upstream_5xx) control 3 test 1 'Test 1': [error:upstream_5xx] ")
    assert text.endswith("… and 3 more, see the log")


class TestTime:
    """Airflow's own time-out would end the task in the middle, and lose what is held back."""

    @pytest.fixture
    def slow(self, run):
        """Each test takes 20 minutes, of 30 for evaluating and of 50 for everything."""
        begin = datetime.now(UTC)

        def slow(**over: Any) -> ChunkRunner:
            clock = [begin]

            def evaluate_slowly(row, context) -> Observation:
                clock[0] += timedelta(minutes=20)
                return evaluate(row, context)

            limits = {"evaluate_until": begin + timedelta(minutes=30)}
            limits |= {"post_until": begin + timedelta(minutes=50)} | over
            return run(evaluate=evaluate_slowly, context={"now": lambda: clock[0]}, **limits)

        return slow

    def test_what_there_is_no_time_for_waits_for_the_next_try(
        self, start, slow, stored, calls
    ) -> None:
        start(*map(control_test, range(1, 5)))
        first = slow(identity=NOT_LAST)
        assert outcomes(first) == ["PASS", "PASS", "ERROR(timeout)", "ERROR(timeout)"]
        assert first.wants_retry
        assert "there was no time left for it in this try" in first.records[-1].said
        assert (calls(POST), stored(3)["last_result"]) == (2, None)
        again = slow(identity=RETRY | {"is_last_try": True})
        assert outcomes(again) == ["PASS"] * 4

    def test_on_the_last_try_an_old_pass_is_not_left_to_be_read_as_current(
        self, start, slow, stored
    ) -> None:
        old = {
            "last_result": "pass",
            "last_details": "Looked at.",
            "last_run_at": "2026-11-01T00:00:00Z",
        }
        start(control_test(1), control_test(2), control_test(3, **old))
        assert outcomes(slow()) == ["PASS", "PASS", "ERROR(timeout)"]
        assert stored(3)["last_result"] == "skipped"
        assert stored(3)["last_details"].startswith("[error:timeout] Could not verify: ")

    def test_what_takes_no_time_is_never_out_of_time(self, start, slow, stored) -> None:
        person = {"last_run_at": "2026-11-01T00:00:00Z", "last_result": "pass", "last_details": "x"}
        start(
            control_test(1),
            control_test(2),
            control_test(3, "manual", **person),
            control_test(4, "integration", **person),
        )
        assert outcomes(slow())[2:] == ["MANUAL", "NOT_CONFIGURED(no_check)"]
        assert [stored(number)["last_details"] for number in (3, 4)] == ["x", "x"]

    def test_nothing_is_posted_when_all_of_the_time_is_over(self, start, slow, calls) -> None:
        start(*map(control_test, range(1, 4)))
        ended = slow(post_until=datetime.now(UTC) + timedelta(minutes=19))
        assert outcomes(ended) == ["UNRECORDED(timeout)", "UNRECORDED(timeout)", "ERROR(timeout)"]
        assert "no time left" in ended.records[0].said
        assert not ended.wants_retry
        assert calls(POST) == 0
