"""What to do with a test that needs Docker: run, skip with the command that would run it, or fail.

A piece that is missing is never skipped silently; in the project's own CI it is not skipped at all.
"""

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


def docker_decision(*, missing: str | None, required: bool, node: str) -> Decision:
    """`missing` says why there is no Docker engine, None when there is one."""
    if missing is None:
        return Decision("run", "")
    command = f"pytest '{node}' --require docker"
    if required:
        return Decision("fail", f"Docker is required and missing: {missing}")
    return Decision("skip", f"needs Docker ({missing}); with Docker this runs it: {command}")


@cache
def missing_docker() -> str | None:
    """Why there is no usable Docker engine; None when there is one."""
    docker = shutil.which("docker")
    if docker is None:
        return "there is no command `docker`"
    try:
        done = subprocess.run(  # noqa: S603 - the docker command of PATH, fixed arguments
            [docker, "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=_ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`docker version` did not answer ({type(error).__name__})"
    if done.returncode != 0:
        return "the Docker engine does not answer `docker version`"
    return None


def apply_docker_requirement(item: pytest.Item) -> None:
    """Skip or fail `item` by pytest's own means."""
    required = "docker" in item.config.getoption("require")
    decision = docker_decision(missing=missing_docker(), required=required, node=item.nodeid)
    if decision.action == "skip":
        pytest.skip(decision.reason)
    if decision.action == "fail":
        pytest.fail(decision.reason, pytrace=False)
