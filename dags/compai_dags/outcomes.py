"""The outcomes a check can have, richer than the three results Comp-AI stores.

An outcome says what we know; `decisions` says what may be posted about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from compai_dags.proof import Assertion, Proof

Result = Literal["pass", "fail", "skipped"]


class Outcome(StrEnum):
    """What one control test came to. Nothing here is a pass by default."""

    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    FAIL = "FAIL"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    MANUAL = "MANUAL"
    NOT_DUE = "NOT_DUE"
    ERROR = "ERROR"
    UNRECORDED = "UNRECORDED"


class Reason(StrEnum):
    """Why an outcome is not a verdict; the first group belongs to ERROR."""

    AUTH = "auth"
    PERMISSION = "permission"
    RATE_LIMITED = "rate_limited"
    UPSTREAM_5XX = "upstream_5xx"
    TIMEOUT = "timeout"
    NOT_FOUND_OR_NO_ACCESS = "not_found_or_no_access"
    AMBIGUOUS = "ambiguous"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    BUG = "bug"

    # Of a FAIL: the system offers no such protection to this customer.
    PLAN_UNAVAILABLE = "plan_unavailable"

    CONFIG = "config"
    UNKNOWN_TYPE = "unknown_type"
    NO_CHECK = "no_check"
    NO_EVIDENCE_YET = "no_evidence_yet"
    INTEGRATION = "integration"
    ATTESTATION_EXPIRED = "attestation_expired"
    UNCHECKED = "unchecked"
    EXCEPTION = "exception"


class Observation(Struct, frozen=True, kw_only=True):
    """What a check found. `collected_at` is set exactly when something was observed."""

    outcome: Outcome
    sentence: str
    # Text of a person that stays in the details, as it was.
    quoted: str = ""
    reason: Reason | None = None
    collected_at: datetime | None = None
    # What the verdict rests on, for checks that looked themselves; evidence when it is a pass.
    proof: Proof | None = None
    # Evidence that says something bad is all that keeps the control out of the gap list.
    hides_gap: bool = False
    # True when asking again later may help: the chunk is retried before this is recorded.
    transient: bool = False
    # True when no further call can succeed (the token is dead): the rest of the chunk is not tried.
    fatal: bool = False


def verdict_of(assertions: Iterable[Assertion]) -> Outcome:
    """FAIL if a mandatory one is false, else ERROR if one is unknown, else PASS if there is one.

    Nothing mandatory observed is an ERROR: no path ends in a pass by default.
    """
    holds = [assertion.holds for assertion in assertions if assertion.mandatory]
    if any(held is False for held in holds):
        return Outcome.FAIL
    if not holds or any(held is None for held in holds):
        return Outcome.ERROR
    return Outcome.PASS


def not_configured(reason: Reason, sentence: str) -> Observation:
    return Observation(outcome=Outcome.NOT_CONFIGURED, reason=reason, sentence=sentence)


def error(
    reason: Reason, sentence: str, *, transient: bool = False, fatal: bool = False
) -> Observation:
    return Observation(
        outcome=Outcome.ERROR, reason=reason, sentence=sentence, transient=transient, fatal=fatal
    )
