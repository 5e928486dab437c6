"""Every error of this package; subclasses by what the caller should do, never by what the wire did.

CompAIError
 ├─ SettingsError            a setting is missing or malformed: a person must correct it
 ├─ BaseUrlError             base URL and prefix lead to the wrong place: a person must correct them
 ├─ TokenError               Keycloak gave no token (`permanent`: will trying later help?)
 └─ CallError                one operation of Comp-AI failed
     ├─ NoAnswerError        timeout, refused, reset, DNS (`processed`: "no" or "unknown")
     ├─ UnauthorizedError    401, also with a fresh token where one could be had
     ├─ ForbiddenError       403
     ├─ RejectedError        400, 404, 405, 409, 413, 415, 422: the same request will fail again
     ├─ NotConfiguredError   503 that says "not configured": an integration or the AI model
     ├─ RateLimitedError     429, after the retries (`retry_after_s`)
     ├─ ServerError          other 5xx, 408 and 425, after the retries
     │   └─ PartlyCreatedError   some rows were created, then one failed (`created_before_error`)
     ├─ RedirectedError      3xx, never followed (`location`)
     └─ UnusableAnswerError  an answer that means nothing to this client
         ├─ HtmlAnswerError      a web page: a proxy or a login form answered
         ├─ WrongMediaTypeError  neither JSON nor HTML (`media_type`)
         ├─ WrongShapeError      JSON, but not what the contract promises (`pointer`)
         └─ UnknownStatusError   a status that the contract does not know
"""

from __future__ import annotations

from typing import Any, Literal


class CompAIError(Exception):
    """Root of all errors of this package; its text never holds a token or a secret."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword-only arguments cannot be copied or pickled by the default way.
        return (_restore, (type(self), self.args, self.__dict__.copy()))


def _restore(
    kind: type[CompAIError], args: tuple[object, ...], state: dict[str, object]
) -> CompAIError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SettingsError(CompAIError):
    """A setting is missing or malformed; names the setting, never its value."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting} {problem}")
        self.setting = setting


class BaseUrlError(CompAIError):
    """Base URL and prefix do not lead to Comp-AI; the message says what to set instead."""


class TokenError(CompAIError):
    """Keycloak's token endpoint gave no usable token.

    `permanent` is true when only a change of the settings helps.
    """

    def __init__(self, message: str, *, permanent: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.status = status


class CallError(CompAIError):
    """One operation failed; carries what was called and what the service said about it."""

    what = "failed"

    def __init__(
        self,
        *,
        operation: str,
        method: str,
        path: str,
        status: int | None,
        attempt: int,
        error: str | None = None,
        detail: str | None = None,
        hint: str = "",
    ) -> None:
        self.operation = operation
        self.method = method
        self.path = path
        self.status = status
        self.attempt = attempt
        self.error = error
        self.detail = detail
        self.hint = hint
        super().__init__(self._text())

    def _text(self) -> str:
        status = "no status" if self.status is None else f"HTTP {self.status}"
        text = (
            f"{self.operation} {self.method} {self.path}: {self.what} "
            f"({status}, attempt {self.attempt})"
        )
        said = [part for part in (self.error, self.detail) if part]
        if said:
            text += ": " + " / ".join(said)
        return f"{text}. {self.hint}" if self.hint else text


class NoAnswerError(CallError):
    """No (complete) answer arrived; `processed` says whether Comp-AI may have acted anyway."""

    what = "no answer"

    def __init__(self, *, processed: Literal["no", "unknown"], **facts: Any) -> None:
        self.processed = processed
        super().__init__(**facts)


class UnauthorizedError(CallError):
    """Comp-AI refuses the token (it answers so as well when its own Keycloak is down)."""

    what = "the token is refused"


class ForbiddenError(CallError):
    """403; Comp-AI itself never sends it, so something in front of it does."""

    what = "forbidden"


class RejectedError(CallError):
    """The request is wrong; sending it again fails again."""

    what = "the request is rejected"


class NotConfiguredError(CallError):
    """An integration or the AI model that this operation needs is not set up in Comp-AI."""

    what = "not configured"


class RateLimitedError(CallError):
    """Too many requests, also after the retries; `retry_after_s` is what the service asks for."""

    what = "rate limited"

    def __init__(self, *, retry_after_s: float | None, **facts: Any) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(**facts)


class ServerError(CallError):
    """Comp-AI, or a proxy in front of it, failed."""

    what = "the server failed"


class PartlyCreatedError(ServerError):
    """A call that creates several rows stopped at one that failed; those before it stay.

    `created_before_error` rows are there: of the documents that are not blank, the first so many.
    Whoever goes on sends only what comes behind them; the next document fails again when it is the
    reason (an unknown control, a URL over 494 characters).
    """

    what = "only a part was created"

    def __init__(self, *, created_before_error: int, **facts: Any) -> None:
        self.created_before_error = created_before_error
        super().__init__(**facts)


class RedirectedError(CallError):
    """A redirect, which is never followed: it would turn a POST into a GET or leak the token."""

    what = "redirected"

    def __init__(self, *, location: str | None, **facts: Any) -> None:
        self.location = location
        super().__init__(**facts)


class UnusableAnswerError(CallError):
    """An answer arrived, but it means nothing to this client."""

    what = "unusable answer"


class HtmlAnswerError(UnusableAnswerError):
    """A web page instead of JSON: a login form or a proxy answered, not Comp-AI."""

    what = "HTML instead of JSON"


class WrongMediaTypeError(UnusableAnswerError):
    """Neither JSON nor HTML; `media_type` is what came, None when there was none."""

    what = "not JSON"

    def __init__(self, *, media_type: str | None, **facts: Any) -> None:
        self.media_type = media_type
        super().__init__(**facts)


class WrongShapeError(UnusableAnswerError):
    """JSON of another shape than the contract's; `pointer` is the place, without its content."""

    what = "the answer has the wrong shape"

    def __init__(self, *, pointer: str, **facts: Any) -> None:
        self.pointer = pointer
        super().__init__(**facts)


class UnknownStatusError(UnusableAnswerError):
    """A status that this operation never has."""

    what = "unknown status"
