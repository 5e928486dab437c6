"""`DAG("id")` makes a DAG that the parser finds; look-ups lead to where the parse gate waits."""

from typing import Any


class DAG:
    def __init__(self, dag_id: str) -> None:
        self.dag_id = dag_id


class Variable:
    @classmethod
    def get(cls, key: str, default: Any = None) -> Any:
        from airflow.sdk.execution_time import context

        return context._get_variable(key) or default


class Connection:
    @classmethod
    def get(cls, conn_id: str) -> Any:
        from airflow.sdk.execution_time import context

        return context._get_connection(conn_id)


class BaseHook:
    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        return Connection.get(conn_id)
