"""What one gate run is asked to do, and the command line that asks for it again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from compai_kit.gate.model import Scenario

DEFAULT_DAGS = Path("dags")
DEFAULT_RECORDINGS = Path("tests/cassettes/live")
DEFAULT_SCENARIOS = Path("tests/e2e")
DEFAULT_IMPORT_BUDGET = 10.0


class PlanOptions(TypedDict, total=False):
    """The options that say nothing about the Airflow version."""

    dags: Path | None
    contract: Path | None
    recordings: Path | None
    scenarios: Path | None
    report: Path | None
    names: tuple[str, ...]
    keep: bool
    simulator: str | None
    import_budget: float


@dataclass(frozen=True, kw_only=True)
class GatePlan:
    """The options of `compai gate`. `versions` is never empty; the scenarios run on the first."""

    versions: tuple[str, ...]
    dags: Path | None = None
    """None: this project's own"""
    contract: Path | None = None
    recordings: Path | None = None
    """None: those of this project, if it has any"""
    scenarios: Path | None = None
    """None: those of this project, if it has any"""
    report: Path | None = None
    names: tuple[str, ...] = ()
    keep: bool = False
    python: Path | None = None
    simulator: str | None = None
    import_budget: float = DEFAULT_IMPORT_BUDGET
    """how many times a bare DAG file's import a file's import may cost"""
    asked_versions: tuple[str, ...] = ()
    """what --airflow-version said; empty when the defaults apply"""

    @property
    def is_another_folder(self) -> bool:
        """Whether --dags named a folder: then a DAG need not have a scenario."""
        return self.dags is not None

    @property
    def dags_folder(self) -> Path:
        """The folder with the DAG files."""
        return self.dags or DEFAULT_DAGS

    @property
    def dag_ids(self) -> tuple[str, ...]:
        """The DAGs that the folder is about: a file is named like its DAG."""
        return tuple(sorted(path.stem for path in self.dags_folder.glob("*.py")))

    @property
    def recordings_folder(self) -> Path | None:
        """The recordings that the contract is held to; None when there are none."""
        if self.recordings is None and not DEFAULT_RECORDINGS.is_dir():
            return None
        return self.recordings or DEFAULT_RECORDINGS

    @property
    def scenarios_folder(self) -> Path:
        """The folder of the scenario tests."""
        return self.scenarios or DEFAULT_SCENARIOS

    @property
    def has_scenarios(self) -> bool:
        """Whether there is a folder of scenario tests at all."""
        return self.scenarios_folder.is_dir()

    @property
    def version(self) -> str:
        """The Airflow version that runs the scenarios."""
        return self.versions[0]

    def for_versions(self, versions: Sequence[str]) -> "GatePlan":
        """The same plan on these Airflow versions only."""
        if self.python is not None:
            return self
        return replace(self, versions=tuple(versions), asked_versions=tuple(versions))

    def reproduce(self, scenario: Scenario, among: Sequence[Scenario]) -> str:
        """The command for one scenario; the DAG is named when the name alone is not enough."""
        alike = {other.dag for other in among if other.name == scenario.name}
        name = f"{scenario.dag}/{scenario.name}" if len(alike) > 1 else scenario.name
        return self.command(name)

    def command(self, *scenarios: str) -> str:
        """A shell line that runs the gate again on the same input, on these scenarios only."""
        words = ["compai", "gate"]
        for option, value, default in (
            ("--dags", self.dags, None),
            ("--contract", self.contract, None),
            ("--recordings", self.recordings, None),
            ("--scenarios", self.scenarios, None),
            ("--airflow-python", self.python, None),
            ("--simulator", self.simulator, None),
            ("--import-budget", f"{self.import_budget:g}", f"{DEFAULT_IMPORT_BUDGET:g}"),
        ):
            if value != default:
                words += [option, str(value)]
        for version in self.asked_versions:
            words += ["--airflow-version", version]
        for name in scenarios:
            words += ["--scenario", name]
        return shlex.join(words)
