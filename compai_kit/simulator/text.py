"""Trimming as the service does it."""

from __future__ import annotations

# Unicode White_Space; Python's own strip() also takes four control characters.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    chr(code) for code in range(0x2000, 0x200B)
)


def trimmed(text: str) -> str:
    return text.strip(WHITE_SPACE)
