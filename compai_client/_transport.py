"""The only network code: one requests session, timeouts, and the loop that keeps a call's budget.

Environment proxies and CA bundles are honoured, because images rely on them; a .netrc is not,
because requests would let it replace the token. Redirects and cookies are refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Literal, Protocol
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import AuthBase

from compai_client._answers import Answer, outcome_of
from compai_client._errors import SettingsError
from compai_client._retry import Decision, Outcome, RetryClass, decide, over_budget, seconds
from compai_client._settings import ClientSettings
from compai_client._version import __version__
from compai_client._wire_errors import Failure, broke_off, failure_from

logger = logging.getLogger("compai_client")

_CHUNK = 65536
_CALLER_LIMIT = 1000
_TRACE_HEADERS = ("traceparent", "tracestate")
# Everything printable except what ends or escapes a User-Agent comment.
_CALLER_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "()\\%")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request and how it may be repeated; everything but the token."""

    operation: str
    method: str
    url: str
    retry: RetryClass
    timeout_s: float
    budget_s: float
    body: bytes | None = None
    content_type: str | None = None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """How a call ended after `attempts` requests, and `why` it was not repeated.

    `processed`: one of the requests may have been, even if the last one was not.
    `token` is that of the last request: none, a fixed one, or one that replaced a refused one.
    """

    result: Answer | Failure
    attempts: int
    why: str
    processed: bool
    token: Literal["none", "kept", "replaced"]


class Tokens(Protocol):
    """Where a call's token comes from."""

    def current(self) -> str: ...

    def replace(self, refused: str, /) -> str | None:
        """Another token in place of one that was refused, or None when there can be none."""


class _Bearer(AuthBase):
    """Sets the token, or none; its presence keeps requests from reading a .netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _AsItArrives:
    """A raw response whose stream yields what has arrived; urllib3's own waits for a full chunk."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.close = raw.close
        self.release_conn = raw.release_conn

    def stream(self, size: int, decode_content: bool) -> Iterator[bytes]:
        if self._raw.headers.get("content-encoding") or not hasattr(self._raw, "read1"):
            yield from self._raw.stream(size, decode_content=decode_content)
            return
        while chunk := self._raw.read1(size):
            yield chunk


def user_agent(caller: str | None) -> str:
    """`compai-client/<version> (<caller>)`; what would break the header is percent-encoded."""
    product = f"compai-client/{__version__}"
    if not caller:
        return product
    return f"{product} ({quote(caller, safe=_CALLER_SAFE)[:_CALLER_LIMIT]})"


class Transport:
    """Sends calls; threads may share it."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        caller: str | None,
        trace_context: Mapping[str, str],
        adapter: BaseAdapter | None = None,
    ) -> None:
        self.settings = settings
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = adapter or HTTPAdapter(
            pool_connections=2, pool_maxsize=settings.pool_size, max_retries=0
        )
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.headers.update(
            {
                **{name: trace_context[name] for name in _TRACE_HEADERS if name in trace_context},
                "User-Agent": user_agent(caller),
                "Accept": "application/json",
                # Comp-AI never compresses; plain bytes can be read as they arrive.
                "Accept-Encoding": "identity",
            }
        )

    def close(self) -> None:
        self._session.close()

    def run(self, call: Call, tokens: Tokens | None = None) -> Exchange:
        """Send a call until it has an answer to stop at, its tries are used, or its budget is."""
        started = self.settings.clock()
        token = tokens.current() if tokens else None
        attempts = tries = 0
        processed = replaced = False
        while True:
            attempts += 1
            tries += 1
            result = self._send(call, token, deadline=started + call.budget_s)
            if tokens and not replaced and _is_unauthorized(result):
                fresh = tokens.replace(token or "")
                if fresh is not None:
                    # A refused request was not processed, so it does not count as a try.
                    token, replaced, tries = fresh, True, tries - 1
                    continue
            outcome = self._outcome(result)
            processed = processed or outcome.maybe_processed
            decision = self._decide(call, outcome, tries, started)
            if not decision.retry:
                return Exchange(
                    result=result,
                    attempts=attempts,
                    why=decision.why,
                    processed=processed,
                    token="none" if not tokens else "replaced" if replaced else "kept",
                )
            logger.warning(
                "%s %s %s: %s at attempt %d; next in %.1f s",
                call.operation, call.method, call.path, _brief(result), attempts, decision.wait_s,
            )  # fmt: skip
            self.settings.sleep(decision.wait_s)
            token = tokens.current() if tokens else None

    def _outcome(self, result: Answer | Failure) -> Outcome:
        if isinstance(result, Answer):
            return outcome_of(result, self.settings.now)
        return Outcome(unsent=result.unsent, settled=result.settled)

    def _decide(self, call: Call, outcome: Outcome, tries: int, started: float) -> Decision:
        decision = decide(call.retry, outcome, tries, self.settings)
        if not decision.retry:
            return decision
        broken = over_budget(
            elapsed_s=self.settings.clock() - started,
            wait_s=decision.wait_s,
            try_s=self.settings.connect_timeout_s + call.timeout_s,
            budget_s=call.budget_s,
        )
        return Decision(retry=False, why=broken) if broken else decision

    def _send(self, call: Call, token: str | None, deadline: float) -> Answer | Failure:
        headers = {"Content-Type": call.content_type} if call.content_type else {}
        try:
            with self._session.request(
                call.method,
                call.url,
                data=call.body,
                headers=headers,
                auth=_Bearer(token),
                timeout=(self.settings.connect_timeout_s, call.timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                response.raw = _AsItArrives(response.raw)
                body = bytearray()
                for chunk in response.iter_content(_CHUNK):
                    body += chunk
                    if self.settings.clock() > deadline:
                        return Failure(
                            text="the answer kept dripping in until the budget of "
                            f"{seconds(call.budget_s)} per call was used"
                        )
                answer = Answer(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=bytes(body),
                )
                # urllib3 1.26, which requests still allows, takes a cut body for a whole one.
                return broke_off(call.url) if _is_cut(answer) else answer
        except (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema):
            raise SettingsError(
                "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY", "names a proxy that cannot be used"
            ) from None  # its address can hold a password
        except requests.RequestException as error:
            return failure_from(
                error,
                call.url,
                connect_timeout_s=self.settings.connect_timeout_s,
                read_timeout_s=call.timeout_s,
            )
        except OSError as error:  # requests' bare complaint about the file of a CA bundle
            raise SettingsError(
                "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE", "names a file that is not there"
            ) from error


def _is_unauthorized(result: Answer | Failure) -> bool:
    return isinstance(result, Answer) and result.status == 401


def _is_cut(answer: Answer) -> bool:
    announced = answer.headers.get("content-length", "")
    plain = "content-encoding" not in answer.headers
    return plain and announced.isdigit() and len(answer.body) < int(announced)


def _brief(result: Answer | Failure) -> str:
    return f"HTTP {result.status}" if isinstance(result, Answer) else result.text
