"""The values a run leaves behind, and the report on one that did not end."""

from datetime import UTC, datetime

import pytest

from compai_kit.airflow_stack.api import AirflowApi
from compai_kit.airflow_stack.runs import Run, TaskInstance, unfinished_report


def instance(task_id: str, *, map_index: int = -1, state: str | None = "success") -> TaskInstance:
    return TaskInstance(task_id=task_id, map_index=map_index, state=state, try_number=1)


@pytest.fixture
def run() -> Run:
    tasks = (
        instance("fetch"),
        instance("work", map_index=1, state="failed"),
        instance("work", map_index=0),
    )
    api = AirflowApi("http://127.0.0.1:9", "user", "password")
    return Run(dag_id="d", run_id="r", state="failed", seconds=1.0, tasks=tasks, api=api)


def test_task_instances_are_found_by_id_and_map_index(run: Run) -> None:
    assert run.task("fetch").state == "success"
    assert run.task("work", 1).state == "failed"
    assert [task.map_index for task in run.mapped("work")] == [0, 1]


def test_a_missing_task_instance_is_named_with_those_there_are(run: Run) -> None:
    with pytest.raises(
        LookupError, match=r"d has no task instance work; it has: fetch, work\[1\], work\[0\]"
    ):
        run.task("work")


def test_since_is_the_latest_moment_airflow_tells() -> None:
    row = {
        "task_id": "t",
        "map_index": -1,
        "state": "running",
        "try_number": 1,
        "duration": None,
        "end_date": None,
        "start_date": "2026-01-01T00:00:05Z",
        "queued_when": "2026-01-01T00:00:03Z",
        "scheduled_when": "2026-01-01T00:00:01Z",
    }

    assert TaskInstance.from_json(row).since == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)


def test_report_on_an_unfinished_run_has_states_ages_and_logs_of_those_at_work() -> None:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    tasks = [
        TaskInstance(task_id="done", map_index=-1, state="success", try_number=1, since=started),
        TaskInstance(task_id="busy", map_index=2, state="running", try_number=3, since=started),
        TaskInstance(task_id="next", map_index=-1, state=None, try_number=0),
    ]

    report = unfinished_report(
        tasks,
        log_of=lambda task: f"log of {task.name}",
        now=datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
    )

    assert report.splitlines() == [
        "  done: success for 60 s, try 1",
        "  busy[2]: running for 60 s, try 3",
        "  next: not scheduled yet",
        "--- end of the log of busy[2], try 3 ---",
        "log of busy[2]",
    ]


def test_report_on_a_run_without_tasks_says_so() -> None:
    assert "no task instances yet" in unfinished_report([], log_of=lambda _: "")
