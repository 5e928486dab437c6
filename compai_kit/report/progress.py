"""What the gate says while it works, on stderr: one line per step and per scenario.

On a terminal a line below shows what is going on right now; elsewhere only what is over is said.
"""

from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.errors import LiveError
from rich.status import Status
from rich.text import Text

from compai_kit.gate.model import (
    Collected,
    Event,
    Note,
    ScenarioEnded,
    ScenarioStarted,
    StackFailed,
    StackKept,
    StackReady,
    StepEnded,
    StepStarted,
)

_MARKS = {
    "passed": ("✓", "green"),
    "failed": ("✗ FAILED", "bold red"),
    "error": ("✗ ERROR", "bold red"),
    "skipped": ("○ skipped", "yellow"),
    "not run": ("○ not run", "yellow"),
}


class Progress:
    """A listener for the gate's events. As a context manager it takes its status line away."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console) if console.is_terminal else None
        self._total = 0
        self._done = 0

    def __enter__(self) -> Self:
        if self._status:
            with suppress(LiveError):  # somebody else animates this terminal
                self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status:
            self._status.stop()

    def hear(self, event: Event) -> None:
        """Say what an event means to somebody who waits."""
        match event:
            case StepStarted():
                self._now(f"{event.name} …")
            case StepEnded():
                step = event.step
                self._say(f"{step.name}: {step.outcome} ({step.seconds:.1f} s)", style="bold")
            case Note():
                self._say(f"  {event.text}")
            case Collected():
                self._total = len(event.chosen)
                self._now(f"booting Airflow for {self._total} scenarios …")
            case StackReady():
                stack = event.stack
                self._say(f"  Airflow {stack.version} is up after {stack.seconds:.1f} s")
            case StackFailed():
                first = event.reason.partition("\n")[0]
                self._say(f"  no Airflow: {first}", style="bold red")
            case ScenarioStarted():
                scenario = event.scenario
                self._now(f"{self._done + 1}/{self._total} {scenario.dag}: {scenario.name} …")
            case ScenarioEnded():
                self._ended(event)
            case StackKept():
                self._now("keeping the stack …")

    def _ended(self, event: ScenarioEnded) -> None:
        self._done += 1
        result = event.result
        mark, style = _MARKS[result.outcome]
        width = len(str(self._total))
        if self._done == self._total:
            self._now("stopping Airflow …")
        self._console.print(
            Text.assemble(
                f"  {self._done:>{width}}/{self._total} ",
                (mark, style),
                f" {result.scenario.dag or '-'}: {result.scenario.name}  {result.seconds:.1f} s",
            )
        )

    def _say(self, text: str, *, style: str = "") -> None:
        self._console.print(Text(text, style=style))

    def _now(self, text: str) -> None:
        if self._status:
            self._status.update(Text(text))
