"""Python environments with one Airflow each, made by uv from a pinned lock and kept in a cache.

They never hold the kit, so an import that only works beside the test tools fails here as it would
in production. An environment is built in place (its scripts know their path) and counts only once
its marker file is written; a file lock keeps concurrent callers apart.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from platformdirs import user_cache_path
from uv import find_uv_bin

from compai_kit.airflow_stack.errors import EnvironmentBuildError
from compai_kit.airflow_stack.locks import DEFAULT, SUPPORTED, lock_file

__all__ = ["DEFAULT", "SUPPORTED", "cache_folder", "ensure_environment", "identity_of"]

_MARKER = "compai-environment"
_BUILD_TIMEOUT_S = 900
_TAIL_LINES = 20
# They point uv or the new interpreter at somebody else's environment.
_NOT_FOR_UV = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "UV_TARGET")


def cache_folder() -> Path:
    """`COMPAI_CACHE_DIR`, else the user's cache folder for the kit; not created here."""
    if chosen := os.environ.get("COMPAI_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    return user_cache_path("compai-kit")


def ensure_environment(version: str, *, on_build: Callable[[str], None] | None = None) -> Path:
    """The interpreter of an environment with this Airflow, built on first use (seconds to minutes).

    `on_build` hears one line when there is something to build. Raises `EnvironmentBuildError`.
    """
    try:
        lock = lock_file(version)
        identity = _identity(version, lock)
    except (ValueError, OSError) as error:
        raise EnvironmentBuildError(str(error)) from error
    folder = cache_folder() / "environments" / identity
    python = folder / "bin" / "python"
    if _is_complete(folder):
        return python
    with _exclusive(folder.with_name(f"{identity}.lock")) as held:
        if not _is_complete(folder):  # somebody else may have built it while we waited
            if on_build:
                on_build(f"building the environment for Airflow {version} in {folder}")
            _build(folder, version=version, lock=lock, held=held)
    return python


def identity_of(python: Path) -> str | None:
    """The identity of an environment of ours (version, Python and lock); None for a foreign one."""
    marker = python.parent.parent / _MARKER
    return marker.read_text().strip() if marker.is_file() else None


def _identity(version: str, lock: Path) -> str:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    tag = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    return f"airflow-{version}-{tag}-{digest}"


def _is_complete(folder: Path) -> bool:
    python = folder / "bin" / "python"
    # A dangling link means that the interpreter underneath was upgraded away.
    return python.exists() and identity_of(python) == folder.name


@contextmanager
def _exclusive(lock_path: Path) -> Iterator[int]:
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def _build(folder: Path, *, version: str, lock: Path, held: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted build left
    python = str(folder / "bin" / "python")
    uv = partial(_uv, version=version, folder=folder.parent, held=held)
    try:
        uv("venv", "--no-project", "--python", sys.executable, str(folder))
        # Bytecode: Airflow imports thousands of modules, and compiling them belongs in no boot.
        install = ("pip", "install", "--no-deps", "--compile-bytecode", "--python", python)
        uv(*install, "--requirement", str(lock))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / _MARKER).write_text(folder.name + "\n")


def _uv(*arguments: str, version: str, folder: Path, held: int) -> None:
    """Run uv in the cache folder, where no project's settings reach it; the user's own do.

    It inherits the file lock, so that a uv that outlives its caller still keeps the others away.
    """
    environ = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_UV}
    command = [find_uv_bin(), "--no-progress", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command,
            env=environ,
            cwd=folder,
            pass_fds=(held,),
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentBuildError(
            f"no environment for Airflow {version}: uv {arguments[0]} did not end"
            f" within {_BUILD_TIMEOUT_S} s"
        ) from error
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-_TAIL_LINES:])
        raise EnvironmentBuildError(
            f"no environment for Airflow {version} on Python {sys.version.split()[0]}: "
            f"uv {arguments[0]} ended with {done.returncode}; its last lines:\n{tail}\n"
            "Is the package index reachable? `compai gate --airflow-python PATH` uses an Airflow"
            " that is already installed."
        )
