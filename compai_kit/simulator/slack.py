"""An incoming-webhook receiver.

Says `ok` and keeps what it was told. Slack's other answers are faults of operation `slack`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.answers import text_answer
from compai_kit.simulator.times import format_time

PREFIX = "/slack/services/"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """`payload` is the JSON value, or the text when it was none.

    `status` None means the connection was cut.
    """

    at: str
    path: str
    payload: Any
    status: int | None


def answer(request: HttpRequest) -> HttpResponse:
    """Slack wants JSON with a text or something to show, and answers in plain text."""
    if request.method != "POST":
        return text_answer(400, "invalid_payload")
    payload = _payload(request.body)
    if not isinstance(payload, dict):
        return text_answer(400, "invalid_payload")
    if not any(payload.get(key) for key in ("text", "blocks", "attachments")):
        return text_answer(400, "no_text")
    return text_answer(200, "ok")


def message(request: HttpRequest, *, status: int | None, now: datetime) -> SlackMessage:
    return SlackMessage(
        at=format_time(now),
        path=request.url_path,
        payload=_payload(request.body),
        status=status,
    )


def _payload(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
