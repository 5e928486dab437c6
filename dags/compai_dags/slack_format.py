"""A message as Slack blocks, within what Slack takes: cut at whole lines, everything escaped.

Limits of Slack: 50 blocks, 3,000 characters per section, 150 per header, and in practice about
13,200 characters over all blocks. The log always has the full text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compai_dags.message import Line, Message, Section, render_text

MAX_SECTION = 2_900
MAX_TOTAL = 12_000
MAX_HEADER = 150
MAX_FALLBACK = 3_000
MAX_LINE = 600
_MAX_TITLE = 110

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str, *, limit: int = MAX_LINE) -> str:
    """Text that Slack shows as it is: no mention, no link. Cut between characters, not entities."""
    parts = [_ESCAPES.get(character, character) for character in text]
    size = sum(map(len, parts))
    if size <= limit:
        return "".join(parts)
    while size > limit - 1:
        size -= len(parts.pop())
    return "".join(parts) + "…"


def slack_payload(message: Message, owners: Mapping[str, str]) -> dict[str, Any]:
    """Blocks and the plain fallback; mentions come from `owners` (assignee to Slack id) only."""
    link = _link(message)
    texts = [escape(message.headline, limit=MAX_SECTION - len(link)) + link]
    budget = MAX_TOTAL - MAX_HEADER - len(texts[0])
    # Kept free for the title and the "… and N more" of every section that is still to come.
    reserve = _MAX_TITLE + len(link) + len("\n… and 1000000 more")
    notes = [escape(note) for note in message.notes]
    left = len(message.sections) + bool(notes)
    for section in message.sections:
        left -= 1
        text = _section(section, owners, link, min(MAX_SECTION, budget - left * reserve))
        texts.append(text)
        budget -= len(text)
    if notes:
        texts.append(_fit(notes, link, min(MAX_SECTION, budget)))
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": message.title[:MAX_HEADER], "emoji": False},
        }
    ]
    # Verbatim: Slack must not turn parts of a control test's name into links.
    blocks += [
        {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
        for text in texts
    ]
    return {"text": _fallback(message), "blocks": blocks}


def plain_payload(message: Message) -> dict[str, Any]:
    """The same without blocks, for a Slack that refuses them."""
    return {"text": _fallback(message)}


def _fallback(message: Message) -> str:
    lines = [escape(line) for line in render_text(message)]
    return _fit(lines, _link(message), MAX_FALLBACK)


def _section(section: Section, owners: Mapping[str, str], link: str, limit: int) -> str:
    title = f"*{escape(section.title, limit=_MAX_TITLE - 20)} ({len(section.lines)})*"
    lines = [f"• {_line(line, owners)}" for line in section.lines]
    return _fit(lines, link, limit - len(title) - 1, before=title)


def _line(line: Line, owners: Mapping[str, str]) -> str:
    text = escape(line.text)
    if line.owner is None:
        return text
    slack_id = owners.get(line.owner)
    return f"{text} <@{slack_id}>" if slack_id else f"{text} ({escape(line.owner, limit=100)})"


def _fit(lines: list[str], link: str, limit: int, *, before: str = "") -> str:
    """As many whole lines as fit, then how many more there are and where."""
    kept: list[str] = []
    used = 0
    for position, line in enumerate(lines):
        rest = len(lines) - position - 1
        more = f"\n… and {rest} more{link}" if rest else ""
        if used + len(line) + 1 + len(more) > limit:
            kept.append(f"… and {rest + 1} more{link}")
            break
        kept.append(line)
        used += len(line) + 1
    return "\n".join([before, *kept] if before else kept)


def _link(message: Message) -> str:
    if message.link is None:
        return " (full text in the task's log)"
    return f" (<{escape(message.link, limit=1_000)}|full text>)"
