"""Parses a bundle with the target Airflow, in child processes of that Airflow's interpreter.

The children have a clean environment and an empty AIRFLOW_HOME, so nothing of the machine at hand
can make a DAG parse that would not parse in production. No database is needed. Two interpreters
with different hash seeds parse the same bundle, because a DAG must not depend on which one it is.
"""

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from compai_kit.gate.parse_answer import Answer, ParseFacts, facts
from compai_kit.gate.plan import DEFAULT_IMPORT_BUDGET
from compai_kit.report.redact import redact, trimmed

CHILD = Path(__file__).with_name("inside") / "boot.py"
# One file may take Airflow's own limit of 30 s; the rest is the import of Airflow.
_TIMEOUT_S = 300.0
_MODES = ("first", "again")


class ParseCouldNotRunError(Exception):
    """The target interpreter could not do the parsing at all; says nothing about the DAGs."""


def parse_bundle(
    bundle: Path,
    *,
    python: Path,
    import_budget: float = DEFAULT_IMPORT_BUDGET,
    timeout_s: float = _TIMEOUT_S,
) -> ParseFacts:
    """What the Airflow of `python` makes of every DAG file in `bundle`, twice."""
    with ThreadPoolExecutor(len(_MODES)) as pool:
        first, again = pool.map(
            lambda mode: _ask(mode, bundle, python, import_budget, timeout_s), _MODES
        )
    return facts(first, again)


def _ask(mode: str, bundle: Path, python: Path, budget: float, timeout_s: float) -> Answer:
    with tempfile.TemporaryDirectory(prefix="compai-parse-") as home:
        result = Path(home) / "result.json"
        try:
            done = subprocess.run(  # noqa: S603 - the interpreter the user chose, no shell
                [python, "-s", "-B", CHILD, mode, bundle, result, str(budget)],
                env=_clean_environment(Path(home), bundle, mode),
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
        return msgspec.json.decode(result.read_bytes(), type=Answer)


def _clean_environment(home: Path, bundle: Path, mode: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        # Fixed and different: what depends on the order of a set is found every time, or never.
        "PYTHONHASHSEED": str(1 + _MODES.index(mode)),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(bundle),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
        # the default of 2 hides the line in the DAG file behind the import it made
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "50",
    }
