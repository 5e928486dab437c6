"""CONTRIBUTING.md, "Add a check": somebody who does what it says has a check that works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compai_kit.bundle import build_bundle

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHECK = "dags/compai_dags/checks/github_private.py"
REGISTRY = "dags/compai_dags/checks/__init__.py"
UNIT_TEST = "tests/unit/dags/test_check_github_private.py"
SCENARIO = "tests/e2e/test_github_private.py"


def blocks() -> dict[str, str]:
    """The code of the section, by the file that the line before it names."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = re.search(r"^## Add a check\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    assert section is not None
    return dict(re.findall(r"`([\w/.]+\.py)`:\n\n```python\n(.*?)```", section[1], re.DOTALL))


def registered(registry: str, steps: str) -> str:
    """The registry with the import and the entry of the text."""
    line, entry = steps.strip("\n").split("\n\n")
    first_import = registry.index("from compai_dags.checks import ")
    registry = f"{registry[:first_import]}{line}\n{registry[first_import:]}"
    opening = "CHECKS: Mapping[str, Check] = {\n"
    assert registry.count(opening) == 1
    return registry.replace(opening, f"{opening}{entry}\n")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what is deployed and of the tests' own files, before anybody added anything."""
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dags", tmp_path / "dags", ignore=leave_out)
    shutil.copytree(ROOT / "tests" / "e2e", tmp_path / "tests" / "e2e", ignore=leave_out)
    (tmp_path / "tests" / "unit" / "dags").mkdir(parents=True)
    shutil.copy(ROOT / "tests/unit/dags/conftest.py", tmp_path / "tests/unit/dags")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def follow(copy: Path, *, but: str = "") -> None:
    for name, code in blocks().items():
        path = copy / name
        assert path.exists() == (name == REGISTRY), f"{name} is there already: choose another name"
        if name != but:
            whole = registered(path.read_text("utf-8"), code) if name == REGISTRY else code
            path.write_text(whole, "utf-8")


def pytest_in(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The tests of the copy against the bundle of the copy, as it would be deployed."""
    bundle = copy / "bundle"
    build_bundle(bundle, dags=copy / "dags")
    path = os.pathsep.join([str(bundle), *(entry for entry in sys.path if entry)])
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:compai",
            *arguments,
        ],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_names_a_file_for_every_step() -> None:
    assert set(blocks()) == {CHECK, REGISTRY, UNIT_TEST, SCENARIO}


def test_whoever_follows_it_has_a_check_that_works(copy: Path) -> None:
    follow(copy)
    result = pytest_in(copy, UNIT_TEST)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 passed" in result.stdout
    manifest = (copy / "bundle" / "manifest.json").read_text("utf-8")
    assert "compai_dags/checks/github_private.py" in manifest


@pytest.mark.parametrize("forgotten", [CHECK, REGISTRY])
def test_whoever_forgets_a_step_is_told_by_its_tests(copy: Path, forgotten: str) -> None:
    follow(copy, but=forgotten)
    result = pytest_in(copy, UNIT_TEST)
    assert result.returncode != 0
    assert "4 passed" not in result.stdout


def test_its_scenario_is_one_of_the_gate(copy: Path) -> None:
    follow(copy)
    result = pytest_in(copy, "--collect-only", "-p", "compai_kit.pytest_plugin.plugin", SCENARIO)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "test_a_public_repository_fails" in result.stdout
