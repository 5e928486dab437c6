"""Schemathesis against the simulator by the contract: whatever is sent, the answer is described.

No failure is accepted. A wrong twin shows that the fuzzing is not blind.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.engine import events, from_schema

from compai_kit.contract.load import Contract, load_contract
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.app import SimulatorApp, create_app
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.server import serve

SEED_FILE = Path(__file__).parents[1] / "data" / "recorded.seed.json"
TOKEN = "a-token-of-the-fuzzer"
SETTINGS: dict[str, Any] = {
    "static_tokens": [TOKEN],
    "github": {
        "configured": True,
        # The repository of the contract's examples; every other one is missing.
        "repositories": {"example-org/demo-service": {"protection": "enabled", "commit": {}}},
    },
}


@dataclass
class Fuzzed:
    cases: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def fuzz(app: SimulatorApp, contract: Contract, *, examples: int) -> Fuzzed:
    result = Fuzzed()
    with serve(app) as running:
        schema = schemathesis.openapi.from_dict(
            contract.document, config=config(running.url, examples)
        )
        for event in from_schema(schema).execute():
            if isinstance(event, events.FatalError):
                raise event.exception
            if isinstance(event, events.NonFatalError):
                result.failures.append(f"{event.label}: {event.value!r}")
            if isinstance(event, events.ScenarioFinished):
                result.cases[event.phase.value] += len(event.recorder.cases)
                result.failures += failures_of(event)
    return result


def failures_of(event: events.ScenarioFinished) -> list[str]:
    return [
        f"{event.recorder.label}: {check.name}: {check.failure_info.failure.message}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]


def config(url: str, examples: int) -> schemathesis.Config:
    """Always explicit: without it, schemathesis would look for a file from here upwards."""
    return schemathesis.Config.from_dict(
        {
            "base-url": url,
            "continue-on-failure": True,
            "request-timeout": 10,
            "cache": {"enabled": False},
            "generation": {
                "deterministic": True,
                "database": "none",
                "max-examples": examples,
            },
            "auth": {"openapi": {"bearerToken": {"bearer": TOKEN}}},
            # 5xx are described, with their exact bodies; any other is a status, media type or
            # schema failure.
            "checks": {"not_a_server_error": {"enabled": False}},
            "operations": [
                {
                    # The contract describes eight operations; the live path has a POST as well.
                    "include-operation-id": "listEvidence",
                    "checks": {"allow_header_conformance": {"enabled": False}},
                    "phases": {"coverage": {"unexpected-methods": ["PUT", "PATCH", "DELETE"]}},
                }
            ],
        }
    )


def test_every_answer_is_described_by_the_contract() -> None:
    contract = load_contract()
    app = create_app(json.loads(SEED_FILE.read_text()), SETTINGS, contract=contract)
    result = fuzz(app, contract, examples=25)
    print(f"{sum(result.cases.values())} cases: {dict(result.cases)}")  # noqa: T201  # the figure
    assert result.failures == []
    assert sum(result.cases.values()) > 500
    # The simulator's own ledger judged the same answers.
    assert [entry for entry in app.ledger_entries() if entry.response_violations] == []
    answered = {(entry.operation, entry.status) for entry in app.ledger_entries()}
    good = {(id, 201 if id == "collectGithubEvidence" else 200) for id in contract.operations}
    assert good <= answered


class ClosedSetBroken(SimulatorApp):
    def perform(self, call: Call) -> Any:
        response = super().perform(call)
        if call.operation_id != "recordTestResult" or response.status != 200:
            return response
        return json_answer(200, json.loads(response.body) | {"last_result": "passed"})


def test_the_fuzzing_notices_a_twin_that_leaves_a_closed_set() -> None:
    contract = load_contract()
    seed = json.loads(SEED_FILE.read_text())
    result = fuzz(ClosedSetBroken(seed, SETTINGS, contract=contract), contract, examples=5)
    assert any("last_result" in failure or "passed" in failure for failure in result.failures)
