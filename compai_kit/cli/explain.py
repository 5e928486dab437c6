"""`compai explain CODE`: the long text of a finding."""

import click

from compai_kit.findings import CODES


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what the finding CODE means and what to do; without CODE, list all codes."""
    if code is None:
        for entry in CODES.values():
            click.echo(f"{entry.code}  {entry.title}")
        return
    found = CODES.get(code.upper())
    if found is None:
        raise click.BadParameter(f"no finding has the code {code}; `compai explain` lists all")
    click.echo(f"{found.code}: {found.title}\n\n{found.explanation}")
