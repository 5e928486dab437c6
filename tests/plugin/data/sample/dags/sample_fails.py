"""Fails after a second try, and is careless with a secret."""

from datetime import timedelta

from airflow.sdk import dag, task


@dag(schedule=None)
def sample_fails() -> None:
    @task(retries=1, retry_delay=timedelta(seconds=0.1))
    def boom() -> None:
        from airflow.sdk import Variable

        print("the webhook is", Variable.get("SLACK_WEBHOOK_URL"))  # noqa: T201 - the point of it
        raise ValueError("what the log ends with")

    boom()


sample_fails()
