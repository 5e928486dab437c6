"""What an audit says while it works: on a terminal one line that goes away, elsewhere nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import rich.progress
from rich.console import Console


class Progress:
    """How many of the controls whose evidence matters are done, and how long the rest may take."""

    def __init__(self, console: Console) -> None:
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("reading Comp-AI", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def hear(self, settled: int, asked: int) -> None:
        self._bar.update(
            self._task, description="evidence of controls", completed=settled, total=asked
        )

    def refresh(self) -> None:
        """Show it now; by itself it is shown ten times a second."""
        self._bar.refresh()
