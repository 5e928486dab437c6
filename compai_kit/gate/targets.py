"""Which Airflow a gate run is about: supported versions, chosen ones, or a given interpreter."""

import subprocess
from pathlib import Path
from typing import Unpack

from compai_kit.airflow_stack.environments import DEFAULT, SUPPORTED
from compai_kit.gate.plan import GatePlan, PlanOptions

_ASK = "import importlib.metadata as m; print(m.version('apache-airflow-core'))"
_ASK_TIMEOUT_S = 30


class TargetError(ValueError):
    """The options do not name an Airflow; the text says which are possible."""


def plan_for(
    *, versions: tuple[str, ...], python: Path | None, **options: Unpack[PlanOptions]
) -> GatePlan:
    """The plan of the given options. The default version comes first: it runs the scenarios."""
    if python is not None:
        if versions:
            raise TargetError(
                "--airflow-python and --airflow-version exclude each other: the interpreter"
                " has the version that it has"
            )
        return GatePlan(versions=(airflow_version(python),), python=python.absolute(), **options)
    for version in versions:
        if version not in SUPPORTED:
            raise TargetError(
                f"--airflow-version {version}: there are locks for {', '.join(SUPPORTED)};"
                " for another version give its interpreter with --airflow-python"
            )
    distinct = tuple(dict.fromkeys(versions))
    return GatePlan(versions=distinct or default_versions(), asked_versions=distinct, **options)


def default_versions() -> tuple[str, ...]:
    """Every supported version, the default one first."""
    return (DEFAULT, *(version for version in reversed(SUPPORTED) if version != DEFAULT))


def airflow_version(python: Path) -> str:
    """The version of the Airflow that this interpreter has. Raises TargetError."""
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter the user chose, no shell
            [python, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetError(f"--airflow-python {python} is not a Python interpreter") from error
    if done.returncode != 0:
        raise TargetError(f"--airflow-python {python} has no Airflow 3 (apache-airflow-core)")
    return done.stdout.strip()
