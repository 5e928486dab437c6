"""The last line of a posted `details`: what this kit knows about the result, for its next run.

Comp-AI keeps one result and no history, so the line also carries what it replaced. `sha256`
seals sentence, result and line: a text that a person edited no longer counts as ours.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

import msgspec

from compai_dags.outcomes import Outcome, Result

MARK = "compai-kit "
# Long enough for every message of ours; an error text of a service can be of any length.
MAX_SENTENCE = 1_500
_SEAL_DIGITS = 16
_SEALED = re.compile(
    rf'(?P<said>.*)\n{MARK}(?P<body>\{{.*),"sha256":"(?P<seal>[0-9a-f]{{{_SEAL_DIGITS}}})"\}}',
    re.DOTALL,
)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class EvidenceRef(msgspec.Struct, frozen=True, kw_only=True):
    """A row of evidence, the first digits of what it says (SHA-256), and when it was stored."""

    id: int
    content: str
    at: datetime


class Trailer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The line as a value; unknown fields are ignored so that versions can mix."""

    outcome: Outcome
    reason: str | None
    # The last stored result that said something: pass, fail, skipped, or unproven.
    prev: str | None
    prev_at: datetime | None
    # When PASS or FAIL was observed.
    collected_at: datetime | None
    run: str
    # `try` is a keyword of Python.
    try_number: int = msgspec.field(name="try")
    n_errors: int
    kit: str
    # The first try after a person cleared the task; absent when nobody did.
    cleared_try: int | None = None
    # Evidence that says something bad is all that keeps the control out of the gap list.
    hides_gap: bool = False
    # The newest evidence of a pass of this test; it outlives an outage and a fail.
    evidence: EvidenceRef | None = None


def one_line(text: str, *, limit: int = MAX_SENTENCE) -> str:
    """Text without control characters (NUL makes Comp-AI answer 500), cut at `limit`."""
    flat = _CONTROL_CHARACTERS.sub(" ", text).strip()
    # A lone surrogate cannot be sent as UTF-8.
    flat = flat.encode("utf-8", "replace").decode("utf-8")
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def write_details(sentence: str, trailer: Trailer, result: Result, *, quoted: str = "") -> str:
    """The `details` to post: the sentence, a person's text as it was, the sealed line."""
    said = one_line(sentence)
    if quoted:
        said += f"\n{quoted}"
    body = msgspec.json.encode(trailer).decode("utf-8").removesuffix("}")
    return f'{said}\n{MARK}{body},"sha256":"{_seal(said, body, result)}"}}'


def read_details(details: str | None, result: str | None) -> tuple[str, Trailer | None]:
    """Split stored details into what was said and our line, None unless it is intact and ours."""
    text = details or ""
    match = _SEALED.fullmatch(text)
    if match is None or match["seal"] != _seal(match["said"], match["body"], result):
        return text, None
    try:
        trailer = msgspec.json.decode(match["body"] + "}", type=Trailer)
    except msgspec.DecodeError:
        return text, None
    return match["said"], trailer


def _seal(sentence: str, body: str, result: str | None) -> str:
    content = f"{result}\n{sentence}\n{body}"
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:_SEAL_DIGITS]
