"""`compai gate`: would these DAGs, on this Airflow, against this Comp-AI, do the right thing?"""

import sys
from pathlib import Path
from typing import Unpack

import click

from compai_kit.cli.gate_run import FORMATS, Format, list_scenarios, run
from compai_kit.gate.plan import (
    DEFAULT_DAGS,
    DEFAULT_IMPORT_BUDGET,
    DEFAULT_RECORDINGS,
    DEFAULT_SCENARIOS,
    PlanOptions,
)
from compai_kit.gate.targets import TargetError, plan_for
from compai_kit.report.github import wanted_here

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--dags",
    type=_FOLDER,
    help="Another folder with DAG files: all are parsed, those with a scenario are run."
    f"  [default: {DEFAULT_DAGS}, where each DAG needs a scenario]",
)
@click.option("--contract", type=_FILE, help="The contract  [default: the kit's own]")
@click.option(
    "--recordings",
    type=_FOLDER,
    help="Recorded traffic that the contract must describe."
    f"  [default: {DEFAULT_RECORDINGS}, if there is such a folder]",
)
@click.option(
    "--scenarios",
    type=_FOLDER,
    help=f"The scenario tests, a folder of pytest files.  [default: {DEFAULT_SCENARIOS}]",
)
@click.option(
    "--scenario",
    "names",
    multiple=True,
    metavar="NAME",
    help="Run this scenario only: NAME, or DAG/NAME (repeatable).",
)
@click.option("--list", "only_list", is_flag=True, help="List the scenarios and run nothing.")
@click.option(
    "--keep", is_flag=True, help="Afterwards leave the stack running until Ctrl-C; say where."
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write verdict.txt, .json, .sarif, junit.xml and pytest.log into this folder.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="What the verdict on stdout looks like.",
)
@click.option(
    "--annotations/--no-annotations",
    default=None,
    help="Print findings as GitHub annotations on stderr as well."
    "  [default: when GITHUB_ACTIONS=true]",
)
@click.option(
    "--airflow-version",
    "versions",
    multiple=True,
    metavar="V",
    help="Parse with this Airflow (repeatable); the scenarios run on the first."
    "  [default: 3.3.2 and 3.1.3]",
)
@click.option(
    "--airflow-python",
    "python",
    type=_FILE,
    help="An interpreter that has Airflow, instead of environments made for it.",
)
@click.option(
    "--simulator",
    metavar="MODULE:FACTORY",
    help="Makes the simulator; FILE.py:FACTORY works, too.  [default: the kit's own]",
)
@click.option(
    "--import-budget",
    type=click.FloatRange(min=1),
    metavar="TIMES",
    default=DEFAULT_IMPORT_BUDGET,
    show_default=True,
    help="How much more CPU time than a bare DAG file the import of a DAG file may take.",
)
def gate(
    only_list: bool,
    versions: tuple[str, ...],
    python: Path | None,
    form: Format,
    annotations: bool | None,
    **options: Unpack[PlanOptions],
) -> None:
    """Judge the DAGs: contract, parsing, scenarios on a real Airflow, every call they make.

    The verdict goes to stdout, progress to stderr. Exit codes: 0 yes, 1 findings, 2 usage,
    3 could not run, 4 undecided.
    """
    try:
        plan = plan_for(versions=versions, python=python, **options)
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    if only_list:
        sys.exit(list_scenarios(plan))
    sys.exit(run(plan, form=form, annotated=wanted_here() if annotations is None else annotations))
