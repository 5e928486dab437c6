"""Parses every DAG file of a bundle as the dag-processor does it, and answers in JSON.

Airflow prints to both streams while it parses, so the answer goes to a file. `first` judges;
`again` gives the serialized DAGs of a second interpreter, with other hashes and addresses, because
that is what the next parse after a restart sees.
"""

import ast
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from . import cost
from .guard import Guard, canary
from .rules import broken_rules

# The dag-processor checks DAG files for values that change with every parse from this version on.
_INFLATION_CHECK_SINCE = (3, 2)


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    mode, bundle_path, result, budget = arguments
    bundle = Path(bundle_path).resolve()
    airflow = import_module("airflow")
    import_module("airflow.sdk")  # Airflow's own import time is not that of the first DAG file
    parser = Parser(bundle, version=airflow.__version__)
    if missed := canary(parser.guard, str(bundle)):
        raise SystemExit(
            f"in Airflow {airflow.__version__} the gate cannot see this use at parse time:"
            f" {', '.join(missed)}"
        )
    answer = parser.again() if mode == "again" else parser.first(float(budget))
    Path(result).write_text(json.dumps({"airflow": airflow.__version__, **answer}), "utf-8")


class Parser:
    """One bundle in one interpreter."""

    def __init__(self, bundle: Path, *, version: str) -> None:
        self._bundle = bundle
        self._version = tuple(int(part) for part in version.split(".")[:2])
        sys.path.append(str(bundle))  # at the end, as Airflow does it for a bundle
        self._bag = new_bag(bundle)
        self._serialize = serializer()
        self.guard = Guard(str(bundle))
        self.guard.install()

    def again(self) -> dict[str, Any]:
        """The serialized DAGs, and nothing else."""
        with self.guard.watching():
            return {"files": [{"file": self._name(p), **self._parsed(p)} for p in self._paths()]}

    def first(self, budget: float) -> dict[str, Any]:
        """Everything: costs, DAGs, import errors, refused uses, broken rules."""
        paths = self._paths()
        for path in paths:
            pre_import(path)
        bare_s, limit_s, costs = self._costs(paths, budget)
        files = []
        for path in paths:
            with self.guard.watching() as uses:
                entry = {"file": self._name(path), "varying": [], **self._parsed(path)}
            if varying := self._varying(path):
                # The dag-processor refuses such a file before it looks at the DAGs.
                entry.update(varying=varying, dag_ids=[], serialized={})
            files.append({**entry, "uses": uses, **costs[path]})
        return {
            "files": files,
            "bare_s": bare_s,
            "limit_s": limit_s,
            "broken": [
                {"file": self._name(path), "rule": rule, "line": line, "seen": seen}
                for path in sorted(map(str, self._bundle.rglob("*.py")))
                for rule, line, seen in broken_rules(Path(path).read_bytes())
            ],
        }

    def _paths(self) -> list[str]:
        """What Airflow takes for DAG files, and the top-level files that it would pass over.

        .airflowignore is applied to both.
        """
        try:
            registry = import_module("airflow.dag_processing.importers").get_importer_registry()
            listed = registry.list_dag_files
        except ModuleNotFoundError:
            listed = import_module("airflow.utils.file").list_py_file_paths
        root = str(self._bundle)
        taken = set(listed(root, safe_mode=True))
        beside = {f for f in listed(root, safe_mode=False) if Path(f).parent == self._bundle}
        return sorted(taken | beside)

    def _parsed(self, path: str) -> dict[str, Any]:
        self._bag.import_errors.clear()
        started = time.perf_counter()
        serialized = {}
        try:
            dags = process(self._bag, path)
            error = next(iter(self._bag.import_errors.values()), None)
            for dag in dags:
                serialized[dag.dag_id] = self._serialize(dag)
        # What cannot be serialized is an import error of the dag-processor as well; a file that
        # ends the process would end this one.
        except (Exception, SystemExit):  # noqa: BLE001
            error, dags = traceback.format_exc(), []
        seconds = time.perf_counter() - started
        return {
            "dag_ids": [dag.dag_id for dag in dags],
            "error": error,
            "seconds": seconds,
            "serialized": serialized,
        }

    def _costs(
        self, paths: list[str], budget: float
    ) -> tuple[float, float, dict[str, dict[str, Any]]]:
        """Measured before anything of the bundle is imported, so that every file starts alike."""
        with tempfile.TemporaryDirectory(prefix="compai-bare-") as folder, self.guard.watching():
            bare = Path(folder).resolve() / "bare.py"
            bare.write_text(cost.BARE, encoding="utf-8")
            bare_bag = new_bag(bare.parent)
            bare_s = cost.bare_cost(partial(process, bare_bag, str(bare)))
            limit_s = cost.limit(bare_s, budget)
            return (
                bare_s,
                limit_s,
                {
                    path: cost.file_cost(partial(process, self._bag, path), limit_s=limit_s)
                    for path in paths
                },
            )

    def _varying(self, path: str) -> list[dict[str, Any]]:
        """What Airflow's own check, set to "error", has against the file."""
        if self._version < _INFLATION_CHECK_SINCE:
            return []
        checker = import_module("airflow.utils.dag_version_inflation_checker")
        found = checker.check_dag_file_stability(path)
        if found.check_level.value != "error":
            raise SystemExit("Airflow's check for values that change with every parse is off")
        return [
            {"line": w.line, "code": w.code, "message": w.message} for w in found.warnings.values()
        ]

    def _name(self, path: str) -> str:
        return Path(path).relative_to(self._bundle).as_posix()


def new_bag(folder: Path) -> Any:
    """The class that parses. 3.2 moved it, and left another one of that name in the old place."""
    try:
        kind = import_module("airflow.dag_processing.dagbag").DagBag
    except ModuleNotFoundError:
        kind = import_module("airflow.models.dagbag").DagBag
    return kind(dag_folder=str(folder), bundle_path=folder, collect_dags=False)


def process(bag: Any, path: str) -> list[Any]:
    """The DAGs of one file."""
    dags: list[Any] = bag.process_file(path, only_if_updated=False, safe_mode=True)
    return dags


def serializer() -> Callable[[Any], Any]:
    """DAG → what Airflow stores of it, sorted as Airflow sorts it to see whether it changed."""
    module = import_module("airflow.serialization.serialized_objects")
    kind = getattr(module, "DagSerialization", None) or module.SerializedDAG
    model = import_module("airflow.models.serialized_dag").SerializedDagModel

    def serialized(dag: Any) -> Any:
        data = model._sort_serialized_dag_dict(kind.to_dict(dag))
        data["dag"].pop("fileloc", None)  # not part of Airflow's hash either
        return data["dag"]

    return serialized


def pre_import(path: str) -> None:
    """Airflow's modules that the file names: the dag-processor loads them once, then forks."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for name in names:
            if name.startswith("airflow."):
                try:
                    import_module(name)
                except Exception:  # noqa: BLE001, S112 - the file itself will say what is wrong
                    continue
