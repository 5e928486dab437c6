"""An answer against the recorded one: status, headers that mean something, and the body as a value.

Placeholders and times that the live service chose are compared by form; everything else must be
equal, ids and order included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from compai_kit.contract.exchange import HttpResponse
from compai_kit.contract.recordings import Recorded

HEADERS = (
    "content-type",
    "retry-after",
    "allow",
    "vary",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "cache-control",
    "pragma",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "content-security-policy",
    "x-robots-tag",
)
# How far a time that the live service chose may lie from the time at which it was asked.
CLOSE = timedelta(seconds=2)
PLACEHOLDERS = frozenset({"<subject>", "<id>", "<token>", "<canned summary>"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{3}|\d{6}|\d{9}))?Z")


def problems(recorded: Recorded, got: HttpResponse, *, started_at: datetime) -> list[str]:
    """One line per difference; times before `started_at` are data and must be equal."""
    expected = recorded.response
    found = []
    if got.status != expected.status:
        found.append(f"status {got.status}, recorded {expected.status}")
    for name in HEADERS:
        if got.headers.get(name) != expected.headers.get(name):
            seen, wanted = got.headers.get(name), expected.headers.get(name)
            found.append(f"{name} {seen!r}, recorded {wanted!r}")
    if found:
        return found
    content_type = expected.headers.get("content-type", "")
    if recorded.request.method == "HEAD":
        return list(_length(recorded, got))
    if expected.body and content_type.startswith("application/json"):
        return list(
            Comparison(started_at).different(json.loads(expected.body), json.loads(got.body))
        )
    return list(_text(expected.body.decode(), got.body.decode(), content_type))


def _length(recorded: Recorded, got: HttpResponse) -> Iterator[str]:
    """A HEAD tells the length of the GET's body; subjects and times are as long as recorded."""
    seen, wanted = (r.headers.get("content-length") for r in (got, recorded.response))
    if got.body or (wanted is not None and seen != wanted):
        yield f"content-length {seen}, recorded {wanted}; {len(got.body)} bytes of body"


def _text(expected: str, got: str, content_type: str) -> Iterator[str]:
    """Of the framework's refusals only the prefix is fixed."""
    prefix = expected.partition(": ")[0]
    same = got.startswith(prefix) if content_type.startswith("text/plain") else got == expected
    if not same:
        yield f"{got!r}, recorded {expected!r}"


class Comparison:
    def __init__(self, started_at: datetime) -> None:
        self._started_at = started_at

    def different(self, expected: Any, got: Any, where: str = "") -> Iterator[str]:
        """JSON as values; `where` is a JSON pointer."""
        if type(expected) is not type(got):
            yield f"{where}: {got!r}, recorded {expected!r}"
        elif isinstance(expected, dict):
            if list(expected) != list(got):
                yield f"{where}: fields {list(got)}, recorded {list(expected)}"
            for name in expected.keys() & got.keys():
                yield from self.different(expected[name], got[name], f"{where}/{name}")
        elif isinstance(expected, list):
            if len(expected) != len(got):
                yield f"{where}: {len(got)} items, recorded {len(expected)}"
            for index, (left, right) in enumerate(zip(expected, got, strict=False)):
                yield from self.different(left, right, f"{where}/{index}")
        elif not self._same(expected, got, where):
            yield f"{where}: {got!r}, recorded {expected!r}"

    def _same(self, expected: Any, got: Any, where: str) -> bool:
        if expected in PLACEHOLDERS:
            return bool(got)
        if where in ("/exp", "/iat"):
            # The introspected token was made by a call that was not recorded.
            return bool(abs(got - expected) <= 300)
        if where == "/iss":
            return urlsplit(str(got)).path == urlsplit(str(expected)).path
        return bool(expected == got) or self._both_chosen(expected, got)

    def _both_chosen(self, expected: object, got: object) -> bool:
        """Times chosen during the recording: same number of digits, close together."""
        left, right = _TIME.fullmatch(str(expected)), _TIME.fullmatch(str(got))
        if left is None or right is None or len(left[1] or "") != len(right[1] or ""):
            return False
        chosen = datetime.fromisoformat(left[0])
        apart = abs(datetime.fromisoformat(right[0]) - chosen)
        return chosen >= self._started_at and apart < CLOSE
