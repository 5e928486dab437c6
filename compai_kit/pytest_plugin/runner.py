"""Runs a DAG with Variables and Connections of its own, to its end. Needs no pytest."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from compai_kit.airflow_stack.api import AirflowApi
from compai_kit.airflow_stack.runs import Run

DEFAULT_TIMEOUT_S = 120.0
ConnectionFields = Mapping[str, str | int]
# Written by the DAGs themselves; one scenario must not see what another left.
STATE_VARIABLES = (
    "comp_ai_alerts_state",
    "comp_ai_control_tests_kept",
    "comp_ai_gap_analysis_last",
)


class DagRunner:
    """What the fixture `run_dag` gives. `defaults` are the Variables that every run starts from."""

    def __init__(self, api: AirflowApi, defaults: Mapping[str, str], runs: list[Run]) -> None:
        self._api = api
        self._defaults = dict(defaults)
        self._runs = runs

    def prepare(self) -> None:
        """Forget what earlier scenarios left in Airflow's Variables."""
        self._api.delete_variables(STATE_VARIABLES)
        self._api.set_variables(self._defaults)

    def __call__(
        self,
        dag_id: str,
        *,
        conf: Mapping[str, Any] | None = None,
        variables: Mapping[str, str | None] | None = None,
        connections: Mapping[str, ConnectionFields] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Run:
        """Trigger the DAG, wait for its end (`RunTimeoutError` after `timeout_s`), return the run.

        `variables` and `connections` (fields of the UI's form, by connection id) are in force for
        this run only; None takes a default Variable away.
        """
        with self._in_force(variables, connections):
            run = self._api.run(dag_id, conf=conf, timeout_s=timeout_s)
        self._runs.append(run)
        return run

    def clear(
        self,
        run: Run,
        *,
        task_ids: Collection[str] | None = None,
        variables: Mapping[str, str | None] | None = None,
        connections: Mapping[str, ConnectionFields] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Run:
        """What a person's Clear does: these tasks (default: all) and what follows run again.

        Returns the run as it is then; `run` keeps the values of before.
        """
        with self._in_force(variables, connections):
            self._api.clear(run.dag_id, run.run_id, task_ids=task_ids)
            self._api.wait_for_run(run.dag_id, run.run_id, timeout_s=timeout_s)
        again = self._api.finished_run(run.dag_id, run.run_id)
        self._runs.append(again)
        return again

    @contextmanager
    def _in_force(
        self,
        variables: Mapping[str, str | None] | None,
        connections: Mapping[str, ConnectionFields] | None,
    ) -> Iterator[None]:
        """These Variables and Connections, and afterwards the defaults again."""
        overrides = dict(variables or {})
        connections = connections or {}
        try:
            for connection_id, fields in connections.items():
                self._api.set_connection(connection_id, fields)
            self._api.delete_variables([key for key, value in overrides.items() if value is None])
            self._api.set_variables({k: v for k, v in overrides.items() if v is not None})
            yield
        finally:
            for connection_id in connections:
                self._api.delete_connection(connection_id)
            self._api.delete_variables([key for key in overrides if key not in self._defaults])
            self._api.set_variables({k: v for k, v in self._defaults.items() if k in overrides})
