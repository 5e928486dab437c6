"""Evidence: the list, and rows that a caller writes.

Rows that the service collects elsewhere are in `integrations`.
"""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.rejections import BodyField, BodySpec
from compai_kit.simulator.state import DatabaseError
from compai_kit.simulator.tables import Evidence
from compai_kit.simulator.text import trimmed
from compai_kit.simulator.times import format_process_time

CREATE_BODY = BodySpec(
    "CreateEvidenceRequest",
    (
        BodyField("control_id", "i64", required=True),
        BodyField("type", "string", required=True),
        BodyField("source", "string", required=False),
        BodyField("description", "string", required=False),
        BodyField("link_url", "string", required=False),
    ),
)


def list_evidence(call: Call) -> HttpResponse:
    try:
        rows = call.database.evidence_page(
            control_id=call.query["control_id"],
            limit=call.query["limit"],
            offset=call.query["offset"],
        )
    except DatabaseError:
        return error_answer(500, "Failed to list evidence")
    return json_answer(200, [row.as_json() for row in rows])


def create_evidence(call: Call) -> HttpResponse:
    """Only the type is trimmed; an unknown control is the database's business, so it is a 500."""
    evidence_type = trimmed(call.body["type"])
    if not evidence_type:
        return error_answer(400, "type is required")
    try:
        row = call.database.insert_evidence(
            control_id=call.body["control_id"],
            type=evidence_type,
            source=call.body["source"],
            description=call.body["description"],
            link_url=call.body["link_url"],
            created_by=call.subject,
            now=call.now,
        )
    except DatabaseError:
        return error_answer(500, "Failed to create evidence")
    return created(row)


def created(row: Evidence) -> HttpResponse:
    """`collected_at` is the process's clock at the answer, not what was stored."""
    collected_at = format_process_time(row.collected_at, nanosecond=row.id % 999 + 1)
    body = {"id": row.id, "control_id": row.control_id, "collected_at": collected_at}
    return json_answer(201, body)


OPERATIONS = {
    "listEvidence": Operation(
        handler=list_evidence, query={"control_id": "i64", "limit": "u32", "offset": "u32"}
    ),
    "createEvidence": Operation(handler=create_evidence, body=CREATE_BODY),
}
