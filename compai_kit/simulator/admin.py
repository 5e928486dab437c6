"""The simulator's own API under /_simulator.

Reset, ledger, state, Slack messages, faults. Answers loopback callers only by default.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.faults import Fault, FaultError, fault_from_json
from compai_kit.simulator.ledger import LedgerEntry
from compai_kit.simulator.seed import SeedError
from compai_kit.simulator.settings import SettingsError
from compai_kit.simulator.slack import SlackMessage

PREFIX = "/_simulator/"


class Simulator(Protocol):
    """What the admin API works on."""

    def reset(
        self, seed: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None: ...
    def ledger_entries(self) -> list[LedgerEntry]: ...
    def stored(self) -> dict[str, Any]: ...
    def slack_messages(self) -> list[SlackMessage]: ...
    def set_faults(self, *faults: Fault) -> None: ...


def is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


def answer(request: HttpRequest, simulator: Simulator) -> HttpResponse:
    route = (request.method, request.url_path.removeprefix(PREFIX))
    action = _ROUTES.get(route)
    if action is None:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in _ROUTES)
        return error_answer(404, f"no such admin call; known are {known}")
    try:
        body = json.loads(request.body) if request.body else {}
        if not isinstance(body, dict):
            return error_answer(400, "the body must be a JSON object")
        return json_answer(200, action(simulator, body))
    except json.JSONDecodeError as error:
        return error_answer(400, f"the body is no JSON: {error}")
    except (FaultError, SeedError, SettingsError) as error:
        return error_answer(400, str(error))


def _reset(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    simulator.reset(body.get("seed"), body.get("settings"))
    return {}


def _ledger(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    del body
    return {"entries": [entry.as_json() for entry in simulator.ledger_entries()]}


def _state(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    del body
    return simulator.stored()


def _slack(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    del body
    return {"messages": [asdict(message) for message in simulator.slack_messages()]}


def _faults(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    raw = body.get("faults")
    if not isinstance(raw, list):
        msg = "faults: expected a list"
        raise FaultError(msg)
    simulator.set_faults(*(fault_from_json(item) for item in raw))
    return {}


_ROUTES: Mapping[tuple[str, str], Callable[[Simulator, dict[str, Any]], dict[str, Any]]] = {
    ("POST", "reset"): _reset,
    ("GET", "ledger"): _ledger,
    ("GET", "state"): _state,
    ("GET", "slack"): _slack,
    ("PUT", "faults"): _faults,
}
