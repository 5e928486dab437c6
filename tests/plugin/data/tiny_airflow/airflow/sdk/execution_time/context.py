"""Knows none."""


def _get_variable(key: str) -> None:
    del key


def _get_connection(conn_id: str) -> None:
    del conn_id
