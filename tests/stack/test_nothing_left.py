"""However the caller ends, with a task at work: no process, no port and no file is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

pytestmark = pytest.mark.stack

CALLER = Path(__file__).with_name("caller.py")
WITHIN_S = 10


class Caller:
    """The calling process and everything that belongs to its stack."""

    def __init__(self, bundle: Path, version: str, way: str) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, str(CALLER), str(bundle), version, way],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        about: dict[str, Any] = json.loads(line)
        self.home = Path(about["home"])
        self.port = urlsplit(about["url"]).port
        self.tree = self._tree(about["supervisor"]) if way == "sleeps" else []

    @staticmethod
    def _tree(supervisor: int) -> list[psutil.Process]:
        process = psutil.Process(supervisor)
        return [process, *process.children(recursive=True)]

    def left(self) -> list[str]:
        """Everything of the stack that is still there, in words."""
        found = [f"process {p.pid} {_command(p)}" for p in self.tree if _is_alive(p)]
        found += [f"process {p.pid} in its home" for p in psutil.process_iter() if self._lives(p)]
        found += [f"port {self.port}"] if _is_open(self.port) else []
        found += [str(self.home)] if self.home.exists() else []
        return found

    def _lives(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("AIRFLOW_HOME") == str(self.home)
        except psutil.Error:
            return False

    def wait_until_nothing_is_left(self) -> None:
        """Fails after ten seconds."""
        started = time.monotonic()
        while left := self.left():
            assert time.monotonic() - started < WITHIN_S, left
            time.sleep(0.05)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()[-3:])
    except psutil.Error:
        return "(ended)"


def _is_open(port: int | None) -> bool:
    return any(
        c.laddr.port == port and c.status == psutil.CONN_LISTEN
        for c in psutil.net_connections("tcp")
        if c.laddr
    )


@pytest.fixture
def start_caller(bundle: Path) -> Iterator[Callable[..., Caller]]:
    """Starts callers; whatever a failing test leaves of them is ended."""
    started: list[Caller] = []

    def start(way: str, version: str = "3.3.2") -> Caller:
        started.append(Caller(bundle, version, way))
        return started[-1]

    yield start
    for caller in started:
        caller.process.kill()
        caller.process.communicate()


@pytest.mark.parametrize("version", ["3.1.3", "3.3.2"])
def test_nothing_is_left_after_sigkill_of_the_caller(start_caller, version: str) -> None:
    caller = start_caller("sleeps", version)
    commands = " ".join(_command(process) for process in caller.tree)
    assert "sleep 600" in commands  # in a session of its own, below the task
    assert len(caller.tree) > 6

    caller.process.kill()
    caller.process.communicate()

    caller.wait_until_nothing_is_left()


def test_nothing_is_left_after_ctrl_c(start_caller) -> None:
    caller = start_caller("sleeps")

    caller.process.send_signal(signal.SIGINT)
    _, errors = caller.process.communicate(timeout=30)

    assert "KeyboardInterrupt" in errors
    assert caller.left() == []  # already when the caller has ended


def test_nothing_is_left_after_an_exception_in_the_body(start_caller) -> None:
    caller = start_caller("raises")

    _, errors = caller.process.communicate(timeout=30)

    assert "RuntimeError: in the body" in errors
    assert caller.left() == []


def test_nothing_is_left_after_a_normal_end(start_caller) -> None:
    caller = start_caller("returns")

    _, errors = caller.process.communicate(timeout=30)

    assert (caller.process.returncode, errors) == (0, "")
    assert caller.left() == []


def test_nothing_is_left_when_the_supervisor_is_killed(start_caller) -> None:
    caller = start_caller("sleeps")

    caller.tree[0].kill()
    caller.process.send_signal(signal.SIGINT)
    caller.process.communicate(timeout=30)

    assert caller.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_caller_ends_during_the_boot(
    bundle: Path, tmp_path: Path, number: signal.Signals
) -> None:
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, str(CALLER), str(bundle), "3.3.2", "returns"],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    ) as caller:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("compai-airflow-*/logs/triggerer.log")):
            assert time.monotonic() < deadline, "the components were not started"
            time.sleep(0.02)
        tree = psutil.Process(caller.pid).children(recursive=True)
        caller.send_signal(number)
        caller.communicate(timeout=30)

    deadline = time.monotonic() + WITHIN_S
    while any(_is_alive(process) for process in tree) or list(tmp_path.iterdir()):
        assert time.monotonic() < deadline, [_command(process) for process in tree]
        time.sleep(0.05)
