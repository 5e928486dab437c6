"""Findings as GitHub annotations: workflow commands that mark the lines in a pull request."""

import os
from collections.abc import Iterator

from compai_kit.gate.model import Verdict
from compai_kit.gate.verdict import answer
from compai_kit.report.places import place_of

_NOTICE = {"undecided": "warning", "not run": "warning", "could not run": "error"}


def wanted_here() -> bool:
    """Whether a GitHub workflow reads what we print."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotations(verdict: Verdict) -> Iterator[str]:
    """One line per finding; without findings, one per step that leaves the answer open."""
    for finding in verdict.findings:
        place = place_of(finding)
        properties = {"title": f"{finding.code} {finding.title}"}
        if place is not None:
            properties = {"file": place.file, "line": str(place.line or 1), **properties}
        message = "\n".join(
            [
                f"where: {finding.where}",
                f"expected: {finding.expected}",
                f"seen: {finding.seen}",
                f"fix: {finding.fix}",
                f"reproduce: {finding.reproduce}",
            ]
        )
        yield _command("error", properties, message)
    if answer(verdict) in ("could not run", "undecided"):
        for step in verdict.steps:
            if step.outcome in _NOTICE:
                title = {"title": f"compai gate: {step.name} {step.outcome}"}
                yield _command(_NOTICE[step.outcome], title, step.detail)


def _command(kind: str, properties: dict[str, str], message: str) -> str:
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {given}::{_data(message)}"


def _data(text: str) -> str:
    """The runner ends a command at a line break, so those are written as what they are not."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
