"""Evidence that the service collects elsewhere: GitHub, Okta, AWS.

A 201 means that something was written down, not that it is good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.operations.evidence import created
from compai_kit.simulator.rejections import BodyField, BodySpec
from compai_kit.simulator.state import DatabaseError
from compai_kit.simulator.text import trimmed
from compai_kit.simulator.upstreams import Collected, UpstreamError, aws, github, okta

T = TypeVar("T", bound=str)

_CONTROL = BodyField("control_id", "i64", required=True)
_TYPE = BodyField("evidence_type", "string", required=True)
GITHUB_BODY = BodySpec(
    "GitHubEvidenceRequest",
    (
        _CONTROL,
        BodyField("owner", "string", required=True),
        BodyField("repo", "string", required=True),
        _TYPE,
    ),
)
OKTA_BODY = BodySpec("OktaEvidenceRequest", (_CONTROL, _TYPE))
AWS_BODY = BodySpec("AwsEvidenceRequest", (_CONTROL, _TYPE))
_GITHUB_FAILED = {
    "last_commit": "Failed to fetch GitHub repo/commit",
    "branch_protection": "Failed to fetch GitHub branch protection",
}


def collect_github_evidence(call: Call) -> HttpResponse:
    """Configuration, then evidence type, then GitHub, and only then whether the control exists."""
    settings = call.settings.github
    if not settings.configured:
        detail = "Set GITHUB_TOKEN to collect evidence from GitHub"
        return error_answer(503, "GitHub integration not configured", detail=detail)
    wanted = _wanted(call, github.EVIDENCE_TYPES)
    if wanted is None:
        return _invalid_type("Use 'last_commit' or 'branch_protection'")
    owner, repo = call.body["owner"], call.body["repo"]
    return _collected(
        call,
        lambda: github.collect(settings, owner=owner, repo=repo, evidence_type=wanted),
        type=f"github_{wanted}",
        source=f"github:{owner}/{repo}",
        failed=_GITHUB_FAILED[wanted],
    )


def collect_okta_evidence(call: Call) -> HttpResponse:
    settings = call.settings.okta
    missing = okta.missing(settings)
    if missing is not None:
        return error_answer(503, "Okta integration not configured", detail=missing)
    wanted = _wanted(call, okta.EVIDENCE_TYPES)
    if wanted is None:
        return _invalid_type("Use 'org_summary', 'users_snapshot', or 'groups_snapshot'")
    return _collected(
        call,
        lambda: okta.collect(settings, wanted),
        type=f"okta_{wanted}",
        source=f"okta:{settings.domain}",
        failed=f"Failed to fetch {okta.WHAT[wanted]}",
    )


def collect_aws_evidence(call: Call) -> HttpResponse:
    """There is no 503: whether credentials exist shows only when AWS is asked."""
    settings = call.settings.aws
    wanted = _wanted(call, aws.EVIDENCE_TYPES)
    if wanted is None:
        return _invalid_type("Use 'iam_summary'")
    return _collected(
        call,
        lambda: aws.collect(settings),
        type=f"aws_{wanted}",
        source=aws.source(settings),
        failed="Failed to fetch AWS IAM summary",
    )


def _wanted(call: Call, known: tuple[T, ...]) -> T | None:
    wanted = trimmed(call.body["evidence_type"]).lower()
    return next((name for name in known if name == wanted), None)


def _invalid_type(detail: str) -> HttpResponse:
    return error_answer(400, "Invalid evidence_type", detail=detail)


def _collected(
    call: Call, collect: Callable[[], Collected], *, type: str, source: str, failed: str
) -> HttpResponse:
    """Asks the upstream, then the database."""
    try:
        found = collect()
        row = call.database.insert_evidence(
            control_id=call.body["control_id"],
            type=type,
            source=source,
            description=found.description,
            link_url=found.link_url,
            created_by=call.subject,
            now=call.now,
        )
    except UpstreamError as error:
        return error_answer(502, failed, detail=str(error))
    except DatabaseError:
        return error_answer(500, "Failed to save evidence")
    return created(row)


OPERATIONS = {
    "collectGithubEvidence": Operation(handler=collect_github_evidence, body=GITHUB_BODY),
    "collectOktaEvidence": Operation(handler=collect_okta_evidence, body=OKTA_BODY),
    "collectAwsEvidence": Operation(handler=collect_aws_evidence, body=AWS_BODY),
}
