"""The only module here that knows Airflow (3.1.3 and later): settings, identity, XComs, failing.

Imported inside tasks, never while a DAG file is parsed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import Connection, Variable, get_current_context
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.log import mask_secret
from opentelemetry.propagate import inject

from compai_client import ClientSettings, CompAI, CompAIError, SettingsError, StaticToken
from compai_dags import __version__
from compai_dags.connection import ConnectionFields, secrets_of
from compai_dags.decisions import RunIdentity
from compai_dags.failures import meaning_of
from compai_dags.settings import Places, Settings, named_as_settings
from compai_dags.task import PermanentError

log = logging.getLogger(__name__)

CONNECTION_ID = "comp_ai"
# A webhook's path is its secret; a path such as /ping would only blank out other texts.
_MIN_SECRET_PATH = 16
# Every character of a run id that Airflow itself uses stays readable in the User-Agent.
_PLAIN = ":+.-_~"


@contextmanager
def current_task(*, announce_settings: bool = False) -> Iterator[AirflowTask]:
    """The running try; causes that no retry can mend end the task at once.

    `announce_settings` logs where each setting came from; one task per run does that.
    """
    task = AirflowTask()
    if announce_settings:
        # Edits in a folder that Airflow does not read look exactly like edits that do not help.
        log.info("compai-kit %s in %s", __version__, Path(__file__).parent)
    try:
        yield task
    except CompAIError as failure:
        if meaning_of(failure).transient:
            raise
        raise _permanent_failure(failure) from failure
    except PermanentError as verdict:
        # The text says it all; a second traceback with the same text would bury it.
        raise _permanent_failure(verdict) from None
    finally:
        if announce_settings:
            for origin in task.settings.origins:
                log.info("%s", origin)


class AirflowTask:
    """`compai_dags.task.Task` on Airflow's Task SDK."""

    def __init__(self) -> None:
        context: Any = get_current_context()
        self._ti = context["ti"]
        self._dag_run = context["dag_run"]
        self._retries: int = context["task"].retries
        self.settings = Settings(
            Places(
                environment=os.environ,
                variable=_variable,
                connection=lambda: _connection(CONNECTION_ID),
            )
        )

    @cached_property
    def identity(self) -> RunIdentity:
        # Clear raises max_tries by what was used up before, so this is the first try after it.
        first_try = self._ti.max_tries - self._retries + 1
        return RunIdentity(
            run_id=self._ti.run_id,
            try_number=self._ti.try_number,
            first_try=max(1, min(first_try, self._ti.try_number)),
            is_last_try=self._ti.try_number > self._ti.max_tries,
        )

    @property
    def run_started_at(self) -> datetime | None:
        started: datetime | None = self._dag_run.start_date
        return started

    @property
    def is_started_by_hand(self) -> bool:
        return str(getattr(self._dag_run.run_type, "value", self._dag_run.run_type)) == "manual"

    @property
    def log_url(self) -> str | None:
        url: str | None = getattr(self._ti, "log_url", None)
        return url

    @contextmanager
    def client(self) -> Iterator[CompAI]:
        access = self.settings.access()
        auth = access.auth
        self.hide(auth.token if isinstance(auth, StaticToken) else auth.client_secret)
        client = named_as_settings(
            lambda: CompAI(
                access.base_url,
                auth=access.auth,
                api_prefix=access.api_prefix,
                caller=self._caller(),
                trace_context=_trace_context(),
                settings=ClientSettings(
                    backoff_base_s=self.settings.seconds("COMP_AI_BACKOFF_S", default=1.0)
                ),
            ),
            access.origins,
        )
        with client:
            yield client

    def connection(self, name: str) -> ConnectionFields | None:
        found = _connection(name)
        if found is not None:
            for secret in secrets_of(found, f"Connection {name}"):
                self.hide(secret)
        return found

    def hide(self, secret: str) -> None:
        # Airflow masks by itself for some origins only, never plain environment variables.
        mask_secret(secret)
        path = urlsplit(secret).path if "://" in secret else ""
        if len(path) >= _MIN_SECRET_PATH:
            mask_secret(path)

    def push(self, key: str, value: object) -> None:
        self._ti.xcom_push(key=key, value=value)

    def pull(self, task_id: str, *, key: str = "return_value", map_index: int = -1) -> Any:
        return self._ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)

    def store_new(self, url: str, content: bytes) -> bool:
        # Loads the code of the storage, which most tasks have no use for.
        from airflow.sdk import ObjectStoragePath

        try:
            return _store_new(ObjectStoragePath(url), content)
        except Exception:
            log.error("%s cannot be written", url)  # noqa: TRY400 - it is raised with its traceback
            raise

    def read_variable(self, name: str) -> str | None:
        value: object = Variable.get(name, default=None)
        return value if isinstance(value, str) else None

    def write_variable(self, name: str, value: str) -> None:
        try:
            Variable.set(name, value)
        except AirflowRuntimeError as failure:
            # What was said cannot be unsaid: failing here would only send it again.
            log.warning("Variable %s cannot be stored: %s", name, failure)

    def _caller(self) -> str:
        facts = {
            "dag": self._ti.dag_id,
            "run": self._ti.run_id,
            "task": self._ti.task_id,
            "map": self._ti.map_index if self._ti.map_index is not None else -1,
            "try": self._ti.try_number,
        }
        return "; ".join(
            f"{name}={quote(str(value), safe=_PLAIN)}" for name, value in facts.items()
        )


