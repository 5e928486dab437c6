"""`compai audit`: what does this Comp-AI hold that nothing supports? It only reads."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from compai_kit.audit.access import AddressError
from compai_kit.audit.command import (
    COULD_NOT_RUN,
    FORMATS,
    Format,
    Wish,
    advice_on,
    audited,
    rendered,
)
from compai_kit.audit.progress import Progress
from compai_kit.audit.text import summary_line
from compai_kit.cli.exit_codes import ExitCode
from compai_kit.report.console import make_console


@click.command()
@click.option(
    "--url",
    metavar="URL",
    help="Where Comp-AI is, without the path: http://comp-ai:3002  [default: COMP_AI_BASE_URL]",
)
@click.option(
    "--api-prefix",
    metavar="PATH",
    help="/api/v1/comp-ai through the public proxy  [default: /api/v1]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="A table for people, JSON by a published schema, or CSV.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there instead of to stdout.",
)
@click.option("--now", metavar="TIME", help="Judge age as of this time (ISO 8601).")
def audit(
    url: str | None, api_prefix: str | None, form: Format, output: Path | None, now: str | None
) -> None:
    """List the passes, fails and closed gaps of a Comp-AI that nothing supports.

    Strictly reading; needs COMP_AI_TOKEN, or COMP_AI_KEYCLOAK_URL, COMP_AI_KEYCLOAK_REALM,
    COMP_AI_CLIENT_ID and COMP_AI_CLIENT_SECRET, in the environment.

    Exit codes: 0 everything is supported, 1 something is not, 2 usage, 3 could not run.
    """
    wish = Wish(url=url, api_prefix=api_prefix, now=_time(now))
    err = make_console(sys.stderr)
    try:
        with Progress(err) as progress:
            found = audited(wish, os.environ, heard=progress.hear)
        text = rendered(found, form, sys.stdout if output is None else None)
        if output is None:
            click.echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8", newline="")
    except AddressError as wrong:
        raise click.UsageError(str(wrong)) from wrong
    except COULD_NOT_RUN as failure:
        err.print(f"compai audit could not run: {advice_on(failure)}", soft_wrap=True)
        sys.exit(ExitCode.COULD_NOT_RUN)
    if form != "table" or output is not None:
        err.print(summary_line(found), soft_wrap=True)
    sys.exit(ExitCode.OK if found.is_clean else ExitCode.FINDINGS)


def _time(text: str | None) -> datetime:
    """A time without a zone is taken for UTC."""
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"--now: {error}") from error
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
