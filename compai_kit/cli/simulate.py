"""`compai simulate`.

A simulated Comp-AI (with Keycloak and Slack) on one port, until it is stopped.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click

from compai_kit.cli.exit_codes import ExitCode
from compai_kit.contract.load import ContractError
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.server import serve


@click.command()
@click.option(
    "--seed",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON file of the rows that it starts with.",
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="JSON file: rate_limit, github, okta, aws, model, keycloak, static_tokens, database.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--admin-from-anywhere", is_flag=True, help="Let callers other than loopback use /_simulator."
)
def simulate(
    seed: Path, settings: Path | None, port: int, host: str, admin_from_anywhere: bool
) -> None:
    """Serve a simulated Comp-AI; its address is the first line on stdout.

    Keycloak is at /auth, Slack at /slack/services/…, the ledger at /_simulator/ledger.
    """
    try:
        app = SimulatorApp(
            _read(seed),
            None if settings is None else _read(settings),
            admin_from_anywhere=admin_from_anywhere,
        )
        with serve(app, host=host, port=port) as running:
            click.echo(running.url)
            sys.stdout.flush()
            _wait_for_a_signal()
    except (OSError, ValueError, ContractError) as error:
        # SeedError, SettingsError and broken JSON are ValueErrors.
        click.echo(f"compai simulate: {error}", err=True)
        sys.exit(ExitCode.COULD_NOT_RUN)


def _read(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        msg = f"{file}: no JSON: {error}"
        raise ValueError(msg) from error
    if not isinstance(value, dict):
        msg = f"{file}: expected a JSON object, got {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004  # wrong content of a file, not a wrong call
    return value


def _wait_for_a_signal() -> None:
    """Ctrl-C and SIGTERM both end it the orderly way, with exit code 0."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    stop.wait()
