"""Schemathesis against the simulator by the contract: whatever is sent, the answer is described.

No failure is accepted. A wrong twin shows that the fuzzing is not blind.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from compai_kit.contract.load import Contract, load_contract
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.app import SimulatorApp, create_app
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.routing import ROUTES
from compai_kit.simulator.server import serve

pytestmark = pytest.mark.slow

SEED_FILE = Path(__file__).parents[1] / "data" / "recorded.seed.json"
TOKEN = "a-token-of-the-fuzzer"
SETTINGS: dict[str, Any] = {
    "static_tokens": [TOKEN],
    "github": {
        "configured": True,
        # The repository of the contract's examples; every other one is missing.
        "repositories": {"example-org/demo-service": {"protection": "enabled", "commit": {}}},
    },
    "okta": {"domain": "example.okta.test", "has_token": True, "groups": ["Everyone"]},
    "aws": {"answers": True, "summary": {"Users": 12}},
    "model": {"configured": True},
}
CREATED = {"createEvidence", "collectGithubEvidence", "collectOktaEvidence", "collectAwsEvidence"}
LEAST_CASES = 50
# What schemathesis sends to a path beside the methods that the contract describes.
METHODS = {"GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE"}
NOW = datetime(2026, 11, 25, 6, 0, 0, 123456, tzinfo=UTC)


@dataclass
class Fuzzed:
    phases: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def fuzz(app: SimulatorApp, contract: Contract, *, examples: int) -> Fuzzed:
    result = Fuzzed()
    with serve(app) as running:
        schema = schemathesis.openapi.from_dict(
            with_a_query_everywhere(contract.document),
            config=config(running.url, examples, contract),
        )
        schema.hook(map_body)
        for event in from_schema(schema).execute():
            if isinstance(event, events.FatalError):
                raise event.exception
            if isinstance(event, events.NonFatalError):
                result.failures.append(f"{event.label}: {event.value!r}")
            if isinstance(event, events.ScenarioFinished):
                result.phases[event.phase.value] += len(event.recorder.cases)
                result.cases.update(
                    case.value.operation.label for case in event.recorder.cases.values()
                )
                result.failures += failures_of(event)
    return result


def failures_of(event: events.ScenarioFinished) -> list[str]:
    return [
        f"{event.recorder.label}: {check.name}: {check.failure_info.failure.message}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]


def with_a_query_everywhere(document: Any) -> Any:
    """Unknown query keys are ignored, so an operation without parameters can be asked in many ways;
    without them there would be a single case to try.
    """
    document = copy.deepcopy(document)
    for methods in document["paths"].values():
        operation = methods.get("get", {"parameters": [{"in": "query"}]})
        known = [*methods.get("parameters", []), *operation.get("parameters", [])]
        if not known:
            anything = {"name": "anything", "in": "query", "schema": {"type": "string"}}
            operation["parameters"] = [anything]
    return document


def map_body(context: Any, body: Any) -> Any:
    """`5.0` is an integer to JSON Schema and none to the service, which no schema can tell apart.

    The recordings hold the service's refusal of such a number.
    """
    if isinstance(body, dict) and isinstance(body.get("control_id"), float):
        number = body["control_id"]
        return body | {"control_id": int(number) if number.is_integer() else number}
    return body


def config(url: str, examples: int, contract: Contract) -> schemathesis.Config:
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
            # What was answered before would make the next cases depend on the order of the calls;
            # Hypothesis notices and gives up half-way. Links are followed in the stateful phase.
            "phases": {
                "fuzzing": {
                    "extra-data-sources": {"responses": False},
                    "error-feedback": {"enabled": False},
                }
            },
            "auth": {"openapi": {"bearerToken": {"bearer": TOKEN}}},
            # 5xx are described, with their exact bodies; any other is a status, media type or
            # schema failure.
            "checks": {"not_a_server_error": {"enabled": False}},
            "operations": [
                {
                    "include-operation-id": id,
                    "checks": {"allow_header_conformance": {"enabled": False}},
                    "phases": {
                        "coverage": {"unexpected-methods": sorted(METHODS - methods - {"OPTIONS"})}
                    },
                }
                for id, methods in undescribed_methods(contract).items()
            ],
        }
    )


def undescribed_methods(contract: Contract) -> dict[str, set[str]]:
    """The live service has more operations than the contract describes, some on the same paths."""
    extra = {}
    for path, live in ROUTES.items():
        described = {m.upper() for m in contract.document["paths"].get(path, {})}
        if described and not set(live) <= described:
            extra |= {id: set(live) for id in live.values() if id in contract.operations}
    return extra


def test_every_answer_is_described_by_the_contract() -> None:
    contract = load_contract()
    seed = json.loads(SEED_FILE.read_text())
    app = create_app(seed, SETTINGS, clock=lambda: NOW, contract=contract)
    result = fuzz(app, contract, examples=LEAST_CASES)
    figures = [f"{count} {label}" for label, count in sorted(result.cases.items())]
    print(f"{sum(result.cases.values())} cases: {dict(result.phases)}", *figures, sep="\n")  # noqa: T201  # the figures
    assert result.failures == []
    assert len(result.cases) == len(contract.operations)
    assert min(result.cases.values()) >= LEAST_CASES
    assert set(result.phases) == {"examples", "coverage", "fuzzing", "stateful"}
    # The simulator's own ledger judged the same answers.
    assert [entry for entry in app.ledger_entries() if entry.response_violations] == []
    answered = {(entry.operation, entry.status) for entry in app.ledger_entries()}
    good = {(id, 201 if id in CREATED else 200) for id in contract.operations}
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
