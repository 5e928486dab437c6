"""Where people read: one console for what is said (stderr), one for the verdict (stdout).

Colour only where a terminal shows it, never with NO_COLOR; the width is the terminal's, or COLUMNS.
"""

import os
from typing import IO

from rich.console import Console

_WIDTH_OF_A_FILE = 120


def make_console(file: IO[str]) -> Console:
    """A console that writes plain text unless `file` is a terminal."""
    width = None
    if not file.isatty() and not os.environ.get("COLUMNS"):
        width = _WIDTH_OF_A_FILE
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def plain_console(file: IO[str]) -> Console:
    """A console for a file that is kept: fixed width, no colour whatever the environment says."""
    return Console(
        file=file,
        width=_WIDTH_OF_A_FILE,
        no_color=True,
        force_terminal=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
