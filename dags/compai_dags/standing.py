"""Where one control test stands, judged from what Comp-AI stores and from nothing else.

Every test has exactly one standing, by its own schedule; only `VERIFIED`, `NOT_APPLICABLE`,
`ATTESTED`, `ATTESTATION_DUE` and `NOT_OURS` leave room for an all clear.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from compai_dags.checks import check_for
from compai_dags.due import (
    Freshness,
    attestation_due_since,
    exception_of,
    freshness,
    rests_on_exception,
)
from compai_dags.outcomes import Outcome, Reason
from compai_dags.rows import Row
from compai_dags.stored import Author


class Standing(StrEnum):
    """What the alert says about a test."""

    VERIFIED = "verified"
    FAILING = "failing"
    COULD_NOT_VERIFY = "could not be verified"
    NOT_CONFIGURED = "not configured"
    UNPROVEN = "unproven"
    LATE = "late"
    STALE = "stale"
    NEVER_RUN = "never run"
    NOT_APPLICABLE = "not applicable"
    ATTESTED = "attested"
    ATTESTATION_DUE = "attestation due"
    NOT_OURS = "not ours"


def standing_of(row: Row, now: datetime) -> Standing:
    """The most telling fact about a test comes first: a fail stays a fail, however old it is.

    An exception changes that once the runner has recorded it; for a manual test, on which nothing
    is recorded, at once.
    """
    stored = row.stored
    if row.kind == "manual" and exception_of(row, now) is not None:
        return Standing.NOT_APPLICABLE
    if stored.is_proven_fail:
        return Standing.FAILING
    if stored.author is Author.FIRST_GENERATION:
        return Standing.UNPROVEN
    if row.kind == "manual":
        return _standing_of_attestation(row, now)
    if stored.at is None or stored.author is Author.NOBODY:
        return Standing.NEVER_RUN
    if stored.author is Author.OTHER:
        return _standing_of_others(row, stored.at, now)
    return _standing_of_ours(row, stored.at, now)


def _standing_of_attestation(row: Row, now: datetime) -> Standing:
    stored = row.stored
    is_pass = stored.author is Author.OTHER and stored.result == "pass"
    if is_pass and stored.at is not None and now < attestation_due_since(row, stored.at):
        return Standing.ATTESTED
    return Standing.ATTESTATION_DUE


def _standing_of_others(row: Row, at: datetime, now: datetime) -> Standing:
    if check_for(row) is None:
        return Standing.NOT_OURS
    # We have a check for it, so somebody's word does not replace the observation.
    return _aged(Standing.UNPROVEN, row, at, now)


def _standing_of_ours(row: Row, at: datetime, now: datetime) -> Standing:
    trailer = row.stored.trailer
    if trailer is None or trailer.reason == Reason.UNCHECKED:
        return Standing.UNPROVEN
    match trailer.outcome:
        case Outcome.PASS:
            observed = trailer.collected_at
            if observed is None:
                return Standing.UNPROVEN
            return _aged(Standing.VERIFIED, row, observed, now)
        case Outcome.NOT_APPLICABLE:
            if rests_on_exception(row) and exception_of(row, now) is None:
                # It has ended, and nobody has looked since.
                return Standing.LATE
            return _aged(Standing.NOT_APPLICABLE, row, at, now)
        case Outcome.NOT_CONFIGURED:
            return Standing.NOT_CONFIGURED
        case _:
            return Standing.COULD_NOT_VERIFY


def _aged(fresh: Standing, row: Row, at: datetime, now: datetime) -> Standing:
    match freshness(row, at, now):
        case Freshness.ON_SCHEDULE:
            return fresh
        case Freshness.LATE:
            return Standing.LATE
        case Freshness.STALE:
            return Standing.STALE


def is_verified(row: Row, now: datetime) -> bool:
    """A pass or a fail that this kit observed within the test's own interval."""
    trailer = row.stored.trailer
    return (
        trailer is not None
        and trailer.outcome in (Outcome.PASS, Outcome.FAIL)
        and trailer.collected_at is not None
        and freshness(row, trailer.collected_at, now) is Freshness.ON_SCHEDULE
    )
