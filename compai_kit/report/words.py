"""Small pieces of the sentences that verdicts and findings are made of."""

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`; at least one."""
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last
