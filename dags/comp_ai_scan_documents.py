"""### Attach documents to controls as evidence, each link once

**When:** Sundays at 08:00 UTC, or as `COMP_AI_SCAN_DOCUMENTS_SCHEDULE` (environment, read while
parsing) says. What is attached stands in `COMP_AI_SCAN_DOCUMENTS_CONFIG` (environment or Variable):
one job or a list of `{"control_id": 7, "documents": ["https://…", {"url": "https://…",
"type": "policy"}]}`; unset means nothing to do. A run by hand can be given one job by its form.

**Writes:** one row of evidence per link, never a second one: what a control has already is skipped,
also after an answer was lost. Comp-AI does not open links, so this does: a dead one is no evidence.
Behind a login (401, 403, or a login page) nobody can look; such links are attached. Internal hosts
need `COMP_AI_PROBE_ALLOW`.

**Red means:** a job failed, or the config is wrong, and then nothing was attached. The log of
`summarise` names each job, and in it each link that is dead or could not be stored. All other
documents are attached.

**Run again?** Yes, always: nothing is attached twice. `dry_run` looks and attaches nothing.
Settings: `COMP_AI_BASE_URL`, `COMP_AI_TOKEN` or the Keycloak client, those above.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param, dag, task

RETRY_DELAY = timedelta(seconds=float(os.environ.get("COMP_AI_TASK_RETRY_DELAY_S") or 60))
FORM: dict[str, Any] = {
    "control_id": Param(
        None,
        type=["null", "integer"],
        title="Control",
        description="With urls: the control to attach to; empty means all jobs of the config.",
    ),
    "urls": Param(
        [],
        type="array",
        items={"type": "string"},
        title="Links",
        description="The documents to attach to the control.",
    ),
    "type": Param(
        None,
        type=["null", "string"],
        title="Type",
        description="Type of this evidence; empty means document.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Look at the links and show in the log what would be attached.",
    ),
}


@dag(
    schedule=os.environ.get("COMP_AI_SCAN_DOCUMENTS_SCHEDULE") or "0 8 * * 0",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args={
        "retries": 2,
        "retry_delay": RETRY_DELAY,
        "retry_exponential_backoff": True,
    },
    params=FORM,
    doc_md=__doc__,
    tags=["comp-ai"],
)
def comp_ai_scan_documents() -> None:
    @task(execution_timeout=timedelta(minutes=5), show_return_value_in_logs=False)
    def list_jobs(params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every job is checked before any is run. Asks nobody."""
        from compai_dags import airflow_adapter, scan

        form = {name: (params or {})[name] for name in ("control_id", "urls", "type")}
        with airflow_adapter.current_task(announce_settings=True) as here:
            return scan.list_jobs(here, **form)

    # One at a time: two jobs for one control must see what the other attached.
    @task(max_active_tis_per_dagrun=1, execution_timeout=timedelta(minutes=60))
    def scan_job(job: dict[str, Any], params: dict[str, Any] | None = None) -> None:
        """Attach what is missing. A retry looks first, so it repeats nothing."""
        from compai_dags import airflow_adapter, scan

        with airflow_adapter.current_task() as here:
            scan.scan_job(here, job, dry_run=(params or {})["dry_run"])

    # The only leaf: the state of the run is the verdict of this task.
    @task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
    def summarise() -> None:
        """Count what was attached, and fail when a job failed."""
        from compai_dags import airflow_adapter, scan

        with airflow_adapter.current_task() as here:
            scan.summarise(here)

    scan_job.expand(job=list_jobs()) >> summarise()


comp_ai_scan_documents()
