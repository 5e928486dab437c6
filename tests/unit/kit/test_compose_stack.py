"""A stack of containers without containers: what it is given, what it says when Docker refuses, and
what its watchdog removes. A small script stands in for `docker`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compai_kit.airflow_stack import compose_watchdog
from compai_kit.airflow_stack.compose import ComposeStack
from compai_kit.airflow_stack.compose_values import (
    ComposeValues,
    Reach,
    new_project_name,
    reach_of,
)
from compai_kit.airflow_stack.errors import AirflowStackError, BootError
from compai_kit.simulator.container import NEEDS, write_context

EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared, not bound
ON_LOOPBACK = Reach(publish_on="127.0.0.1", host="127.0.0.1")
InstallDocker = Callable[[str], Path]


@pytest.mark.parametrize(
    ("environ", "reach"),
    [
        ({}, ON_LOOPBACK),
        ({"DOCKER_HOST": "unix:///run/docker.sock"}, ON_LOOPBACK),
        ({"DOCKER_HOST": "tcp://localhost:2375"}, ON_LOOPBACK),
        ({"DOCKER_HOST": "tcp://docker:2376"}, Reach(publish_on=EVERYWHERE, host="docker")),
        ({"DOCKER_HOST": "ssh://me@builder"}, Reach(publish_on=EVERYWHERE, host="builder")),
        (
            {"TESTCONTAINERS_HOST_OVERRIDE": "host.docker.internal"},
            Reach(publish_on=EVERYWHERE, host="host.docker.internal"),
        ),
    ],
)
def test_ports_are_published_on_loopback_unless_the_engine_is_elsewhere(
    environ: dict[str, str], reach: Reach
) -> None:
    assert reach_of(environ) == reach


def values_for(tmp_path: Path) -> ComposeValues:
    return ComposeValues(
        project=new_project_name(),
        reach=ON_LOOPBACK,
        bundle=tmp_path,
        simulator_context=tmp_path,
        dockerfiles=tmp_path,
    )


def test_name_and_secrets_are_new_for_each_stack_and_unseen(tmp_path: Path) -> None:
    one, other = values_for(tmp_path), values_for(tmp_path)
    secret = [name for name in one.as_variables() if name.endswith(("PASSWORD", "SECRET", "KEY"))]
    assert len(secret) == 5
    for name in ["COMPAI_STACK_NAME", *secret]:
        assert one.as_variables()[name] != other.as_variables()[name]
        assert name == "COMPAI_STACK_NAME" or one.as_variables()[name] not in repr(one)


def test_the_env_file_is_its_owners_only(tmp_path: Path) -> None:
    file = tmp_path / "stack.env"
    values_for(tmp_path).write(file)
    assert file.stat().st_mode & 0o077 == 0
    assert f"COMPAI_STACK_BUNDLE='{tmp_path}'\n" in file.read_text()


def test_the_simulators_context_pins_what_runs_here(tmp_path: Path) -> None:
    write_context(tmp_path / "context")
    pins = (tmp_path / "context" / "requirements.txt").read_text().splitlines()
    assert [pin.partition("==")[0] for pin in pins] == list(NEEDS)
    package = tmp_path / "context" / "packages" / "compai_kit"
    assert (package / "cli" / "simulate.py").is_file()
    assert (package / "contract" / "comp-ai.openapi.yaml").is_file()
    assert not list(package.rglob("__pycache__"))


@pytest.fixture
def install_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallDocker:
    """Puts a `docker` on PATH that runs these lines of shell, and returns the list of its calls."""

    def install(body: str) -> Path:
        folder, calls = tmp_path / "bin", tmp_path / "calls"
        folder.mkdir()
        program = folder / "docker"
        program.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n{body}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return calls

    return install


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComposeStack:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("AIRFLOW_IMAGE", "SIMULATOR_IMAGE", "COMPOSE_PROJECT_NAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bundle").mkdir()
    return ComposeStack(
        tmp_path / "docker-compose.test.yaml",
        bundle=tmp_path / "bundle",
        values={},
        expected_dag_ids=[],
        logs=tmp_path / "logs",
    )


def test_without_docker_it_says_so(stack: ComposeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BootError, match="there is no command `docker`"), stack:
        pass


def test_a_project_name_of_the_environment_is_refused(
    stack: ComposeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "mine")
    with pytest.raises(BootError, match="unset COMPOSE_PROJECT_NAME: each stack needs"), stack:
        pass


def test_images_that_cannot_be_built_name_the_reason_and_the_way_out(
    stack: ComposeStack, install_docker: InstallDocker, tmp_path: Path
) -> None:
    install_docker('case "$*" in *" build "*) echo "pull access denied" >&2; exit 17;; esac')
    with pytest.raises(BootError) as caught, stack:
        pass
    assert str(caught.value) == (
        "the images of docker-compose.test.yaml could not be built:\npull access denied\n"
        "Without a container registry: docker/local-images/with-docker COMMAND"
    )
    assert list(tmp_path.glob("compai-test-*")) == [], "its temporary files are gone"


def test_containers_that_do_not_come_up_are_shown_with_their_words(
    stack: ComposeStack, install_docker: InstallDocker, tmp_path: Path
) -> None:
    states = [
        {"Service": "airflow-init", "State": "exited", "Health": "", "ExitCode": 0},
        {"Service": "postgres", "State": "running", "Health": "healthy", "ExitCode": 0},
        {"Service": "simulator", "State": "exited", "Health": "", "ExitCode": 3},
        {"Service": "airflow-apiserver", "State": "running", "Health": "unhealthy", "ExitCode": 0},
    ]
    lines = "\n".join(json.dumps(state) for state in states)
    install_docker(
        f"""case "$*" in
  *" up "*) echo "container simulator exited (3)" >&2; exit 1 ;;
  *" ps "*) cat <<'END'
{lines}
END
  ;;
  *" logs "*) shift $(($# - 1)); echo "$1 speaking" ;;
esac"""
    )
    with pytest.raises(BootError) as caught, stack:
        pass
    assert str(caught.value) == (
        "the containers of docker-compose.test.yaml did not come up:\n"
        "container simulator exited (3)\n"
        "--- simulator (exited, exit code 3), last lines ---\nsimulator speaking\n"
        "--- airflow-apiserver (unhealthy), last lines ---\nairflow-apiserver speaking\n"
        f"All logs are kept in {tmp_path / 'logs'}"
    )
    assert (tmp_path / "logs" / "postgres.log").read_text() == "postgres speaking\n"


def test_finished_images_are_not_built(
    stack: ComposeStack, install_docker: InstallDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = install_docker('case "$*" in *" up "*) exit 1 ;; esac')
    monkeypatch.setenv("AIRFLOW_IMAGE", "our/airflow:1")
    with pytest.raises(BootError), stack:
        pass
    (build,) = [line for line in calls.read_text().splitlines() if " build " in line]
    assert build.endswith(" build --quiet simulator")


def test_what_cannot_be_removed_is_named(
    stack: ComposeStack, install_docker: InstallDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_docker('case "$1 $2" in "compose "*) exit 1 ;; "network ls") echo n1 ;; esac')
    monkeypatch.setattr(compose_watchdog, "__file__", _impatient_watchdog(stack.logs_folder))
    with (
        pytest.raises(AirflowStackError, match=rf"left behind by {stack.project}: network n1"),
        stack,
    ):
        pass


def _impatient_watchdog(folder: Path) -> str:
    """The same script with less patience."""
    folder.mkdir(parents=True)
    script = folder / "watchdog.py"
    text = Path(compose_watchdog.__file__).read_text()
    assert "_TRY_FOR_S = 60.0" in text
    script.write_text(text.replace("_TRY_FOR_S = 60.0", "_TRY_FOR_S = 0.2"))
    return str(script)


def test_the_watchdog_ends_compose_and_removes_by_label_when_the_pipe_closes(
    tmp_path: Path, install_docker: InstallDocker
) -> None:
    gone = tmp_path / "gone"
    calls = install_docker(
        f"""case "$1" in
  ps) [ -e {gone} ] || echo c1 ;;
  rm) touch {gone} ;;
esac"""
    )
    folder = tmp_path / "p-1"
    folder.mkdir()
    (folder / "stack.env").touch()
    client = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", "--env-file", f"{folder}/stack.env"]
    )
    script = str(Path(compose_watchdog.__file__))
    watchdog = subprocess.Popen(
        [sys.executable, "-I", "-S", script, str(tmp_path / "bin" / "docker"), "p", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    time.sleep(0.3)
    assert client.poll() is None, "nothing is touched while the caller lives"

    out, _ = watchdog.communicate(timeout=30)

    assert json.loads(out) == {"left": []}
    assert client.wait(timeout=5) == -9
    assert not folder.exists()
    assert "rm --force --volumes c1" in calls.read_text()
    label = "label=com.docker.compose.project=p"
    assert f"ps -aq --filter {label}" in calls.read_text()
