"""### Count the controls without evidence, every Monday

**When:** Mondays at 08:00 UTC. **Writes:** nothing. **Red means:** Comp-AI did not answer.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

RETRY_DELAY = timedelta(seconds=float(os.environ.get("COMP_AI_TASK_RETRY_DELAY_S") or 60))


@dag(
    schedule="0 8 * * 1",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 1, "retry_delay": RETRY_DELAY},
    doc_md=__doc__,
)
def weekly_gap_report() -> None:
    @task(execution_timeout=timedelta(minutes=5))
    def count_gaps() -> int:
        """The number of controls that have no evidence."""
        from reports.gaps import open_gaps

        return len(open_gaps())

    count_gaps()


weekly_gap_report()
