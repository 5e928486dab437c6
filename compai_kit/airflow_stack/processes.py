"""Airflow as supervised child processes on SQLite: no Docker, a few seconds to boot.

The components are started directly and not by `airflow standalone`, which does not pass signals on.
Log servers are left out: the api-server reads task logs from the same disk, and theirs is the only
port that cannot be kept to loopback.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from compai_kit.airflow_stack.api import AirflowApi
from compai_kit.airflow_stack.configuration import (
    USER,
    StackLayout,
    StackSecrets,
    component_environment,
    minor_of,
)
from compai_kit.airflow_stack.errors import (
    AirflowStackError,
    ApiError,
    ApiUnreachableError,
    BootError,
    ComponentDiedError,
    DagImportError,
)
from compai_kit.airflow_stack.ports import free_port
from compai_kit.airflow_stack.rest import RestSession
from compai_kit.airflow_stack.supervised import Supervised
from compai_kit.airflow_stack.template import keep_as_template, start_from_template, template_for

_OTHERS: Mapping[str, tuple[str, ...]] = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
# From here on the api-server commits its audit log of our writes on its event loop. A task's write
# in the same process may then hold SQLite's lock, and its commit waits for that very loop: both
# stand still until SQLite gives up. So the tasks' API gets a process of its own.
_SPLIT_SINCE = (3, 2)
_HEALTHY = "healthy"
_SERVER_ERRORS = 500
_POLL_S = 0.1
_GRACE_S = 0.5  # nothing in the temporary home is worth a graceful end (up to 11 s)


class ProcessStack:
    """Boots on entry and is gone on exit, also when the caller is killed.

    It counts as ready once all `expected_dag_ids` are parsed. `env` reaches every component and
    task. Logs live in the temporary home unless `logs` names a folder to keep.
    """

    def __init__(
        self,
        bundle: Path,
        *,
        python: Path,
        version: str,
        env: Mapping[str, str],
        expected_dag_ids: Collection[str],
        boot_timeout_s: float = 120,
        logs: Path | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.version = version
        self.boot_s = 0.0
        self._bundle = bundle.absolute()
        self._python = python.absolute()
        self._env = dict(env)
        self._split = minor_of(version) >= _SPLIT_SINCE
        self._expected = frozenset(expected_dag_ids)
        self._boot_timeout_s = boot_timeout_s
        self._kept_logs = logs.absolute() if logs else None
        self._on_progress = on_progress
        self._keys = StackSecrets()
        self._supervised: Supervised | None = None
        self._layout: StackLayout | None = None
        self._api: AirflowApi | None = None

    @property
    def url(self) -> str:
        """Base URL of the api-server."""
        return self._booted_layout.url

    @property
    def api(self) -> AirflowApi:
        """The way to drive it."""
        if self._api is None:
            raise BootError("this stack is not running")
        return self._api

    @property
    def logs_folder(self) -> Path:
        """One file per component, and task logs under `tasks`."""
        return self._booted_layout.logs

    @property
    def home(self) -> Path:
        """The temporary AIRFLOW_HOME."""
        return self._booted_layout.home

    @property
    def supervisor_pid(self) -> int:
        """The process below which all of this stack runs."""
        if self._supervised is None:
            raise BootError("this stack is not running")
        return self._supervised.pid

    @property
    def password(self) -> str:
        """Of the user `compai`, for whoever wants to look around in the UI."""
        return self._keys.password

    def __enter__(self) -> Self:
        started = time.monotonic()
        self._supervised = Supervised()
        try:
            self._prepare(self._supervised.home())
            self._migrate(self._supervised)
            self._start_components(self._supervised)
            self._wait_until_ready(started + self._boot_timeout_s)
        except BaseException:
            self.close()
            raise
        self.boot_s = time.monotonic() - started
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything and remove the temporary home; safe to call twice."""
        if self._api:
            self._api.close()
            self._execution_api.close()
            self._api = None
        if self._supervised:
            self._supervised.close(grace_s=_GRACE_S)
            self._supervised = None

    def check(self) -> None:
        """Raise `ComponentDiedError`, with the end of its log, when a component has ended."""
        if self._supervised:
            self._supervised.check(running=tuple(self._components()))

    @property
    def _booted_layout(self) -> StackLayout:
        if self._layout is None:
            raise BootError("this stack was not started")
        return self._layout

    def _prepare(self, home: Path) -> None:
        port = free_port()
        layout = StackLayout(
            home=home,
            bundle=self._bundle,
            logs=self._kept_logs or home / "logs",
            port=port,
            execution_port=free_port(but=port) if self._split else port,
        )
        layout.logs.mkdir(parents=True, exist_ok=True)
        layout.scratch.mkdir()
        layout.passwords.write_text(json.dumps({USER: self._keys.password}))
        layout.passwords.chmod(0o600)
        # Four processes at once would each write a default file here and read each other's half.
        (home / "airflow.cfg").touch()
        self._layout = layout
        self._api = AirflowApi(layout.url, USER, self._keys.password, check=self.check)
        self._execution_api = RestSession(layout.execution_url, user=USER, password="")

    def _migrate(self, supervised: Supervised) -> None:
        template = template_for(self._python)
        database = self._booted_layout.database
        if template and template.is_file():
            start_from_template(template, database)
            return
        self._on_progress(f"migrating an empty database for Airflow {self.version}")
        self._start(supervised, "db-migrate", ("db", "migrate"))
        code = supervised.wait_for_exit("db-migrate", timeout_s=self._boot_timeout_s)
        if code != 0:
            raise BootError(
                f"`airflow db migrate` ended with exit code {code}\n{supervised.tail('db-migrate')}"
            )
        if template:
            keep_as_template(database, template)

    def _start_components(self, supervised: Supervised) -> None:
        for name, arguments in self._components().items():
            self._start(supervised, name, arguments)

    def _components(self) -> dict[str, tuple[str, ...]]:
        """Their command lines; the api-server first, because it takes longest."""
        if not self._split:
            return {"api-server": ("api-server",), **_OTHERS}
        port = str(self._booted_layout.execution_port)
        return {
            "api-server": ("api-server", "--apps", "core"),
            "execution-api": ("api-server", "--apps", "execution", "--port", port),
            **_OTHERS,
        }

    def _start(self, supervised: Supervised, name: str, arguments: tuple[str, ...]) -> None:
        environment = component_environment(
            self._booted_layout,
            python=self._python,
            version=self.version,
            keys=self._keys,
            host=os.environ,
            extra=self._env,
        )
        command = [str(self._python), "-P", "-m", "airflow", *arguments]
        supervised.start(name, command, env=environment, log=self.logs_folder / f"{name}.log")

    def _wait_until_ready(self, deadline: float) -> None:
        missing = ""
        while time.monotonic() < deadline:
            try:
                self.check()
            except ComponentDiedError as error:
                raise BootError(f"Airflow {self.version} did not boot: {error}") from error
            try:
                now_missing = self._still_missing()
            except ApiUnreachableError:
                now_missing = "the api-server does not answer yet"
            except ApiError as error:
                if error.status < _SERVER_ERRORS:
                    raise BootError(f"Airflow {self.version} did not boot: {error}") from error
                now_missing = str(error)
            if not now_missing:
                return
            if now_missing != missing:
                missing = now_missing
                self._on_progress(f"Airflow {self.version}: {missing}")
            time.sleep(_POLL_S)
        raise BootError(
            f"Airflow {self.version} was not ready within {self._boot_timeout_s:g} s: {missing}\n"
            f"{self._tails()}"
        )

    def _still_missing(self) -> str:
        """What readiness waits for, in words; empty when there is nothing left."""
        health = self.api.health()
        if ill := {name: status for name, status in health.items() if status != _HEALTHY}:
            return ", ".join(f"{name} is {status or 'not started'}" for name, status in ill.items())
        self._execution_api.call("GET", "/execution/health", authenticated=False)
        if failures := self.api.import_errors():
            raise DagImportError(failures, version=self.version)
        present = self.api.dag_ids()
        if absent := self._expected - present:
            return (
                f"not parsed: {', '.join(sorted(absent))} "
                f"(parsed: {', '.join(sorted(present)) or 'none'})"
            )
        return ""

    def _tails(self) -> str:
        if self._supervised is None:
            raise AirflowStackError("this stack is not running")
        return "\n".join(self._supervised.tail(name, lines=10) for name in self._components())
