"""Controls: for now only the gaps, the controls without any evidence."""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.state import DatabaseError


def list_gaps(call: Call) -> HttpResponse:
    try:
        rows = call.database.gaps()
    except DatabaseError:
        return error_answer(500, "Failed to list gaps")
    return json_answer(200, [row.as_json() for row in rows])


OPERATIONS = {"listGaps": Operation(handler=list_gaps)}
