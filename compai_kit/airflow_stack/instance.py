"""What every stack offers, however it runs: processes, containers, or one that already runs."""

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from compai_kit.airflow_stack.api import AirflowApi


class AirflowStack(Protocol):
    """A running Airflow with the bundle under test; a context manager that leaves nothing."""

    @property
    def version(self) -> str:
        """Airflow's version."""
        ...

    @property
    def url(self) -> str:
        """Base URL of the api-server."""
        ...

    @property
    def api(self) -> AirflowApi:
        """The way to drive it."""
        ...

    @property
    def logs_folder(self) -> Path:
        """Component and task logs."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
