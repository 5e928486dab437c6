"""The plugin's options and what they amount to. Light: loaded by every pytest run."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

DEFAULT_DAGS = Path("dags")
DEFAULT_SIMULATOR = "compai_kit.simulator.app:create_app"
REQUIREMENTS = ("docker", "keycloak")


def add_options(parser: pytest.Parser) -> None:
    """One group in `pytest --help`; the hidden ones are how `compai gate` drives its pytest."""
    group = parser.getgroup("compai", "DAG scenarios on a real Airflow against the simulator")
    group.addoption(
        "--airflow-version",
        metavar="V",
        help="the Airflow version to run, in an environment made for it (default: the newest)",
    )
    group.addoption(
        "--airflow-python",
        metavar="PATH",
        type=Path,
        help="an interpreter that has Airflow, instead of an environment made for it",
    )
    group.addoption(
        "--dags",
        metavar="DIR",
        type=Path,
        default=DEFAULT_DAGS,
        help="the folder with the DAG files (default: ./dags)",
    )
    group.addoption(
        "--simulator",
        metavar="MODULE:FACTORY",
        default=DEFAULT_SIMULATOR,
        help="makes the simulator; FILE.py:FACTORY works, too (default: %(default)s)",
    )
    group.addoption(
        "--scenario",
        metavar="NAME",
        action="append",
        default=[],
        help="run only the scenario of this name, or DAG/NAME (repeatable)",
    )
    group.addoption(
        "--compai-contract",
        metavar="FILE",
        type=Path,
        help="the contract that calls are judged by (default: the kit's own)",
    )
    group.addoption(
        "--compai-report",
        metavar="DIR",
        type=Path,
        help="write verdict.txt, .json and .sarif and junit.xml into this folder",
    )
    group.addoption(
        "--require",
        choices=REQUIREMENTS,
        action="append",
        default=[],
        help="fail, instead of skip, what needs this and does not find it (repeatable)",
    )
    group.addoption("--compai-events-fd", type=int, help=argparse.SUPPRESS)
    group.addoption("--compai-lifeline-fd", type=int, help=argparse.SUPPRESS)
    group.addoption("--compai-keep", action="store_true", help=argparse.SUPPRESS)
    group.addoption("--compai-blocked-dag", action="append", default=[], help=argparse.SUPPRESS)
    group.addoption("--compai-only-dag", action="append", default=[], help=argparse.SUPPRESS)


@dataclass(frozen=True, kw_only=True)
class PluginSettings:
    """The options as one value. Paths are absolute: a test may change the working directory."""

    version: str | None
    python: Path | None
    dags: Path
    simulator: str
    contract: Path | None
    report: Path | None
    names: tuple[str, ...]
    required: tuple[str, ...]
    events_fd: int | None
    lifeline_fd: int | None
    keep: bool
    blocked_dags: tuple[str, ...]
    only_dags: tuple[str, ...]

    @property
    def wants_recorder(self) -> bool:
        """Whether an option asks for more than the fixtures."""
        return bool(self.events_fd is not None or self.report or self.names or self.blocked_dags)

    @classmethod
    def from_config(cls, config: pytest.Config) -> "PluginSettings":
        """Read them from a configured pytest."""
        root = config.invocation_params.dir

        def absolute(path: Path | None) -> Path | None:
            return None if path is None else root / path

        option = config.getoption
        return cls(
            version=option("airflow_version"),
            python=absolute(option("airflow_python")),
            dags=root / option("dags"),
            simulator=option("simulator"),
            contract=absolute(option("compai_contract")),
            report=absolute(option("compai_report")),
            names=tuple(option("scenario")),
            required=tuple(option("require")),
            events_fd=option("compai_events_fd"),
            lifeline_fd=option("compai_lifeline_fd"),
            keep=option("compai_keep"),
            blocked_dags=tuple(option("compai_blocked_dag")),
            only_dags=tuple(option("compai_only_dag")),
        )
