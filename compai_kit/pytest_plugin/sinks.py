"""Where the recorder's events go: to the gate over a pipe, or into a list for the report."""

import os
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from compai_kit.gate.model import Event

_CHUNK = 4096


class Sink(Protocol):
    """Takes events in the order in which they happen."""

    def emit(self, event: Event) -> None:
        """Take one."""
        ...


class PipeSink:
    """Writes one JSON line per event to a file descriptor that the gate reads."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)  # a child that outlives us must not keep the pipe open
        self._fd = fd

    def emit(self, event: Event) -> None:
        """Write it at once; a gate that has gone away is not an error here."""
        line = msgspec.json.encode(event) + b"\n"
        try:
            while line:
                line = line[os.write(self._fd, line) :]
        except BrokenPipeError:
            return


class ListSink:
    """Keeps the events in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Keep it."""
        self.events.append(event)


class Lifeline:
    """Tells this process that the gate has let go of it, or has died: both close the pipe.

    `on_cut` runs in a thread of its own.
    """

    def __init__(self, fd: int, *, on_cut: Callable[[], None]) -> None:
        os.set_inheritable(fd, False)
        self._fd = fd
        self._on_cut = on_cut
        self._cut = threading.Event()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="compai-lifeline", daemon=True)
        self._thread.start()

    def wait_until_cut(self) -> None:
        """Block until the gate lets go; `on_cut` is not called any more from here on."""
        self._released.set()
        self._cut.wait()

    def release(self) -> None:
        """The session is ending by itself: `on_cut` is not called any more."""
        self._released.set()

    def _watch(self) -> None:
        while os.read(self._fd, _CHUNK):
            pass
        self._cut.set()
        if not self._released.is_set():
            self._on_cut()
