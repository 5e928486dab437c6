"""Whom a call is for: Comp-AI, Keycloak, Slack and the systems that are checked share one port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compai_kit.contract.exchange import HttpRequest
from compai_kit.simulator import keycloak_http, slack
from compai_kit.simulator.faults import KEYCLOAK_INTROSPECTION, KEYCLOAK_TOKEN, SLACK
from compai_kit.simulator.routing import match_route
from compai_kit.simulator.systems.registry import system_of


@dataclass(frozen=True, slots=True)
class Target:
    """`operation` as faults and the ledger name it; None is no known operation."""

    system: Literal["comp-ai", "keycloak", "slack", "other"]
    operation: str | None

    @property
    def is_api(self) -> bool:
        return self.system == "comp-ai"


def target_of(request: HttpRequest) -> Target:
    """What belongs to no other system is a call to Comp-AI, if only to be a 404."""
    if keycloak_http.is_keycloak_path(request.url_path):
        return Target("keycloak", _keycloak_operation(request.url_path))
    if request.url_path.startswith(slack.PREFIX):
        return Target("slack", SLACK)
    if (system := system_of(request.url_path)) is not None:
        return Target("other", system.name)
    route = match_route(request.method, request.url_path)
    return Target("comp-ai", None if route is None else route.operation_id)


def _keycloak_operation(url_path: str) -> str | None:
    if keycloak_http.is_token_path(url_path):
        return KEYCLOAK_TOKEN
    return KEYCLOAK_INTROSPECTION if keycloak_http.is_introspection_path(url_path) else None
