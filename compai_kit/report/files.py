"""Writes a verdict into a folder: for people, for programs, for CI servers."""

import io
from pathlib import Path

from compai_kit.gate.model import Verdict
from compai_kit.report.console import plain_console
from compai_kit.report.json import render_json
from compai_kit.report.junit import render_junit
from compai_kit.report.sarif import render_sarif
from compai_kit.report.text import print_verdict


def write_report(verdict: Verdict, folder: Path, *, pytest_output: str | None = None) -> None:
    """Write verdict.txt, .json and .sarif, junit.xml and, when there is one, pytest.log."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    print_verdict(verdict, plain_console(text))
    (folder / "verdict.txt").write_text(text.getvalue(), encoding="utf-8")
    (folder / "verdict.json").write_bytes(render_json(verdict))
    (folder / "verdict.sarif").write_bytes(render_sarif(verdict))
    (folder / "junit.xml").write_bytes(render_junit(verdict))
    if pytest_output is not None:
        (folder / "pytest.log").write_text(pytest_output, encoding="utf-8")
