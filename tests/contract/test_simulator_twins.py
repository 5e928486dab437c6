"""Wrong twins are a few lines: a factory returns a subclass with another `perform`.

The gate must notice such twins; here they only have to be as wrong as they claim.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.load import Contract
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.times import utcnow

SEED = json.loads((Path(__file__).parents[1] / "data" / "recorded.seed.json").read_text())


class StoresPassWhateverIsPosted(SimulatorApp):
    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id == "recordTestResult":
            call = replace(call, body={**call.body, "result": "pass"})
        return super().perform(call)


class DropsEveryThirdResult(SimulatorApp):
    """Answers 200 with what it would have stored."""

    _posted = itertools.count(1)

    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id == "recordTestResult" and next(self._posted) % 3 == 0:
            call = replace(call, database=call.database.copy())
        return super().perform(call)


def create_app(
    seed: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    *,
    clock: Callable[[], datetime] = utcnow,
    contract: Contract | None = None,
) -> SimulatorApp:
    """The signature of every factory that the gate can be given."""
    return DropsEveryThirdResult(seed, settings, clock=clock, contract=contract)


def post(app: SimulatorApp, result: str) -> HttpResponse:
    request = HttpRequest(
        method="POST",
        url_path="/api/v1/controls/1/tests/4/result",
        headers={"authorization": "Bearer a-token", "content-type": "application/json"},
        body=json.dumps({"result": result}).encode(),
    )
    response = app.handle(request)
    assert response is not None
    return response


def stored_result(app: SimulatorApp) -> str | None:
    return app.service.database.control_tests[4].last_result


def test_a_twin_that_heals_every_failure() -> None:
    app = StoresPassWhateverIsPosted(SEED, {"static_tokens": ["a-token"]})
    assert post(app, "fail").status == 200
    assert stored_result(app) == "pass"
    [entry] = app.ledger_entries()
    assert entry.request_body == {"result": "fail"}
    assert (entry.request_violations, entry.response_violations) == ([], [])


def test_a_twin_that_drops_every_third_result() -> None:
    app = create_app(SEED, {"static_tokens": ["a-token"]})
    results = ["pass", "fail", "skipped"]
    answers = [post(app, result) for result in results]
    assert [json.loads(answer.body)["last_result"] for answer in answers] == results
    assert stored_result(app) == "fail"
    assert [len(entry.stored) for entry in app.ledger_entries()] == [1, 1, 0]
