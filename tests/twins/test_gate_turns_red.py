"""A wrong contract, and DAG files that do wrong while they are parsed: red before anything runs.

Scenarios that need no Airflow stand in for the real ones, so that no stack is booted for nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ONE_VERSION = ("--airflow-version", "3.3.2")
IDLE_SCENARIOS = """
import pytest


@pytest.mark.scenario("comp_ai_alerts", "idle")
def test_alerts():
    pass


@pytest.mark.scenario("comp_ai_control_tests", "idle")
def test_control_tests():
    pass


@pytest.mark.scenario("comp_ai_gap_analysis", "idle")
def test_gap_analysis():
    pass


@pytest.mark.scenario("comp_ai_scan_documents", "idle")
def test_scan_documents():
    pass
"""


@pytest.fixture
def idle(tmp_path: Path) -> Path:
    """Scenarios that run nothing."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "test_idle.py").write_text(IDLE_SCENARIOS, encoding="utf-8")
    return folder


def without_enum_value(contract: str, value: str) -> str:
    """The contract without one value of one enum; the line must exist, once or more."""
    lines = contract.splitlines(keepends=True)
    enums = [n for n, line in enumerate(lines) if "enum: [" in line and f"{value}," in line]
    assert enums, f"no enum of the contract lists {value}"
    for n in enums:
        lines[n] = lines[n].replace(f"{value}, ", "").replace(f", {value}", "")
    return "".join(lines)


def test_contract_without_one_enum_value(
    gate: Callable[..., Any], idle: Path, tmp_path: Path
) -> None:
    contract = tmp_path / "contract.yaml"
    original = (ROOT / "contracts" / "comp-ai.openapi.yaml").read_text(encoding="utf-8")
    contract.write_text(without_enum_value(original, "fail"), encoding="utf-8")

    judged = gate("--contract", contract, "--scenarios", idle, *ONE_VERSION)

    assert judged.code == 1, judged.printed
    assert judged.outcome_of("contract") == "findings"
    found = judged.findings("CK102") + judged.findings("CK103")
    assert any("recordTestResult" in finding["where"] for finding in found)


def test_import_that_the_image_does_not_have(
    gate: Callable[..., Any], idle: Path, deployed: Path, spoil: Callable[..., None]
) -> None:
    """The kit is in no Airflow image; a name of the newest Airflow is not in the oldest."""
    kit, newer = "from compai_kit.findings import Finding", "from airflow.sdk import RetryPolicy"
    spoil("comp_ai_alerts.py", "import os\n", f"import os\n{kit}\n")
    spoil("comp_ai_control_tests.py", "import os\n", f"import os\n{newer}\n")

    judged = gate("--dags", deployed, "--scenarios", idle)

    assert judged.code == 1, judged.printed
    refused_by = {
        finding["where"]: [version for version in ("3.3.2", "3.1.3") if version in finding["seen"]]
        for finding in judged.findings("CK201")
    }
    assert len(refused_by) == 2, judged.printed
    for where, versions in refused_by.items():
        assert versions == (["3.3.2", "3.1.3"] if "alerts" in where else ["3.1.3"])


def test_dags_that_read_settings_at_the_top_of_their_file(
    gate: Callable[..., Any], idle: Path, deployed: Path, spoil: Callable[..., None]
) -> None:
    plain = "from airflow.sdk import Variable\nURL = Variable.get('COMP_AI_BASE_URL')\n"
    # In production nothing would be swallowed: the Variable is there.
    swallowed = (
        "from airflow.sdk import Variable\n"
        "try:\n"
        "    URL = Variable.get('COMP_AI_BASE_URL', default=None)\n"
        "except Exception:\n"
        "    URL = None\n"
        "TOKEN = os.environ.get('COMP_AI_TOKEN')\n"
    )
    spoil("comp_ai_alerts.py", "import os\n", f"import os\n{plain}")
    spoil("comp_ai_control_tests.py", "import os\n", f"import os\n{swallowed}")

    judged = gate("--dags", deployed, "--scenarios", idle)

    assert judged.code == 1, judged.printed
    found = []
    for finding in judged.report["findings"]:
        file, _, line = finding["where"].rpartition("/")[2].rpartition(":")
        text = (deployed / file).read_text("utf-8").splitlines()[int(line) - 1]
        assert ".get('COMP_AI_" in text, "the finding names the line"
        assert "Airflow 3.3.2 and 3.1.3" in finding["seen"]
        found.append((file, finding["code"]))
    assert sorted(found) == [
        ("comp_ai_alerts.py", "CK207"),
        ("comp_ai_control_tests.py", "CK207"),
        ("comp_ai_control_tests.py", "CK210"),
    ]
