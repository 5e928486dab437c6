"""Remediation tasks, at most one per control; for now only the list."""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.state import DatabaseError


def list_remediation(call: Call) -> HttpResponse:
    try:
        rows = call.database.remediation(control_id=call.query["control_id"])
    except DatabaseError:
        return error_answer(500, "Failed to list remediation tasks")
    return json_answer(200, [row.as_json() for row in rows])


OPERATIONS = {"listRemediation": Operation(handler=list_remediation, query={"control_id": "i64"})}
