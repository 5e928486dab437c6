"""Simulators that lie: each is the real one but for the one thing that its name says."""

import itertools
from dataclasses import replace

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.operations.call import Call


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
