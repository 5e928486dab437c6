"""Health: a constant. It touches neither the database nor Keycloak and asks for no token."""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.operations.call import Call, Operation


def get_health(call: Call) -> HttpResponse:  # noqa: ARG001  # every handler takes the call
    body = {"service": "comp-ai-service", "status": "healthy", "version": "1.0.0"}
    return json_answer(200, body)


OPERATIONS = {"getHealth": Operation(handler=get_health, public=True)}
