"""What happens to a test that needs Docker or Keycloak, and when they count as missing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from compai_kit.pytest_plugin.requirements import (
    docker_decision,
    keycloak_decision,
    missing_docker,
    missing_keycloak,
)
from compai_kit.simulator.server import serve

NODE = "tests/compose/test_compose_smoke.py::test_a"


@pytest.mark.parametrize(
    ("missing", "required", "action"),
    [(None, False, "run"), (None, True, "run"), ("gone", False, "skip"), ("gone", True, "fail")],
)
def test_docker_decision(missing: str | None, required: bool, action: str) -> None:
    decision = docker_decision(missing=missing, required=required, node="t.py::test_a")
    assert decision.action == action
    assert ("gone" in decision.reason) is (action != "run")


@pytest.mark.parametrize(
    ("tox_env", "command"),
    [
        (None, f"pytest '{NODE}' --require docker"),
        ("compose", "tox -e compose -- --require docker"),
    ],
)
def test_a_skip_names_the_reason_and_the_command_that_would_run_it(
    tox_env: str | None, command: str
) -> None:
    decision = docker_decision(missing="no engine", required=False, node=NODE, tox_env=tox_env)
    assert decision.reason == f"needs Docker (no engine); with Docker this runs it: {command}"


def test_with_require_docker_the_same_is_a_failure() -> None:
    decision = docker_decision(missing="no engine", required=True, node=NODE, tox_env="compose")
    assert decision == ("fail", "Docker is required and missing: no engine")


@pytest.fixture
def install_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Puts a `docker` on PATH that knows these sub-commands and no others."""
    monkeypatch.setenv("PATH", str(tmp_path))
    missing_docker.cache_clear()

    def install(*known: str) -> None:
        program = tmp_path / "docker"
        cases = "".join(f"  {name}) exit 0 ;;\n" for name in known)
        program.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}  *) exit 1 ;;\nesac\n')
        program.chmod(0o755)

    yield install
    missing_docker.cache_clear()


def test_without_the_command_there_is_no_docker(install_docker: Callable[..., None]) -> None:
    assert missing_docker(compose=True) == "there is no command `docker`"


@pytest.mark.parametrize(
    ("known", "compose", "missing"),
    [
        ((), False, "the Docker engine does not answer `docker version`"),
        (("version",), False, None),
        (("version",), True, "there is no `docker compose`"),
        (("version", "compose"), True, None),
    ],
)
def test_what_counts_as_missing(
    install_docker: Callable[..., None], known: tuple[str, ...], compose: bool, missing: str | None
) -> None:
    install_docker(*known)
    assert missing_docker(compose=compose) == missing


@pytest.mark.parametrize(
    ("missing", "required", "action"),
    [(None, False, "run"), (None, True, "run"), ("gone", False, "skip"), ("gone", True, "fail")],
)
def test_keycloak_decision(missing: str | None, required: bool, action: str) -> None:
    decision = keycloak_decision(missing=missing, required=required, node="t.py::test_a")
    assert decision.action == action


def test_a_skip_for_want_of_keycloak_names_the_script_that_brings_one() -> None:
    decision = keycloak_decision(
        missing="COMPAI_KEYCLOAK_URL is not set", required=False, node=NODE, tox_env="keycloak"
    )
    assert decision.reason == (
        "needs Keycloak (COMPAI_KEYCLOAK_URL is not set); this runs it:"
        " docker/local-images/with-keycloak tox -e keycloak -- --require keycloak"
    )
    required = keycloak_decision(missing="it is gone", required=True, node=NODE)
    assert required == ("fail", "Keycloak is required and missing: it is gone")


@pytest.fixture
def name_keycloak(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str | None]]:
    """Why the Keycloak of these variables counts as missing."""

    def missing(url: str, admin: str = "x") -> str | None:
        monkeypatch.setenv("COMPAI_KEYCLOAK_URL", url)
        monkeypatch.setenv("COMPAI_KEYCLOAK_ADMIN_PASSWORD", admin)
        missing_keycloak.cache_clear()
        return missing_keycloak()

    yield missing
    missing_keycloak.cache_clear()


def test_what_counts_as_a_missing_keycloak(name_keycloak: Callable[..., str | None]) -> None:
    assert name_keycloak("") == "COMPAI_KEYCLOAK_URL is not set"
    assert name_keycloak("http://x", admin="") == "COMPAI_KEYCLOAK_ADMIN_PASSWORD is not set"
    assert name_keycloak("file:///etc") == "COMPAI_KEYCLOAK_URL is no http address"
    said = name_keycloak("http://127.0.0.1:1/auth")
    assert said is not None
    assert said.startswith("COMPAI_KEYCLOAK_URL names http://127.0.0.1:1/auth, which does not")


@pytest.mark.parametrize(("status", "is_one"), [(200, True), (404, False), (503, False)])
def test_a_keycloak_is_one_when_it_answers_for_its_realm(
    name_keycloak: Callable[..., str | None], status: int, is_one: bool
) -> None:
    with serve(Response("{}", status)) as running:
        assert (name_keycloak(f"{running.url}/auth") is None) is is_one
