"""Runs a stack's components and takes every process and file of theirs away, whatever happens.

Started as a script of its own (standard library only) in a session of its own. The caller holds the
other end of its standard input: a closed pipe or a new parent means that the caller is gone, even
by SIGKILL. Airflow's tasks move into process groups and sessions of their own, so groups are not
enough: on Linux this process adopts every orphan below it (subreaper) and kills the whole tree.

Input lines: {"start": {name, argv, env, cwd, log}} or {"stop": seconds of grace}.
Output lines: {"home": path}, {"started": name, "pid": n}, {"exited": name, "code": n},
{"stopped": number of processes that had to be killed}.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME_PREFIX = "compai-airflow-"
_LOOK_UP_S = 0.5  # how often we look whether the parent is still ours
_GRACE_S = 1.0  # when nobody waits for us any more
_KILL_WITHIN_S = 10.0  # a killed process goes at once unless the kernel holds it
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ON_LINUX = sys.platform == "linux"


def process_table() -> dict[int, int]:
    """Parent of every process, by process id."""
    if not _ON_LINUX:
        with subprocess.Popen(
            ["/bin/ps", "-axo", "pid=,ppid="], stdout=subprocess.PIPE, text=True
        ) as listing:
            lines = listing.communicate()[0].splitlines()
        rows = {int(pid): int(ppid) for pid, ppid in map(str.split, lines)}
        rows.pop(listing.pid, None)
        return rows
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended while we looked
                # "pid (name) state ppid …", and a name may hold spaces and brackets
                after_name = (entry / "stat").read_text().rpartition(")")[2]
                table[int(entry.name)] = int(after_name.split()[1])
    return table


def descendants(root: int, table: dict[int, int]) -> set[int]:
    """Every process below `root`."""
    found: set[int] = set()
    layer = {root}
    while layer:
        layer = {pid for pid, parent in table.items() if parent in layer and pid not in found}
        found |= layer
    return found


class Supervisor:
    """The components of one stack, its temporary home, and their end."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._names: dict[int, str] = {}
        self._handles: list[subprocess.Popen[bytes]] = []
        self._home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX)).resolve()
        self._grace_s: float | None = None  # set once we are to stop

    def run(self) -> None:
        """Serve the caller until it says stop, closes the pipe or dies; then clear everything."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to answer
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_signal)
        wake, wake_writer = os.pipe()
        os.set_blocking(wake_writer, False)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if _ON_LINUX:
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            self._say(home=str(self._home))
            self._serve(wake)
        finally:
            killed = self._end_all(_GRACE_S if self._grace_s is None else self._grace_s)
            self._remove_home()
            self._say(stopped=killed)

    def _serve(self, wake: int) -> None:
        pending = b""
        while self._grace_s is None:
            ready, _, _ = select.select([0, wake], [], [], _LOOK_UP_S)
            if wake in ready:
                os.read(wake, 4096)
            self._reap()
            if os.getppid() != self._parent:
                return
            if 0 in ready:
                chunk = os.read(0, 65536)
                if not chunk:
                    return
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def _obey(self, order: dict[str, object]) -> None:
        match order:
            case {"start": dict(component)}:
                self._start(**component)
            case {"stop": int() | float() as grace_s}:
                self._grace_s = float(grace_s)

    def _start(self, name: str, argv: list[str], env: dict[str, str], cwd: str, log: str) -> None:
        with Path(log).open("ab") as sink:
            child = subprocess.Popen(  # noqa: S603 - the caller's own command, no shell
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if _ON_LINUX else None,
            )
        self._handles.append(child)  # kept: its destructor would complain about a live child
        self._names[child.pid] = name
        self._say(started=name, pid=child.pid)

    def _reap(self) -> None:
        """Collect whatever ended, adopted orphans included, and tell about components."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if name := self._names.pop(pid, None):
                    self._say(exited=name, code=os.waitstatus_to_exitcode(status))

    def _end_all(self, grace_s: float) -> int:
        """TERM the components, wait, then KILL every process below us; returns how many it took."""
        for pid in self._names:
            _send(pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        known = descendants(os.getpid(), process_table())
        while self._names and time.monotonic() < deadline:
            time.sleep(0.05)
            self._reap()
        killed: set[int] = set()
        deadline = time.monotonic() + _KILL_WITHIN_S
        while time.monotonic() < deadline:
            self._reap()
            table = process_table()
            left = descendants(os.getpid(), table)
            if not _ON_LINUX:  # no adoption there: keep to those we saw before the signals
                left |= known & table.keys()
            if not left:
                break
            for pid in left:
                _send(pid, signal.SIGKILL)
            killed |= left
            time.sleep(0.02)
        return len(killed)

    def _remove_home(self) -> None:
        for _ in range(20):
            shutil.rmtree(self._home, ignore_errors=True)
            if not self._home.exists():
                return
            time.sleep(0.1)

    def _on_signal(self, *_: object) -> None:
        self._grace_s = _GRACE_S

    def _say(self, **event: object) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: go on and clean up
            os.write(1, json.dumps(event).encode() + b"\n")


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    Supervisor().run()
