"""What a DAG run left behind, as plain values, and what to say about one that did not end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compai_kit.airflow_stack.api import AirflowApi

TERMINAL_RUN_STATES = frozenset({"success", "failed"})
TERMINAL_TASK_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
NOT_MAPPED = -1


@dataclass(frozen=True, kw_only=True)
class TaskInstance:
    """One task (or one mapped instance of it) of a run; `state` is None before it is scheduled."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    since: datetime | None = None  # when it entered the phase it is in, as far as Airflow tells
    seconds: float | None = None

    @property
    def name(self) -> str:
        """`task` or `task[3]`."""
        return self.task_id if self.map_index == NOT_MAPPED else f"{self.task_id}[{self.map_index}]"

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "TaskInstance":
        """From an element of Airflow's task instance collection."""
        moments = ("end_date", "start_date", "queued_when", "scheduled_when")
        latest = next((row[moment] for moment in moments if row.get(moment)), None)
        return cls(
            task_id=row["task_id"],
            map_index=row["map_index"],
            state=row["state"],
            try_number=row["try_number"],
            since=datetime.fromisoformat(latest) if latest else None,
            seconds=row["duration"],
        )


@dataclass(frozen=True, kw_only=True)
class Run:
    """A DAG run that has ended. XComs and logs are fetched when asked for."""

    dag_id: str
    run_id: str
    state: str
    seconds: float
    tasks: Sequence[TaskInstance]
    api: "AirflowApi" = field(repr=False, compare=False)

    def task(self, task_id: str, map_index: int = NOT_MAPPED) -> TaskInstance:
        """One task instance; `LookupError` names those there are."""
        for instance in self.tasks:
            if (instance.task_id, instance.map_index) == (task_id, map_index):
                return instance
        wanted = TaskInstance(task_id=task_id, map_index=map_index, state=None, try_number=0)
        present = ", ".join(instance.name for instance in self.tasks) or "none"
        raise LookupError(f"{self.dag_id} has no task instance {wanted.name}; it has: {present}")

    def mapped(self, task_id: str) -> list[TaskInstance]:
        """The mapped instances of a task, by map index."""
        found = [t for t in self.tasks if t.task_id == task_id and t.map_index != NOT_MAPPED]
        return sorted(found, key=lambda instance: instance.map_index)

    def xcom(self, task_id: str, *, key: str = "return_value", map_index: int = NOT_MAPPED) -> Any:
        """The value a task pushed; `ApiError` (404) when it pushed none."""
        return self.api.xcom(self.dag_id, self.run_id, task_id, key=key, map_index=map_index)

    def log(
        self, task_id: str, *, map_index: int = NOT_MAPPED, try_number: int | None = None
    ) -> list[str]:
        """The lines of one try (default: the last)."""
        try_number = try_number or self.task(task_id, map_index).try_number
        return self.api.task_log(
            self.dag_id, self.run_id, task_id, map_index=map_index, try_number=try_number
        )

    def every_text(self) -> Iterator[tuple[str, str]]:
        """(where, text) of everything the run shows: rows, the log of each try, each XCom."""
        return self.api.every_text(self.dag_id, self.run_id)


def unfinished_report(
    tasks: Sequence[TaskInstance],
    *,
    log_of: Callable[[TaskInstance], str],
    now: datetime | None = None,
) -> str:
    """Where each task of a run stands, since when, and the end of the log of those at work."""
    now = now or datetime.now(UTC)
    if not tasks:
        return "  it has no task instances yet"
    lines = [f"  {_standing(task, now)}" for task in tasks]
    at_work = [t for t in tasks if t.try_number > 0 and t.state not in TERMINAL_TASK_STATES]
    for task in at_work:
        lines += [f"--- end of the log of {task.name}, try {task.try_number} ---", log_of(task)]
    return "\n".join(lines)


def _standing(task: TaskInstance, now: datetime) -> str:
    age = f" for {(now - task.since).total_seconds():.0f} s" if task.since else ""
    tries = f", try {task.try_number}" if task.try_number else ""
    return f"{task.name}: {task.state or 'not scheduled yet'}{age}{tries}"
