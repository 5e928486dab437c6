"""Generated projects, run by a pytest or a gate of their own in a child process."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from compai_kit.gate.scenarios import plugin_name

collect_ignore = ["data"]  # the tests of the generated projects
REPOSITORY = Path(__file__).parents[2]
TINY_AIRFLOW = Path(__file__).parent / "data" / "tiny_airflow"
RECORDINGS = REPOSITORY / "tests" / "cassettes" / "live"
_TIMEOUT_S = 120


@dataclass(frozen=True, kw_only=True)
class Done:
    """A process that has ended."""

    code: int
    out: str
    err: str

    def assert_code(self, code: int) -> "Done":
        assert self.code == code, (
            f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"
        )
        return self


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with its own pytest.ini, so that nothing of this repository's settings applies."""

    path: Path
    airflow_python: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text, encoding="utf-8")

    def files(self) -> set[str]:
        return {str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file()}

    def pytest(self, *arguments: str) -> Done:
        options = ["-p", plugin_name(), "-p", "no:cacheprovider", "--color=no"]
        return self.run([sys.executable, "-m", "pytest", *options, *arguments])

    def gate_command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "compai_kit.cli.main",
            "gate",
            f"--recordings={RECORDINGS}",
            f"--airflow-python={self.airflow_python}",
            "--scenarios=scenarios",
            *arguments,
        ]

    def gate(self, *arguments: str) -> Done:
        return self.run(self.gate_command(*arguments))

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "NO_COLOR": "1",
            "COLUMNS": "120",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # ours is named; others only cost time
        }
        if path := os.environ.get("PYTHONPATH"):  # a checkout that is not installed
            entries = [str(Path(entry).absolute()) for entry in path.split(os.pathsep)]
            settings["PYTHONPATH"] = os.pathsep.join(entries)
        return {**os.environ, **settings}

    def run(self, command: list[str]) -> Done:
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="session")
def tiny_airflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment whose Airflow can do one thing: parse DAG files."""
    folder = tmp_path_factory.mktemp("tiny_airflow") / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    for source in TINY_AIRFLOW.rglob("*"):
        if source.is_file() and source.suffix != ".pyc":
            target = packages / source.relative_to(TINY_AIRFLOW)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return folder / "bin" / "python"


@pytest.fixture
def project(tmp_path: Path, tiny_airflow: Path) -> Project:
    """An empty project."""
    made = Project(path=tmp_path / "project", airflow_python=tiny_airflow)
    made.write({"pytest.ini": "[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n"})
    return made


CallsAs = Callable[[str, str], str]


@pytest.fixture
def scenario_file() -> CallsAs:
    """The source of a scenario module whose tests call the simulator as a DAG's task would."""

    def source(tests: str, dag: str = "tiny") -> str:
        return f"""
import pytest
import requests

def get(simulator, path):
    caller = "compai-client/1 (dag={dag}; run=r; task=t; map=-1; try=1)"
    return requests.get(simulator.url + path, headers={{"User-Agent": caller}}, timeout=5)

{tests}
"""

    return source
