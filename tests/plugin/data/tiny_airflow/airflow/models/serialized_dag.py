"""Sorts what is stored, to see whether it changed."""

from typing import Any


class SerializedDagModel:
    @staticmethod
    def _sort_serialized_dag_dict(data: Any) -> Any:
        return data
