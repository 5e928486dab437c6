"""Parses a bundle with the target Airflow, in a child process of that Airflow's interpreter.

The child has a clean environment and an empty AIRFLOW_HOME, so nothing of the machine at hand can
make a DAG parse that would not parse in production. No database is needed.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import msgspec
from msgspec.structs import replace

from compai_kit.gate.model import Parsed
from compai_kit.report.redact import redact, trimmed

CHILD = Path(__file__).with_name("parse_child.py")
# One file may take Airflow's own limit of 30 s; the rest is the import of Airflow.
_TIMEOUT_S = 300.0


class ParseCouldNotRunError(Exception):
    """The target interpreter could not do the parsing at all; says nothing about the DAGs."""


def parse_bundle(bundle: Path, *, python: Path, timeout_s: float = _TIMEOUT_S) -> Parsed:
    """What the Airflow of `python` makes of every DAG file in `bundle`."""
    with tempfile.TemporaryDirectory(prefix="compai-parse-") as home:
        result = Path(home) / "result.json"
        try:
            done = subprocess.run(  # noqa: S603 - the interpreter the user chose, no shell
                [python, "-I", "-B", CHILD, bundle, result],
                env=_clean_environment(Path(home)),
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except OSError as error:
            raise ParseCouldNotRunError(f"{python} cannot be started: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise ParseCouldNotRunError(
                f"{python} did not finish parsing in {timeout_s:.0f} s"
            ) from error
        if done.returncode != 0 or not result.exists():
            last = redact(done.stderr).strip().splitlines()[-1:] or ["it said nothing"]
            raise ParseCouldNotRunError(
                f"{python} ended with {done.returncode} while parsing: {trimmed(last[0], lines=1)}"
            )
        return _redacted(msgspec.json.decode(result.read_bytes(), type=Parsed))


def _redacted(parsed: Parsed) -> Parsed:
    files = tuple(
        replace(entry, error=redact(entry.error) if entry.error else None) for entry in parsed.files
    )
    return replace(parsed, files=files)


def _clean_environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # the default of 2 hides the line in the DAG file behind the import it made
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "50",
    }
