"""What a task needs from the scheduler that runs it, so that its work does not know Airflow."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from compai_client import CompAI
from compai_dags.connection import ConnectionFields
from compai_dags.decisions import RunIdentity
from compai_dags.settings import Settings


class PermanentError(Exception):
    """Trying again cannot help; the adapter ends the task without further tries."""


class Task(Protocol):
    """The task try that is running."""

    @property
    def identity(self) -> RunIdentity: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def run_started_at(self) -> datetime | None: ...

    @property
    def is_started_by_hand(self) -> bool:
        """A person or another program triggered the run; no clock did."""
        ...

    @property
    def log_url(self) -> str | None: ...

    def client(self) -> AbstractContextManager[CompAI]:
        """A client that carries this try's identity."""
        ...

    def connection(self, name: str) -> ConnectionFields | None:
        """The Airflow Connection of that id, its secrets hidden from logs; None if there is none.

        Raises SettingsError when it cannot be parsed, and whatever a secrets backend raises.
        """
        ...

    def hide(self, secret: str) -> None:
        """Keep a secret, and the path of a secret address, out of every log from now on."""
        ...

    def push(self, key: str, value: object) -> None:
        """Store plain data for later tasks; kept even when this try fails afterwards."""
        ...

    def pull(self, task_id: str, *, key: str = "return_value", map_index: int = -1) -> Any:
        """What an earlier task stored; None when it stored nothing."""
        ...

    def store_new(self, url: str, content: bytes) -> bool:
        """Write a new object into an object storage; False, and nothing written, if it exists.

        Raises whatever the storage raises.
        """
        ...

    def read_variable(self, name: str) -> str | None:
        """An Airflow Variable that this kit keeps for itself; None when there is none."""
        ...

    def write_variable(self, name: str, value: str) -> None:
        """Logged, not raised, when Airflow does not store it."""
        ...
