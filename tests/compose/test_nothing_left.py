"""A killed caller leaves no container, network, volume, image, process and file."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.requires_docker(compose=True)

CALLER = Path(__file__).with_name("caller.py")
COMPOSE_FILE = Path(__file__).parents[2] / "docker-compose.test.yaml"
WITHIN_S = 10.0
BOOTS_WITHIN_S = 240.0


def docker(*arguments: str) -> list[str]:
    command = [shutil.which("docker") or "docker", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


class Caller:
    """The calling process, and all that belongs to its stack."""

    def __init__(self, bundle: Path, logs: Path) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, str(CALLER), str(COMPOSE_FILE), str(bundle), str(logs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,
        )
        self.project = self.says()

    def says(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.process.communicate()[1]
        return line

    def containers(self) -> list[str]:
        return docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}")

    def wait_for_containers(self) -> None:
        deadline = time.monotonic() + BOOTS_WITHIN_S
        while not self.containers():
            assert time.monotonic() < deadline, "no container came up"
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def left(self) -> list[str]:
        """In words."""
        label = f"label=com.docker.compose.project={self.project}"
        folders = Path(tempfile.gettempdir()).glob(f"{self.project}-*")
        return [
            *(f"container {name}" for name in self.containers()),
            *(f"network {name}" for name in docker("network", "ls", "-q", "--filter", label)),
            *(f"volume {name}" for name in docker("volume", "ls", "-q", "--filter", label)),
            *(
                f"image {name}"
                for name in docker("images", "-q", "--filter", f"reference=*/*:{self.project}")
            ),
            *(
                f"process {process.pid}"
                for process in psutil.process_iter()
                if self._is_ours(process)
            ),
            *(str(folder) for folder in folders),
        ]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return any(self.project in word for word in process.cmdline())
        except psutil.Error:
            return False

    def wait_until_nothing_is_left(self) -> None:
        """Fails after ten seconds."""
        started = time.monotonic()
        while left := self.left():
            assert time.monotonic() - started < WITHIN_S, left
            time.sleep(0.1)


@pytest.fixture
def caller(bundle: Path, tmp_path: Path) -> Iterator[Caller]:
    started = Caller(bundle, tmp_path / "logs")
    yield started
    started.kill()


def test_nothing_is_left_after_sigkill_of_the_caller(caller: Caller) -> None:
    assert caller.says() == "up"
    assert len(caller.containers()) == 7
    assert len(caller.left()) > 9, "containers, network, images, watchdog, files"

    caller.kill()

    caller.wait_until_nothing_is_left()


def test_nothing_is_left_after_sigkill_while_containers_come_up(
    caller: Caller,
) -> None:
    caller.wait_for_containers()

    caller.kill()

    caller.wait_until_nothing_is_left()
    time.sleep(3)
    assert caller.left() == [], "nothing comes up again"
