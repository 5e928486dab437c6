"""### A DAG that has nothing to do with Comp-AI, and no scenario: the gate parses it only."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task


@dag(schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def tidy_up() -> None:
    @task
    def tidy() -> None: ...

    tidy()


tidy_up()
