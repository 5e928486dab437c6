"""The rules that are judged by reading: a file's source in, broken rules out."""

from collections.abc import Iterator

from .http_rules import Broken, calls_without_timeout, deferred_writes
from .source import Source
from .task_rules import retries_without_delay, unbounded_mapping

_RULES = (unbounded_mapping, calls_without_timeout, deferred_writes, retries_without_delay)


def broken_rules(content: bytes) -> Iterator[Broken]:
    """(rule, line, what was seen), by line. A file that cannot be read as Python has none."""
    try:
        source = Source(content)
    except (SyntaxError, ValueError):
        return iter(())
    return iter(sorted({broken for rule in _RULES for broken in rule(source)}, key=_by_line))


def _by_line(broken: Broken) -> tuple[int, str]:
    rule, line, _ = broken
    return line, rule
