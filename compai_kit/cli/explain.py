"""`compai explain CODE`: the long text of a finding."""

import click

from compai_kit.findings import CODES
from compai_kit.report.catalogue import render_catalogue


@click.command()
@click.argument("code", required=False)
@click.option("--markdown", is_flag=True, help="Print all codes as one Markdown page.")
def explain(code: str | None, *, markdown: bool) -> None:
    """Say what the finding CODE means and what to do; without CODE, list all codes."""
    if markdown:
        click.echo(render_catalogue(), nl=False)
        return
    if code is None:
        for entry in CODES.values():
            click.echo(f"{entry.code}  {entry.title}")
        return
    found = CODES.get(code.upper())
    if found is None:
        raise click.BadParameter(f"no finding has the code {code}; `compai explain` lists all")
    click.echo(f"{found.code}: {found.title}\n\n{found.explanation}")
