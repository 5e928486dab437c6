"""The example of docs/gate-your-own-dags.md, as a project of its own, on a real Airflow."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "own-dags"
PAGE = Path(__file__).parents[2] / "docs" / "gate-your-own-dags.md"
COMMAND = "compai gate --dags dags --scenarios scenarios --airflow-version 3.3.2 --report report"


def test_the_example_does_what_its_page_says(project: Any) -> None:
    shutil.copytree(EXAMPLE, project.path, dirs_exist_ok=True)
    options = COMMAND.split()[2:]
    command = project.gate_command()[: project.gate_command().index("gate") + 1]

    done = project.run([*command, *options]).assert_code(0)

    page = PAGE.read_text("utf-8")
    assert COMMAND in page
    assert done.out.splitlines()[-1] in page
    assert re.search(r"✓ two gaps", done.out)
    assert re.search(r"✓ Comp-AI down", done.out)
    report = json.loads((project.path / "report" / "verdict.json").read_text("utf-8"))
    assert report["selection"]["parsed_only"] == ["tidy_up"]


def test_page_shows_the_files_as_they_are() -> None:
    page = PAGE.read_text("utf-8")
    shown = dict(re.findall(r"`(docs/examples/own-dags/[\w./-]+)`\n\n```\w+\n(.*?)```", page, re.S))
    assert {"weekly_gap_report.py", "test_weekly_gap_report.py"} <= {
        Path(name).name for name in shown
    }
    for name, text in shown.items():
        assert (EXAMPLE.parents[2] / name).read_text("utf-8") == text
