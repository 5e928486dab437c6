"""The last gap analysis, kept for the alerts: one Airflow Variable, JSON with a version.

Written by comp_ai_gap_analysis, read by comp_ai_alerts. When no model answered (`degraded`) the
summary says just that: a canned text must not be taken for an analysis.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

VARIABLE = "comp_ai_gap_analysis_last"
SUMMARY_CHARACTERS = 2_000


class LastAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """What the model of Comp-AI last wrote about the gaps, and which one.

    `framework` was a hint to the model. The gaps that it was told of are those of every framework.
    """

    version: Literal[1] = 1
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    framework: str | None
    model: str
    degraded: bool
    summary: str


def read_analysis(text: str | None) -> tuple[LastAnalysis | None, str | None]:
    """The analysis, if there is one; and what is wrong with a Variable that cannot be read."""
    if not text:
        return None, None
    try:
        return msgspec.json.decode(text, type=LastAnalysis), None
    except msgspec.DecodeError as unreadable:
        return None, f"Variable {VARIABLE} is unreadable: {unreadable}"


def write_analysis(last: LastAnalysis) -> str:
    """As JSON, the summary cut at `SUMMARY_CHARACTERS`."""
    if len(last.summary) > SUMMARY_CHARACTERS:
        cut = last.summary[: SUMMARY_CHARACTERS - 1] + "…"
        last = msgspec.structs.replace(last, summary=cut)
    return msgspec.json.encode(last).decode("utf-8")
