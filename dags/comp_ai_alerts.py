"""### Say where compliance stands: gaps, failing tests, and what nobody could verify

**When:** daily at 07:00 UTC, an hour after the control tests, or as `COMP_AI_ALERTS_SCHEDULE`
(environment, read while parsing) says. If that run was late or did not happen, the message shows
it as late or stale tests.

**Writes:** one Slack message (`SLACK_WEBHOOK_URL`; without it the log is the message) and the
Variable `comp_ai_alerts_state`: what was told, so that the next message can say what is new, still
open and resolved. Nothing in Comp-AI. The log always has the full text.

**Red means:** the status is *unknown*, because Comp-AI did not answer (posted once per incident,
and once more on recovery), or Slack refused the message. Findings alone never turn it red, and
without remediation tasks (`fetch_remediation` red) only owners and the overdue list are unknown.

**Run again?** Yes, always; it posts another message. `dry_run` shows it in the log only.
Settings: `COMP_AI_BASE_URL`, `COMP_AI_TOKEN` or the Keycloak client, `SLACK_WEBHOOK_URL`,
`COMP_AI_ALERTS_MODE` (`daily`, `changes`), `COMP_AI_SLACK_OWNERS`, `COMP_AI_HEARTBEAT_URL`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param, dag, task

RETRY_DELAY = timedelta(seconds=float(os.environ.get("COMP_AI_TASK_RETRY_DELAY_S") or 60))
FETCH_TIMEOUT = timedelta(minutes=15)


@dag(
    schedule=os.environ.get("COMP_AI_ALERTS_SCHEDULE") or "0 7 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={
        "retries": 2,
        "retry_delay": RETRY_DELAY,
        "retry_exponential_backoff": True,
    },
    params={
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Show the message in the log; send and remember nothing.",
        )
    },
    doc_md=__doc__,
    tags=["comp-ai"],
)
def comp_ai_alerts() -> None:
    @task(execution_timeout=FETCH_TIMEOUT, show_return_value_in_logs=False)
    def fetch_gaps() -> list[dict[str, Any]]:
        """The controls without evidence. Reads only."""
        from compai_dags import airflow_adapter, alerting

        with airflow_adapter.current_task(announce_settings=True) as here:
            return alerting.fetch_gaps(here)

    @task(multiple_outputs=False, execution_timeout=FETCH_TIMEOUT, show_return_value_in_logs=False)
    def fetch_tests() -> dict[str, Any]:
        """The control tests and what their results are worth. Reads only."""
        from compai_dags import airflow_adapter, alerting

        with airflow_adapter.current_task() as here:
            return alerting.fetch_tests(here)

    @task(multiple_outputs=False, execution_timeout=FETCH_TIMEOUT, show_return_value_in_logs=False)
    def fetch_remediation() -> dict[str, Any]:
        """The open remediation tasks; the message goes out without them as well. Reads only."""
        from compai_dags import airflow_adapter, alerting

        with airflow_adapter.current_task() as here:
            return alerting.fetch_remediation(here)

    # The only leaf, and red whenever the status is unknown: no outage may look like health.
    @task(trigger_rule="all_done", execution_timeout=timedelta(minutes=10))
    def send_alert(params: dict[str, Any] | None = None) -> None:
        """Compose, log and post the message. A retry posts only what was not delivered."""
        from compai_dags import airflow_adapter, alerting

        with airflow_adapter.current_task(announce_settings=True) as here:
            alerting.send_alert(here, dry_run=(params or {})["dry_run"])

    [fetch_gaps(), fetch_tests(), fetch_remediation()] >> send_alert()


comp_ai_alerts()
