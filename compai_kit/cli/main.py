"""The command `compai`. A sub-command is imported when it is called, so that each starts fast."""

import sys
import traceback
from contextlib import ExitStack
from importlib import import_module, metadata
from types import TracebackType

import click

from compai_kit.cli.entry import missing_extra
from compai_kit.cli.exit_codes import ExitCode

# name → (module, attribute, help); the help stands here so that `compai --help` imports none.
_COMMANDS = {
    "gate": ("compai_kit.cli.gate", "gate", "Judge the DAGs: contract, parsing, scenarios, calls."),
    "bundle": ("compai_kit.cli.bundle", "bundle", "Write what is deployed into one folder."),
    "audit": (
        "compai_kit.cli.audit",
        "audit",
        "List what a Comp-AI stores and nothing supports (only reads).",
    ),
    "simulate": ("compai_kit.cli.simulate", "simulate", "Serve a simulated Comp-AI."),
    "explain": ("compai_kit.cli.explain", "explain", "Say more about a finding's code."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


def _version() -> str:
    try:
        return metadata.version("compai-kit")
    except metadata.PackageNotFoundError:
        return "0+checkout"


@click.group(cls=_LazyGroup)
@click.version_option(_version(), prog_name="compai")
def cli() -> None:
    """Comp-AI × Airflow: prove that DAGs, Airflow and Comp-AI fit each other.

    Exit codes: 0 as it should be, 1 findings, 2 usage, 3 could not run, 4 undecided.
    """


def main() -> None:
    """Run the command line; ends the process with a code of the exit table.

    click's own way out knows only 1 and 2, and 1 is "findings" here.
    """
    with ExitStack() as last_resort:
        last_resort.push(_crash_is_could_not_run)
        try:
            cli.main(standalone_mode=False)
        except click.UsageError as error:
            error.show()
            sys.exit(ExitCode.USAGE)
        except click.ClickException as error:
            error.show()
            sys.exit(ExitCode.COULD_NOT_RUN)
        except click.Abort:  # also what click makes of Ctrl-C
            click.echo("interrupted", err=True)
            sys.exit(ExitCode.UNDECIDED)


def _crash_is_could_not_run(
    kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> bool:
    """Python ends a crash with 1, which our table gives to findings."""
    if kind is not None and issubclass(kind, Exception):
        if text := missing_extra(error):
            click.echo(text, err=True)
        else:
            traceback.print_exception(kind, error, trace)
        sys.exit(ExitCode.COULD_NOT_RUN)
    return False


if __name__ == "__main__":
    main()
