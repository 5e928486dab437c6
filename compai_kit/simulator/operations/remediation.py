"""Remediation tasks, at most one per control; they are only read here."""

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


def get_control_remediation(call: Call) -> HttpResponse:
    """No task is a `null`, also for a control that does not exist."""
    try:
        row = call.database.remediation_of(call.path["id"])
    except DatabaseError:
        return error_answer(500, "Failed to get remediation")
    return json_answer(200, None if row is None else row.as_json())


OPERATIONS = {
    "listRemediation": Operation(handler=list_remediation, query={"control_id": "i64"}),
    "getControlRemediation": Operation(handler=get_control_remediation),
}
