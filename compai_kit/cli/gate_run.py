"""Runs a gate plan at a terminal: progress on stderr, the verdict on stdout, an exit code."""

import signal
import sys
from contextlib import ExitStack
from typing import Literal, get_args

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compai_kit.cli.exit_codes import ExitCode
from compai_kit.gate.model import Answer, Scenario, StackKept
from compai_kit.gate.plan import GatePlan
from compai_kit.gate.run import KNOWN_FAILURES, gate_run, one_line
from compai_kit.gate.scenarios import collect
from compai_kit.gate.verdict import answer
from compai_kit.report.console import make_console
from compai_kit.report.files import write_report
from compai_kit.report.github import annotations
from compai_kit.report.json import render_json
from compai_kit.report.junit import render_junit
from compai_kit.report.progress import Progress
from compai_kit.report.sarif import render_sarif
from compai_kit.report.text import print_verdict

EXIT_CODES: dict[Answer, ExitCode] = {
    "yes": ExitCode.OK,
    "no": ExitCode.FINDINGS,
    "could not run": ExitCode.COULD_NOT_RUN,
    "undecided": ExitCode.UNDECIDED,
}


Format = Literal["text", "json", "sarif", "junit"]
FORMATS: tuple[Format, ...] = get_args(Format)
_RENDERED = {"json": render_json, "sarif": render_sarif, "junit": render_junit}


def run(plan: GatePlan, *, form: Format = "text", annotated: bool = False) -> ExitCode:
    """The whole gate. Raises click.UsageError for a scenario that does not exist."""
    out, err = make_console(sys.stdout), make_console(sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    try:
        if plan.names:
            _chosen(plan)
        with ExitStack() as running:
            with Progress(err) as progress:
                gated = running.enter_context(gate_run(plan, listen=progress.hear))
            verdict = gated.verdict
            if form == "text":
                print_verdict(verdict, out)
            else:
                sys.stdout.write(_RENDERED[form](verdict).decode())
            if annotated:  # on stderr: what a program reads on stdout stays one document
                for line in annotations(verdict):
                    err.print(line, soft_wrap=True)
            if plan.report:
                write_report(verdict, plan.report, pytest_output=gated.pytest_output)
            if verdict.kept:
                _wait(verdict.kept, out if form == "text" else err, err)
    except KeyboardInterrupt:
        err.print("interrupted")
        return ExitCode.UNDECIDED
    except KNOWN_FAILURES as error:
        err.print(f"compai gate could not run: {one_line(error)}")
        return ExitCode.COULD_NOT_RUN
    return EXIT_CODES[answer(verdict)]


def list_scenarios(plan: GatePlan) -> ExitCode:
    """One line per scenario: DAG, name, what it promises, where it stands."""
    err = make_console(sys.stderr)
    try:
        scenarios = _chosen(plan)
    except KNOWN_FAILURES as error:
        err.print(f"compai gate could not list: {one_line(error)}")
        return ExitCode.COULD_NOT_RUN
    if not scenarios:
        err.print(f"no scenarios in {plan.scenarios_folder}")
        return ExitCode.FINDINGS
    table = Table.grid(padding=(0, 2))
    for scenario in scenarios:
        words = (scenario.dag or "-", scenario.name, scenario.promise, scenario.where)
        table.add_row(*map(Text, words))
    make_console(sys.stdout).print(table)
    return ExitCode.OK


def _chosen(plan: GatePlan) -> tuple[Scenario, ...]:
    collected = collect(plan)
    if collected.unknown_names:
        known = "\n  ".join(f"{s.dag or '-'}/{s.name}" for s in collected.all) or "none"
        raise click.UsageError(
            f"no scenario is called {', '.join(collected.unknown_names)}; there are:\n  {known}"
        )
    return collected.chosen


def _wait(kept: StackKept, out: Console, err: Console) -> None:
    stack = kept.stack
    out.print(
        f"\nAirflow {stack.version}: {stack.url}  user {stack.user}  password {stack.password}\n"
        f"simulator: {kept.simulator_url}/_simulator/ledger",
        soft_wrap=True,
    )
    err.print("The stack runs until Ctrl-C.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        err.print("stopping it …")
