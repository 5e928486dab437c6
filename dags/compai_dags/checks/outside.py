"""Read another system over HTTPS: bounded in time, size and tries, JSON only, nothing secret told.

Redirects are answers, not detours: a token must not follow to another host. Every raw answer goes
into one SHA-256, so that evidence can say what it rests on.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import msgspec

from compai_dags import __version__
from compai_dags.checks.outside_answer import (
    Answer,
    OutsideError,
    Wait,
    next_link,
    retry_after_s,
    seconds_until,
    words_of,
)
from compai_dags.checks.outside_exchange import Limits, NoAnswerError, RawAnswer, Wire
from compai_dags.outcomes import Reason

__all__ = [
    "MAX_PAGES",
    "TRIES",
    "WAIT_CAP_S",
    "Answer",
    "Limits",
    "Outside",
    "OutsideError",
    "Tokens",
    "Wait",
    "next_link",
    "retry_after_s",
    "seconds_until",
    "words_of",
]

TRIES = 3
MAX_PAGES = 100
# Longer than the pause that a rate limit of a minute asks for.
WAIT_CAP_S = 90.0
_BACKOFF_S = 2.0
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_USUAL_PORTS = {"http": 80, "https": 443}


class Tokens(Protocol):
    """Where the token of each call comes from, for systems whose tokens end during a run."""

    def headers(self) -> Mapping[str, str]:
        """What to send with the next call; may raise OutsideError."""
        ...

    def renew(self) -> bool:
        """After a 401: forget the token; whether there can be another one."""
        ...


class Outside:
    """One system, one session. `system` is its name in messages: "GitHub"."""

    def __init__(
        self,
        base_url: str,
        *,
        system: str,
        headers: Mapping[str, str] | None = None,
        tokens: Tokens | None = None,
        must_wait: Wait | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.system = system
        self._tokens = tokens
        self._must_wait = must_wait or (lambda answer: retry_after_s(answer, now()))
        self._limits = limits or Limits()
        self._sleep = sleep
        self._digest = hashlib.sha256()
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"compai-kit/{__version__}",
            **(headers or {}),
        }
        self._wire = Wire(system, self._limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wire.close()

    @property
    def raw_sha256(self) -> str:
        """Over the bodies of all answers so far, in order; failed tries do not count."""
        return self._digest.hexdigest()

    def is_own(self, url: str) -> bool:
        """Whether an address has the scheme, host and port of this system."""
        return _origin(url) == _origin(self.base_url)

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
        answer, seen = self.get(path, params=params), set[str]()
        for number in range(1, max_pages + 1):
            yield answer
            link = next_link(answer)
            if answer.status not in accept or link is None:
                return
            if not self.is_own(link):
                raise OutsideError(
                    Reason.MALFORMED, f"{self.system} names a next page on another host"
                )
            if link in seen:
                raise OutsideError(
                    Reason.MALFORMED,
                    f"{self.system} names a page of {_path(path)} as next that was read already",
                )
            seen.add(link)
            if number < max_pages:
                answer = self.get(link)
        raise OutsideError(
            Reason.TRUNCATED, f"{self.system} has more than {max_pages} pages of {_path(path)}"
        )

    def _tried(self, method: str, path: str, **request: Any) -> Answer:
        url = path
        if not path.startswith(("http://", "https://")):
            url = f"{self.base_url}/{path.lstrip('/')}"
        elif not self.is_own(path):
            raise OutsideError(Reason.MALFORMED, f"{self.system} names an address on another host")
        what = f"{method} /{_path(path).lstrip('/')} of {self.system}"
        deadline = time.monotonic() + self._limits.call_s
        renewed, attempt = False, 0
        while True:
            attempt += 1
            try:
                raw = self._sent(method, url, what, **request)
            except NoAnswerError as failure:
                pause = _BACKOFF_S * attempt
                if attempt == TRIES or time.monotonic() + pause > deadline:
                    raise OutsideError(
                        Reason.TIMEOUT,
                        f"{what}: no answer after {_tries(attempt)} ({failure})",
                        transient=True,
                    ) from None
                self._sleep(pause)
                continue
            answer = _decoded(raw, url, what)
            if answer.status == 401 and self._tokens and not renewed and self._tokens.renew():
                # A refused call was not processed, so it does not count as a try.
                renewed, attempt = True, attempt - 1
                continue
            wait = self._must_wait(answer)
            if wait is None and answer.status not in _TRANSIENT:
                self._digest.update(raw.body)
                return answer
            pause = _BACKOFF_S * attempt if wait is None else wait
            too_late = pause > WAIT_CAP_S or time.monotonic() + pause > deadline
            if attempt == TRIES or too_late:
                raise _gave_up(what, answer, attempt, wait)
            self._sleep(pause)

    def _sent(self, method: str, url: str, what: str, **request: Any) -> RawAnswer:
        token = self._tokens.headers() if self._tokens else {}
        try:
            return self._wire.exchange(method, url, headers={**self._headers, **token}, **request)
        except OutsideError as failure:
            raise OutsideError(failure.reason, f"{what}: {failure}") from None


def _decoded(raw: RawAnswer, url: str, what: str) -> Answer:
    body = None
    if raw.body:
        try:
            body = msgspec.json.decode(raw.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # A page for people instead of a reason, or of the place that a redirect names.
            if raw.status < 300:
                media_type = raw.headers.get("Content-Type", "no content type").split(";")[0]
                raise OutsideError(
                    Reason.MALFORMED, f"{what}: HTTP {raw.status} with {media_type[:50]}, not JSON"
                ) from None
    return Answer(status=raw.status, headers=raw.headers, body=body, url=url)


def _gave_up(what: str, answer: Answer, attempt: int, wait: float | None) -> OutsideError:
    if answer.status >= 500:
        reason = Reason.UPSTREAM_5XX
    elif answer.status in (408, 425):
        reason = Reason.TIMEOUT
    else:
        reason = Reason.RATE_LIMITED
    asked = f", asks to wait {wait:.0f} s" if wait is not None else ""
    return OutsideError(
        reason, f"{what}: HTTP {answer.status} after {_tries(attempt)}{asked}", transient=True
    )


def _tries(number: int) -> str:
    return f"{number} tr{'y' if number == 1 else 'ies'}"


def _origin(url: str) -> tuple[str, str | None, int | str | None, bool]:
    """Scheme, host, port, and whether there is a user name, which no own address has."""
    parts = urlsplit(url)
    try:
        port: int | str | None = parts.port or _USUAL_PORTS.get(parts.scheme)
    except ValueError:
        port = parts.netloc
    return parts.scheme, parts.hostname, port, "@" in parts.netloc


def _path(url: str) -> str:
    """An address without its query: that may hold what nobody should read."""
    return urlsplit(url).path or "/"
