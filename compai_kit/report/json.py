"""The verdict as JSON. `schema` names its shape and version; gate-report.schema.json describes it.

A field may be added within a version; removing or changing one makes a new version.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from compai_kit.findings import Finding
from compai_kit.gate.calls import Cell, call_table
from compai_kit.gate.model import Answer, Parsed, ScenarioResult, Selection, Step, Verdict
from compai_kit.gate.verdict import answer

SCHEMA: Literal["compai-gate-report/1"] = "compai-gate-report/1"


class Airflow(Struct, frozen=True, kw_only=True):
    """The Airflow that ran the scenarios."""

    version: str
    boot_seconds: float


class Report(Struct, frozen=True, kw_only=True):
    """What `compai gate --report DIR` writes to DIR/verdict.json."""

    schema: Literal["compai-gate-report/1"] = SCHEMA
    answer: Answer
    steps: tuple[Step, ...]
    parsed: tuple[Parsed, ...]
    airflow: Airflow | None
    scenarios: tuple[ScenarioResult, ...]
    calls: tuple[Cell, ...]
    selection: Selection | None
    """which scenarios the answer rests on"""
    findings: tuple[Finding, ...]


def report_of(verdict: Verdict) -> Report:
    """The verdict in its published shape. The stack's password and address are left out."""
    stack = verdict.stack
    return Report(
        answer=answer(verdict),
        steps=verdict.steps,
        parsed=verdict.parsed,
        airflow=Airflow(version=stack.version, boot_seconds=stack.seconds) if stack else None,
        scenarios=verdict.scenarios,
        calls=call_table(verdict.scenarios),
        selection=verdict.selection,
        findings=verdict.findings,
    )


def render_json(verdict: Verdict) -> bytes:
    """Indented, with a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(report_of(verdict)), indent=2) + b"\n"


def report_schema() -> dict[str, Any]:
    """The JSON Schema of a report, from the types it is made of."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **msgspec.json.schema(Report),
    }
