"""Why no answer came: from what requests raises to a `Failure` that is safe to show."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests import exceptions

from compai_client._retry import seconds

# urllib3's errors that are raised before a connection stands. By name, because requests is what
# this package depends on, and it hands them on only as the reason of its own.
_NOT_CONNECTED = {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """No complete answer; `unsent`: no connection stood; `settled`: waiting will not help."""

    text: str
    unsent: bool = False
    settled: bool = False


def failure_from(
    error: requests.RequestException, url: str, *, connect_timeout_s: float, read_timeout_s: float
) -> Failure:
    """What an exception of requests means; its own text is not used, it can hold anything."""
    where = urlsplit(url).netloc
    if isinstance(error, exceptions.ProxyError):
        where = f"the environment's proxy for {where}"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(where, cause)
    names = {type(cause).__name__ for cause in causes}
    unsent = bool(names & _NOT_CONNECTED)
    if names & {"NameResolutionError", "gaierror"}:
        text = f"the name in {where} is not known"
    elif isinstance(error, exceptions.ConnectTimeout):
        text = f"{where} accepted no connection within {seconds(connect_timeout_s)}"
    elif unsent:
        text = f"no connection to {where} ({_os_reason(causes)})"
    elif isinstance(error, exceptions.Timeout) or "ReadTimeoutError" in names:
        text = f"{where} was silent for {seconds(read_timeout_s)}"
    elif isinstance(error, exceptions.SSLError):
        text = f"no TLS with {where} (https on a plain http port?)"
    elif isinstance(error, exceptions.ChunkedEncodingError | exceptions.ContentDecodingError):
        text = broke_off(url).text
    else:
        text = f"{where} closed the connection without an answer"
    return Failure(text=text, unsent=unsent)


def broke_off(url: str) -> Failure:
    """The answer began but did not end."""
    return Failure(text=f"the answer of {urlsplit(url).netloc} broke off")


def _untrusted(where: str, cause: ssl.SSLCertVerificationError) -> Failure:
    return Failure(
        text=f"the certificate of {where} is not trusted ({cause.verify_message}); "
        "REQUESTS_CA_BUNDLE can name the right authority",
        unsent=True,
        settled=True,
    )


def _os_reason(causes: list[BaseException]) -> str:
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return reasons[-1].lower() if reasons else "refused"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all it was made from; requests and urllib3 keep these in several places."""
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        cause = queue.pop(0)
        if isinstance(cause, BaseException) and not any(cause is other for other in seen):
            seen.append(cause)
            yield cause
            queue += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
            queue += cause.args
