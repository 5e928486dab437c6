"""Control tests.

Listing them and overwriting their last result. There is no history and no caller-supplied time.
"""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.rejections import BodyField, BodySpec
from compai_kit.simulator.state import DatabaseError
from compai_kit.simulator.text import trimmed

RESULTS = ("pass", "fail", "skipped")
RESULT_BODY = BodySpec(
    "RecordTestResultRequest",
    (BodyField("result", "string", required=True), BodyField("details", "string", required=False)),
)


def list_tests(call: Call) -> HttpResponse:
    try:
        rows = call.database.tests(control_id=call.query["control_id"])
    except DatabaseError:
        return error_answer(500, "Failed to list tests")
    return json_answer(200, [row.as_json() for row in rows])


def list_control_tests(call: Call) -> HttpResponse:
    """An unknown control has no tests; that is an empty list, not a 404."""
    try:
        rows = call.database.tests(control_id=call.path["id"])
    except DatabaseError:
        return error_answer(500, "Failed to list control tests")
    return json_answer(200, [row.as_json() for row in rows])


def record_test_result(call: Call) -> HttpResponse:
    """The result is judged before the ids; blank details count as none."""
    result = trimmed(call.body["result"]).lower()
    if result not in RESULTS:
        return error_answer(400, "Invalid result", detail="Use pass, fail, or skipped")
    try:
        linked = call.database.tests(control_id=call.path["id"])
    except DatabaseError:
        return error_answer(500, "Failed to list control tests")
    if call.path["test_id"] not in {row.id for row in linked}:
        return error_answer(404, "Test not found or not linked to this control")
    try:
        row = call.database.record_result(
            test_id=call.path["test_id"],
            result=result,
            details=trimmed(call.body["details"] or "") or None,
            now=call.now,
        )
    except DatabaseError:
        return error_answer(500, "Failed to record test result")
    return json_answer(200, row.as_json())


OPERATIONS = {
    "listTests": Operation(handler=list_tests, query={"control_id": "i64"}),
    "listControlTests": Operation(handler=list_control_tests),
    "recordTestResult": Operation(handler=record_test_result, body=RESULT_BODY),
}
