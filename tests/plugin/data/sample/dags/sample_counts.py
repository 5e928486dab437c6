"""Counts the control tests of Comp-AI, and says what the Variable SAMPLE holds."""

from airflow.sdk import dag, task


@dag(schedule=None)
def sample_counts() -> None:
    @task
    def count() -> int:
        from airflow.sdk import Variable, get_current_context

        from compai_client import ClientCredentials, CompAI

        ti = get_current_context()["ti"]
        auth = ClientCredentials(
            keycloak_url=Variable.get("COMP_AI_KEYCLOAK_URL"),
            realm=Variable.get("COMP_AI_KEYCLOAK_REALM"),
            client_id=Variable.get("COMP_AI_CLIENT_ID"),
            client_secret=Variable.get("COMP_AI_CLIENT_SECRET"),
        )
        caller = f"dag={ti.dag_id}; run={ti.run_id}; task={ti.task_id}; map=-1; try=1"
        with CompAI(Variable.get("COMP_AI_BASE_URL"), auth=auth, caller=caller) as comp_ai:
            return len(comp_ai.list_tests())

    @task
    def say() -> str:
        from airflow.sdk import Variable

        return Variable.get("SAMPLE", default="nothing")

    count() >> say()


sample_counts()
