"""Keeps tokens and secrets out of every text that leaves the package; rather masks too much."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

MASK = "***"
# A JWT, also one that was cut off; anything after an authorization scheme.
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,2}")
_SCHEME = re.compile(r"\b(bearer|basic)\s+[^\s\"',;<>]+", re.IGNORECASE)


class Masker:
    """Replaces known secrets, and what looks like one; threads may share it."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        """Remember a secret, also in the spellings that a form or an address gives it."""
        spellings = {secret, quote(secret, safe=""), quote_plus(secret)}
        # Longest first, so that no rest of a longer secret stays behind.
        self._known = tuple(sorted({*self._known, *spellings}, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, MASK)
        text = _JWT.sub(MASK, text)
        return _SCHEME.sub(rf"\1 {MASK}", text)
