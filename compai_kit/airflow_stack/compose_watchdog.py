"""Takes a stack of containers away, also when its caller was killed.

Started as a script of its own (standard library only) in a session of its own. The caller holds the
other end of its standard input: a closed pipe or a new parent means that the caller is done or
gone. Everything that Compose made is found by its project label, so nothing else is touched, and
neither Compose nor its file is needed.

`python compose_watchdog.py DOCKER PROJECT FOLDER`; FOLDER holds the stack's temporary files
(secrets among them) and is removed at the end. Output: {"left": [what could not be removed]}.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_UP_S = 0.5
_TRY_FOR_S = 60.0
_CALL_TIMEOUT_S = 30
_CALM_S = 0.5  # an engine still works off what a killed client had asked for


def wait_for_the_end_of_the_caller() -> None:
    """Return when the pipe is closed or the parent is another one."""
    parent = os.getppid()
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], _LOOK_UP_S)
        if ready and not os.read(0, 4096):
            return


def arguments_of_processes() -> Iterator[tuple[int, str]]:
    """Every process of this machine with its command line."""
    if sys.platform == "linux":
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:  # it ended while we looked
                    continue
                yield int(entry.name), line.replace(b"\0", b" ").decode(errors="replace")
        return
    listing = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=False
    )
    for row in listing.stdout.splitlines():
        number, _, line = row.strip().partition(" ")
        yield int(number), line


class Remover:
    """Removes what carries the project's label, until nothing does."""

    def __init__(self, docker: str, project: str, folder: Path) -> None:
        self._docker = docker
        self._project = project
        self._label = f"label=com.docker.compose.project={project}"
        self._folder = folder

    def run(self) -> list[str]:
        """Returns what is left when the time is up, in words."""
        deadline = time.monotonic() + _TRY_FOR_S
        was_clean = False
        while time.monotonic() < deadline:
            if self._end_clients():
                was_clean = False
            left = self._left()
            if not left and was_clean:
                break
            was_clean = not left
            for kind, name in left:
                self._remove(kind, name)
            if was_clean:
                time.sleep(_CALM_S)
        shutil.rmtree(self._folder, ignore_errors=True)
        return [f"{kind} {name}" for kind, name in self._left()]

    def _end_clients(self) -> bool:
        """Kill the Compose processes of this stack: a killed caller cannot stop its own."""
        found = False
        for pid, line in arguments_of_processes():
            if f"--env-file {self._folder}/" in line and pid != os.getpid():
                found = True
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        return found

    def _left(self) -> list[tuple[str, str]]:
        """Containers first: networks and volumes can only go after them."""
        tags = f"reference=compai-test/*:{self._project}"
        return [
            *(("container", name) for name in self._ask("ps", "-aq", "--filter", self._label)),
            *(("network", n) for n in self._ask("network", "ls", "-q", "--filter", self._label)),
            *(("volume", n) for n in self._ask("volume", "ls", "-q", "--filter", self._label)),
            *(
                ("image", name)
                for name in self._ask(
                    "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", tags
                )
            ),
        ]

    def _remove(self, kind: str, name: str) -> None:
        if kind == "container":
            self._ask("rm", "--force", "--volumes", name)
        else:
            self._ask(kind, "rm", name)

    def _ask(self, *arguments: str) -> list[str]:
        try:
            done = subprocess.run(  # noqa: S603 - docker, with names that docker gave us
                [self._docker, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_CALL_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return []
        return done.stdout.split()


def main(docker: str, project: str, folder: str) -> None:
    """Wait, remove, report."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its work is done, and only then
    wait_for_the_end_of_the_caller()
    left = Remover(docker, project, Path(folder)).run()
    try:
        os.write(1, json.dumps({"left": left}).encode() + b"\n")
    except OSError:  # nobody listens any more
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
