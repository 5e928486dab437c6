"""What `run_dag` does to an Airflow around a run, against a scripted one."""

from collections.abc import Mapping
from typing import Any

from compai_kit.airflow_stack.runs import Run
from compai_kit.pytest_plugin.runner import DagRunner


class ScriptedApi:
    """Writes down what was asked of it, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def set_variables(self, variables: Mapping[str, str]) -> None:
        if variables:
            self.asked.append(("set", dict(variables)))

    def delete_variables(self, keys: list[str]) -> None:
        if keys:
            self.asked.append(("delete", list(keys)))

    def set_connection(self, connection_id: str, fields: Mapping[str, Any]) -> None:
        self.asked.append(("connect", connection_id, dict(fields)))

    def delete_connection(self, connection_id: str) -> None:
        self.asked.append(("disconnect", connection_id))

    def clear(self, dag_id: str, run_id: str, *, task_ids: Any) -> None:
        self.asked.append(("clear", dag_id, run_id, task_ids))

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout_s: float) -> str:
        self.asked.append(("wait", timeout_s))
        return "success"

    def run(self, dag_id: str, *, conf: Any, timeout_s: float) -> Run:
        self.asked.append(("run", dag_id))
        return self.finished_run(dag_id, "r")

    def finished_run(self, dag_id: str, run_id: str) -> Run:
        return Run(dag_id=dag_id, run_id=run_id, state="success", seconds=1.0, tasks=(), api=self)


def test_variables_and_connections_are_in_force_for_one_run_only() -> None:
    api = ScriptedApi()
    run_dag = DagRunner(api, {"URL": "default", "TOKEN": "default"}, [])

    run_dag(
        "d",
        variables={"URL": None, "MODE": "changes"},
        connections={"comp_ai": {"host": "comp-ai"}},
    )

    assert api.asked == [
        ("connect", "comp_ai", {"host": "comp-ai"}),
        ("delete", ["URL"]),
        ("set", {"MODE": "changes"}),
        ("run", "d"),
        ("disconnect", "comp_ai"),
        ("delete", ["MODE"]),
        ("set", {"URL": "default"}),
    ]


def test_clear_waits_for_the_end_and_keeps_both_runs_for_the_verdict() -> None:
    api, runs = ScriptedApi(), []
    run_dag = DagRunner(api, {}, runs)
    first = run_dag("d")

    again = run_dag.clear(first, task_ids=["work"], timeout_s=7)

    assert api.asked == [("run", "d"), ("clear", "d", "r", ["work"]), ("wait", 7)]
    assert runs == [first, again]


def test_a_clear_has_variables_of_its_own() -> None:
    api = ScriptedApi()
    run_dag = DagRunner(api, {"URL": "default"}, [])
    first = run_dag("d")
    api.asked.clear()

    run_dag.clear(first, variables={"MODE": "changes"}, timeout_s=7)

    assert api.asked == [
        ("set", {"MODE": "changes"}),
        ("clear", "d", "r", None),
        ("wait", 7),
        ("delete", ["MODE"]),
    ]
