"""What one scenario leaves behind for the verdict: its runs and the calls the simulator saw.

Needs no pytest. The fixtures fill it, the recorder reads it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compai_kit.airflow_stack.errors import AirflowStackError
from compai_kit.airflow_stack.logs import tail
from compai_kit.gate.model import Call, RunState, TaskState
from compai_kit.report.redact import redact, trimmed

if TYPE_CHECKING:
    from compai_kit.airflow_stack.runs import Run, TaskInstance
    from compai_kit.simulator.control import LedgerEntry

_LOG_LINES = 12
_LOG_LINES_OF_SUCCESS = 5
_LOG_WIDTH = 160
_MOST_LOGS = 2
# What every task's log has, and nobody wants to read when something failed.
_CHATTER = (
    "DAG bundles loaded",
    "Filling up the DagBag",
    "Worker startup parse complete",
    "Pushing xcom",
    "Done. Returned value was",
    "Task instance in success state",
    "Task instance in failure state",
    "Task operator:",
    "Previous state of the Task instance",
    "Current task name:",
)
_LOOKS = frozenset({("GET", "/api/v1/health"), ("GET", "/api/v1/comp-ai/health")})
_BROKEN = frozenset({"failed", "up_for_retry", "upstream_failed"})


@dataclass(kw_only=True)
class Evidence:
    """Filled while a scenario runs. `secrets` are masked in every text that leaves it."""

    secrets: tuple[str, ...] = ()
    runs: "list[Run]" = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    states: tuple[RunState, ...] = ()

    def keep_states(self, *, with_logs: bool) -> None:
        """Turn the runs into values; logs are fetched from Airflow only on demand."""
        self.states = tuple(self._state(run, with_logs=with_logs) for run in self.runs)

    def add_ledger(self, entries: "Iterable[LedgerEntry]") -> None:
        """Keep what the verdict needs of each call; bodies and headers stay behind."""
        self.calls += [call_of(entry, self.secrets) for entry in entries if not _is_look(entry)]

    def violations(self) -> list[str]:
        """One line per call that breaks the contract."""
        return [
            f"{call.operation or 'no such route'} {call.method} {call.path}: {text}"
            for call in self.calls
            for text in (
                *call.request_violations,
                *call.response_violations,
                *(() if call.operation else ("the contract does not know this call",)),
            )
        ]

    def _state(self, run: "Run", *, with_logs: bool) -> RunState:
        return RunState(
            dag=run.dag_id,
            run_id=run.run_id,
            state=run.state,
            seconds=run.seconds,
            tasks=tuple(
                TaskState(
                    task=task.task_id,
                    map_index=task.map_index,
                    state=task.state or "none",
                    tries=task.try_number,
                )
                for task in run.tasks
            ),
            log_tail=self._log_tail(run) if with_logs else (),
        )

    def _log_tail(self, run: "Run") -> tuple[str, ...]:
        lines: list[str] = []
        for task in _telling(run.tasks):
            lines.append(f"--- {task.name}, try {task.try_number} ---")
            try:
                log = run.log(task.task_id, map_index=task.map_index)
            except AirflowStackError as error:
                log = [f"(log not to be had: {error})"]
            count = _LOG_LINES if task.state in _BROKEN else _LOG_LINES_OF_SUCCESS
            telling = [line for line in log if not line.startswith(_CHATTER)]
            text = redact(tail(telling, count), self.secrets)
            lines += trimmed(text, lines=_LOG_LINES, width=_LOG_WIDTH).splitlines() or ["(empty)"]
        return tuple(lines)


def _telling(tasks: "Iterable[TaskInstance]") -> "list[TaskInstance]":
    """The tasks whose log explains the most: those that broke, else the one that ran last."""
    ran = [task for task in tasks if task.try_number > 0]
    broken = [task for task in ran if task.state in _BROKEN]
    return broken[:_MOST_LOGS] or ran[-1:]


def _is_look(entry: "LedgerEntry") -> bool:
    """The client asking where Comp-AI is, after answers that were not Comp-AI's.

    It asks for the health at the other layouts there are, so as to name the right setting. That
    none answers there is what it wants to know, and no call outside the contract.
    """
    return entry.operation is None and (entry.method, entry.path) in _LOOKS


def call_of(entry: "LedgerEntry", secrets: Iterable[str] = ()) -> Call:
    """A ledger entry without what could hold a secret."""
    secrets = tuple(secrets)
    caller: Mapping[str, Any] = entry.caller or {}

    def clean(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(trimmed(redact(text, secrets), lines=1) for text in texts)

    return Call(
        dag=caller.get("dag"),
        task=caller.get("task"),
        operation=entry.operation,
        method=entry.method,
        path=redact(entry.path, secrets),
        status=entry.status,
        fault=entry.fault,
        request_violations=clean(entry.request_violations),
        response_violations=clean(entry.response_violations),
    )
