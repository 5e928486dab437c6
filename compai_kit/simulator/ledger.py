"""Every call the simulator saw: who, when, asked, answered, stored, and what the contract says.
Never a token or a secret.

Bodies are kept as bytes and decoded when somebody reads, so that writing an entry stays cheap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.state import Change

MAX_BODY_BYTES = 64 * 1024
_KEPT_BYTES = 2000
# Too short a secret would blank out innocent text.
_MIN_SECRET = 6
REMOVED = "<removed>"
_JWT = re.compile(rb"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_SECRET_FIELDS = re.compile(
    rb"((?:client_secret|access_token|refresh_token|token|password)=)[^&\s]*"
)
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
# `compai-client/1.2 (dag=a; run=b; task=c; map=-1; try=1)`
_CALLER = re.compile(r"\((.*)\)")
_CALLER_KEYS = ("dag", "run", "task", "map", "try")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One call, as tests and the gate read it. `status` None: cut without an answer."""

    seq: int
    at: str
    operation: str | None
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    request_body: Any
    caller: Mapping[str, str] | None
    token: str | None
    status: int | None
    response_body: Any
    stored: list[dict[str, Any]]
    fault: str | None
    request_violations: list[str]
    response_violations: list[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What is known when a call is over."""

    at: str
    operation: str | None
    request: HttpRequest
    response: HttpResponse | None
    token: str | None
    stored: list[Change]
    fault: str | None
    request_violations: list[str]
    response_violations: list[str]


class Ledger:
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[bytes] = []
        self._entries: list[tuple[Noted, bytes, bytes]] = []
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Keep it out of what is noted from now on."""
        if len(secret) >= _MIN_SECRET:
            self._secrets.append(secret.encode())

    def note(self, noted: Noted) -> None:
        answered = b"" if noted.response is None else noted.response.body
        scrubbed = HttpRequest(
            method=noted.request.method,
            url_path=self._text(noted.request.url_path),
            query=self._text(noted.request.query),
            headers={
                name: REMOVED if name in _SECRET_HEADERS else self._text(value)
                for name, value in noted.request.headers.items()
            },
        )
        kept = None if noted.response is None else replace(noted.response, body=b"")
        entry = replace(noted, request=scrubbed, response=kept)
        self._entries.append((entry, self._body(noted.request.body), self._body(answered)))

    def entries(self) -> list[LedgerEntry]:
        return [_entry(seq, *kept) for seq, kept in enumerate(self._entries)]

    def _body(self, body: bytes) -> bytes:
        kept = self._scrubbed(body[: MAX_BODY_BYTES + 1])
        if len(body) <= MAX_BODY_BYTES:
            return kept
        return kept[:_KEPT_BYTES] + f" … [shortened, {len(body)} bytes]".encode()

    def _text(self, text: str) -> str:
        return self._scrubbed(text.encode(errors="surrogateescape")).decode(errors="replace")

    def _scrubbed(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, REMOVED.encode())
        if b"eyJ" in data:
            data = _JWT.sub(REMOVED.encode(), data)
        if b"=" in data and (b"secret=" in data or b"token=" in data or b"password=" in data):
            data = _SECRET_FIELDS.sub(rb"\1" + REMOVED.encode(), data)
        return data


def _entry(seq: int, noted: Noted, request_body: bytes, response_body: bytes) -> LedgerEntry:
    return LedgerEntry(
        seq=seq,
        at=noted.at,
        operation=noted.operation,
        method=noted.request.method,
        path=noted.request.url_path,
        query=noted.request.query,
        headers=dict(noted.request.headers),
        request_body=_decoded(request_body),
        caller=caller(noted.request.headers.get("user-agent", "")),
        token=noted.token,
        status=None if noted.response is None else noted.response.status,
        response_body=_decoded(response_body),
        stored=[asdict(change) for change in noted.stored],
        fault=noted.fault,
        request_violations=noted.request_violations,
        response_violations=noted.response_violations,
    )


def _decoded(body: bytes) -> Any:
    """A JSON value, else text, else nothing."""
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def caller(user_agent: str) -> dict[str, str] | None:
    """Which task try called, by the comment of the client's User-Agent."""
    comment = _CALLER.search(user_agent)
    if comment is None:
        return None
    pairs = (part.strip().partition("=") for part in comment[1].split(";"))
    return {key: value for key, _, value in pairs if key in _CALLER_KEYS} or None
