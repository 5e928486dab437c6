"""What one gate run is asked to do, and the command line that asks for it again."""

import shlex
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DAGS = Path("dags")
DEFAULT_RECORDINGS = Path("tests/cassettes/live")
DEFAULT_SCENARIOS = Path("tests/e2e")


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
    asked_versions: tuple[str, ...] = ()
    """what --airflow-version said; empty when the defaults apply"""

    @property
    def version(self) -> str:
        """The Airflow version that runs the scenarios."""
        return self.versions[0]

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
        ):
            if value != default:
                words += [option, str(value)]
        for version in self.asked_versions:
            words += ["--airflow-version", version]
        for name in scenarios:
            words += ["--scenario", name]
        return shlex.join(words)
