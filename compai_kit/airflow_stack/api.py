"""Airflow's REST API (v2) as the kit uses it, the same for every supported version.

Everything the kit does to an Airflow goes through here; nothing reads its database or imports it.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from compai_kit.airflow_stack.errors import (
    AirflowStackError,
    ApiError,
    ApiUnreachableError,
    ImportFailure,
    RunTimeoutError,
)
from compai_kit.airflow_stack.logs import plain_lines, tail, texts_in
from compai_kit.airflow_stack.rest import RestSession
from compai_kit.airflow_stack.runs import (
    NOT_MAPPED,
    TERMINAL_RUN_STATES,
    Run,
    TaskInstance,
    unfinished_report,
)

COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
_HEALTH = "/api/v2/monitor/health"
_FIRST_POLL_S = 0.1
_SLOWEST_POLL_S = 0.25
_LOG_TAIL = 15
_LOOPS = 2  # the end of a task may reach the scheduler one loop late
_LOOPS_WITHIN_S = 10.0
_NOT_FOUND = 404
_CONFLICT = 409


class AirflowApi:
    """One Airflow over HTTP. `check` is called while waiting; it raises when that is pointless."""

    def __init__(
        self, url: str, user: str, password: str, *, check: Callable[[], None] | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.user = user
        self._rest = RestSession(self.url, user=user, password=password)
        self._check = check or (lambda: None)
        self._variables: set[str] = set()

    def close(self) -> None:
        """Close the pooled connections."""
        self._rest.close()

    def version(self) -> str:
        """Airflow's version."""
        return str(self._rest.call("GET", "/api/v2/version", authenticated=False)["version"])

    def health(self) -> dict[str, str | None]:
        """Status of each component: "healthy", "unhealthy", or None for one never started.

        The answer's HTTP status is 200 in every case.
        """
        report = self._rest.call("GET", _HEALTH, authenticated=False)
        return {name: (report.get(name) or {}).get("status") for name in COMPONENTS}

    def import_errors(self) -> list[ImportFailure]:
        """DAG files that did not import."""
        rows = self._rest.pages("/api/v2/importErrors", items="import_errors")
        return [
            ImportFailure(filename=row["filename"], stack_trace=row["stack_trace"]) for row in rows
        ]

    def dag_ids(self) -> set[str]:
        """The DAGs that are parsed and active."""
        return {row["dag_id"] for row in self._rest.pages("/api/v2/dags", items="dags")}

    def unpause(self, dag_id: str) -> None:
        """Let runs of this DAG start; a paused DAG's run stays queued."""
        self._rest.call("PATCH", f"/api/v2/dags/{_quoted(dag_id)}", json={"is_paused": False})

    def trigger(
        self, dag_id: str, *, conf: Mapping[str, Any] | None = None, run_id: str | None = None
    ) -> str:
        """Start a run by hand; returns its id."""
        body: dict[str, Any] = {
            "logical_date": None,
            "conf": dict(conf or {}),
            # SQLite's clock has whole seconds: a run for "now" would wait for the next one.
            "run_after": (datetime.now(UTC) - timedelta(seconds=1)).isoformat(),
        }
        if run_id:
            body["dag_run_id"] = run_id
        path = f"/api/v2/dags/{_quoted(dag_id)}/dagRuns"
        return str(self._rest.call("POST", path, json=body)["dag_run_id"])

    def run_ids(self, dag_id: str, *, run_type: str | None = None) -> list[str]:
        """Every run of a DAG, or those of a type ("manual", "scheduled", …)."""
        rows = self._rest.pages(f"/api/v2/dags/{_quoted(dag_id)}/dagRuns", items="dag_runs")
        return [row["dag_run_id"] for row in rows if run_type in (None, row["run_type"])]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run right now."""
        return str(self._rest.call("GET", _run_path(dag_id, run_id))["state"])

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout_s: float) -> str:
        """Wait for "success" or "failed".

        An Airflow that does not answer is asked again until the time is up; any other error ends
        the wait. `RunTimeoutError` tells where each task stands and the end of its log.
        """
        started = time.monotonic()
        seen_at, state, trouble = started, None, None
        pause_s = _FIRST_POLL_S
        while time.monotonic() - started < timeout_s:
            self._check()
            try:
                state = self.run_state(dag_id, run_id)
                seen_at, trouble = time.monotonic(), None
            except ApiUnreachableError as error:
                trouble = error
            if state in TERMINAL_RUN_STATES:
                return state
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _SLOWEST_POLL_S)
        age_s = time.monotonic() - seen_at
        raise RunTimeoutError(
            f"run {run_id} of {dag_id} did not end within {timeout_s:g} s; "
            f"last state: {state or 'never seen'} (seen {age_s:.1f} s ago)"
            f"{f', since then: {trouble}' if trouble else ''}\n"
            f"{self._unfinished(dag_id, run_id)}",
            last_state=state,
        )

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Every task instance of a run, mapped ones included."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances"
        return [
            TaskInstance.from_json(row) for row in self._rest.pages(path, items="task_instances")
        ]

    def finished_run(self, dag_id: str, run_id: str) -> Run:
        """The value of a run that has ended."""
        row = self._rest.call("GET", _run_path(dag_id, run_id))
        return Run(
            dag_id=dag_id,
            run_id=run_id,
            state=row["state"],
            seconds=row["duration"] or 0.0,
            tasks=tuple(self.task_instances(dag_id, run_id)),
            api=self,
        )

    def run(self, dag_id: str, *, conf: Mapping[str, Any] | None = None, timeout_s: float) -> Run:
        """Trigger, wait, collect; a run that takes too long is stopped (and still raises)."""
        run_id = self.trigger(dag_id, conf=conf)
        try:
            self.wait_for_run(dag_id, run_id, timeout_s=timeout_s)
        except RunTimeoutError:
            # It would hold back the next run of a DAG with max_active_runs=1.
            with contextlib.suppress(AirflowStackError):
                self.stop(dag_id, run_id)
            raise
        return self.finished_run(dag_id, run_id)

    def stop(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed; Airflow ends its running tasks."""
        self._rest.call("PATCH", _run_path(dag_id, run_id), json={"state": "failed"})

    def xcom(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        *,
        key: str = "return_value",
        map_index: int = NOT_MAPPED,
    ) -> Any:
        """The value a task pushed; `ApiError` (404) when it pushed none."""
        path = f"{_task_path(dag_id, run_id, task_id)}/xcomEntries/{_quoted(key)}"
        return self._rest.call("GET", path, params={"map_index": map_index})["value"]

    def task_log(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        *,
        try_number: int = 1,
        map_index: int = NOT_MAPPED,
    ) -> list[str]:
        """The log of one try as plain lines."""
        content = self._log_content(
            dag_id, run_id, task_id, try_number=try_number, map_index=map_index
        )
        return plain_lines(content if isinstance(content, list) else [content])

    def _log_content(
        self, dag_id: str, run_id: str, task_id: str, *, try_number: int, map_index: int
    ) -> Any:
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}"
        params = {"map_index": map_index, "full_content": True}
        return self._rest.call("GET", path, params=params)["content"]

    def every_text(self, dag_id: str, run_id: str) -> Iterator[tuple[str, str]]:
        """(where, text) of all that a run shows: its rows, the log of each try, each XCom.

        Complete, so that a secret that is found nowhere here was not shown.
        """
        run = _run_path(dag_id, run_id)
        yield "run", texts_in(self._rest.call("GET", run))
        rows = list(self._rest.pages(f"{run}/taskInstances", items="task_instances"))
        for row in rows:
            task = TaskInstance.from_json(row)
            yield task.name, texts_in(row)
            for try_number in range(1, task.try_number + 1):
                log = self._log_content(
                    dag_id, run_id, task.task_id, try_number=try_number, map_index=task.map_index
                )
                yield f"log of {task.name}, try {try_number}", texts_in(log)
        for entry in self._rest.pages(
            f"{_task_path(dag_id, run_id, '~')}/xcomEntries", items="xcom_entries"
        ):
            task_id, key, map_index = entry["task_id"], entry["key"], entry["map_index"]
            value = self.xcom(dag_id, run_id, task_id, key=key, map_index=map_index)
            yield f"XCom {key} of {task_id}[{map_index}]", texts_in(value)

    def set_variables(self, variables: Mapping[str, str]) -> None:
        """Create or overwrite Airflow Variables; `delete_variables` takes them away again."""
        for key, value in variables.items():
            body = {"key": key, "value": value}
            try:
                self._rest.call("POST", "/api/v2/variables", json=body)
            except ApiError as error:
                if error.status != _CONFLICT:
                    raise
                self._rest.call("PATCH", f"/api/v2/variables/{_quoted(key)}", json=body)
            self._variables.add(key)

    def delete_variables(self, keys: Collection[str] | None = None) -> None:
        """Delete these Variables, or all that were set through this object."""
        for key in sorted(self._variables if keys is None else keys):
            self._delete(f"/api/v2/variables/{_quoted(key)}")
            self._variables.discard(key)

    def set_connection(self, connection_id: str, fields: Mapping[str, str | int]) -> None:
        """Create or overwrite an Airflow Connection as the form in the UI does.

        `fields`: conn_type, host, port, schema, login, password, extra (JSON text).
        """
        self.delete_connection(connection_id)
        body = {"connection_id": connection_id, **fields}
        self._rest.call("POST", "/api/v2/connections", json=body)

    def delete_connection(self, connection_id: str) -> None:
        """Delete a Connection; one that is not there is as good as deleted."""
        self._delete(f"/api/v2/connections/{_quoted(connection_id)}")

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Forget a run, its task instances and XComs."""
        self._delete(_run_path(dag_id, run_id))

    def clear(self, dag_id: str, run_id: str, *, task_ids: Collection[str] | None = None) -> None:
        """Like "Clear" in the UI: run these tasks (default: all) and what follows them again."""
        body: dict[str, Any] = {
            "dry_run": False,
            "dag_run_id": run_id,
            "only_failed": False,
            "include_downstream": True,
            "reset_dag_runs": True,
        }
        if task_ids is not None:
            body["task_ids"] = list(task_ids)
        path = f"/api/v2/dags/{_quoted(dag_id)}/clearTaskInstances"
        self._wait_for_scheduler_loops()
        self._rest.call("POST", path, json=body)

    def _wait_for_scheduler_loops(self) -> None:
        """Let the scheduler hear of the tasks that have just ended.

        Clearing gives a task instance a new key. The scheduler of 3.1.3, when it is just then
        booking the end of the old one, dies of a StaleDataError (SQLite has no row locks).
        """
        deadline = time.monotonic() + _LOOPS_WITHIN_S
        seen: set[str | None] = set()
        while len(seen) <= _LOOPS and time.monotonic() < deadline:
            report = self._rest.call("GET", _HEALTH, authenticated=False)
            seen.add(report["scheduler"].get("latest_scheduler_heartbeat"))
            time.sleep(_FIRST_POLL_S)

    def _delete(self, path: str) -> None:
        try:
            self._rest.call("DELETE", path)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    def _unfinished(self, dag_id: str, run_id: str) -> str:
        def log_of(task: TaskInstance) -> str:
            try:
                lines = self.task_log(
                    dag_id,
                    run_id,
                    task.task_id,
                    try_number=task.try_number,
                    map_index=task.map_index,
                )
            except AirflowStackError as error:
                return f"(not to be had: {error})"
            return tail(lines, _LOG_TAIL) or "(empty)"

        try:
            if self._rest.call("GET", f"/api/v2/dags/{_quoted(dag_id)}")["is_paused"]:
                return "  the DAG is paused: its runs stay queued until it is unpaused"
            return unfinished_report(self.task_instances(dag_id, run_id), log_of=log_of)
        except AirflowStackError as error:
            return f"  its tasks could not be read: {error}"


def _quoted(part: str) -> str:
    return quote(part, safe="")  # run ids hold "+" and ":"


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{_quoted(dag_id)}/dagRuns/{_quoted(run_id)}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}"
