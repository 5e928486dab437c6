"""An audit as a value: what was counted, and each entry that nothing supports.

`schema` names its shape and version; audit-report.schema.json describes it. A field may be added
within a version; removing or changing one makes a new version.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from compai_kit.findings import CODES

SCHEMA: Literal["compai-audit/1"] = "compai-audit/1"
UNJUDGED = "CK531"

Result = Literal["pass", "fail"]


class Entry(Struct, frozen=True, kw_only=True):
    """One thing that is not what it seems; `test_id` None where it is about a control.

    `control` is the control's own id (`internal_id`), `at` when it was stored or, for a gap, when
    the newest evidence was collected, and `said` the beginning of the stored text.
    """

    code: str
    title: str
    control_id: int | None
    control: str
    test_id: int | None = None
    test: str | None = None
    test_type: str | None = None
    result: Result | None = None
    at: datetime | None = None
    said: str = ""
    why: str
    fix: str


class Counts(Struct, frozen=True, kw_only=True):
    """How much was looked at, and how much of it nothing supports."""

    tests: int
    passes: int
    passes_unsupported: int
    fails: int
    fails_unsupported: int
    controls: int
    gaps: int
    """controls without evidence: Comp-AI lists these itself"""
    gaps_hidden: int
    """controls that only negative evidence keeps off that list"""
    late: int
    """passes of this kit that missed one run; not yet stale, so they are not listed"""
    not_ours: int
    """passes of other systems for types without a check; not judged"""
    could_not_be_judged: int


class Audit(Struct, frozen=True, kw_only=True):
    """What `compai audit --format json` prints."""

    schema: Literal["compai-audit/1"] = SCHEMA
    kit: str
    comp_ai: str
    """base URL and prefix"""
    at: datetime
    """the time by which age was judged"""
    counts: Counts
    unsupported: tuple[Entry, ...]
    reproduce: str

    @property
    def is_clean(self) -> bool:
        return not self.unsupported


def make_entry(code: str, **fields: Any) -> Entry:
    """An entry whose title comes from the table of findings."""
    return Entry(code=code, title=CODES[code].title, **fields)


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """By class, then by control and test, so that two audits can be compared line by line."""
    return tuple(
        sorted(
            entries,
            key=lambda entry: (entry.code, entry.fix, entry.control, entry.test or "", entry.why),
        )
    )


def audit_schema() -> dict[str, Any]:
    """The JSON Schema of an audit, from the types it is made of."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **msgspec.json.schema(Audit),
    }
