"""Asks Comp-AI; imported inside tasks, so everything it needs is read there."""

from __future__ import annotations

from airflow.sdk import Variable

from compai_client import ClientCredentials, CompAI


def open_gaps() -> list[str]:
    """The names of the controls without evidence."""
    auth = ClientCredentials(
        keycloak_url=Variable.get("COMP_AI_KEYCLOAK_URL"),
        realm=Variable.get("COMP_AI_KEYCLOAK_REALM"),
        client_id=Variable.get("COMP_AI_CLIENT_ID"),
        client_secret=Variable.get("COMP_AI_CLIENT_SECRET"),
    )
    with CompAI(Variable.get("COMP_AI_BASE_URL"), auth=auth) as comp_ai:
        return [gap.name for gap in comp_ai.list_gaps()]
