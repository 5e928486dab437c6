"""Runs the gate as a user would, on a copy of what is deployed that a test has spoiled."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import compai_client

ROOT = Path(__file__).parents[2]
GATE_TIMEOUT_S = 300


@dataclass(frozen=True)
class Judged:
    """What a gate run left."""

    code: int
    report: dict[str, Any]
    printed: str

    def findings(self, code: str) -> list[dict[str, Any]]:
        return [finding for finding in self.report["findings"] if finding["code"] == code]

    def outcome_of(self, step: str) -> str:
        found: str = next(s["outcome"] for s in self.report["steps"] if s["name"] == step)
        return found

    @property
    def failed(self) -> set[str]:
        """The names of the scenarios that failed."""
        scenarios = self.report["scenarios"]
        return {s["scenario"]["name"] for s in scenarios if s["outcome"] == "failed"}

    def reason(self, scenario: str) -> str:
        """What the one finding about a scenario saw: first the assertion that did not hold."""
        found = [f["seen"] for f in self.findings("CK301") if f": {scenario} (" in f["where"]]
        assert len(found) == 1, self.printed
        seen: str = found[0]
        return seen


@pytest.fixture
def gate(tmp_path: Path) -> Callable[..., Judged]:
    """`gate(*options)` runs `compai gate` to its end."""
    report = tmp_path / "report"

    def run(*options: str | Path) -> Judged:
        command = [sys.executable, "-m", "compai_kit.cli.main", "gate", "--report", report]
        done = subprocess.run(
            [*command, *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=GATE_TIMEOUT_S,
            check=False,
        )
        assert (report / "verdict.json").exists(), done.stdout + done.stderr
        return Judged(
            code=done.returncode,
            report=json.loads((report / "verdict.json").read_text(encoding="utf-8")),
            printed=done.stdout + done.stderr,
        )

    return run


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A copy of what is deployed, DAG files, support and client side by side, to be spoiled."""
    copy = tmp_path / "deployed"
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dags", copy, ignore=leave_out)
    shutil.copytree(Path(compai_client.__file__).parent, copy / "compai_client", ignore=leave_out)
    return copy


@pytest.fixture
def spoil(deployed: Path) -> Callable[[str, str, str], None]:
    """Exactly one place changes; a place that has moved fails here instead of proving nothing."""

    def change(name: str, right: str, wrong: str) -> None:
        file = deployed / name
        text = file.read_text(encoding="utf-8")
        assert text.count(right) == 1, f"{name} has {text.count(right)} times: {right}"
        file.write_text(text.replace(right, wrong), encoding="utf-8")

    return change
