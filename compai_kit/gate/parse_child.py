"""Runs in the target Airflow's interpreter: parse every DAG file of a bundle, answer in JSON.

Imports nothing of the kit: that interpreter does not have it. Called as
`python -I parse_child.py BUNDLE RESULT`. Airflow prints to both streams while it parses, so the
answer goes to a file.
"""

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def dag_bag_class() -> Any:
    """The class that parses. 3.2 moved it, and left another one of that name in the old place."""
    try:
        return import_module("airflow.dag_processing.dagbag").DagBag
    except ModuleNotFoundError:
        return import_module("airflow.models.dagbag").DagBag


def dag_files(bundle: Path) -> list[str]:
    """What Airflow takes for DAG files, and the top-level files that it would pass over.

    .airflowignore is applied to both.
    """
    try:
        registry = import_module("airflow.dag_processing.importers").get_importer_registry()
        listed = registry.list_dag_files
    except ModuleNotFoundError:
        listed = import_module("airflow.utils.file").list_py_file_paths
    taken = set(listed(str(bundle), safe_mode=True))
    passed_over = {f for f in listed(str(bundle), safe_mode=False) if Path(f).parent == bundle}
    return sorted(taken | passed_over)


def parse(bundle: Path) -> dict[str, Any]:
    """The answer: Airflow's version, and per file its DAG ids, import error and seconds."""
    airflow = import_module("airflow")
    import_module("airflow.sdk")  # Airflow's own import time is not that of the first DAG file
    sys.path.append(str(bundle))  # at the end, as Airflow does it for a bundle
    bag = dag_bag_class()(dag_folder=str(bundle), bundle_path=bundle, collect_dags=False)
    files = []
    for path in dag_files(bundle):
        bag.import_errors.clear()
        started = time.perf_counter()
        dags = bag.process_file(path, only_if_updated=False, safe_mode=True)
        files.append(
            {
                "file": Path(path).relative_to(bundle).as_posix(),
                "dag_ids": [dag.dag_id for dag in dags],
                "error": next(iter(bag.import_errors.values()), None),
                "seconds": time.perf_counter() - started,
            }
        )
    return {"airflow": airflow.__version__, "files": files}


if __name__ == "__main__":
    bundle, result = (Path(argument).resolve() for argument in sys.argv[1:3])
    result.write_text(json.dumps(parse(bundle)), encoding="utf-8")
