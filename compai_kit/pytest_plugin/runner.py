"""Runs a DAG with Variables of its own and waits for the end. Needs no pytest."""

from collections.abc import Mapping
from typing import Any

from compai_kit.airflow_stack.api import AirflowApi
from compai_kit.airflow_stack.runs import Run

DEFAULT_TIMEOUT_S = 120.0
# Written by the DAGs themselves; one scenario must not see what another left.
STATE_VARIABLES = ("comp_ai_alerts_state",)


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
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Run:
        """Trigger the DAG, wait for its end (`RunTimeoutError` after `timeout_s`), return the run.

        `variables` are in force for this run only; None takes a default one away.
        """
        overrides = dict(variables or {})
        try:
            self._api.delete_variables([key for key, value in overrides.items() if value is None])
            self._api.set_variables({k: v for k, v in overrides.items() if v is not None})
            run = self._api.run(dag_id, conf=conf, timeout_s=timeout_s)
        finally:
            self._api.delete_variables([key for key in overrides if key not in self._defaults])
            self._api.set_variables({k: v for k, v in self._defaults.items() if k in overrides})
        self._runs.append(run)
        return run
