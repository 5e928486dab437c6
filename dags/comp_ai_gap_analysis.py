"""### Ask the AI model of Comp-AI about the gaps, and keep its answer for the alerts

**When:** Mondays at 06:30 UTC, before the alerts, or as `COMP_AI_GAP_ANALYSIS_SCHEDULE`
(environment, read while parsing) says. Trigger it by hand with another `framework`.

**Writes:** the Variable `comp_ai_gap_analysis_last`. Nothing in Comp-AI; each call costs a run of
its model. The log has the whole text. `framework` is a hint to the model and nothing more: the
gaps that it is told of are those of every framework.

**Red means:** there is no answer: the model is unavailable or not configured, or Comp-AI or its
token failed. A canned answer (`model_used` begins with `mock`) is no analysis: the run is green,
log and XCom say DEGRADED, and the analysis of before stays the last one. So it does when the
model answers without a text (EMPTY).

**Run again?** Yes, always.
Settings: `COMP_AI_BASE_URL`, `COMP_AI_TOKEN` or the Keycloak client,
`COMP_AI_GAP_ANALYSIS_FRAMEWORK`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param, dag, task

RETRY_DELAY = timedelta(seconds=float(os.environ.get("COMP_AI_TASK_RETRY_DELAY_S") or 60))


@dag(
    schedule=os.environ.get("COMP_AI_GAP_ANALYSIS_SCHEDULE") or "30 6 * * 1",
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
        "framework": Param(
            None,
            type=["null", "string"],
            title="Framework",
            description="A hint to the model; empty means COMP_AI_GAP_ANALYSIS_FRAMEWORK.",
        )
    },
    doc_md=__doc__,
    tags=["comp-ai"],
)
def comp_ai_gap_analysis() -> None:
    # The client waits up to 250 s, of which the model has 120; whatever is slower is broken.
    @task(execution_timeout=timedelta(minutes=10))
    def analyse_gaps(params: dict[str, Any] | None = None) -> None:
        """One question, one answer. A retry asks again; nothing is stored in Comp-AI."""
        from compai_dags import airflow_adapter, gap_analysis

        with airflow_adapter.current_task(announce_settings=True) as here:
            gap_analysis.analyse_gaps(here, framework=(params or {})["framework"])

    analyse_gaps()


comp_ai_gap_analysis()
