"""What an HTTP answer means: its media type, what the service says in it, whether to try again.

Pure functions over values. Texts from outside are masked, then put on one line, then cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from compai_client._decoding import NOT_DECODABLE
from compai_client._retry import Outcome, parse_retry_after

_ERROR_LIMIT = 200
_DETAIL_LIMIT = 300
_TITLE = re.compile(r"<(title|h1)[^>]{0,200}>(.{0,300}?)</\1>", re.IGNORECASE | re.DOTALL)
_CREATED = re.compile(r"Created ([0-9]{1,9}) before error")
_HTML_START = re.compile(rb"\s*<(!doctype html|html)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One complete HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str | None:
        """The media type without parameters, or None when the answer names none."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower() or None

    @property
    def is_html(self) -> bool:
        """A web page, whatever the media type says."""
        html = ("text/html", "application/xhtml+xml")
        return self.media_type in html or _HTML_START.match(self.body) is not None


def json_object(answer: Answer) -> dict[str, object]:
    """The members of a JSON object sent as such; empty for everything else."""
    if answer.media_type != "application/json":
        return {}
    try:
        return msgspec.json.decode(answer.body, type=dict[str, object])
    except NOT_DECODABLE:
        return {}


def is_own_rate_limit(answer: Answer) -> bool:
    """Comp-AI's 429, which it gives before it looks at the request; a proxy's has other keys."""
    return answer.status == 429 and {"error", "retry_after_secs"} <= json_object(answer).keys()


def is_not_configured(answer: Answer) -> bool:
    """The one 503 that no retry can change: an integration is not set up in Comp-AI."""
    if answer.status != 503:
        return False
    error = json_object(answer).get("error")
    return isinstance(error, str) and "not configured" in error.lower()


def created_before_error(answer: Answer) -> int | None:
    """How many rows a call created before one failed; None when it does not say so."""
    detail = json_object(answer).get("detail") if answer.status == 500 else None
    match = _CREATED.fullmatch(detail) if isinstance(detail, str) else None
    return int(match[1]) if match else None


def outcome_of(answer: Answer, now: Callable[[], datetime]) -> Outcome:
    """The answer as the retry decision sees it."""
    return Outcome(
        status=answer.status,
        own_rate_limit=is_own_rate_limit(answer),
        settled=is_not_configured(answer),
        retry_after_s=retry_after_s(answer, now),
    )


def retry_after_s(answer: Answer, now: Callable[[], datetime]) -> float | None:
    """The answer's Retry-After; a date counts from the server's own clock when it sends it."""
    header = answer.headers.get("retry-after")
    if header is None:
        return None
    try:
        reference = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError, OverflowError):
        reference = now()
    return parse_retry_after(header, reference if reference.tzinfo else now())


def said(answer: Answer, mask: Callable[[str], str]) -> tuple[str | None, str | None]:
    """What the service says about a failure, as (`error`, `detail`); never a secret."""
    if answer.is_html:
        return None, _clean(_page(answer.body), _DETAIL_LIMIT, mask)
    members = json_object(answer)
    error = members.get("error")
    if isinstance(error, str):
        # Keycloak says `error_description` where Comp-AI says `detail`.
        detail = members.get("detail", members.get("error_description"))
        return _clean(error, _ERROR_LIMIT, mask), (
            _clean(detail, _DETAIL_LIMIT, mask) if isinstance(detail, str) else None
        )
    # Whole, because a secret that a cut goes through would not be recognised.
    text = answer.body.decode("utf-8", "replace")
    if answer.media_type == "text/plain":
        return _clean(text, _ERROR_LIMIT, mask), None
    return None, _clean(text, _DETAIL_LIMIT, mask)


def redirect_target(answer: Answer, mask: Callable[[str], str]) -> str | None:
    """Where a redirect leads, without credentials, query and fragment, which can hold secrets."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
    except ValueError:
        return None
    host = f"{parts.scheme or 'http'}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    return _clean(f"{host}{parts.path}", _ERROR_LIMIT, mask)


def _page(body: bytes) -> str:
    title = _TITLE.search(body[:50_000].decode("utf-8", "replace"))
    return f'a web page titled "{title.group(2).strip()}"' if title else "a web page without title"


def _clean(text: str, limit: int, mask: Callable[[str], str]) -> str | None:
    line = " ".join(mask(text).split())
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return (line if len(line) <= limit else line[: limit - 1] + "…") or None
