"""`DAG("id")` makes a DAG that the parser finds."""


class DAG:
    def __init__(self, dag_id: str) -> None:
        self.dag_id = dag_id
