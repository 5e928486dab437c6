"""Controls, and among them the gaps: those without any evidence."""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.state import DatabaseError


def list_controls(call: Call) -> HttpResponse:
    """The category must match exactly; an empty one means all."""
    try:
        rows = call.database.all_controls(category=call.query["category"] or None)
    except DatabaseError:
        return error_answer(500, "Failed to list controls")
    return json_answer(200, [row.as_json() for row in rows])


def get_control(call: Call) -> HttpResponse:
    try:
        row = call.database.control(call.path["id"])
        covered = call.database.covered_requirements(call.path["id"])
    except DatabaseError:
        return error_answer(500, "Failed to get control")
    if row is None:
        return error_answer(404, "Control not found")
    requirements = [requirement.as_json_of_control(slug) for slug, requirement in covered]
    return json_answer(200, row.as_json() | {"requirements": requirements})


def list_gaps(call: Call) -> HttpResponse:
    try:
        rows = call.database.gaps()
    except DatabaseError:
        return error_answer(500, "Failed to list gaps")
    return json_answer(200, [row.as_json() for row in rows])


OPERATIONS = {
    "listControls": Operation(handler=list_controls, query={"category": "string"}),
    "getControl": Operation(handler=get_control),
    "listGaps": Operation(handler=list_gaps),
}
