"""What another system answered, and what can be read from any such answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

import requests

from compai_dags.outcomes import Reason
from compai_dags.trailer import one_line


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


def retry_after_s(answer: Answer, now: datetime) -> float | None:
    """What a 429 or 503 asks for, in seconds or as a date; None when it does not say."""
    if answer.status not in (429, 503):
        return None
    return seconds_until(answer.headers.get("Retry-After", ""), now)


def seconds_until(text: str, now: datetime) -> float | None:
    """A Retry-After, in seconds or as a date; None when it is neither."""
    text = text.strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def next_link(answer: Answer) -> str | None:
    """The address of the page after this one, absolute; raises OutsideError when it is none."""
    for link in requests.utils.parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next" and link.get("url"):
            try:
                return urljoin(answer.url, link["url"])
            except ValueError:
                raise OutsideError(
                    Reason.MALFORMED, "the answer names a next page that is no address"
                ) from None
    return None


def words_of(answer: Answer, *, key: str = "message") -> str:
    """What a refusal says in its body, on one line of at most 200 characters; empty if nothing."""
    said = answer.body.get(key) if isinstance(answer.body, dict) else None
    return one_line(said, limit=200) if isinstance(said, str) else ""
