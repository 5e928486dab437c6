"""The caller's side of the supervisor: starts it, gives orders, hears events, sees to its end."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from compai_kit.airflow_stack import supervisor
from compai_kit.airflow_stack.errors import BootError, ComponentDiedError

_START_WITHIN_S = 20.0
_END_WITHIN_S = 20.0
LOG_TAIL_LINES = 40


class Supervised:
    """Components under one supervisor, with a temporary home that lives exactly as long."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C in a terminal must reach the caller only.
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", str(Path(supervisor.__file__))],
            env={"PATH": os.defpath, "TMPDIR": tempfile.gettempdir()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._unread = b""
        self._logs: dict[str, Path] = {}
        self._exited: dict[str, int] = {}
        self._sessions: set[int] = set()  # each component leads one
        self._stopped = False
        self._closed = False
        self._home: Path | None = None

    def home(self) -> Path:
        """The temporary home; waits for the supervisor to have made it."""
        deadline = time.monotonic() + _START_WITHIN_S
        while self._home is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BootError("the stack's supervisor did not start")
            self._read_events(0.2)
        return self._home

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    def start(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        """Start one component; its output goes to `log`."""
        self._logs[name] = log
        order = {"name": name, "argv": list(argv), "env": dict(env), "cwd": str(self.home())}
        self._send({"start": {**order, "log": str(log)}})

    def wait_for_exit(self, name: str, *, timeout_s: float) -> int:
        """The exit code of a component that is meant to end; `BootError` when it does not."""
        deadline = time.monotonic() + timeout_s
        while name not in self._exited:
            if time.monotonic() > deadline:
                raise BootError(f"{name} did not end within {timeout_s:g} s\n{self.tail(name)}")
            self._read_events(0.2)
        return self._exited[name]

    def check(self, *, running: Sequence[str]) -> None:
        """Raise `ComponentDiedError`, with the end of its log, when one of these has ended."""
        self._read_events(0)
        for name in running:
            if name in self._exited:
                raise ComponentDiedError(
                    f"{name} ended by itself with exit code {self._exited[name]}\n{self.tail(name)}"
                )
        if self._process.poll() is not None:
            raise ComponentDiedError(
                f"the stack's supervisor (process {self.pid}) was killed from outside"
            )

    def tail(self, name: str, lines: int = LOG_TAIL_LINES) -> str:
        """The end of a component's log, under a heading."""
        log = self._logs.get(name)
        text = log.read_text(errors="replace") if log and log.is_file() else ""
        last = text.strip().splitlines()[-lines:]
        return "\n".join([f"--- last lines of {name}'s log ---", *(last or ["(empty)"])])

    def close(self, *, grace_s: float) -> None:
        """End every component, and what they started, and remove the home; safe to call twice."""
        if self._closed:
            return
        self._read_events(0)
        with contextlib.suppress(ComponentDiedError):
            self._send({"stop": grace_s})
        deadline = time.monotonic() + grace_s + _END_WITHIN_S
        while not self._stopped and self._process.poll() is None and time.monotonic() < deadline:
            self._read_events(0.2)
        if not self._stopped:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        if self._home:
            sweep(self._home, sessions=self._sessions)
        self._closed = True

    def _send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - we asked for the pipe
        try:
            os.write(self._process.stdin.fileno(), json.dumps(order).encode() + b"\n")
        except (OSError, ValueError) as error:
            raise ComponentDiedError(f"the stack's supervisor is gone ({error})") from error

    def _read_events(self, timeout_s: float) -> None:
        assert self._process.stdout is not None  # noqa: S101 - we asked for the pipe
        descriptor = self._process.stdout.fileno()
        while select.select([descriptor], [], [], timeout_s)[0]:
            chunk = os.read(descriptor, 65536)
            if not chunk:
                return
            *lines, self._unread = (self._unread + chunk).split(b"\n")
            for line in lines:
                self._note(json.loads(line))
            timeout_s = 0

    def _note(self, event: dict[str, Any]) -> None:
        match event:
            case {"home": str(home)}:
                self._home = Path(home)
            case {"started": str(), "pid": int(pid)}:
                self._sessions.add(pid)
            case {"exited": str(name), "code": int(code)}:
                self._exited[name] = code
            case {"stopped": _}:
                self._stopped = True


def sweep(home: Path, *, sessions: Collection[int]) -> None:
    """The last resort, for a supervisor that was killed: end what still lives in this home."""
    if not home.exists():
        return
    deadline = time.monotonic() + _END_WITHIN_S
    while (left := _living(home, sessions)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
        time.sleep(0.05)
    shutil.rmtree(home, ignore_errors=True)


def _living(home: Path, sessions: Collection[int]) -> list[psutil.Process]:
    """By session (Airflow's workers overwrite their environment with their title), else by home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            in_session = os.getsid(process.pid) in sessions
            zombie = process.status() == psutil.STATUS_ZOMBIE
            if not zombie and (in_session or process.environ().get("AIRFLOW_HOME") == str(home)):
                found.append(process)
    return found
