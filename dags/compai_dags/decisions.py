"""What may be posted over what is stored: one pure decision, so that no outage can heal a failure.

`decide` answers for every outcome and every author; `trailer_of` says what goes with it.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from compai_dags import __version__
from compai_dags.outcomes import Observation, Outcome, Reason, Result
from compai_dags.proof import told
from compai_dags.stored import Author, Stored
from compai_dags.trailer import MAX_SENTENCE, EvidenceRef, Trailer, one_line

# The types behind these reasons have no check, so the installation may ask for the pass of the
# first design; a test that could be checked, but lacks its configuration, may not have it.
UNCHECKED_REASONS = (Reason.UNKNOWN_TYPE, Reason.NO_CHECK)


class RunIdentity(Struct, frozen=True, kw_only=True):
    """Which try of which run is writing. `first_try` is above 1 after a person's Clear."""

    run_id: str
    try_number: int = 1
    first_try: int = 1
    is_last_try: bool = True

    @property
    def is_retry(self) -> bool:
        return self.try_number > self.first_try


class Decision(Struct, frozen=True, kw_only=True):
    """What to post (`result` None: nothing), the sentence for it, and why nothing is posted."""

    observation: Observation
    result: Result | None
    sentence: str
    kept_because: str | None = None
    # The assertions that do not hold, for a fail that its check could prove.
    failing: str = ""
    # What a pass rests on, once it is stored.
    evidence: EvidenceRef | None = None


def decide(
    observation: Observation,
    stored: Stored,
    *,
    unchecked_pass: bool = False,
    is_manual: bool = False,
) -> Decision:
    """Map an outcome onto the three results of the API, given what would be overwritten.

    `is_manual`: the test is a person's to do, and so is its record, whatever happens here.
    """
    match observation.outcome:
        case Outcome.PASS:
            return _post(observation, "pass")
        case Outcome.FAIL:
            failing = told(observation.proof) if observation.proof is not None else ""
            return msgspec.structs.replace(_post(observation, "fail"), failing=one_line(failing))
        case Outcome.NOT_APPLICABLE:
            return _post(observation, "skipped", "n/a")
        case Outcome.NOT_CONFIGURED:
            return _decide_not_configured(observation, stored, unchecked_pass)
        case Outcome.ERROR if is_manual:
            return _keep(observation, "the record of a person is never overwritten")
        case Outcome.ERROR if stored.is_proven_fail:
            return _keep(observation, "a proven fail is changed by an observation only")
        case Outcome.ERROR:
            return _post(observation, "skipped", f"error:{observation.reason}")
        case Outcome.MANUAL if observation.reason is Reason.ATTESTATION_EXPIRED:
            return _post(observation, "skipped", "manual")
        case Outcome.MANUAL:
            return _keep(observation, "the record of a person is never overwritten")
        case Outcome.NOT_DUE:
            return _keep(observation, "not due")
        case Outcome.UNRECORDED:
            return _keep(observation, "it could not be recorded")


def _decide_not_configured(
    observation: Observation, stored: Stored, unchecked_pass: bool
) -> Decision:
    if stored.author is Author.OTHER:
        return _keep(observation, "somebody else wrote the stored result")
    if stored.is_proven_fail:
        return _keep(observation, "a proven fail is changed by an observation only")
    wants_pass = unchecked_pass and observation.reason in UNCHECKED_REASONS
    if wants_pass and stored.result != "fail":
        unchecked = msgspec.structs.replace(
            observation,
            reason=Reason.UNCHECKED,
            sentence=f"Nothing was checked; this pass is what COMP_AI_UNCHECKED_RESULT asks for. "
            f"{observation.sentence}",
        )
        return _post(unchecked, "pass", "unchecked")
    return _post(observation, "skipped", "config")


def _post(observation: Observation, result: Result, tag: str = "") -> Decision:
    sentence = f"[{tag}] {observation.sentence}" if tag else observation.sentence
    return Decision(observation=observation, result=result, sentence=one_line(sentence))


def _keep(observation: Observation, because: str) -> Decision:
    return Decision(
        observation=observation,
        result=None,
        sentence=one_line(observation.sentence),
        kept_because=because,
    )


def with_evidence(decision: Decision, evidence: EvidenceRef) -> Decision:
    """The pass that rests on this row; its sentence names it."""
    named = f" Evidence {evidence.id}."
    sentence = one_line(decision.sentence, limit=MAX_SENTENCE - len(named)) + named
    return msgspec.structs.replace(decision, evidence=evidence, sentence=sentence)


def trailer_of(
    decision: Decision, stored: Stored, identity: RunIdentity, *, errors_before: int = 0
) -> Trailer:
    """The line that goes with a decision; it keeps the last result that said something.

    `errors_before`: how many ERRORs are stored for the tick that is being attempted.
    """
    observation = decision.observation
    before = stored.trailer
    prev, prev_at = stored.result, stored.at
    if stored.author is Author.NOBODY:
        prev, prev_at = None, None
    elif stored.author is Author.FIRST_GENERATION:
        prev = "unproven"
    elif before is not None and before.outcome not in (Outcome.PASS, Outcome.FAIL):
        prev, prev_at = before.prev, before.prev_at
    return Trailer(
        outcome=observation.outcome,
        reason=observation.reason,
        prev=prev,
        prev_at=prev_at,
        collected_at=observation.collected_at,
        run=identity.run_id,
        try_number=identity.try_number,
        n_errors=errors_before + 1 if observation.outcome is Outcome.ERROR else 0,
        kit=__version__,
        cleared_try=identity.first_try if identity.first_try > 1 else None,
        hides_gap=observation.hides_gap,
        evidence=decision.evidence or (before.evidence if before is not None else None),
    )


def is_recorded(stored: Stored, identity: RunIdentity) -> bool:
    """True on an Airflow retry for what this run already recorded; never after a Clear."""
    trailer = stored.trailer
    return (
        identity.is_retry
        and trailer is not None
        and trailer.run == identity.run_id
        and (trailer.cleared_try or 1) == identity.first_try
    )
