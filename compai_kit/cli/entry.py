"""Where the command `compai` begins: says which extra is missing instead of a traceback.

The package installs without the tooling's dependencies, because DAGs need none of them; the
command comes with the package all the same. Imports nothing but the standard library.
"""

import sys

_OURS = ("compai_client", "compai_dags", "compai_kit")
_COULD_NOT_RUN = 3  # as in exit_codes; that module is imported when there is something to run


def missing_extra(error: BaseException | None) -> str | None:
    """What to say about a package that the extra `kit` brings; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    package = error.name.partition(".")[0]
    if package in _OURS or package in sys.stdlib_module_names:
        return None
    return (
        f"compai: the package {package} is not installed; it comes with the extra `kit`:\n"
        "  pip install 'compai-kit[kit]'"
    )


def main() -> None:
    """Run the command line, if its dependencies are there."""
    try:
        from compai_kit.cli.main import main as run
    except ModuleNotFoundError as error:
        if text := missing_extra(error):
            sys.stderr.write(f"{text}\n")
            sys.exit(_COULD_NOT_RUN)
        raise
    run()
