"""Runs pytest on the scenarios in a child process and listens to what its plugin reports.

A child, so that neither pytest's output nor a crash of it gets between the gate and its verdict.
Events come as JSON lines over a pipe. A second pipe is the child's lifeline: when it closes,
because the gate lets go or dies, the child ends as on Ctrl-C and cleans up. The child is in a
session of its own, so the terminal's Ctrl-C reaches it exactly once: through the gate and the pipe.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

import msgspec

from compai_kit.gate.model import Collected, Event, SessionEnded
from compai_kit.gate.plan import GatePlan
from compai_kit.report.redact import redact, trimmed

_PLUGIN = "compai"
_PLUGIN_MODULE = "compai_kit.pytest_plugin.plugin"
# How long the child may take to stop Airflow after its lifeline was cut.
_CLEAN_UP_S = 60.0
_NOT_FOR_PYTEST = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


class ScenariosCouldNotRunError(Exception):
    """pytest did not get as far as running the scenarios; says nothing about the DAGs."""


class PytestOutput:
    """What pytest printed, for the report and for the reason when it did not get far.

    The file has no name, so nothing of it is left when the gate is killed.
    """

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object

    @property
    def text(self) -> str:
        """All of it, without secrets. The child may still write: its offset is not moved."""
        fd = self.file.fileno()
        content = os.pread(fd, os.fstat(fd).st_size, 0)
        return redact(content.decode("utf-8", errors="replace"))

    def last_line(self) -> str:
        """The last line that says something; pytest's own errors begin with ERROR."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        return trimmed((errors or lines or ["pytest said nothing"])[-1], lines=1)


class PytestChild:
    """A running pytest. Iterate over `events()`, then the context manager has it cleaned up."""

    def __init__(self, process: subprocess.Popen[bytes], events: IO[bytes], lifeline: int) -> None:
        self._process = process
        self._events = events
        self._lifeline: int | None = lifeline

    def events(self) -> Iterator[Event]:
        """Events until the child closes its end of the pipe."""
        decoder = msgspec.json.Decoder(Event)
        for line in self._events:
            yield decoder.decode(line)

    def let_go(self) -> None:
        """Cut the lifeline: the child stops what it does and cleans up."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def wait(self) -> int:
        """The child's exit code; it is killed when cleaning up takes too long."""
        try:
            return self._process.wait(timeout=_CLEAN_UP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


@contextmanager
def pytest_child(plan: GatePlan, output: PytestOutput, *extra: str) -> Iterator[PytestChild]:
    """Start pytest on the plan's scenarios; leaving the context ends it, whatever happened."""
    events_out, events_in = os.pipe()
    lifeline_out, lifeline_in = os.pipe()
    fds = (events_in, lifeline_out)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments, no shell
            _command(plan, events_fd=events_in, lifeline_fd=lifeline_out, extra=extra),
            env={k: v for k, v in os.environ.items() if k not in _NOT_FOR_PYTEST},
            stdin=subprocess.DEVNULL,
            stdout=output.file,
            stderr=subprocess.STDOUT,
            pass_fds=fds,
            start_new_session=True,
        )
    except BaseException:
        for fd in (events_out, lifeline_in):
            os.close(fd)
        raise
    finally:
        for fd in fds:
            os.close(fd)
    with os.fdopen(events_out, "rb") as events:
        child = PytestChild(process, events, lifeline_in)
        try:
            yield child
        finally:
            child.let_go()
            with suppress(KeyboardInterrupt):  # a second Ctrl-C must not orphan the stack
                child.wait()


def collect(plan: GatePlan) -> Collected:
    """The scenarios there are, without running any. Raises ScenariosCouldNotRunError."""
    if not plan.has_scenarios:
        return Collected(all=(), chosen=(), unknown_names=plan.names)
    printed = PytestOutput()
    with pytest_child(plan, printed, "--collect-only") as child:
        events = list(child.events())
    collected = next((e for e in events if isinstance(e, Collected)), None)
    problems = next((e.problems for e in events if isinstance(e, SessionEnded)), ())
    if problems:
        raise ScenariosCouldNotRunError(unreadable(problems))
    if collected is None:
        raise ScenariosCouldNotRunError(f"pytest could not collect: {printed.last_line()}")
    return collected


def unreadable(problems: Sequence[str]) -> str:
    """One line about test files that do not import."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _command(
    plan: GatePlan, *, events_fd: int, lifeline_fd: int, extra: Sequence[str]
) -> list[str]:
    options: list[tuple[str, object]] = [
        ("--airflow-version", plan.version),
        ("--airflow-python", plan.python),
        ("--dags", plan.dags_folder),
        ("--simulator", plan.simulator),
        ("--compai-contract", plan.contract),
        ("--compai-events-fd", events_fd),
        ("--compai-lifeline-fd", lifeline_fd),
        *(("--scenario", name) for name in plan.names),
        *(("--compai-only-dag", dag_id) for dag_id in plan.dag_ids if plan.is_another_folder),
    ]
    return [
        sys.executable,
        "-B",  # no __pycache__ in somebody's test folder
        "-m",
        "pytest",
        str(plan.scenarios_folder),
        "-p",
        plugin_name(),
        "-p",
        "no:cacheprovider",
        *(f"{option}={value}" for option, value in options if value is not None),
        *(["--compai-keep"] if plan.keep else []),
        *extra,
    ]


def plugin_name() -> str:
    """The installed entry point; its module in a checkout that is not installed."""
    found = importlib.metadata.entry_points(group="pytest11", name=_PLUGIN)
    return _PLUGIN if found else _PLUGIN_MODULE
