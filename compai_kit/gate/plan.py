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

    dags: Path
    contract: Path | None
    recordings: Path
    scenarios: Path
    report: Path | None
    names: tuple[str, ...]
    keep: bool
    simulator: str | None
    import_budget: float


@dataclass(frozen=True, kw_only=True)
class GatePlan:
    """The options of `compai gate`. `versions` is never empty; the scenarios run on the first."""

    versions: tuple[str, ...]
    dags: Path = DEFAULT_DAGS
    contract: Path | None = None
    recordings: Path = DEFAULT_RECORDINGS
    scenarios: Path = DEFAULT_SCENARIOS
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
            ("--dags", self.dags, DEFAULT_DAGS),
            ("--contract", self.contract, None),
            ("--recordings", self.recordings, DEFAULT_RECORDINGS),
            ("--scenarios", self.scenarios, DEFAULT_SCENARIOS),
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
