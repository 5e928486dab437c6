"""Findings as SARIF 2.1.0, for code scanning.

GitHub refuses a whole file when one result has no physical location, so each gets the nearest.
"""

import hashlib
import json
import re
from importlib import metadata
from typing import Any
from urllib.parse import quote

from compai_kit.findings import CODES, Finding
from compai_kit.gate.model import Verdict
from compai_kit.gate.verdict import answer
from compai_kit.report.places import nearest_place

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(verdict: Verdict) -> bytes:
    """The whole document, with a line break at the end."""
    codes = sorted({finding.code for finding in verdict.findings})
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "compai gate",
                        "version": _version(),
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "invocations": [_invocation(verdict)],
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(finding, codes.index(finding.code), verdict)
                    for finding in verdict.findings
                ],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _rule(code: str) -> dict[str, Any]:
    entry = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.title},
        "help": {"text": entry.explanation, "markdown": entry.explanation},
        "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding, rule_index: int, verdict: Verdict) -> dict[str, Any]:
    place = nearest_place(finding, verdict)
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": "error",
        "message": {
            "text": (
                f"{finding.title}: {finding.where}\nexpected: {finding.expected}\n"
                f"seen: {finding.seen}\nfix: {finding.fix}\nreproduce: {finding.reproduce}"
            )
        },
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(place.file)},
                    "region": {"startLine": place.line or 1},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.where}],
            }
        ],
        "partialFingerprints": {"compaiGate/v1": _fingerprint(finding)},
    }


def _fingerprint(finding: Finding) -> str:
    """The same for the same defect, also when it moved to another line or the words changed."""
    place = re.sub(r":\d+(?=\)?$)", "", finding.where)
    first = finding.seen.partition("\n")[0]
    return hashlib.sha256(f"{finding.code}|{place}|{first}".encode()).hexdigest()[:32]


def _invocation(verdict: Verdict) -> dict[str, Any]:
    left_open = [
        {"level": "error", "message": {"text": f"{step.name}: {step.outcome}: {step.detail}"}}
        for step in verdict.steps
        if step.outcome in ("could not run", "undecided")
    ]
    return {
        "executionSuccessful": answer(verdict) in ("yes", "no"),
        "toolExecutionNotifications": left_open,
    }


def _version() -> str:
    try:
        return metadata.version("compai-kit")
    except metadata.PackageNotFoundError:
        return "0+checkout"
