"""From the end of a call to its error: one place decides the class, the hint and the evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from compai_client._answers import (
    Answer,
    created_before_error,
    is_not_configured,
    redirect_target,
    retry_after_s,
    said,
)
from compai_client._decoding import ShapeError
from compai_client._errors import (
    CallError,
    ForbiddenError,
    HtmlAnswerError,
    NoAnswerError,
    NotConfiguredError,
    PartlyCreatedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ServerError,
    UnauthorizedError,
    UnknownStatusError,
    WrongMediaTypeError,
    WrongShapeError,
)
from compai_client._settings import ClientSettings
from compai_client._transport import Call, Exchange
from compai_client._wire_errors import Failure

Masking = Callable[[str], str]

REJECTED = frozenset({400, 404, 405, 409, 413, 415, 422})
SERVER = frozenset({408, 425, *range(500, 600)})

_REFUSED_FRESH = (
    "A token fetched just now was refused as well: Comp-AI asks another realm, or cannot reach its "
    "Keycloak (it answers 401 for both)"
)
_REFUSED_FIXED = (
    "A fixed token cannot be renewed: it is expired, revoked or of another realm, or Comp-AI "
    "cannot reach its Keycloak (it answers 401 for all of these)"
)
_REFUSED = {"none": "", "kept": _REFUSED_FIXED, "replaced": _REFUSED_FRESH}
_FORBIDDEN = (
    "Comp-AI itself never answers 403: something in front of it, or another service, refuses"
)
_NOT_FOUND = "Comp-AI answers so to an unknown path: check the base URL and the prefix"
_NOT_CONFIGURED = "Set it up in Comp-AI; the client does not try again"
_PARTLY_CREATED = "Not repeated: what was created stays; send only the rest"
_REDIRECTED = (
    "Redirects are never followed: give the address that answers itself (https where http "
    "redirects, not one behind a login page)"
)
_HTML = "A proxy or a login page answered: check the base URL and the prefix"
_MEDIA_TYPE = "Another service may be answering: check the base URL and the prefix"
_SHAPE = "Another service may be answering, or Comp-AI no longer keeps its contract"


def usable_answer(
    call: Call, exchange: Exchange, *, success: int, settings: ClientSettings, mask: Masking
) -> Answer:
    """The answer, which is JSON with the status of success; everything else is a `CallError`."""
    result = exchange.result
    if isinstance(result, Failure):
        facts = _facts(call, exchange) | {"detail": result.text}
        processed: Literal["no", "unknown"] = "unknown" if exchange.processed else "no"
        raise NoAnswerError(processed=processed, hint=exchange.why, **facts)
    if 200 <= result.status < 300 and result.is_html:
        raise HtmlAnswerError(hint=_HTML, **_facts(call, exchange), **_words(result, mask))
    if result.status != success:
        raise _refusal(call, exchange, result, success, settings, mask)
    if result.media_type != "application/json":
        facts = _facts(call, exchange) | {"detail": f"media type {result.media_type or 'missing'}"}
        raise WrongMediaTypeError(media_type=result.media_type, hint=_MEDIA_TYPE, **facts)
    return result


def wrong_shape(call: Call, exchange: Exchange, problem: ShapeError) -> WrongShapeError:
    """The error for JSON that does not decode; its evidence is the place, not the content."""
    facts = _facts(call, exchange) | {"detail": f"at {problem.pointer}: {problem.problem}"}
    return WrongShapeError(pointer=problem.pointer, hint=_SHAPE, **facts)


def not_sendable(call: Call) -> RejectedError:
    """The error for a text that no JSON can carry; nothing was sent."""
    return RejectedError(
        operation=call.operation,
        method=call.method,
        path=call.path,
        status=None,
        attempt=0,
        detail="a text of the request holds half of a surrogate pair, which UTF-8 cannot express",
        hint="Nothing was sent",
    )


def _facts(call: Call, exchange: Exchange) -> dict[str, Any]:
    return {
        "operation": call.operation,
        "method": call.method,
        "path": call.path,
        "status": exchange.result.status if isinstance(exchange.result, Answer) else None,
        "attempt": exchange.attempts,
    }


def _words(answer: Answer, mask: Masking) -> dict[str, Any]:
    return dict(zip(("error", "detail"), said(answer, mask), strict=True))


def _refusal(
    call: Call,
    exchange: Exchange,
    answer: Answer,
    success: int,
    settings: ClientSettings,
    mask: Masking,
) -> CallError:
    status = answer.status
    facts = _facts(call, exchange) | _words(answer, mask)
    if 300 <= status < 400:
        location = redirect_target(answer, mask)
        facts |= {"error": None, "detail": f"to {location or 'nowhere'}"}
        return RedirectedError(location=location, hint=_REDIRECTED, **facts)
    if status == 401:
        return UnauthorizedError(hint=_REFUSED[exchange.token], **facts)
    if status == 403:
        return ForbiddenError(hint=_FORBIDDEN, **facts)
    if status in REJECTED:
        lost = status == 404 and not answer.body
        return RejectedError(hint=_NOT_FOUND if lost else "", **facts)
    if status == 429:
        wait_s = retry_after_s(answer, settings.now)
        return RateLimitedError(retry_after_s=wait_s, hint=exchange.why, **facts)
    if is_not_configured(answer):
        return NotConfiguredError(hint=_NOT_CONFIGURED, **facts)
    if (created := created_before_error(answer)) is not None:
        return PartlyCreatedError(created_before_error=created, hint=_PARTLY_CREATED, **facts)
    if status in SERVER:
        return ServerError(hint=exchange.why, **facts)
    return UnknownStatusError(hint=f"The contract knows {success} as success", **facts)
