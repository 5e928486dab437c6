"""Document scans: one row of evidence per address. Nothing is fetched, compared or undone."""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.rejections import BodyField, BodySpec
from compai_kit.simulator.state import DatabaseError
from compai_kit.simulator.text import trimmed

MAX_DOCUMENTS = 50
DEFAULT_TYPE = "document"
_ITEM = BodySpec(
    "ScanDocumentItem",
    (BodyField("url", "string", required=True), BodyField("type", "string", required=False)),
)
SCAN_BODY = BodySpec(
    "ScanDocumentsRequest",
    (
        BodyField("control_id", "i64", required=True),
        BodyField("documents", "list", required=True, items=_ITEM),
    ),
)


def scan_documents(call: Call) -> HttpResponse:
    """Blank addresses are skipped, but count; the first refused insert ends it and keeps the rows
    before.
    """
    documents = call.body["documents"]
    if len(documents) > MAX_DOCUMENTS:
        detail = f"Maximum {MAX_DOCUMENTS} documents per request"
        return error_answer(400, "Too many documents", detail=detail)
    ids: list[int] = []
    for document in documents:
        url = trimmed(document["url"])
        if not url:
            continue
        try:
            row = call.database.insert_evidence(
                control_id=call.body["control_id"],
                type=trimmed(document["type"] or "") or DEFAULT_TYPE,
                source=f"Scan: {url}",
                description=url,
                link_url=url,
                created_by=call.subject,
                now=call.now,
            )
        except DatabaseError:
            detail = f"Created {len(ids)} before error"
            error = "Failed to create evidence for one or more documents"
            return error_answer(500, error, detail=detail)
        ids.append(row.id)
    return json_answer(200, {"evidence_ids": ids, "created": len(ids)})


OPERATIONS = {"scanDocuments": Operation(handler=scan_documents, body=SCAN_BODY)}
