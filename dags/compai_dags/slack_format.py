"""A message as Slack blocks, within what Slack takes: cut at whole lines, everything escaped.

Limits of Slack: 50 blocks, 3,000 characters per section, 150 per header, and in practice about
13,200 characters over all blocks. Characters are counted as UTF-16 does, which never counts fewer
than Slack. The log always has the full text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from compai_dags.message import Line, Message, Section, in_one, render_text

MAX_BLOCKS = 45
MAX_SECTION = 2_900
MAX_TOTAL = 12_000
MAX_HEADER = 150
MAX_FALLBACK = 3_000
MAX_LINE = 600
_MAX_TITLE = 90
_MAX_LEAD = 1_500
_MAX_NOTES = 2_000
_MAX_LINK = 250
_MAX_OWNER = 100
_MAX_TAG = 300
# Header, headline, notes and link take one block each.
_MAX_SECTIONS = MAX_BLOCKS - 4
# Every section shows this much, if it has it, before any section shows more.
_FAIR_SHARE = 700

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# A line break within a name would begin a line of its own, a lone surrogate cannot be sent.
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escape(text: str, *, limit: int = MAX_LINE) -> str:
    """Text that Slack shows as it is, on one line: no mention, no link.

    Cut between characters, never within an entity.
    """
    parts = [_ESCAPES.get(character, character) for character in _UNSENDABLE.sub(" ", text)]
    left = limit - sum(map(size_of, parts))
    if left >= 0:
        return "".join(parts)
    while left < 1:
        left += size_of(parts.pop())
    return "".join(parts) + "…"


def size_of(text: str) -> int:
    """Characters as UTF-16 counts them."""
    return len(text) + sum(character > "\uffff" for character in text)


def slack_payload(message: Message, owners: Mapping[str, str]) -> dict[str, Any]:
    """Blocks and the plain fallback; mentions come from `owners` (assignee to Slack id) only."""
    link = _link(message)
    title = escape(message.title, limit=MAX_HEADER)
    lead = _lead(message)
    shown = message.sections[:_MAX_SECTIONS]
    notes = _fit([escape(note) for note in [*_left_out(message), *message.notes]], link, _MAX_NOTES)
    budget = MAX_TOTAL - sum(map(size_of, (title, lead, notes, link)))
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}},
        _section_block(lead),
    ]
    blocks += [_section_block(text) for text in _sections(shown, owners, link, budget)]
    if notes:
        blocks.append(_context_block(notes))
    blocks.append(_context_block(link))
    return _payload(message, {"blocks": blocks})


def plain_payload(message: Message) -> dict[str, Any]:
    """The same without blocks, for a Slack that refuses them."""
    return _payload(message, {})


def _payload(message: Message, blocks: Mapping[str, Any]) -> dict[str, Any]:
    # Slack would fetch an address that somebody put into a name.
    return {"text": _fallback(message), "unfurl_links": False, "unfurl_media": False, **blocks}


def _section_block(text: str) -> dict[str, Any]:
    # Verbatim: Slack must not turn parts of a control test's name into links.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context_block(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _lead(message: Message) -> str:
    headline = f"*{escape(message.headline, limit=MAX_LINE)}*"
    lines = [escape(line) for line in message.lead]
    return _fit(lines, "", _MAX_LEAD - size_of(headline), before=headline)


def _left_out(message: Message) -> list[str]:
    hidden = [section.title for section in message.sections[_MAX_SECTIONS:]]
    return [f"… and {len(hidden)} more sections, beginning with “{hidden[0]}”"] if hidden else []


def _fallback(message: Message) -> str:
    lines = [escape(line) for line in render_text(message)]
    return _fit(lines, _link(message), MAX_FALLBACK)


def _sections(
    sections: Iterable[Section], owners: Mapping[str, str], link: str, budget: int
) -> list[str]:
    """Each gets its fair share; what is left goes to the first ones, which matter most."""
    parts = [_lines(section, owners) for section in sections]
    needs = [min(MAX_SECTION, _size(title, lines)) for title, lines in parts]
    shares = [min(need, _FAIR_SHARE, budget // len(parts)) for need in needs]
    left = budget - sum(shares)
    texts = []
    for (title, lines), need, share in zip(parts, needs, shares, strict=True):
        more = min(need - share, left)
        left -= more
        texts.append(_fit(lines, link, share + more - size_of(title), before=title))
    return texts


def _lines(section: Section, owners: Mapping[str, str]) -> tuple[str, list[str]]:
    title = f"*{escape(section.title, limit=_MAX_TITLE - 20)} ({len(section.lines)})*"
    called = owners if section.calls_owners else {}
    return title, [f"• {_line(line, called)}" for line in section.lines]


def _line(line: Line, owners: Mapping[str, str]) -> str:
    owner = None
    if line.owner is not None:
        slack_id = owners.get(line.owner)
        owner = f"<@{slack_id}>" if slack_id else escape(line.owner, limit=_MAX_OWNER)
    tags = [escape(tag, limit=_MAX_TAG) for tag in line.tags]
    return in_one(escape(line.text), tags, owner)


def _size(title: str, lines: list[str]) -> int:
    return size_of(title) + sum(size_of(line) + 1 for line in lines)


def _fit(lines: list[str], link: str, limit: int, *, before: str = "") -> str:
    """All lines, or as many whole ones as fit, then how many more there are and where."""
    sizes = [size_of(line) + 1 for line in lines]
    if sum(sizes) > limit:
        if size_of(_more(len(lines), link)) + 1 > limit:
            # In a small share there is no room for a long address; the message ends with it.
            link = ""
        left = limit - size_of(_more(len(lines), link)) - 1
        kept = 0
        while sizes[kept] <= left:
            left -= sizes[kept]
            kept += 1
        lines = [*lines[:kept], _more(len(lines) - kept, link)]
    return "\n".join([before, *lines] if before else lines)


def _more(number: int, link: str) -> str:
    return f"… and {number} more{f' ({link})' if link else ''}"


def _link(message: Message) -> str:
    if message.link is not None:
        address = escape(message.link, limit=_MAX_LINK + 1)
        # A cut address leads nowhere, and a bar would end it.
        if size_of(address) <= _MAX_LINK and "|" not in address:
            return f"<{address}|full text>"
    return "full text in the task's log"
