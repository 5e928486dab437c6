"""What a check asserts: where it looked, what it saw, what it expected; `verdict_of` decides on it.

A sentence is for people; assertions are what an auditor can hold against the system itself.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

# The sentence tells it to people; this is for whoever wants to look it up.
_MAX_TOLD = 5
_MAX_OBSERVED = 80


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """One fact. `holds` None: it could not be observed, which is never taken for true or false.

    `observed` is plain JSON, small, without secrets and without names of people beyond what the
    check's source allows. `volatile`: `observed` changes although nothing that matters does (a
    date), so it does not make new evidence. Only `mandatory` ones decide; the others warn.
    """

    path: str
    observed: Any
    expected: str
    holds: bool | None
    mandatory: bool = True
    volatile: bool = False


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What an observation rests on; it becomes evidence when the outcome is a pass.

    `type` and `source` are those of the evidence row (50 and 500 characters at most);
    `raw_sha256` is the hex SHA-256 over the raw answers that were read.
    """

    type: str
    source: str
    assertions: tuple[Assertion, ...]
    raw_sha256: str
    link_url: str | None = None


def content_sha256(proof: Proof) -> str:
    """Hex digest of what the evidence says: type, source and assertions, not the raw answers."""
    stable = [
        msgspec.structs.replace(assertion, observed=None) if assertion.volatile else assertion
        for assertion in proof.assertions
    ]
    content = msgspec.json.encode((proof.type, proof.source, stable), order="deterministic")
    return hashlib.sha256(content).hexdigest()


def told(proof: Proof) -> str:
    """What is not as expected, and what could not be observed, in one short line; else empty."""
    failed = [_told(one) for one in proof.assertions if one.mandatory and one.holds is False]
    unseen = [one.path for one in proof.assertions if one.mandatory and one.holds is None]
    parts = [
        f"{title}: {'; '.join(texts[:_MAX_TOLD])}{_more(texts)}."
        for title, texts in (("Failed", failed), ("Not observed", unseen))
        if texts
    ]
    return " ".join(parts)


def _told(assertion: Assertion) -> str:
    observed = msgspec.json.encode(assertion.observed).decode("utf-8")
    if len(observed) > _MAX_OBSERVED:
        observed = f"{observed[: _MAX_OBSERVED - 1]}…"
    return f"{assertion.path} is {observed}, expected {assertion.expected}"


def _more(texts: list[str]) -> str:
    return f" and {len(texts) - _MAX_TOLD} more" if len(texts) > _MAX_TOLD else ""
