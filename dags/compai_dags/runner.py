"""One chunk of control tests: evaluate each on its own, post what may be posted, report everything.

Results are overwritten by every post, so posting is safe to repeat. Evidence is not: it is stored
before the pass that rests on it, a retry skips what this run already recorded, and an ERROR is held
back until no retry is left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import msgspec

from compai_client import CompAIError, ControlTest, TokenError, UnauthorizedError
from compai_dags import checks
from compai_dags.checks import CheckContext
from compai_dags.checks.base import InvalidConfigError
from compai_dags.decisions import (
    Decision,
    RunIdentity,
    decide,
    is_recorded,
    trailer_of,
    with_evidence,
)
from compai_dags.due import errors_at_this_tick, exception_of
from compai_dags.evidence import EvidenceKeeper, evidence_refresh, vetted
from compai_dags.failures import meaning_of, observation_of
from compai_dags.outcomes import (
    Observation,
    Outcome,
    Reason,
    Result,
    error,
    not_configured,
)
from compai_dags.records import Record
from compai_dags.rows import Row, read_row
from compai_dags.trailer import write_details

log = logging.getLogger(__name__)

Evaluate = Callable[[Row, CheckContext], Observation]

# A defect in one check must not take the other tests with it; anything else is not ours to catch.
_PROGRAMMING_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
_OUT_OF_TIME = error(
    Reason.TIMEOUT,
    "Could not verify: there was no time left for it in this try.",
    transient=True,
)
_LOG_LEVELS = {
    Outcome.ERROR: logging.ERROR,
    Outcome.UNRECORDED: logging.ERROR,
    Outcome.FAIL: logging.WARNING,
    Outcome.NOT_CONFIGURED: logging.WARNING,
}


class ChunkRunner:
    """Runs the tests of one chunk; `records` is right at any moment, also after a time-out.

    After `evaluate_until` no check begins that asks another system, after `post_until` nothing is
    posted: a time-out of the scheduler would lose what is held back.
    """

    def __init__(
        self,
        *,
        context: CheckContext,
        identity: RunIdentity,
        unchecked_pass: bool = False,
        evaluate: Evaluate = checks.evaluate,
        evaluate_until: datetime | None = None,
        post_until: datetime | None = None,
    ) -> None:
        self.records: list[Record] = []
        # Another try may help; nothing that is recorded is repeated in it.
        self.wants_retry = False
        self._context = context
        self._identity = identity
        self._unchecked_pass = unchecked_pass
        self._evaluate = evaluate
        self._evaluate_until = evaluate_until
        self._post_until = post_until
        self._evidence = EvidenceKeeper(
            client=context.client, now=context.now, run_id=identity.run_id
        )
        # Set once it is known that no further call can succeed.
        self._dead_token: Observation | None = None

    def run(self, rows: list[Row]) -> None:
        """Evaluate and post every test; what goes wrong becomes a record, never an exception."""
        try:
            rows = self._as_stored_now(rows)
        except CompAIError as failure:
            self._skip_rest(rows, observation_of(failure, doing="listing the control tests"))
            return
        held: list[tuple[Row, Decision]] = []
        for position, row in enumerate(rows):
            if is_recorded(row.stored, self._identity):
                self._record_earlier_try(row)
                continue
            decision = self._decide(row)
            if decision.observation.outcome is Outcome.ERROR:
                held.append((row, decision))
            else:
                self._post(row, decision)
            if self._dead_token is not None:
                self._skip_rest(rows[position + 1 :], self._dead_token)
                break
        for row, decision in held:
            if self.wants_retry:
                self._record(row, decision, posted=None, because="held back until the last try")
            else:
                self._post(row, decision)

    def _as_stored_now(self, rows: list[Row]) -> list[Row]:
        """The rows as listed, on a later try with the results that Comp-AI holds by now."""
        if self._identity.try_number == 1:
            return rows
        listed = self._context.client.list_tests(on_bad_row=lambda _: None)
        stored = {test.id: read_row(test).stored for test in listed}
        # Config, schedule and exceptions stay those in force: overrides are laid over them.
        return [
            msgspec.structs.replace(row, stored=stored[row.id]) if row.id in stored else row
            for row in rows
        ]

    def _decide(self, row: Row) -> Decision:
        try:
            observation = self._excepted(row) or self._observe(row)
        except InvalidConfigError as invalid:
            observation = not_configured(Reason.CONFIG, f"Not configured: {invalid}.")
        except CompAIError as failure:
            observation = observation_of(failure, doing="the check")
        except _PROGRAMMING_ERRORS as bug:
            log.exception("The check of %s has a defect", row)
            observation = error(
                Reason.BUG, f"Could not verify: the check has a defect ({type(bug).__name__})."
            )
        self._note_transient(observation.transient)
        if observation.fatal:
            self._dead_token = observation
        if row.plan.problem:
            marked = (
                f"{observation.sentence} [config] {row.plan.problem}: it runs when the DAG does."
            )
            observation = msgspec.structs.replace(observation, sentence=marked)
        return decide(
            observation,
            row.stored,
            unchecked_pass=self._unchecked_pass,
            is_manual=row.kind == "manual",
        )

    def _observe(self, row: Row) -> Observation:
        if self._is_after(self._evaluate_until) and checks.asks_somebody(row):
            return _OUT_OF_TIME
        return vetted(row, self._evaluate(row, self._context))

    def _is_after(self, end: datetime | None) -> bool:
        return end is not None and self._context.now() >= end

    def _excepted(self, row: Row) -> Observation | None:
        """The outcome of a test that somebody excepted as a whole, for as long as that lasts."""
        exemption = exception_of(row, self._context.now())
        if exemption is None or row.kind == "manual":
            return None
        return Observation(
            outcome=Outcome.NOT_APPLICABLE,
            reason=Reason.EXCEPTION,
            sentence=f"Exception until {exemption.expires}: {exemption.reason}",
        )

    def _post(self, row: Row, decision: Decision) -> None:
        result = decision.result
        if result is None:
            self._record(row, decision, posted=None, because=decision.kept_because)
            return
        if self._dead_token is not None:
            self._record_lost(row, decision, Reason.AUTH, "the token is dead")
            return
        if self._is_after(self._post_until):
            self._note_transient(True)
            self._record_lost(row, decision, Reason.TIMEOUT, "there is no time left in this try")
            return
        try:
            decision = self._with_evidence(row, decision)
        except CompAIError as failure:
            self._record_failed(row, decision, failure)
            return
        details = write_details(
            decision.sentence,
            trailer_of(
                decision,
                row.stored,
                self._identity,
                errors_before=errors_at_this_tick(row, self._context.now()),
            ),
            result,
            quoted=decision.observation.quoted or decision.failing,
        )
        try:
            answer = self._context.client.record_test_result(
                control_id=row.control_id,
                test_id=row.id,
                result=result,
                details=details,
            )
        except CompAIError as failure:
            if isinstance(failure, UnauthorizedError):
                self._dead_token = observation_of(failure, doing="recording a result")
            self._record_failed(row, decision, failure)
            return
        if _was_stored(answer, row, result, details):
            self._record(row, decision, posted=result)
        else:
            self._record_lost(
                row, decision, Reason.MALFORMED, "Comp-AI answered with another result"
            )

    def _with_evidence(self, row: Row, decision: Decision) -> Decision:
        """The decision, a pass with what it rests on. Raises the client's errors."""
        observation = decision.observation
        if observation.outcome is not Outcome.PASS or observation.proof is None:
            return decision
        trailer = row.stored.trailer
        evidence = self._evidence.keep(
            row,
            observation,
            before=trailer.evidence if trailer is not None else None,
            refresh=evidence_refresh(row),
        )
        return with_evidence(decision, evidence)

    def _record_failed(self, row: Row, decision: Decision, failure: CompAIError) -> None:
        meaning = meaning_of(failure)
        self._note_transient(meaning.transient)
        if isinstance(failure, TokenError):
            self._dead_token = observation_of(failure, doing="recording a result")
        self._record_lost(row, decision, meaning.reason, str(failure))

    def _note_transient(self, transient: bool) -> None:
        if transient and not self._identity.is_last_try:
            self.wants_retry = True

    def _skip_rest(self, rows: list[Row], cause: Observation) -> None:
        self._note_transient(cause.transient)
        said = f"Not evaluated, the batch was ended. {cause.sentence}"
        skipped = msgspec.structs.replace(cause, sentence=said)
        decision = Decision(observation=skipped, result=None, sentence=said)
        for row in rows:
            self._record(row, decision, posted=None, because="the batch was ended")

    def _record_earlier_try(self, row: Row) -> None:
        trailer = row.stored.trailer
        assert trailer is not None  # noqa: S101 - is_recorded has looked
        recorded = Observation(
            outcome=trailer.outcome,
            reason=Reason(trailer.reason) if trailer.reason else None,
            sentence=row.stored.said,
            collected_at=trailer.collected_at,
        )
        decision = Decision(
            observation=recorded,
            result=None,
            sentence=recorded.sentence,
            evidence=trailer.evidence if trailer.outcome is Outcome.PASS else None,
        )
        self._record(row, decision, posted=None, because=f"recorded in try {trailer.try_number}")

    def _record_lost(self, row: Row, decision: Decision, reason: Reason, why: str) -> None:
        """The result is known, but not stored. An ERROR is no result: it stays one."""
        lost = decision.observation
        if lost.outcome is not Outcome.ERROR:
            said = f"{lost.outcome} could not be recorded ({why}). {decision.sentence}"
            lost = Observation(
                outcome=Outcome.UNRECORDED,
                reason=reason,
                sentence=said,
                collected_at=lost.collected_at,
            )
        self._record(
            row,
            # What was seen stays known: the history is the only place that has it then.
            msgspec.structs.replace(
                decision, observation=lost, result=None, sentence=lost.sentence
            ),
            posted=None,
            because=why,
        )

    def _record(
        self, row: Row, decision: Decision, *, posted: Result | None, because: str | None = None
    ) -> None:
        observation = decision.observation
        record = Record(
            id=row.id,
            control_id=row.control_id,
            name=row.name,
            outcome=observation.outcome,
            reason=observation.reason,
            said=decision.sentence,
            posted=posted,
            collected_at=observation.collected_at,
            evidence_id=decision.evidence.id if decision.evidence is not None else None,
            failing=decision.failing,
            kept_because=because,
        )
        self.records.append(record)
        told = f"posted {posted}" if posted else f"nothing posted ({because})"
        level = _LOG_LEVELS.get(record.outcome, logging.INFO)
        said = f"{decision.sentence} {decision.failing}".rstrip()
        log.log(level, "%s: %s. %s", record, told, said)


def _was_stored(answer: ControlTest, row: Row, result: Result, details: str) -> bool:
    return (answer.id, answer.last_result, answer.last_details) == (row.id, result, details)
