"""Wrong twins of what is deployed, of the contract and of the simulator: the gate must refuse each.

Each test runs `compai gate` as a user would, and asserts that it is red for the right reason.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SIMULATORS = Path(__file__).parent / "simulators.py"
ONE_VERSION = ("--airflow-version", "3.3.2")
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


def gate(report: Path, *options: str | Path) -> Judged:
    command = [sys.executable, "-m", "compai_kit.cli.main", "gate", "--report", report, *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=GATE_TIMEOUT_S, check=False
    )
    assert (report / "verdict.json").exists(), done.stdout + done.stderr
    return Judged(
        code=done.returncode,
        report=json.loads((report / "verdict.json").read_text(encoding="utf-8")),
        printed=done.stdout + done.stderr,
    )


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report"


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """A copy of what is deployed, to be spoiled."""
    copy = tmp_path / "dags"
    shutil.copytree(ROOT / "dags", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def spoil(file: Path, right: str, wrong: str) -> None:
    """Exactly one place changes; a place that has moved fails here instead of proving nothing."""
    text = file.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{file.name} has {text.count(right)} times: {right}"
    file.write_text(text.replace(right, wrong), encoding="utf-8")


def failed_scenarios(judged: Judged) -> list[str]:
    return [s["scenario"]["name"] for s in judged.report["scenarios"] if s["outcome"] == "failed"]


def test_dag_that_swallows_an_error_and_ends_green(report: Path, dags: Path) -> None:
    spoil(
        dags / "comp_ai_control_tests.py",
        "            control_tests.summarise(here)",
        "            try:\n"
        "                control_tests.summarise(here)\n"
        "            except Exception:\n"
        "                pass",
    )

    judged = gate(report, "--dags", dags, "--scenario", "no honest answer", *ONE_VERSION)

    assert judged.code == 1, judged.printed
    assert failed_scenarios(judged) == ["no honest answer"]
    [finding] = judged.findings("CK301")
    assert "success" in finding["seen"]


@pytest.mark.parametrize(
    ("twin", "scenario"),
    [
        ("StoresPassWhateverIsPosted", "plain run"),
        ("StoresPassAndAnswersWhatWasPosted", "plain run"),
        ("DropsEveryThirdResult", "401 in mid-run"),
    ],
)
def test_simulator_that_lies(report: Path, twin: str, scenario: str) -> None:
    simulator = f"{SIMULATORS}:{twin}"

    judged = gate(report, "--simulator", simulator, "--scenario", scenario, *ONE_VERSION)

    assert judged.code == 1, judged.printed
    assert failed_scenarios(judged) == [scenario]
    assert len(judged.findings("CK301")) == 1


def without_enum_value(contract: str, value: str) -> str:
    """The contract without one value of one enum; the line must exist, once or more."""
    lines = contract.splitlines(keepends=True)
    enums = [n for n, line in enumerate(lines) if "enum: [" in line and f"{value}," in line]
    assert enums, f"no enum of the contract lists {value}"
    for n in enums:
        lines[n] = lines[n].replace(f"{value}, ", "").replace(f", {value}", "")
    return "".join(lines)


def test_contract_without_one_enum_value(tmp_path: Path, report: Path) -> None:
    contract = tmp_path / "contract.yaml"
    original = (ROOT / "contracts" / "comp-ai.openapi.yaml").read_text(encoding="utf-8")
    contract.write_text(without_enum_value(original, "fail"), encoding="utf-8")

    judged = gate(report, "--contract", contract, "--scenario", "empty list", *ONE_VERSION)

    assert judged.code == 1, judged.printed
    assert judged.outcome_of("contract") == "findings"
    found = judged.findings("CK102") + judged.findings("CK103")
    assert any("recordTestResult" in finding["where"] for finding in found)


@pytest.mark.parametrize(
    ("import_line", "versions"),
    [
        # the kit and its packages are not in the Airflow image
        ("from compai_kit.findings import Finding", ("3.3.2", "3.1.3")),
        ("import schemathesis", ("3.3.2", "3.1.3")),
        # a name that only the newer Airflow has
        ("from airflow.sdk import ExceptionRetryPolicy", ("3.1.3",)),
    ],
)
def test_import_that_the_image_does_not_have(
    report: Path, dags: Path, import_line: str, versions: Sequence[str]
) -> None:
    spoil(dags / "comp_ai_alerts.py", "import os\n", f"import os\n{import_line}\n")

    judged = gate(report, "--dags", dags, "--scenario", "empty list, allowed")

    assert judged.code == 1, judged.printed
    [finding] = judged.findings("CK201")
    assert "comp_ai_alerts.py" in finding["where"]
    assert [version for version in ("3.3.2", "3.1.3") if version in finding["seen"]] == [*versions]
