"""### Evaluate every control test of Comp-AI and store the results

**When:** daily at 06:00 UTC, or as `COMP_AI_CONTROL_TESTS_SCHEDULE` (environment, read while
parsing) says. Evaluates the tests whose own `schedule` is due. Trigger it by hand after a fix: that
evaluates all; `test_ids` and `only_due` narrow the run.

**Writes:** one result per evaluated test (`pass`, `fail` or `skipped`, with a sentence and a line
that says what the result is worth). A result overwrites the one before, so it is safe to repeat.
A pass that a check proved itself is backed by a row of evidence, stored first: a new row only when
what it says has changed, or after `evidence_refresh` days (config of the test, default 90).
Tests without direct access let Comp-AI collect, which adds a row; neither is repeated blindly.
Manual tests, a fail that was proven, and results that somebody else wrote are left alone.

**Red means:** the run could not do its work: Comp-AI or its token failed, the list was empty, or
tests could not be verified or recorded (the log of `summarise` names each with its reason). Every
other test was still evaluated and stored. A failing control test is a finding, never a red run;
a red chunk in a green run had no more trouble than `COMP_AI_MAX_ERRORS` allows.

**Run again?** Yes, always: *Clear* evaluates anew; a retry repeats nothing that is stored.
Settings: `COMP_AI_BASE_URL`, `COMP_AI_TOKEN` or the Keycloak client, `COMP_AI_ALLOW_EMPTY`,
`COMP_AI_MAX_ERRORS`, `COMP_AI_COLLECT_EVIDENCE`, `COMP_AI_UNCHECKED_RESULT`,
`COMP_AI_HISTORY_URL` (every outcome is appended there; a run whose history is not stored is red),
`COMP_AI_TEST_OVERRIDES` (config, schedule and exceptions per test).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param, dag, task

RETRY_DELAY = timedelta(seconds=float(os.environ.get("COMP_AI_TASK_RETRY_DELAY_S") or 60))


@dag(
    schedule=os.environ.get("COMP_AI_CONTROL_TESTS_SCHEDULE") or "0 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args={
        "retries": 2,
        "retry_delay": RETRY_DELAY,
        "retry_exponential_backoff": True,
    },
    params={
        "test_ids": Param(
            [],
            type="array",
            items={"type": "integer"},
            title="Control tests",
            description="Ids of the control tests to evaluate; empty means all.",
        ),
        "only_due": Param(
            False,
            type="boolean",
            title="Only what is due",
            description="Leave out the tests whose own schedule does not ask for them, as a "
            "scheduled run does.",
        ),
    },
    doc_md=__doc__,
    tags=["comp-ai"],
)
def comp_ai_control_tests() -> None:
    @task(execution_timeout=timedelta(minutes=15), show_return_value_in_logs=False)
    def list_control_tests(params: dict[str, Any] | None = None) -> list[dict[str, int]]:
        """The control tests in chunks. Reads only."""
        from compai_dags import airflow_adapter, control_tests

        with airflow_adapter.current_task(announce_settings=True) as here:
            asked = params or {}
            return control_tests.list_chunks(
                here, test_ids=asked["test_ids"], only_due=asked["only_due"]
            )

    # Two at a time: all chunks share the one bucket of requests that Comp-AI keeps for us.
    @task(max_active_tis_per_dagrun=2, execution_timeout=timedelta(minutes=60))
    def evaluate_chunk(part: dict[str, int]) -> None:
        """Evaluate and post. Stored results are not repeated by a retry."""
        from compai_dags import airflow_adapter, control_tests

        with airflow_adapter.current_task() as here:
            control_tests.evaluate_chunk(here, part["chunk"])

    # The only leaf: the state of the run is the verdict of this task.
    @task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
    def summarise() -> None:
        """Count the outcomes, and fail when tests could not be verified or recorded."""
        from compai_dags import airflow_adapter, control_tests

        with airflow_adapter.current_task() as here:
            control_tests.summarise(here)

    chunks = list_control_tests()
    evaluate_chunk.expand(part=chunks) >> summarise()


comp_ai_control_tests()
