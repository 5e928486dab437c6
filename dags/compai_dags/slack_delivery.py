"""Post to a Slack webhook: what is tried again, what is not, and what a person has to do.

Success is HTTP 200 with the body `ok`, nothing else. No text here ever holds the webhook's address.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import requests

from compai_dags.task import PermanentError

log = logging.getLogger(__name__)

TRIES = 3
TIMEOUT_S = (5.0, 15.0)
RETRY_AFTER_CAP_S = 60.0
_WAIT_S = 2.0

_HINTS = {
    "action_prohibited": "an administrator of the workspace has restricted the webhook",
    "invalid_token": "the webhook was revoked: create a new one and set SLACK_WEBHOOK_URL",
    "channel_not_found": "the channel is gone: create a webhook for another one",
    "no_service": "the webhook is disabled or removed: create a new one and set SLACK_WEBHOOK_URL",
    "no_active_hooks": "the webhook is disabled: create a new one and set SLACK_WEBHOOK_URL",
    "channel_is_archived": "unarchive the channel or create a webhook for another one",
}
# The last two are what Slack's Web API says of blocks; plain text is worth one try there as well.
_BLOCKS_REFUSED = (
    "invalid_payload",
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
)

_WORD = re.compile(r"[a-z_]{1,60}")

Payload = dict[str, Any]


class SlackRefusedError(PermanentError):
    """Slack will refuse this webhook again; the text says what to do."""


class SlackUnavailableError(Exception):
    """Slack did not take the message now; a later try of the task may succeed."""


def deliver(
    webhook: str,
    payload: Payload,
    plain: Payload,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Post `payload`; when Slack refuses its blocks, post `plain` once instead."""
    with requests.Session() as session:
        status, said = _post(session, webhook, payload, sleep)
        if status == 400 and said in _BLOCKS_REFUSED:
            log.warning("Slack refuses the blocks (%s); sending plain text", said)
            status, said = _post(session, webhook, plain, sleep)
    if status == 200 and said == "ok":
        return
    hint = _HINTS.get(said, "check the webhook in SLACK_WEBHOOK_URL")
    raise SlackRefusedError(f"Slack refused the message: HTTP {status} {said!r}: {hint}.")


def _post(
    session: requests.Session, webhook: str, payload: Payload, sleep: Callable[[float], None]
) -> tuple[int, str]:
    """Status and word of the answer; 429, 5xx and silence are tried again.

    After a time-out Slack may have taken the message: twice is better than never.
    """
    problem = ""
    for attempt in range(1, TRIES + 1):
        wait_s = _WAIT_S * attempt
        try:
            answer = session.post(webhook, json=payload, timeout=TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as failure:
            # Its text holds the webhook's address.
            problem = type(failure).__name__
        else:
            if answer.status_code != 429 and answer.status_code < 500:
                return answer.status_code, _word(answer.text)
            problem = f"HTTP {answer.status_code}"
            if answer.status_code == 429:
                wait_s = _retry_after_s(answer.headers.get("Retry-After"))
        log.warning("Slack: %s (attempt %s of %s)", problem, attempt, TRIES)
        if attempt < TRIES:
            sleep(wait_s)
    raise SlackUnavailableError(f"Slack did not take the message: {problem} {TRIES} times.")


def _word(text: str) -> str:
    """Slack answers with one word; a proxy's page could repeat the address."""
    return text.strip() if _WORD.fullmatch(text.strip()) else "(another text)"


def _retry_after_s(header: str | None) -> float:
    seconds = float(header) if header and header.isascii() and header.isdigit() else _WAIT_S
    return min(max(seconds, 1.0), RETRY_AFTER_CAP_S)
