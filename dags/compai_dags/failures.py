"""What an error of the client means for a test: one table, from error type to outcome."""

from __future__ import annotations

from msgspec import Struct

from compai_client import (
    CompAIError,
    ForbiddenError,
    NoAnswerError,
    NotConfiguredError,
    RateLimitedError,
    RejectedError,
    ServerError,
    TokenError,
    UnauthorizedError,
)
from compai_dags.outcomes import Observation, Reason, error, not_configured


class Meaning(Struct, frozen=True):
    """Why a call failed, and whether trying it again later may help."""

    reason: Reason
    transient: bool = False


def meaning_of(failure: CompAIError) -> Meaning:
    """The reason of an ERROR; redirects, HTML and wrong shapes are answers that say nothing."""
    match failure:
        case TokenError(permanent=permanent):
            return Meaning(Reason.AUTH, transient=not permanent)
        case UnauthorizedError():
            return Meaning(Reason.AUTH)
        case ForbiddenError():
            return Meaning(Reason.PERMISSION)
        case RateLimitedError():
            return Meaning(Reason.RATE_LIMITED, transient=True)
        case ServerError():
            return Meaning(Reason.UPSTREAM_5XX, transient=True)
        case NoAnswerError():
            return Meaning(Reason.TIMEOUT, transient=True)
        case RejectedError(status=404):
            return Meaning(Reason.NOT_FOUND_OR_NO_ACCESS)
        case _:
            return Meaning(Reason.MALFORMED)


def observation_of(failure: CompAIError, *, doing: str) -> Observation:
    """The outcome of a test whose check met this error while `doing` something."""
    meaning = meaning_of(failure)
    return error(
        meaning.reason,
        f"Could not verify: {doing} failed. {failure}",
        transient=meaning.transient,
        # A 401 of one call may be that endpoint's alone; without a token no call can succeed.
        fatal=isinstance(failure, TokenError),
    )


def collecting_observation_of(failure: CompAIError, *, doing: str) -> Observation:
    """As `observation_of`, for a call that makes Comp-AI ask another system.

    There "not configured" and a refused request are facts about the set-up, not outages.
    """
    match failure:
        case NotConfiguredError():
            return not_configured(Reason.INTEGRATION, f"Comp-AI says: {said_by(failure)}.")
        case RejectedError(status=400 | 422):
            return not_configured(
                Reason.CONFIG, f"Comp-AI refuses this configuration: {said_by(failure)}."
            )
        case _:
            return observation_of(failure, doing=doing)


def said_by(failure: CompAIError) -> str:
    """The service's own words, else the client's message."""
    words = (getattr(failure, "error", None), getattr(failure, "detail", None))
    return "; ".join(word for word in words if word) or str(failure)
