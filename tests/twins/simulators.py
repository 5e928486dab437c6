"""Simulators that lie: each is the real one but for the one thing that its name says."""

import itertools
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.ratelimit import RateLimit
from compai_kit.simulator.service import Service


class StoresPassWhateverIsPosted(SimulatorApp):
    """And says so in its answer, as a service with that bug would."""

    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id == "recordTestResult":
            call = replace(call, body={**call.body, "result": "pass"})
        return super().perform(call)


class StoresPassAndAnswersWhatWasPosted(SimulatorApp):
    """The answer is what the caller hopes for; only what is stored tells."""

    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id != "recordTestResult":
            return super().perform(call)
        lie = super().perform(replace(call, database=call.database.copy()))
        super().perform(replace(call, body={**call.body, "result": "pass"}))
        return lie


class DropsEveryThirdResult(SimulatorApp):
    """Answers 200 with the row as it would be, and forgets it."""

    _posted = itertools.count(1)

    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id == "recordTestResult" and next(self._posted) % 3 == 0:
            call = replace(call, database=call.database.copy())
        return super().perform(call)


class LiesAboutResults(DropsEveryThirdResult, StoresPassAndAnswersWhatWasPosted):
    """Both at once, so that one gate run judges both."""


class HasNoLimit(SimulatorApp):
    """Takes any number of requests, whatever its settings say."""

    def reset(
        self, seed: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        super().reset(seed, settings)
        self.service.rate_limit = RateLimit(None)


class _AnyTokenIsGood(Service):
    def subject_of(self, request: HttpRequest, **now: Any) -> str | None:
        return super().subject_of(request, **now) or "anybody"


class AsksForNoToken(SimulatorApp):
    """Expired, revoked or missing: every token is good."""

    def reset(
        self, seed: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        super().reset(seed, settings)
        parts = {part.name: getattr(self.service, part.name) for part in fields(Service)}
        self.service = _AnyTokenIsGood(**parts)


class IgnoresWhoseTestItIs(SimulatorApp):
    """Stores a result by the id of the test alone, under whatever control it was posted."""

    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id == "recordTestResult":
            row = call.database.control_tests.get(call.path["test_id"])
            if row is not None:
                call = replace(call, path={**call.path, "id": row.control_id})
        return super().perform(call)


class HasNoGuards(HasNoLimit, AsksForNoToken, IgnoresWhoseTestItIs):
    """All three at once, so that one gate run judges all three."""
