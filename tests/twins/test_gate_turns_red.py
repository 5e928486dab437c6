"""A wrong contract, and DAG files that the target Airflow cannot import: red before anything runs.

Scenarios that need no Airflow stand in for the real ones, so that no stack is booted for nothing.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
IDLE_SCENARIOS = """
import pytest


@pytest.mark.scenario("comp_ai_alerts", "idle")
def test_alerts():
    pass


@pytest.mark.scenario("comp_ai_control_tests", "idle")
def test_control_tests():
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

    judged = gate("--contract", contract, "--scenarios", idle)

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
    gate: Callable[..., Any],
    idle: Path,
    deployed: Path,
    spoil: Callable[..., None],
    import_line: str,
    versions: Sequence[str],
) -> None:
    spoil("comp_ai_alerts.py", "import os\n", f"import os\n{import_line}\n")

    judged = gate("--dags", deployed, "--scenarios", idle)

    assert judged.code == 1, judged.printed
    [finding] = judged.findings("CK201")
    assert "comp_ai_alerts.py" in finding["where"]
    assert [version for version in ("3.3.2", "3.1.3") if version in finding["seen"]] == [*versions]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("from airflow.sdk import Variable\nURL = Variable.get('COMP_AI_BASE_URL')\n", "CK207"),
        # in production nothing would be swallowed: the Variable is there
        (
            "from airflow.sdk import Variable\ntry:\n"
            "    URL = Variable.get('COMP_AI_BASE_URL', default=None)\n"
            "except Exception:\n    URL = None\n",
            "CK207",
        ),
        ("TOKEN = os.environ.get('COMP_AI_TOKEN')\n", "CK210"),
    ],
)
def test_dag_that_reads_settings_at_the_top_of_its_file(
    gate: Callable[..., Any],
    idle: Path,
    deployed: Path,
    spoil: Callable[..., None],
    lines: str,
    code: str,
) -> None:
    spoil("comp_ai_alerts.py", "import os\n", f"import os\n{lines}")

    judged = gate("--dags", deployed, "--scenarios", idle)

    assert judged.code == 1, judged.printed
    [finding] = judged.report["findings"]
    assert finding["code"] == code
    source = (deployed / "comp_ai_alerts.py").read_text("utf-8").splitlines()
    line = int(finding["where"].rpartition(":")[2])
    assert ".get('COMP_AI_" in source[line - 1]
    assert "Airflow 3.3.2 and 3.1.3" in finding["seen"]
