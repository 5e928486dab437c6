"""One request to another system and its whole answer, in a time that no drip can stretch."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from compai_dags.checks.outside_answer import OutsideError
from compai_dags.outcomes import Reason

_CHUNK = 64 * 1024
# What another try cannot mend. Their texts quote the address, which can hold a password.
_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds and bytes. `read_s` is between two pieces, `try_s` for one whole answer, `call_s`
    for all tries and the waits between them.
    """

    connect_s: float = 5.0
    read_s: float = 30.0
    try_s: float = 60.0
    call_s: float = 240.0
    max_bytes: int = 10 * 1024 * 1024


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswerError(Exception):
    """Nothing usable came; the text is short, and another try may help."""


class Wire:
    """Sends one request at a time. `name` is the system's, for the thread that reads it."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._session = _session()

    def close(self) -> None:
        self._session.close()

    def exchange(self, method: str, url: str, **request: Any) -> RawAnswer:
        """Raises NoAnswerError, and OutsideError for what no further try can mend.

        Time-outs of sockets are between two pieces, and a drip keeps each of them. So the exchange
        has a thread of its own, which is left behind when its time is over.
        """
        results = list[RawAnswer | Exception]()
        session, limits = self._session, self._limits

        def read() -> None:
            try:
                results.append(_read(session, limits, method, url, **request))
            except (OSError, ValueError, OutsideError) as failure:
                results.append(failure)

        thread = threading.Thread(target=read, name=f"reads {self._name}", daemon=True)
        thread.start()
        thread.join(limits.try_s)
        if not results and thread.is_alive():
            self._session = _session()
            raise NoAnswerError(f"not complete after {limits.try_s:g} s")
        match results[0]:
            case RawAnswer() as raw:
                return raw
            case OutsideError() as failure:
                raise failure
            case requests.RequestException() as failure if not isinstance(failure, _UNUSABLE):
                raise NoAnswerError(type(failure).__name__)
            case ValueError() as failure:
                raise OutsideError(
                    Reason.MALFORMED,
                    f"its address, or that of the proxy, cannot be used ({type(failure).__name__})",
                )
            case failure:
                # requests' bare complaint about the file of a CA bundle.
                raise OutsideError(
                    Reason.TIMEOUT,
                    f"not asked ({type(failure).__name__}); if REQUESTS_CA_BUNDLE or "
                    "CURL_CA_BUNDLE is set, it must name a file that is there",
                )


def _session() -> requests.Session:
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Without one, requests would put the password of a .netrc in the place of our token.
    session.auth = lambda request: request
    return session


def _read(
    session: requests.Session, limits: Limits, method: str, url: str, **request: Any
) -> RawAnswer:
    """One exchange; raises what requests raises, and OutsideError(truncated)."""
    with session.request(
        method,
        url,
        timeout=(limits.connect_s, limits.read_s),
        allow_redirects=False,
        stream=True,
        **request,
    ) as response:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > limits.max_bytes:
                raise OutsideError(Reason.TRUNCATED, f"more than {limits.max_bytes} bytes")
        announced = response.headers.get("Content-Length", "")
        is_plain = "Content-Encoding" not in response.headers
        if is_plain and announced.isdecimal() and len(body) < int(announced):
            # urllib3 1.26, which requests still allows, takes a cut body for a whole one.
            raise requests.ConnectionError("cut")
        return RawAnswer(response.status_code, response.headers, bytes(body))
