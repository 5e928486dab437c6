"""Refuses what a DAG file must not do while it is parsed, and remembers where it tried.

A refused use counts also when the file swallows the refusal: it is recorded first. In production
the call would have succeeded, silently, at every parse: looking for errors would find nothing.
"""

import os
import socket
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import CodeType, FrameType
from typing import Any

from .secret_names import holds_secret

REFUSED = "refused while the DAG file is parsed"
_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - like co_filename
_STDLIB = sysconfig.get_path("stdlib")
_PACKAGES = ("site-packages", "dist-packages")
_LOOKUPS = {
    "_get_variable": "variable",
    "_get_variable_keys": "variable",
    "_set_variable": "variable",
    "_delete_variable": "variable",
    "_get_connection": "connection",
    "_async_get_connection": "connection",
}
# Airflow's own models still answer to code that was written for Airflow 2.
_MODELS = (
    (
        "airflow.models.variable",
        "Variable",
        ("get", "set", "update", "delete", "setdefault", "get_variable_from_secrets"),
        "variable",
    ),
    (
        "airflow.models.connection",
        "Connection",
        ("get_connection_from_secrets",),
        "connection",
    ),
)
_ADDRESS_LOOKUPS = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)
_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_NETWORK = (socket.AF_INET, socket.AF_INET6)
_HOOK_METHODS = frozenset({"get_connection", "aget_connection", "get_hook", "aget_hook"})


class ParseTimeRefusal(RuntimeError):  # noqa: N818 - a verdict of the gate, seen in tracebacks
    """Raised into the DAG file in place of the answer."""


class Guard:
    """Watches one process. `install` once, then `watching()` around each file."""

    def __init__(self, bundle: str) -> None:
        self._root = bundle.rstrip(os.sep) + os.sep
        self._uses: list[dict[str, Any]] = []
        self._watched = False

    def install(self) -> None:
        """Put the guard between DAG files and everything that it refuses; not to be undone."""
        context = import_module("airflow.sdk.execution_time.context")
        for name, kind in _LOOKUPS.items():
            if hasattr(context, name):
                setattr(context, name, self._guarded(getattr(context, name), kind))
        for module, class_name, methods, kind in _MODELS:
            try:
                owner = getattr(import_module(module), class_name)
            except ModuleNotFoundError:
                continue
            for name in methods:
                if hasattr(owner, name):
                    guarded = staticmethod(self._guarded(getattr(owner, name), kind))
                    setattr(owner, name, guarded)
        self._guard_environment(os.environ, str)
        self._guard_environment(os.environb, os.fsdecode)
        sys.addaudithook(self._audited)

    @contextmanager
    def watching(self) -> Iterator[list[dict[str, Any]]]:
        """Refuse from here on; the list that is given holds what was refused."""
        uses: list[dict[str, Any]] = []
        self._uses = uses
        self._watched = True
        try:
            yield uses
        finally:
            self._watched = False

    def _guarded(self, original: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self._watched:
                key = next(iter([*args, *kwargs.values()]), "")
                self._refuse(kind, str(key))
            return original(*args, **kwargs)

        return guarded

    def _guard_environment(self, environment: Any, decode: Callable[[Any], str]) -> None:
        guard = self

        class GuardedEnvironment(type(environment)):  # type: ignore[misc]  # os has no public name
            def __getitem__(self, key: Any) -> Any:
                guard._environment_read(key, decode)
                return super().__getitem__(key)

        environment.__class__ = GuardedEnvironment

    def _environment_read(self, key: Any, decode: Callable[[Any], str]) -> None:
        if self._watched and isinstance(key, str | bytes) and holds_secret(name := decode(key)):
            frame = _outside(sys._getframe(1))
            if self._is_the_files_doing(frame):
                self._refuse("secret", name)

    def _audited(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._watched:
            return
        if event in _ADDRESS_LOOKUPS:
            self._refuse("network", _address(args[0]))
        elif event in _SENDING and args[0].family in _NETWORK:
            self._refuse("network", _address(args[1]))

    def _refuse(self, kind: str, what: str) -> None:
        """Record and raise; what Airflow does on its own account passes."""
        frames, hook = self._caller()
        if not frames and threading.current_thread() is threading.main_thread():
            return
        if kind == "connection" and hook:
            kind, what = "hook", f"{hook}({what!r})"
        use = {"kind": kind, "what": what, "frames": frames}
        if use not in self._uses:
            self._uses.append(use)
        raise ParseTimeRefusal(f"{kind} {what}: {REFUSED}")

    def _caller(self) -> tuple[list[tuple[str, int]], str]:
        """The frames of the bundle, innermost first; and the hook's method between, if any."""
        frames: list[tuple[str, int]] = []
        hook = ""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if place := self._place(frame):
                frames.append(place)
            elif not frames and frame.f_code.co_name in _HOOK_METHODS:
                hook = _hook_method(frame) or hook
            frame = frame.f_back
        return frames, hook

    def _place(self, frame: FrameType) -> tuple[str, int] | None:
        name = frame.f_code.co_filename
        if not name.startswith(self._root):
            return None
        return name[len(self._root) :], frame.f_lineno

    def _is_the_files_doing(self, frame: FrameType | None) -> bool:
        """A library that reads its own settings while it is imported is not the DAG's doing."""
        while frame is not None:
            if self._place(frame):
                return True
            if frame.f_code.co_name == "<module>" or _is_airflow(frame):
                return False
            frame = frame.f_back
        return False


def canary(guard: Guard, bundle: str) -> list[str]:
    """What the guard lets pass that it ought to refuse; empty when it works in this Airflow."""
    missed = []
    for kind, source in _CANARIES.items():
        code: CodeType = compile(source, os.path.join(bundle, "canary.py"), "exec")  # noqa: PTH118
        with guard.watching() as uses, suppress(ParseTimeRefusal):
            exec(code, {})  # noqa: S102 - the lines below
        if [use["kind"] for use in uses] != [kind]:
            missed.append(kind)
    return missed


_CANARIES = {
    "variable": "from airflow.sdk import Variable\nVariable.get('compai_canary', default=None)",
    "connection": "from airflow.sdk import Connection\nConnection.get('compai_canary')",
    "hook": "from airflow.sdk import BaseHook\nBaseHook.get_connection('compai_canary')",
    "secret": "import os\nos.getenv('COMPAI_CANARY_TOKEN')",
    "network": "import socket\nsocket.create_connection(('canary.invalid', 80))",
}


def _outside(frame: FrameType | None) -> FrameType | None:
    """The first frame that is neither ours nor the standard library's."""
    while frame is not None and _is_ours_or_stdlib(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _is_ours_or_stdlib(name: str) -> bool:
    if name.startswith((_HERE, "<frozen")):
        return True
    return name.startswith(_STDLIB) and not any(folder in name for folder in _PACKAGES)


def _is_airflow(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module.startswith("airflow.") and not module.startswith("airflow.providers.")


def _hook_method(frame: FrameType) -> str:
    owner = frame.f_locals.get("cls", frame.f_locals.get("self"))
    kind = owner if isinstance(owner, type) else type(owner)
    if not any(base.__name__ == "BaseHook" for base in kind.__mro__):
        return ""
    return f"{kind.__name__}.{frame.f_code.co_name}"


def _address(address: Any) -> str:
    if isinstance(address, tuple) and len(address) > 1:
        return f"{_text(address[0])}:{address[1]}"
    return _text(address)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
