"""Read another system over HTTPS: bounded in time, size and tries, JSON only, nothing secret told.

Redirects are answers, not detours: a token must not follow to another host. Every raw answer goes
into one SHA-256, so that evidence can say what it rests on.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import msgspec
import requests

from compai_dags.outcomes import Reason

TRIES = 3
TIMEOUT_S = (5.0, 30.0)
# Longer than the pause that a rate limit of a minute asks for.
WAIT_CAP_S = 90.0
MAX_BYTES = 10 * 1024 * 1024
MAX_PAGES = 100
_BACKOFF_S = 2.0
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class OutsideError(Exception):
    """A system that is checked gave no usable answer; `reason` is that of the test's ERROR."""

    def __init__(self, reason: Reason, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.transient = transient


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; `body` is None where there was none. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: Any
    url: str


# How long an answer asks to wait before it is tried again; None: it is an answer.
Wait = Callable[[Answer], float | None]


class Outside:
    """One system, one session. `system` is its name in messages: "GitHub"."""

    def __init__(
        self,
        base_url: str,
        *,
        system: str,
        headers: Mapping[str, str] | None = None,
        must_wait: Wait | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.system = system
        self._must_wait = must_wait or (lambda answer: retry_after_s(answer, now()))
        self._sleep = sleep
        self._digest = hashlib.sha256()
        self._session = requests.Session()
        self._session.headers.update({"Accept": "application/json", **(headers or {})})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    @property
    def raw_sha256(self) -> str:
        """Over the bodies of all answers so far, in order."""
        return self._digest.hexdigest()

    def carry(self, headers: Mapping[str, str]) -> None:
        """Send these with every further call: a token that was renewed."""
        self._session.headers.update(headers)

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> Answer:
        """The answer of any status that is not worth another try; raises OutsideError."""
        return self._tried("GET", path, params=params)

    def post(self, path: str, *, json: Any = None, data: Any = None) -> Answer:
        """For calls that change nothing when they are repeated, such as asking for a token."""
        return self._tried("POST", path, json=json, data=data)

    def pages(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        accept: Collection[int] = (200,),
        max_pages: int = MAX_PAGES,
    ) -> Iterator[Answer]:
        """This answer and those that its Link headers name `next`, on the same host only.

        Ends at an answer whose status is not in `accept`, which is yielded too. Raises
        OutsideError(truncated) when there are more pages than `max_pages`.
        """
        answer = self.get(path, params=params)
        for _ in range(max_pages):
            yield answer
            link = next_link(answer)
            if answer.status not in accept or link is None:
                return
            if _origin(link) != _origin(self.base_url):
                raise OutsideError(
                    Reason.MALFORMED, f"{self.system} names a next page on another host"
                )
            answer = self.get(link)
        raise OutsideError(
            Reason.TRUNCATED, f"{self.system} has more than {max_pages} pages of {_path(path)}"
        )

    def _tried(self, method: str, path: str, **request: Any) -> Answer:
        url = path if "://" in path else f"{self.base_url}/{path.lstrip('/')}"
        what = f"{method} {_path(url)} of {self.system}"
        for attempt in range(1, TRIES + 1):
            last = attempt == TRIES
            try:
                answer = self._once(method, url, what, **request)
            except requests.RequestException as failure:
                if last:
                    raise OutsideError(
                        Reason.TIMEOUT,
                        f"{what}: no answer after {TRIES} tries ({type(failure).__name__})",
                        transient=True,
                    ) from None
                self._sleep(_BACKOFF_S * attempt)
                continue
            wait = self._must_wait(answer)
            if wait is None and answer.status not in _TRANSIENT:
                return answer
            if last or (wait is not None and wait > WAIT_CAP_S):
                raise _gave_up(what, answer, attempt, wait)
            self._sleep(_BACKOFF_S * attempt if wait is None else wait)
        raise AssertionError("unreachable")

    def _once(self, method: str, url: str, what: str, **request: Any) -> Answer:
        with self._session.request(
            method, url, timeout=TIMEOUT_S, allow_redirects=False, stream=True, **request
        ) as response:
            raw = response.raw.read(MAX_BYTES + 1, decode_content=True)
            if len(raw) > MAX_BYTES:
                raise OutsideError(Reason.TRUNCATED, f"{what}: more than {MAX_BYTES} bytes")
            self._digest.update(raw)
            return Answer(
                status=response.status_code,
                headers=response.headers,
                body=_decoded(raw, response, what),
                url=url,
            )


def retry_after_s(answer: Answer, now: datetime) -> float | None:
    """What a 429 or 503 asks for, in seconds or as a date; None when it does not say."""
    if answer.status not in (429, 503):
        return None
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def next_link(answer: Answer) -> str | None:
    """The address of the page after this one, absolute."""
    for link in requests.utils.parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next" and link.get("url"):
            return urljoin(answer.url, link["url"])
    return None


def _decoded(raw: bytes, response: requests.Response, what: str) -> Any:
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if response.status_code >= 400 or 300 <= response.status_code < 400:
            return None
        media_type = response.headers.get("Content-Type", "no content type").split(";")[0]
        raise OutsideError(
            Reason.MALFORMED,
            f"{what}: HTTP {response.status_code} with {media_type[:50]}, not JSON",
        ) from None


def _gave_up(what: str, answer: Answer, attempt: int, wait: float | None) -> OutsideError:
    limited = wait is not None or answer.status == 429
    reason = Reason.RATE_LIMITED if limited else Reason.UPSTREAM_5XX
    asked = f", asks to wait {wait:.0f} s" if wait is not None else ""
    tries = f"{attempt} tr{'y' if attempt == 1 else 'ies'}"
    return OutsideError(
        reason, f"{what}: HTTP {answer.status} after {tries}{asked}", transient=True
    )


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _path(url: str) -> str:
    """An address without its query: that may hold what nobody should read."""
    return urlsplit(url).path or "/"