def _store_new(target: Any, content: bytes) -> bool:
    is_local = target.protocol == "file"
    if is_local:
        # Elsewhere a folder is part of a name, and creating one may take more rights.
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return False
    try:
        stored = target.open("xb" if is_local else "wb")
    except FileExistsError:
        return False
    with stored:
        stored.write(content)
    return True


def _trace_context() -> dict[str, str]:
    """The W3C headers of the running task; none unless Airflow traces."""
    headers: dict[str, str] = {}
    inject(headers)
    return headers


def _permanent_failure(cause: Exception) -> Exception:
    """Airflow's exception that ends a task without further tries."""
    # Moved in Airflow 3.2; the old place still has it there, but warns.
    for module in ("airflow.sdk.exceptions", "airflow.exceptions"):
        kind = getattr(import_module(module), "AirflowFailException", None)
        if kind is not None:
            failure: Exception = kind(str(cause))
            return failure
    raise ImportError("this Airflow has no AirflowFailException")


def _variable(name: str) -> str | None:
    value: object = Variable.get(name, default=None)
    if value is None:
        _ask_backends("variable", name)
    elif not isinstance(value, str):
        raise SettingsError(name, "is an Airflow Variable that is not text")
    return value


def _connection(name: str) -> ConnectionFields | None:
    not_found = getattr(import_module("airflow.sdk.exceptions"), "AirflowNotFoundException", None)
    if not_found is None:
        not_found = import_module("airflow.exceptions").AirflowNotFoundException
    try:
        found: Any = Connection.get(name)
    except not_found:
        _ask_backends("connection", name)
        return None
    except ValueError:
        raise _unreadable_connection(name) from None
    return ConnectionFields(
        conn_type=found.conn_type,
        host=found.host,
        schema=found.schema,
        port=found.port,
        login=found.login,
        password=found.password,
        extra=found.extra,
    )


def _unreadable_connection(name: str) -> SettingsError:
    # The error of the parser quotes a part of the address, and that may be the password.
    return SettingsError(
        f"Connection {name}",
        "cannot be parsed; in an address, percent-encode / : @ # and ? of login and password; "
        "in JSON, give conn_type as well",
    )


def _ask_backends(kind: str, name: str) -> None:
    """Raise when a secrets backend fails on this name.

    Airflow takes a backend that raises for one that has nothing; a Vault that is down would make
    every setting look unset.
    """
    try:
        from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded
    except ImportError:
        return
    for backend in ensure_secrets_backend_loaded():
        try:
            getattr(backend, f"get_{kind}")(name)
        except NotImplementedError:
            continue  # it keeps the other kind only
        except ValueError:
            if kind == "connection":
                raise _unreadable_connection(name) from None
            raise
        except Exception as failure:
            failure.add_note(f"{type(backend).__name__} fails, so {name} cannot be looked up")
            raise
