"""An alert as a value, before anybody renders it: title, headline, sections of lines."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of plain text. `owner` is who may be mentioned for it, by Comp-AI's name.

    `key` names the thing, so that a change of what is open can be told from a change of words.
    """

    text: str
    key: str
    owner: str | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    title: str
    lines: tuple[Line, ...]
    is_overdue: bool = False


@dataclass(frozen=True, kw_only=True)
class Message:
    """`is_open`: something asks for a person. `link`: where the full text is."""

    title: str
    headline: str
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    is_open: bool
    link: str | None = field(default=None)


def render_text(message: Message) -> list[str]:
    """The full text, as the log shows it."""
    lines = [message.title, message.headline]
    for section in message.sections:
        lines.append(f"{section.title} ({len(section.lines)})")
        lines += [f"  - {_with_owner(line)}" for line in section.lines]
    return lines + list(message.notes)


def _with_owner(line: Line) -> str:
    return f"{line.text} ({line.owner})" if line.owner else line.text
