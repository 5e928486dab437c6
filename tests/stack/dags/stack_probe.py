"""What a task of a stack sees: its imports, its environment, Variables and tries."""

import importlib.util
import logging
import os
import subprocess
import time

from airflow.sdk import Variable, dag, get_current_context, task

log = logging.getLogger(__name__)


# Every minute: it would run by itself within a test if a stack let schedules start anything.
@dag(schedule="* * * * *", catchup=False)
def stack_probe():
    @task(multiple_outputs=False)
    def look_around() -> dict:
        import compai_client

        return {
            "client": compai_client.__file__,
            "kit": importlib.util.find_spec("compai_kit") is not None,
            "environment": dict(os.environ),
            "variable": Variable.get("STACK_PROBE", default=None),
            "conf": dict(get_current_context()["dag_run"].conf or {}),
        }

    @task
    def numbers() -> list:
        return [1, 2, 3]

    @task
    def double(number: int) -> int:
        log.info("doubling %s", number)
        return 2 * number

    look_around()
    double.expand(number=numbers())


@dag(schedule=None, catchup=False)
def stack_probe_fails():
    @task(retries=1, retry_delay=0.2)
    def give_up() -> None:
        tries = get_current_context()["ti"].try_number
        raise RuntimeError(f"no luck in try {tries}")

    give_up()


@dag(schedule=None, catchup=False, max_active_runs=1)
def stack_probe_waits():
    @task
    def sleep() -> None:
        # In a session of its own: it outlives a kill of its parent's process group.
        subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
        log.info("going to sleep")
        time.sleep(600)

    sleep()


stack_probe()
stack_probe_fails()
stack_probe_waits()
