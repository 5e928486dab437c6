"""A chunk whose checks carry proof: evidence first, then the result, and never a row too many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from compai_client import CompAI, StaticToken
from compai_dags.checks import CheckContext
from compai_dags.decisions import RunIdentity
from compai_dags.evidence import read_evidence
from compai_dags.outcomes import Observation, Outcome, Reason, error, not_configured
from compai_dags.proof import Assertion, Proof
from compai_dags.rows import read_row
from compai_dags.runner import ChunkRunner
from compai_dags.trailer import read_details
from compai_kit.simulator.control import Fault

CREATE, LIST, POST = "createEvidence", "listEvidence", "recordTestResult"


class Approvals:
    """A check of a made-up kind: `seen` approvals where at least one is required."""

    def __init__(self) -> None:
        self.seen: int | None = 2
        self.instead: Observation | None = None
        # None: each test looks at a thing of its own.
        self.source: str | None = None

    def __call__(self, row: Any, context: CheckContext) -> Observation:
        if self.instead is not None:
            return self.instead
        holds = None if self.seen is None else self.seen >= 1
        return Observation(
            outcome=Outcome.PASS if holds else Outcome.FAIL,
            sentence=f"{row.name} asks for {self.seen} approvals.",
            collected_at=context.now(),
            proof=Proof(
                type="approvals",
                source=self.source or f"example:{row.id}",
                assertions=(
                    Assertion(
                        path="approvals", observed=self.seen, expected="at least 1", holds=holds
                    ),
                    Assertion(
                        path="bypass", observed=None, expected="none", holds=None, mandatory=False
                    ),
                ),
                raw_sha256="cd" * 32,
            ),
        )


@pytest.fixture
def check() -> Approvals:
    return Approvals()


@pytest.fixture
def start(simulator, seed):
    def start(count: int = 1, **over: Any) -> None:
        tests = [
            {"id": n, "control_id": 3, "name": f"Test {n}", "test_type": "approvals"} | over
            for n in range(1, count + 1)
        ]
        simulator.reset(seed(*tests))

    return start


@pytest.fixture
def run(client, check):
    def run(
        *, using: CompAI = client, days_later: float = 0, run_id: str = "run-1", **identity: Any
    ) -> ChunkRunner:
        runner = ChunkRunner(
            context=CheckContext(
                client=using, now=lambda: datetime.now(UTC) + timedelta(days=days_later)
            ),
            identity=RunIdentity(run_id=run_id, **identity),
            evaluate=check,
        )
        runner.run([read_row(test) for test in client.list_tests()])
        return runner

    return run


@pytest.fixture
def stored(simulator):
    def stored(number: int = 1) -> dict:
        return next(test for test in simulator.state()["control_tests"] if test["id"] == number)

    return stored


@pytest.fixture
def evidence(simulator):
    def evidence() -> list[dict]:
        return [row for row in simulator.state()["evidence"] if row["type"] == "approvals"]

    return evidence


@pytest.fixture
def calls(simulator):
    """The operations since the last time, without those that make up the list of the run."""
    told = 0

    def calls() -> list[str]:
        nonlocal told
        entries = [e.operation for e in simulator.ledger()]
        new, told = entries[told:], len(entries)
        return [operation for operation in new if operation != "listTests"]

    return calls


def outcomes(runner: ChunkRunner) -> list[str]:
    return [
        f"{record.outcome}({record.reason})" if record.reason else str(record.outcome)
        for record in runner.records
    ]


def trailer(row: dict):
    return read_details(row["last_details"], row["last_result"])[1]


@pytest.fixture
def observed(row, client, check) -> Callable[[], Observation]:
    """What the check would say of some test."""
    context = CheckContext(client=client, now=lambda: datetime.now(UTC))
    return lambda: check(row(), context)


class TestPass:
    def test_evidence_is_stored_before_the_result(
        self, start, run, stored, evidence, calls
    ) -> None:
        start()
        assert outcomes(run()) == ["PASS"]
        assert calls() == [LIST, CREATE, POST]
        (row,) = evidence()
        assert stored()["last_details"].startswith(
            f"Test 1 asks for 2 approvals. Evidence {row['id']}.\ncompai-kit "
        )
        sentence, statement = read_evidence(row["description"])
        assert sentence == "Test 1 asks for 2 approvals."
        assert statement.run == "run-1"
        assert statement.observed_at == trailer(stored()).collected_at

    def test_an_unchanged_test_costs_one_request(self, start, run, evidence, calls) -> None:
        start(3)
        run()
        assert calls() == [LIST, *[CREATE, POST] * 3], "the control is listed once"
        for day in range(1, 11):
            run(run_id=f"run-{day}", days_later=day)
            assert calls() == [POST] * 3
        assert len(evidence()) == 3

    def test_what_changed_is_new_evidence(self, start, run, stored, evidence, check, calls) -> None:
        start()
        run()
        check.seen = 3
        calls()
        run(run_id="run-2")
        assert calls() == [LIST, CREATE, POST]
        assert [read_evidence(row["description"])[1].run for row in evidence()] == [
            "run-1", "run-2",
        ]  # fmt: skip
        assert trailer(stored()).evidence.id == evidence()[-1]["id"]

    @pytest.mark.parametrize(("config", "rows"), [(None, 1), ({"evidence_refresh": 7}, 2)])
    def test_it_is_renewed_as_the_test_says(self, start, run, evidence, config, rows) -> None:
        start(config=config)
        run()
        run(run_id="run-2", days_later=8)
        assert len(evidence()) == rows

    def test_a_refresh_that_is_no_number_is_told(self, start, run, stored, evidence) -> None:
        start(config={"evidence_refresh": "soon"})
        assert outcomes(run()) == ["NOT_CONFIGURED(config)"]
        assert stored()["last_details"].startswith(
            "[config] Not configured: config.evidence_refresh must be a whole number of days from 1"
        )
        assert evidence() == []

    def test_the_record_names_the_evidence(self, start, run, evidence) -> None:
        start()
        (record,) = run().records
        assert record.evidence_id == evidence()[0]["id"]
        assert record.said.endswith(f" Evidence {record.evidence_id}.")


class TestNoPass:
    @pytest.mark.parametrize(
        "observation",
        [
            error(Reason.PERMISSION, "Could not verify."),
            not_configured(Reason.CONFIG, "Not configured."),
            Observation(outcome=Outcome.NOT_APPLICABLE, sentence="Archived."),
            Observation(outcome=Outcome.MANUAL, sentence="By a person."),
        ],
    )
    def test_there_is_no_evidence(
        self, start, run, evidence, check, calls, observed, observation
    ) -> None:
        start()
        check.instead = replace(observation, proof=observed().proof)
        run()
        assert evidence() == []
        assert CREATE not in calls()

    def test_nor_for_a_fail_which_names_what_failed(
        self, start, run, stored, evidence, check
    ) -> None:
        start()
        check.seen = 0
        (record,) = run().records
        assert evidence() == []
        said, _, line = stored()["last_details"].partition("\nFailed: ")
        assert said == "Test 1 asks for 0 approvals."
        assert line.startswith("approvals is 0, expected at least 1.\ncompai-kit ")
        assert record.failing == "Failed: approvals is 0, expected at least 1."

    @pytest.mark.parametrize("seen", [0, None])
    def test_a_pass_against_its_own_proof_is_a_defect(
        self, start, run, stored, evidence, check, observed, seen
    ) -> None:
        start()
        check.seen = seen
        check.instead = replace(observed(), outcome=Outcome.PASS)
        assert outcomes(run()) == ["ERROR(bug)"]
        assert evidence() == []
        assert stored()["last_details"].startswith(
            "[error:bug] Could not verify: the check has a defect (its pass is not what it proved)."
        )

    def test_what_cannot_be_hashed_is_a_defect_of_one_test(
        self, start, run, stored, check, observed
    ) -> None:
        start()
        seen = observed()
        odd = replace(seen.proof.assertions[0], observed="\ud800")
        check.instead = replace(seen, proof=replace(seen.proof, assertions=(odd,)))
        assert outcomes(run()) == ["ERROR(bug)"]
        assert stored()["last_result"] == "skipped"

    @pytest.mark.parametrize("between", ["fail", "error"])
    def test_evidence_outlives_a_fail_and_an_outage(
        self, start, run, evidence, check, calls, between
    ) -> None:
        start()
        run()
        if between == "fail":
            check.seen = 0
        else:
            check.instead = error(Reason.TIMEOUT, "Could not verify.")
        run(run_id="run-2")
        check.seen, check.instead = 2, None
        calls()
        run(run_id="run-3")
        assert calls() == [POST]
        assert len(evidence()) == 1


class TestLost:
    @pytest.mark.parametrize("operation", [CREATE, LIST])
    def test_without_evidence_nothing_is_posted(
        self, start, run, stored, evidence, simulator, calls, operation
    ) -> None:
        start()
        simulator.faults(Fault(kind="status", operation=operation, status=500, count=None))
        runner = run()
        assert outcomes(runner) == ["UNRECORDED(upstream_5xx)"]
        assert runner.records[0].is_trouble
        assert runner.records[0].said.startswith(f"PASS could not be recorded ({operation} ")
        assert stored()["last_result"] is None
        assert POST not in calls()
        assert evidence() == []

    def test_it_asks_for_another_try(self, start, run, simulator, evidence) -> None:
        start()
        simulator.faults(Fault(kind="status", operation=CREATE, status=500, count=2))
        first = run(is_last_try=False)
        assert outcomes(first) == ["UNRECORDED(upstream_5xx)"]
        assert first.wants_retry
        assert outcomes(run(try_number=2)) == ["PASS"]
        assert len(evidence()) == 1

    def test_what_no_try_can_mend_does_not(self, start, run, simulator) -> None:
        start()
        simulator.faults(Fault(kind="status", operation=CREATE, status=413, body={"error": "big"}))
        runner = run(is_last_try=False)
        assert outcomes(runner) == ["UNRECORDED(malformed)"]
        assert not runner.wants_retry

    def test_the_other_tests_go_on(self, start, run, simulator, stored) -> None:
        start(3)
        simulator.faults(Fault(kind="status", operation=CREATE, status=500, count=2))
        assert outcomes(run()) == ["UNRECORDED(upstream_5xx)", "PASS", "PASS"]
        assert stored(3)["last_result"] == "pass"

    @pytest.mark.parametrize("status", [500, 401])
    def test_a_lost_result_does_not_cost_a_second_row(
        self, start, run, simulator, evidence, calls, status
    ) -> None:
        start()
        simulator.faults(Fault(kind="status", operation=POST, status=status, count=8))
        assert outcomes(run())[0].startswith("UNRECORDED")
        simulator.faults()
        calls()
        assert outcomes(run(run_id="run-2")) == ["PASS"]
        assert calls() == [LIST, POST]
        assert len(evidence()) == 1

    @pytest.mark.parametrize("seen", [0, 2])
    def test_what_was_seen_is_not_lost_with_its_result(
        self, start, run, simulator, evidence, check, seen
    ) -> None:
        start()
        check.seen = seen
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        (record,) = run().records
        assert record.outcome is Outcome.UNRECORDED
        assert record.collected_at is not None
        assert record.evidence_id == (evidence()[0]["id"] if seen else None)
        assert bool(record.failing) == (not seen)

    def test_nor_when_the_content_had_changed(
        self, start, run, simulator, evidence, check, stored
    ) -> None:
        start()
        run()
        check.seen = 3
        simulator.faults(Fault(kind="status", operation=POST, status=500, count=4))
        run(run_id="run-2")
        assert len(evidence()) == 2
        simulator.faults()
        run(run_id="run-3")
        assert len(evidence()) == 2
        assert trailer(stored()).evidence.id == evidence()[-1]["id"]

    def test_a_lost_answer_is_looked_for(self, start, run, simulator, evidence, stored) -> None:
        start()
        simulator.faults(Fault(kind="hang_up", operation=CREATE, when="after"))
        assert outcomes(run()) == ["PASS"]
        assert len(evidence()) == 1
        assert trailer(stored()).evidence.id == evidence()[0]["id"]

    @pytest.mark.parametrize("kind", ["html", "redirect", "truncate", "wrong_shape"])
    def test_an_answer_that_says_nothing_is_no_reason_for_a_second_row(
        self, start, run, simulator, evidence, check, kind
    ) -> None:
        """Two tests see the same; what was stored for the first is there for the second."""
        start(2)
        check.source = "example:shared"
        simulator.faults(Fault(kind=kind, operation=CREATE, when="after"))
        assert outcomes(run()) == ["PASS", "PASS"]
        assert len(evidence()) == 1

    def test_a_refused_token_at_the_evidence_is_one_tests_trouble(
        self, start, run, simulator, evidence
    ) -> None:
        start(2)
        simulator.faults(Fault(kind="status", operation=CREATE, status=401))
        assert outcomes(run()) == ["UNRECORDED(auth)", "PASS"]
        assert len(evidence()) == 1

    def test_a_dead_token_stores_nothing(self, start, run, simulator, impatient, evidence) -> None:
        start(2)
        wrong = ".".join(["another", "token", "of-the-tests"])
        with CompAI(simulator.url, auth=StaticToken(wrong), settings=impatient) as client:
            assert "PASS" not in outcomes(run(using=client))
        assert evidence() == []


class TestAgain:
    def test_a_retry_adds_nothing(self, start, run, simulator, evidence, calls) -> None:
        start(3)
        # The second result is lost, its evidence is not.
        simulator.faults(Fault(kind="status", operation=POST, status=500, after=1, count=4))
        first = run(is_last_try=False)
        assert outcomes(first) == ["PASS", "UNRECORDED(upstream_5xx)", "PASS"]
        assert first.wants_retry
        calls()
        second = run(try_number=2)
        assert outcomes(second) == ["PASS"] * 3
        assert {record.evidence_id for record in second.records} == {r["id"] for r in evidence()}
        assert calls() == [LIST, POST], "only the lost one"
        assert len(evidence()) == 3

    def test_a_clear_evaluates_again_and_adds_no_row(
        self, start, run, stored, evidence, calls
    ) -> None:
        start(2)
        run()
        calls()
        run(try_number=2, first_try=2)
        assert calls() == [POST] * 2
        assert len(evidence()) == 2
        assert trailer(stored()).cleared_try == 2

    def test_a_persons_word_in_between_costs_no_row(
        self, start, run, client, evidence, calls
    ) -> None:
        start()
        run()
        client.record_test_result(control_id=3, test_id=1, result="pass", details="Seen, Kim")
        calls()
        run(run_id="run-2")
        assert calls() == [LIST, POST]
        assert len(evidence()) == 1


class TestErrorsAreCounted:
    """Once per run, after its last try."""

    @pytest.fixture
    def outage(self, check):
        check.instead = error(Reason.TIMEOUT, "Could not verify.", transient=True)

    def test_tries_before_the_last_do_not_count(self, start, run, stored, calls, outage) -> None:
        start()
        for number in (1, 2):
            assert run(try_number=number, is_last_try=False).wants_retry
        assert stored()["last_result"] is None
        assert not run(try_number=3).wants_retry
        assert trailer(stored()).n_errors == 1
        assert calls().count(POST) == 1

    def test_the_next_run_counts_on_and_a_pass_ends_it(
        self, start, run, stored, check, outage
    ) -> None:
        start()
        for number in (1, 2, 3):
            run(run_id=f"run-{number}")
            assert trailer(stored()).n_errors == number
        check.instead = None
        run(run_id="run-4")
        assert trailer(stored()).n_errors == 0

    def test_what_the_run_has_told_is_not_counted_again(
        self, start, run, stored, check, simulator
    ) -> None:
        start(2)
        check.instead = error(Reason.PERMISSION, "Could not verify.")
        simulator.faults(Fault(kind="status", operation=POST, status=500, after=1, count=4))
        assert run(is_last_try=False).wants_retry, "the second could not be told"
        run(try_number=2)
        assert [trailer(stored(n)).n_errors for n in (1, 2)] == [1, 1]

    def test_over_a_fail_it_is_not_stored(self, start, run, stored, check, outage) -> None:
        start()
        check.seen, kept = 0, check.instead
        check.instead = None
        run()
        before = stored()
        check.instead = kept
        run(run_id="run-2")
        assert stored() == before
