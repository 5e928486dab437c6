"""`compai bundle`: put what is deployed into one folder."""

import sys
from pathlib import Path

import click

from compai_kit.bundle import BundleError, build_bundle
from compai_kit.cli.exit_codes import ExitCode


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--dags",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("dags"),
    show_default=True,
    help="The folder with the DAG files.",
)
def bundle(out: Path, dags: Path) -> None:
    """Write the DAG files, compai_dags and compai_client to OUT, with a manifest.

    OUT is the folder to deploy as (or into) Airflow's DAG folder. An earlier bundle there is
    replaced; anything else is left alone and ends the command with exit code 3.
    """
    try:
        manifest = build_bundle(out, dags=dags)
    except (BundleError, OSError) as error:
        click.echo(f"no bundle: {error}", err=True)
        sys.exit(ExitCode.COULD_NOT_RUN)
    click.echo(f"{out}: {len(manifest.files)} files, version {manifest.version}", err=True)
    for name in manifest.dag_files:
        click.echo(name)
