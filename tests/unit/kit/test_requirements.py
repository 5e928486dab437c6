"""What happens to a test that needs Docker, and when Docker counts as missing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compai_kit.pytest_plugin.requirements import docker_decision, missing_docker

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
