"""Everything that can go wrong with a stack, named by what the caller can do about it.

AirflowStackError                the stack could not do its work: no verdict on the DAGs (exit 3)
 ├ EnvironmentBuildError         uv could not make the Python environment
 ├ BootError                     the stack did not become ready
 │  └ DagImportError             ... because DAG files do not import (that is a finding, exit 1)
 ├ ComponentDiedError            a component ended while the stack was in use
 ├ ApiError                      Airflow's REST API answered with an error status
 ├ ApiUnreachableError           Airflow's REST API did not answer
 └ RunTimeoutError               a run did not end in time
"""

from collections.abc import Sequence
from dataclasses import dataclass


class AirflowStackError(Exception):
    """The stack could not do its work; the message says what to look at."""


class EnvironmentBuildError(AirflowStackError):
    """The Python environment with Airflow could not be made."""


class BootError(AirflowStackError):
    """The stack did not become ready."""


@dataclass(frozen=True, kw_only=True)
class ImportFailure:
    """One DAG file that Airflow could not import."""

    filename: str
    stack_trace: str


class DagImportError(BootError):
    """Airflow is up, but DAG files do not import; `failures` has every file with its traceback."""

    def __init__(self, failures: Sequence[ImportFailure], *, version: str) -> None:
        self.failures = tuple(failures)
        texts = [f"{failure.filename}:\n{failure.stack_trace.rstrip()}" for failure in failures]
        names = f"{len(texts)} DAG file{'s' if len(texts) != 1 else ''}"
        super().__init__("\n".join([f"{names} did not import in Airflow {version}", *texts]))


class ComponentDiedError(AirflowStackError):
    """A component of the stack ended although nobody stopped it."""


class ApiError(AirflowStackError):
    """Airflow's REST API refused a call."""

    def __init__(self, *, method: str, path: str, status: int, detail: str) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.detail = detail
        super().__init__(f"Airflow answered {method} {path} with {status}: {detail}")


class ApiUnreachableError(AirflowStackError):
    """Airflow's REST API did not answer: refused, reset or timed out."""


class RunTimeoutError(AirflowStackError):
    """A DAG run was still going when its time was up; `last_state` is the last one seen."""

    def __init__(self, message: str, *, last_state: str | None) -> None:
        self.last_state = last_state
        super().__init__(message)
