"""The dag_id is all there is."""

from typing import Any


class DagSerialization:
    @staticmethod
    def to_dict(dag: Any) -> dict[str, Any]:
        return {"dag": {"dag_id": dag.dag_id}}
