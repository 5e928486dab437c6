"""What to do with a test that needs Docker: run, skip with the command that would run it, or fail.

A piece that is missing is never skipped silently; in the project's own CI it is not skipped at all.
"""

import os
import shutil
import subprocess
from functools import cache
from typing import Literal, NamedTuple

import pytest

_ASK_TIMEOUT_S = 10


class Decision(NamedTuple):
    """`reason` is empty when the test runs."""

    action: Literal["run", "skip", "fail"]
    reason: str


def docker_decision(
    *, missing: str | None, required: bool, node: str, tox_env: str | None = None
) -> Decision:
    """`missing` says why there is no Docker, None when there is one; `tox_env` is where we run."""
    if missing is None:
        return Decision("run", "")
    if required:
        return Decision("fail", f"Docker is required and missing: {missing}")
    command = f"tox -e {tox_env} --" if tox_env else f"pytest '{node}'"
    return Decision(
        "skip", f"needs Docker ({missing}); with Docker this runs it: {command} --require docker"
    )


@cache
def missing_docker(*, compose: bool = False) -> str | None:
    """Why there is no usable Docker engine (or no Compose for it); None when there is one."""
    docker = shutil.which("docker")
    if docker is None:
        return "there is no command `docker`"
    if not _answers(docker, "version", "--format", "{{.Server.Version}}"):
        return "the Docker engine does not answer `docker version`"
    if compose and not _answers(docker, "compose", "version"):
        return "there is no `docker compose`"
    return None


def _answers(docker: str, *arguments: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - the docker command of PATH, fixed arguments
            [docker, *arguments],
            capture_output=True,
            text=True,
            timeout=_ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def apply_docker_requirement(item: pytest.Item, mark: pytest.Mark) -> None:
    """Skip or fail `item` by pytest's own means."""
    decision = docker_decision(
        missing=missing_docker(compose=bool(mark.kwargs.get("compose"))),
        required="docker" in item.config.getoption("require"),
        node=item.nodeid,
        tox_env=os.environ.get("TOX_ENV_NAME"),
    )
    if decision.action == "skip":
        pytest.skip(decision.reason)
    if decision.action == "fail":
        pytest.fail(decision.reason, pytrace=False)
