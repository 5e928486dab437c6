"""A process that boots a stack, has a task asleep in it, and then ends in one of several ways.

`python caller.py BUNDLE VERSION WAY`; prints one JSON line about the stack once the task sleeps.
"""

import json
import os
import sys
import time
from pathlib import Path

from compai_kit.airflow_stack.environments import ensure_environment
from compai_kit.airflow_stack.processes import ProcessStack


def wait_until_asleep(stack: ProcessStack) -> None:
    run_id = stack.api.trigger("stack_probe_waits")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for task in stack.api.task_instances("stack_probe_waits", run_id):
            asleep = task.state == "running" and "going to sleep" in stack.api.task_log(
                "stack_probe_waits", run_id, task.task_id
            )
            if asleep:
                return
        time.sleep(0.2)
    raise TimeoutError("the task did not start")


def main(bundle: str, version: str, way: str) -> None:
    python = ensure_environment(version)
    expected = ["stack_probe_waits"]
    with ProcessStack(
        Path(bundle), python=python, version=version, env={}, expected_dag_ids=expected
    ) as stack:
        wait_until_asleep(stack)
        about = {"home": str(stack.home), "url": stack.url, "supervisor": stack.supervisor_pid}
        sys.stdout.write(json.dumps(about) + "\n")
        sys.stdout.flush()
        if way == "raises":
            raise RuntimeError("in the body")
        if way == "exits":
            os._exit(0)
        if way == "sleeps":
            time.sleep(600)


main(*sys.argv[1:])
