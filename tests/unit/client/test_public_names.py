"""What is public is a decision: `__all__`, the version, and what an import costs."""

import re
import subprocess
import sys
from pathlib import Path

import compai_client

PACKAGE = Path(compai_client.__file__).parent


def test_all_is_sorted_and_is_what_the_package_shows() -> None:
    # pytest adds names that are no identifiers to modules of a distribution with a plugin
    shown = {
        name
        for name in vars(compai_client)
        if name.isidentifier() and not name.startswith("_") and name != "annotations"
    }
    constants_first = sorted(compai_client.__all__, key=lambda name: (not name.isupper(), name))
    assert compai_client.__all__ == constants_first
    assert set(compai_client.__all__) == shown | {"__version__"}


def test_every_other_module_is_private() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert modules
    assert all(re.fullmatch(r"_[a-z_]+", name) for name in modules)


def test_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_version_is_the_distributions() -> None:
    project = Path(__file__).parents[3] / "pyproject.toml"
    assert f'version = "{compai_client.__version__}"' in project.read_text(encoding="utf-8")


def test_importing_it_brings_neither_airflow_nor_the_kit() -> None:
    code = (
        "import compai_client, sys; "
        "print(sorted({name.split('.')[0] for name in sys.modules} "
        "& {'airflow', 'compai_kit', 'pytest', 'yaml'}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    assert run.stdout.strip() == "[]"
