"""An alert as a value, before anybody renders it: title, headline, sections of lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of plain text about one thing, with `tags` such as its age.

    `owner` is who mends it, by Comp-AI's name. `key` names the thing and how it stands: what is
    open has changed when the keys have.
    """

    text: str
    key: str
    tags: tuple[str, ...] = ()
    owner: str | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    """Lines of one kind. `calls_owners`: its owners are mentioned, where a map says how.

    `is_history`: it tells what was, so it is no part of what is open.
    """

    title: str
    lines: tuple[Line, ...]
    calls_owners: bool = False
    is_overdue: bool = False
    is_history: bool = False


@dataclass(frozen=True, kw_only=True)
class Message:
    """`lead` follows the headline, `notes` come last; `is_open`: something asks for a person.

    `link`: where the full text is.
    """

    title: str
    headline: str
    lead: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    is_open: bool
    link: str | None = None


def render_text(message: Message) -> list[str]:
    """The full text, as the log shows it."""
    lines = [message.title, message.headline, *message.lead]
    for section in message.sections:
        lines.append(f"{section.title} ({len(section.lines)})")
        lines += [f"  - {in_one(line.text, line.tags, line.owner)}" for line in section.lines]
    return lines + list(message.notes)


def in_one(text: str, tags: Iterable[str], owner: str | None) -> str:
    """A line as it is written: the text, then tags and owner in one pair of brackets."""
    all_tags = [*tags, *([f"owner: {owner}"] if owner else [])]
    return f"{text} [{'; '.join(all_tags)}]" if all_tags else text
