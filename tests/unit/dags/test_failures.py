"""Every error of the client has one meaning for a test."""

from __future__ import annotations

from typing import Any

import pytest

import compai_client
from compai_client import (
    BaseUrlError,
    CompAIError,
    ForbiddenError,
    HtmlAnswerError,
    NoAnswerError,
    NotConfiguredError,
    PartlyCreatedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ServerError,
    SettingsError,
    TokenError,
    UnauthorizedError,
    UnknownStatusError,
    WrongMediaTypeError,
    WrongShapeError,
)
from compai_dags.failures import collecting_observation_of, meaning_of, observation_of
from compai_dags.outcomes import Outcome

CALL: dict[str, Any] = {
    "operation": "collectGithubEvidence",
    "method": "POST",
    "path": "/api/v1/integrations/github/evidence",
    "attempt": 1,
    "error": "Words",
    "detail": "more words",
}


def call(kind: Any, status: int | None, **over: Any) -> CompAIError:
    error: CompAIError = kind(**CALL, status=status, **over)
    return error


TABLE = [
    # error of the client, reason of the ERROR, try again?, when it was a collecting call
    (TokenError("no token", permanent=True), "auth", False, "ERROR(auth)"),
    (TokenError("no token", permanent=False), "auth", True, "ERROR(auth)"),
    (call(UnauthorizedError, 401), "auth", False, "ERROR(auth)"),
    (call(ForbiddenError, 403), "permission", False, "ERROR(permission)"),
    (call(RejectedError, 400), "malformed", False, "NOT_CONFIGURED(config)"),
    (call(RejectedError, 422), "malformed", False, "NOT_CONFIGURED(config)"),
    (call(RejectedError, 404), "not_found_or_no_access", False, "ERROR(not_found_or_no_access)"),
    (call(RejectedError, 405), "malformed", False, "ERROR(malformed)"),
    (call(RejectedError, 413), "malformed", False, "ERROR(malformed)"),
    (call(RejectedError, 415), "malformed", False, "ERROR(malformed)"),
    (call(NotConfiguredError, 503), "malformed", False, "NOT_CONFIGURED(integration)"),
    (call(ServerError, 500), "upstream_5xx", True, "ERROR(upstream_5xx)"),
    (call(ServerError, 502), "upstream_5xx", True, "ERROR(upstream_5xx)"),
    (call(ServerError, 503), "upstream_5xx", True, "ERROR(upstream_5xx)"),
    (call(ServerError, 504), "upstream_5xx", True, "ERROR(upstream_5xx)"),
    (
        call(PartlyCreatedError, 500, created_before_error=2),
        "upstream_5xx",
        True,
        "ERROR(upstream_5xx)",
    ),
    (call(RateLimitedError, 429, retry_after_s=60), "rate_limited", True, "ERROR(rate_limited)"),
    (call(NoAnswerError, None, processed="unknown"), "timeout", True, "ERROR(timeout)"),
    (call(NoAnswerError, None, processed="no"), "timeout", True, "ERROR(timeout)"),
    (call(RedirectedError, 301, location="/login"), "malformed", False, "ERROR(malformed)"),
    (call(HtmlAnswerError, 200), "malformed", False, "ERROR(malformed)"),
    (call(WrongMediaTypeError, 200, media_type="text/x"), "malformed", False, "ERROR(malformed)"),
    (call(WrongShapeError, 200, pointer="$"), "malformed", False, "ERROR(malformed)"),
    (call(UnknownStatusError, 299), "malformed", False, "ERROR(malformed)"),
    (SettingsError("COMP_AI_TOKEN", "is empty"), "malformed", False, "ERROR(malformed)"),
    (BaseUrlError("wrong place"), "malformed", False, "ERROR(malformed)"),
]


@pytest.mark.parametrize(("failure", "reason", "transient", "collecting"), TABLE)
def test_the_meaning_of_an_error(failure, reason, transient, collecting) -> None:
    meaning = meaning_of(failure)
    assert (meaning.reason, meaning.transient) == (reason, transient)
    observed = observation_of(failure, doing="the check")
    assert observed.outcome is Outcome.ERROR
    assert observed.transient is transient
    assert observed.collected_at is None
    observed = collecting_observation_of(failure, doing="asking")
    assert f"{observed.outcome}({observed.reason})" == collecting


def test_the_table_has_every_error_of_the_client() -> None:
    listed = {type(row[0]) for row in TABLE}
    kinds = {
        kind
        for kind in vars(compai_client).values()
        if isinstance(kind, type) and issubclass(kind, CompAIError) and not kind.__subclasses__()
    }
    assert kinds - listed == set()


def test_the_services_words_are_told() -> None:
    observed = collecting_observation_of(call(NotConfiguredError, 503), doing="asking")
    assert observed.sentence == "Comp-AI says: Words; more words."
