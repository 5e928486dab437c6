"""A process that brings the containers up and then waits to be killed.

`python caller.py COMPOSE_FILE BUNDLE LOGS`; prints the project's name before, "up" after the boot.
"""

import secrets
import sys
import time
from pathlib import Path

from compai_kit.airflow_stack.compose import ComposeStack

VALUES = {
    "COMPAI_STACK_REALM": "realm",
    "COMPAI_STACK_CLIENT_ID": "client",
    "COMPAI_STACK_CLIENT_SECRET": secrets.token_hex(8),
}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(file: str, bundle: str, logs: str) -> None:
    stack = ComposeStack(
        Path(file), bundle=Path(bundle), values=VALUES, expected_dag_ids=[], logs=Path(logs)
    )
    say(stack.project)
    with stack:
        say("up")
        time.sleep(600)


main(*sys.argv[1:])
