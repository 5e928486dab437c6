"""Airflow as it is deployed: its image with the bundle, PostgreSQL and the simulator in containers.

testcontainers drives docker-compose.test.yaml; a watchdog process takes everything away at the end,
also when this process is killed.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from testcontainers.compose import DockerCompose

from compai_kit.airflow_stack import compose_watchdog
from compai_kit.airflow_stack.api import AirflowApi
from compai_kit.airflow_stack.compose_values import (
    ComposeValues,
    new_project_name,
    reach_of,
    refuse_foreign_project,
    temporary_folder,
)
from compai_kit.airflow_stack.configuration import USER
from compai_kit.airflow_stack.errors import AirflowStackError, BootError, DagImportError
from compai_kit.simulator.container import write_context

_PORT = 8080
_API_SERVER = "airflow-apiserver"
_SIMULATOR = "simulator"
SIMULATOR_URL = f"http://{_SIMULATOR}:{_PORT}"  # as the containers see it
# Services with a build section, and the variable that names an image to use instead.
_BUILT = {"airflow-init": "AIRFLOW_IMAGE", _SIMULATOR: "SIMULATOR_IMAGE"}
_BUILD_TIMEOUT_S = 1800
_WATCHDOG_WITHIN_S = 90
_POLL_S = 0.2
_TAIL_LINES = 25


class ComposeStack:
    """Builds and boots on entry and is gone on exit; `logs` keeps the log of each container.

    It counts as ready once all `expected_dag_ids` are parsed. `values` are the caller's own
    COMPAI_STACK_… variables: what the simulator is started with.
    """

    def __init__(
        self,
        file: Path,
        *,
        bundle: Path,
        values: Mapping[str, str],
        expected_dag_ids: Collection[str],
        logs: Path,
        parse_timeout_s: float = 60,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.project = new_project_name()
        self.build_s = 0.0
        self.boot_s = 0.0
        self._file = file.absolute()
        self._bundle = bundle.absolute()
        self._values = dict(values)
        self._expected = frozenset(expected_dag_ids)
        self._logs = logs.absolute()
        self._parse_timeout_s = parse_timeout_s
        self._on_progress = on_progress
        self._reach = reach_of(os.environ)
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._compose: DockerCompose | None = None
        self._api: AirflowApi | None = None
        self._version = ""

    @property
    def version(self) -> str:
        """Of the Airflow in the image."""
        return self._version

    @property
    def url(self) -> str:
        """Base URL of the api-server; another one after its container was started again."""
        return self._published(_API_SERVER)

    @property
    def simulator_url(self) -> str:
        """Base URL of the simulator, as seen from here; the DAGs use `SIMULATOR_URL`."""
        return self._published(_SIMULATOR)

    @property
    def api(self) -> AirflowApi:
        """The way to drive it."""
        if self._api is None:
            raise BootError("this stack is not running")
        return self._api

    @property
    def logs_folder(self) -> Path:
        """One file per container, written when the stack ends."""
        return self._logs

    def __enter__(self) -> Self:
        refuse_foreign_project(os.environ)
        docker = shutil.which("docker")
        if docker is None:
            raise BootError("there is no command `docker`")
        folder = temporary_folder(self.project)
        self._watchdog = _start_watchdog(docker, self.project, folder)
        try:
            values = self._prepared(folder)
            self._build()
            self._up()
            self._api = AirflowApi(self.url, USER, values.keys.password)
            self._version = self._api.version()
            self._wait_for_the_dags()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Keep the logs, then remove containers, networks, volumes and images; safe to call twice.

        Raises `AirflowStackError` when something could not be removed.
        """
        if self._api:
            self._api.close()
            self._api = None
        if self._compose:
            # A broken engine must not keep the rest from being cleared.
            with contextlib.suppress(subprocess.CalledProcessError):
                self._keep_logs(self._compose)
                self._compose.stop()
            self._compose = None
        if self._watchdog:
            watchdog, self._watchdog = self._watchdog, None
            _finish(watchdog, self.project)

    def _prepared(self, folder: Path) -> ComposeValues:
        simulator_context = folder / "simulator"
        write_context(simulator_context)
        values = ComposeValues(
            project=self.project,
            reach=self._reach,
            bundle=self._bundle,
            simulator_context=simulator_context,
            dockerfiles=self._file.parent / "docker",
            more=self._values,
        )
        env_file = folder / "stack.env"
        values.write(env_file)
        self._compose = DockerCompose(
            self._file.parent, compose_file_name=self._file.name, env_file=str(env_file)
        )
        return values

    def _build(self) -> None:
        services = [name for name, given in _BUILT.items() if not os.environ.get(given)]
        if not services:
            return
        started = time.monotonic()
        self._on_progress(f"{self.project}: building the images")
        command = [*self._running.docker_compose_command(), "build", "--quiet", *services]
        try:
            subprocess.run(  # noqa: S603 - the compose command of testcontainers, our arguments
                command,
                cwd=self._file.parent,
                check=True,
                capture_output=True,
                text=True,
                timeout=_BUILD_TIMEOUT_S,
            )
        except subprocess.CalledProcessError as error:
            raise BootError(
                f"the images of {self._file.name} could not be built:\n"
                f"{_last_lines(error.stderr)}\n"
                "Without a container registry: docker/local-images/with-docker COMMAND"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise BootError(
                f"the images of {self._file.name} were not built within {_BUILD_TIMEOUT_S} s"
            ) from error
        self.build_s = time.monotonic() - started

    def _up(self) -> None:
        started = time.monotonic()
        self._on_progress(f"{self.project}: starting the containers")
        try:
            self._running.start()
        except subprocess.CalledProcessError as error:
            raise BootError(
                f"the containers of {self._file.name} did not come up:\n"
                f"{_last_lines(error.stderr.decode(errors='replace'))}\n{self._ill()}"
                f"\nAll logs are kept in {self._logs}"
            ) from error
        self.boot_s = time.monotonic() - started

    def _ill(self) -> str:
        """What every container says that is not as it should be."""
        texts = []
        for container in self._running.get_containers(include_all=True):
            works = container.State == "running" and container.Health in ("", "healthy")
            is_done = container.State == "exited" and container.ExitCode == 0
            if container.Service is None or works or is_done:
                continue
            out, _ = self._running.get_logs(container.Service)
            state = container.Health or f"{container.State}, exit code {container.ExitCode}"
            texts.append(f"--- {container.Service} ({state}), last lines ---\n{_last_lines(out)}")
        return "\n".join(texts)

    def _wait_for_the_dags(self) -> None:
        """`up --wait` saw to the health of the components; parsing may still be going on."""
        deadline = time.monotonic() + self._parse_timeout_s
        while True:
            if failures := self.api.import_errors():
                raise DagImportError(failures, version=self._version)
            present = self.api.dag_ids()
            if self._expected <= present:
                return
            if time.monotonic() > deadline:
                raise BootError(
                    f"not parsed within {self._parse_timeout_s:g} s: "
                    f"{', '.join(sorted(self._expected - present))} "
                    f"(parsed: {', '.join(sorted(present)) or 'none'})"
                )
            time.sleep(_POLL_S)

    def _keep_logs(self, compose: DockerCompose) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        for container in compose.get_containers(include_all=True):
            if container.Service:
                out, _ = compose.get_logs("--no-log-prefix", container.Service)
                (self._logs / f"{container.Service}.log").write_text(out)

    @property
    def _running(self) -> DockerCompose:
        if self._compose is None:
            raise BootError("this stack is not running")
        return self._compose

    def _published(self, service: str) -> str:
        port = self._running.get_service_port(service, _PORT)
        return f"http://{self._reach.host}:{port}"


def _start_watchdog(docker: str, project: str, folder: Path) -> "subprocess.Popen[bytes]":
    # A session of its own: Ctrl-C in a terminal must reach the caller only.
    return subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-I", "-S", compose_watchdog.__file__, docker, project, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def _finish(watchdog: "subprocess.Popen[bytes]", project: str) -> None:
    """Let go of it, and hear what it could not remove."""
    try:
        out, _ = watchdog.communicate(timeout=_WATCHDOG_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        raise AirflowStackError(
            f"the containers of {project} are still being removed after {_WATCHDOG_WITHIN_S} s"
        ) from error
    report = json.loads(out) if out else {"left": ["unknown: the watchdog was killed"]}
    if report["left"]:
        raise AirflowStackError(f"left behind by {project}: {', '.join(report['left'])}")


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_TAIL_LINES:]) or "(nothing was said)"
