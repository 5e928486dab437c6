"""What to do with a test that needs Docker or Keycloak: run, skip and name the command, or fail.

A piece that is missing is never skipped silently; in the project's own CI it is not skipped at all.
"""

import os
import shutil
import subprocess
from functools import cache
from http.client import HTTPException
from typing import Any, Literal, NamedTuple
from urllib.request import urlopen

import pytest

_ASK_TIMEOUT_S = 10
# Set by the script below, or by whoever has a Keycloak for tests.
KEYCLOAK_URL = "COMPAI_KEYCLOAK_URL"
KEYCLOAK_ADMIN_PASSWORD = "COMPAI_KEYCLOAK_ADMIN_PASSWORD"  # noqa: S105 - a name
WITH_KEYCLOAK = "docker/local-images/with-keycloak"


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
    command = f"{_command(node, tox_env)} --require docker"
    return Decision("skip", f"needs Docker ({missing}); with Docker this runs it: {command}")


def keycloak_decision(
    *, missing: str | None, required: bool, node: str, tox_env: str | None = None
) -> Decision:
    """As `docker_decision`; the script that brings a Keycloak is a part of the command."""
    if missing is None:
        return Decision("run", "")
    if required:
        return Decision("fail", f"Keycloak is required and missing: {missing}")
    command = f"{WITH_KEYCLOAK} {_command(node, tox_env)} --require keycloak"
    return Decision("skip", f"needs Keycloak ({missing}); this runs it: {command}")


def _command(node: str, tox_env: str | None) -> str:
    return f"tox -e {tox_env} --" if tox_env else f"pytest '{node}'"


@cache
def missing_keycloak() -> str | None:
    """Why there is no usable Keycloak; None when the one that the environment names answers."""
    url = os.environ.get(KEYCLOAK_URL, "")
    if not url:
        return f"{KEYCLOAK_URL} is not set"
    if not os.environ.get(KEYCLOAK_ADMIN_PASSWORD):
        return f"{KEYCLOAK_ADMIN_PASSWORD} is not set"
    if not url.startswith(("http://", "https://")):
        return f"{KEYCLOAK_URL} is no http address"
    try:
        with urlopen(f"{url}/realms/master", timeout=_ASK_TIMEOUT_S):  # noqa: S310 - http, see above
            return None
    except (OSError, HTTPException) as error:
        return f"{KEYCLOAK_URL} names {url}, which does not answer as one ({error})"


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
    missing = missing_docker(compose=bool(mark.kwargs.get("compose")))
    _apply(docker_decision(missing=missing, **_circumstances(item, "docker")))


def apply_keycloak_requirement(item: pytest.Item) -> None:
    """Skip or fail `item` by pytest's own means."""
    _apply(keycloak_decision(missing=missing_keycloak(), **_circumstances(item, "keycloak")))


def _circumstances(item: pytest.Item, what: str) -> dict[str, Any]:
    return {
        "required": what in item.config.getoption("require"),
        "node": item.nodeid,
        "tox_env": os.environ.get("TOX_ENV_NAME"),
    }


def _apply(decision: Decision) -> None:
    if decision.action == "skip":
        pytest.skip(decision.reason)
    if decision.action == "fail":
        pytest.fail(decision.reason, pytrace=False)
