"""Imports a file and collects the DAGs that it made."""

import runpy
import traceback
from pathlib import Path

from airflow.sdk import DAG


class DagBag:
    def __init__(self, dag_folder: str, bundle_path: Path, collect_dags: bool) -> None:
        del dag_folder, collect_dags
        self.import_errors: dict[str, str] = {}
        self._bundle = bundle_path

    def process_file(self, path: str, only_if_updated: bool, safe_mode: bool) -> list[DAG]:
        del only_if_updated, safe_mode
        try:
            names = runpy.run_path(path)
        except Exception:  # noqa: BLE001 - whatever a DAG file raises is its import error
            self.import_errors[str(Path(path).relative_to(self._bundle))] = traceback.format_exc()
            return []
        return [value for value in names.values() if isinstance(value, DAG)]
