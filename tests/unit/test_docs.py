"""What the documents name must exist: files, tox environments, commands, settings."""

import configparser
import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from compai_kit.cli.main import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


@pytest.fixture(params=DOCUMENTS, ids=NAMES)
def text(request: pytest.FixtureRequest) -> str:
    document: Path = request.param
    return document.read_text(encoding="utf-8")


def tox_environments() -> set[str]:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    return {section.removeprefix("testenv:") for section in tox.sections() if ":" in section}


def test_tox_environments_exist(text: str) -> None:
    named = set(re.findall(r"tox -e ([a-z][\w.-]*)", text))
    assert named <= tox_environments()


def test_every_environment_says_what_it_promises() -> None:
    """`tox list` prints it; tox takes a word and a colon in front for a condition."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    said = {name: tox[f"testenv:{name}"].get("description", "") for name in tox_environments()}
    assert {name for name, text in said.items() if not text} == set()
    assert {name for name, text in said.items() if re.match(r"[\w.,!-]+:\s", text)} == set()


def test_what_the_labels_name_exists() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    lists = re.findall(r"=\s*(.+)", tox["tox"]["labels"])
    assert lists
    named = {name for line in [*lists, tox["tox"]["env_list"]] for name in line.split(", ")}
    assert named <= tox_environments()


def test_files_exist(text: str) -> None:
    """Paths in back-quotes that begin with a folder of the project."""
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir())
    named = set(re.findall(rf"`((?:{folders})/[\w./-]*)`", text))
    # made by a run, not part of the project
    named = {name for name in named if not name.startswith(".tox/")}
    assert {name for name in named if not (ROOT / name).exists()} == {
        name for name in named if name in HISTORICAL | EXAMPLE
    }


# The first design's names, in the table that says what became of them.
HISTORICAL = {"dags/utils/comp_ai_client.py"}
# The check of CONTRIBUTING.md, which test_contributing.py writes into a copy.
EXAMPLE = {
    "dags/compai_dags/checks/github_private.py",
    "tests/unit/dags/test_check_github_private.py",
    "tests/e2e/test_github_private.py",
}


def test_commands_exist(text: str) -> None:
    named = set(re.findall(r"`(?:\.tox/\w+/bin/)?compai ([a-z]+)", text))
    listed = CliRunner().invoke(cli, ["--help"]).output
    assert {name for name in named if not re.search(rf"^  {name}\b", listed, re.MULTILINE)} == set()


def test_options_of_the_gate_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    options = CliRunner().invoke(cli, ["gate", "--help"]).output
    lines = re.findall(r"tox -e gate -- (.*)", readme)
    named = {option for line in lines for option in re.findall(r"--[a-z-]+", line)}
    assert named
    assert {option for option in named if option not in options} == set()


def test_no_placeholder_is_left(text: str) -> None:
    assert re.findall(r"\b(?:TODO|TBD|FIXME|[A-Z]+_(?:HERE|MINUTES))\b", text) == []


def test_settings_of_the_readme_are_read_by_the_dags() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "dags").rglob("*.py"))
    named = set(re.findall(r"\b(?:COMP_AI|SLACK)_[A-Z_]*[A-Z]\b", readme))
    assert named
    assert {name for name in named if name not in sources} == set()


def test_readme_says_that_dags_start_paused() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Airflow creates DAGs paused" in readme
    assert "airflow dags unpause comp_ai_control_tests" in readme


def test_every_setting_and_connection_of_the_dags_is_in_the_readme() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "dags").rglob("*.py"))
    settings = set(re.findall(r"""["']((?:COMP_AI|SLACK)_[A-Z0-9_]+)["']""", code))
    connections = set(re.findall(r"""["'](comp_ai_(?:github|okta|keycloak)|comp_ai)["']""", code))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Za-z_]+)(?:=\w+)?`", readme))
    assert len(settings) > 15
    assert settings | connections <= named


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert len(pages) > 10
    assert {page for page in pages if page not in readme} == set()


def test_every_promise_has_scenarios_that_exist() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[2])}
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "e2e").glob("test_*.py")
    )
    existing = set(re.findall(r'mark\.scenario\(\w+, "([^"]+)"\)', code))
    assert len(named) > 50
    assert named - existing == set()


def test_the_script_of_the_alerts_picture_still_runs() -> None:
    """Up to the browser, which only draws what the code says."""
    drawn = runpy.run_path(str(ROOT / "docs" / "render_alert.py"))
    html = "".join(map(drawn["as_html"], drawn["payload"]()["blocks"]))
    for title in ("Failing: new (1)", "Overdue remediation (1)", "Resolved since last (1)"):
        assert f"<b>{title}</b>" in html
    assert "because permission: Keycloak answers 403" in html
    picture = (ROOT / "docs" / "alert.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000
