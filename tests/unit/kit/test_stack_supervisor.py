"""The supervisor takes every process and file away, whatever the component or the caller does.

Real processes, no Airflow: the same promises with a real one are in tests/stack.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from compai_kit.airflow_stack.errors import ComponentDiedError
from compai_kit.airflow_stack.supervised import Supervised, sweep
from compai_kit.airflow_stack.supervisor import descendants

SLEEPS = "import time; time.sleep(600)"
IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(600)"
)
# Its child leaves group and session, and then it ends itself: the child is an orphan.
LEAVES_AN_ORPHAN = (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True); print(child.pid, flush=True)"
)


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    one = Supervised()
    yield one
    one.close(grace_s=0.2)


def start(supervised: Supervised, name: str, code: str) -> Path:
    log = supervised.home() / f"{name}.log"
    environ = {**os.environ, "AIRFLOW_HOME": str(supervised.home())}
    supervised.start(name, [sys.executable, "-c", code], env=environ, log=log)
    return log


def wait_for_text(log: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if log.is_file() and (text := log.read_text()).endswith("\n"):
            return text
        time.sleep(0.02)
    raise AssertionError(f"{log} stayed empty")


def living(home: Path) -> list[int]:
    """Processes that belong to this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRFLOW_HOME") == str(home):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def assert_gone(home: Path, *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while living(home) or home.exists():
        assert time.monotonic() < deadline, f"left: processes {living(home)}, home {home.exists()}"
        time.sleep(0.05)


def test_close_ends_components_and_removes_the_home(supervised: Supervised) -> None:
    start(supervised, "sleeper", SLEEPS)
    home = supervised.home()

    supervised.close(grace_s=5)

    assert living(home) == []
    assert not home.exists()


def test_close_may_be_called_twice(supervised: Supervised) -> None:
    supervised.close(grace_s=0.1)
    supervised.close(grace_s=0.1)


def test_a_component_that_ignores_term_is_killed(supervised: Supervised) -> None:
    wait_for_text(start(supervised, "deaf", IGNORES_TERM))
    home = supervised.home()
    started = time.monotonic()

    supervised.close(grace_s=0.3)

    assert living(home) == []
    assert time.monotonic() - started < 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can adopt orphans (run it there)")
def test_orphans_in_sessions_of_their_own_are_found(supervised: Supervised) -> None:
    orphan = int(wait_for_text(start(supervised, "parent", LEAVES_AN_ORPHAN)))
    supervised.wait_for_exit("parent", timeout_s=20)
    assert psutil.pid_exists(orphan)

    supervised.close(grace_s=0.2)

    assert not psutil.pid_exists(orphan)


def test_exit_codes_are_told(supervised: Supervised) -> None:
    start(supervised, "short", "raise SystemExit(7)")

    assert supervised.wait_for_exit("short", timeout_s=20) == 7


def test_a_component_that_ends_is_reported_with_the_end_of_its_log(supervised: Supervised) -> None:
    start(supervised, "scheduler", "print('out of luck'); raise SystemExit(3)")
    supervised.wait_for_exit("scheduler", timeout_s=20)

    with pytest.raises(ComponentDiedError) as caught:
        supervised.check(running=["scheduler"])

    assert str(caught.value).splitlines() == [
        "scheduler ended by itself with exit code 3",
        "--- last lines of scheduler's log ---",
        "out of luck",
    ]


def test_a_running_component_passes_the_check(supervised: Supervised) -> None:
    start(supervised, "sleeper", SLEEPS)

    supervised.check(running=["sleeper"])


def test_a_killed_supervisor_is_noticed_and_swept_up_after(supervised: Supervised) -> None:
    start(supervised, "sleeper", SLEEPS)
    orphan = int(wait_for_text(start(supervised, "parent", LEAVES_AN_ORPHAN)))
    home = supervised.home()
    os.kill(supervised.pid, signal.SIGKILL)

    psutil.wait_procs([psutil.Process(supervised.pid)], timeout=10)
    with pytest.raises(ComponentDiedError, match="killed from outside"):
        supervised.check(running=["sleeper"])
    supervised.close(grace_s=0.2)

    assert_gone(home, within_s=5)
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"


CALLER = f"""
import os, sys, time
from compai_kit.airflow_stack.supervised import Supervised
one = Supervised()
home = one.home()
environ = {{**os.environ, "AIRFLOW_HOME": str(home)}}
log = home / "parent.log"
one.start("sleeper", [sys.executable, "-c", {SLEEPS!r}], env=environ, log=home / "s.log")
one.start("parent", [sys.executable, "-c", {LEAVES_AN_ORPHAN!r}], env=environ, log=log)
while not (log.is_file() and log.read_text()):
    time.sleep(0.01)
print(home, flush=True)
"""


@contextmanager
def caller(then: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has two components up, and then does something; with the home of those."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", CALLER + then], stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def wait_for_both(home: Path) -> None:
    deadline = time.monotonic() + 20
    while len(living(home)) != 2:
        assert time.monotonic() < deadline, "the two components did not start"
        time.sleep(0.02)


def test_nothing_outlives_a_killed_caller() -> None:
    with caller("time.sleep(600)") as (process, home):
        wait_for_both(home)
        process.kill()

    assert_gone(home, within_s=10)


def test_a_caller_that_ends_without_closing_leaves_nothing() -> None:
    with caller("os._exit(0)") as (process, home):
        process.wait(timeout=20)

    assert_gone(home, within_s=10)


def test_a_forked_child_that_holds_the_pipe_keeps_nothing_alive(tmp_path: Path) -> None:
    """A caller that forks (multiprocessing does) leaves a copy of the pipe's end in the child."""
    note = tmp_path / "child"
    forks = (
        "child = os.fork()\n"
        "if not child: time.sleep(600)\n"
        f"open({str(note)!r}, 'w').write(str(child))\n"
        "os.kill(os.getpid(), 9)"
    )
    with caller(forks) as (process, home):
        process.wait(timeout=20)
        try:
            assert_gone(home, within_s=10)
        finally:
            os.kill(int(note.read_text()), signal.SIGKILL)


def test_descendants_are_all_below_a_process_and_no_others() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}

    assert descendants(10, parents) == {11, 12}
    assert descendants(12, parents) == set()


def test_sweeping_a_home_that_is_gone_does_nothing(tmp_path: Path) -> None:
    sweep(tmp_path / "gone", sessions=[])
