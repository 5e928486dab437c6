"""Evidence.

The list, and the collector that asks GitHub. A 201 means that something was written down, not that
it is good.
"""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.github import EVIDENCE_TYPES, UpstreamError, collect
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.rejections import BodyField, BodySpec
from compai_kit.simulator.state import DatabaseError
from compai_kit.simulator.tables import Evidence
from compai_kit.simulator.text import trimmed
from compai_kit.simulator.times import format_process_time

GITHUB_BODY = BodySpec(
    "GitHubEvidenceRequest",
    (
        BodyField("control_id", "i64", required=True),
        BodyField("owner", "string", required=True),
        BodyField("repo", "string", required=True),
        BodyField("evidence_type", "string", required=True),
    ),
)
_FETCH_FAILED = {
    "last_commit": "Failed to fetch GitHub repo/commit",
    "branch_protection": "Failed to fetch GitHub branch protection",
}


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


def collect_github_evidence(call: Call) -> HttpResponse:
    """Configuration, then evidence type, then GitHub, and only then whether the control exists."""
    github = call.settings.github
    if not github.configured:
        return error_answer(
            503,
            "GitHub integration not configured",
            detail="Set GITHUB_TOKEN to collect evidence from GitHub",
        )
    wanted = trimmed(call.body["evidence_type"]).lower()
    evidence_type = next((known for known in EVIDENCE_TYPES if known == wanted), None)
    if evidence_type is None:
        detail = "Use 'last_commit' or 'branch_protection'"
        return error_answer(400, "Invalid evidence_type", detail=detail)
    owner, repo = call.body["owner"], call.body["repo"]
    try:
        found = collect(github, owner=owner, repo=repo, evidence_type=evidence_type)
        row = call.database.insert_evidence(
            control_id=call.body["control_id"],
            type=f"github_{evidence_type}",
            source=f"github:{owner}/{repo}",
            description=found.description,
            link_url=found.link_url,
            created_by=call.subject,
            now=call.now,
        )
    except UpstreamError as error:
        return error_answer(502, _FETCH_FAILED[evidence_type], detail=str(error))
    except DatabaseError:
        return error_answer(500, "Failed to save evidence")
    return _created(row)


def _created(row: Evidence) -> HttpResponse:
    """`collected_at` is the process's clock at the answer, not what was stored."""
    collected_at = format_process_time(row.collected_at, nanosecond=row.id % 999 + 1)
    body = {"id": row.id, "control_id": row.control_id, "collected_at": collected_at}
    return json_answer(201, body)


OPERATIONS = {
    "listEvidence": Operation(
        handler=list_evidence, query={"control_id": "i64", "limit": "u32", "offset": "u32"}
    ),
    "collectGithubEvidence": Operation(handler=collect_github_evidence, body=GITHUB_BODY),
}
