"""The route table of Comp-AI 1.0.0 as data, also of operations that are not simulated yet, so that
404 and 405 are true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# path template -> method -> operation. HEAD is answered wherever GET is.
ROUTES: Mapping[str, Mapping[str, str]] = {
    "/health": {"GET": "getHealth"},
    "/api/v1/tests": {"GET": "listTests"},
    "/api/v1/frameworks": {"GET": "listFrameworks"},
    "/api/v1/process": {"POST": "processPrompt"},
    "/api/v1/history": {"GET": "listHistory"},
    "/api/v1/requirements": {"GET": "listRequirements"},
    "/api/v1/remediation": {"GET": "listRemediation"},
    "/api/v1/system-description": {"GET": "getSystemDescription"},
    "/api/v1/controls": {"GET": "listControls"},
    "/api/v1/controls/gaps": {"GET": "listGaps"},
    "/api/v1/controls/export": {"GET": "exportControls"},
    "/api/v1/controls/policy-mapping": {"GET": "getPolicyMapping"},
    "/api/v1/controls/bulk-external-id": {"POST": "bulkUpdateExternalIds"},
    "/api/v1/controls/{id}": {"GET": "getControl", "PATCH": "updateControl"},
    "/api/v1/controls/{id}/tests": {"GET": "listControlTests"},
    "/api/v1/controls/{id}/tests/{test_id}/result": {"POST": "recordTestResult"},
    "/api/v1/controls/{id}/remediation": {
        "GET": "getControlRemediation",
        "PUT": "putControlRemediation",
    },
    "/api/v1/controls/{id}/remediation/suggest": {"POST": "suggestRemediation"},
    "/api/v1/controls/{id}/evidence/review": {"POST": "reviewControlEvidence"},
    "/api/v1/evidence": {"GET": "listEvidence", "POST": "createEvidence"},
    "/api/v1/evidence/upload": {"POST": "uploadEvidence"},
    "/api/v1/evidence/{id}/analyze": {"POST": "analyseEvidence"},
    "/api/v1/scan/documents": {"POST": "scanDocuments"},
    "/api/v1/scan/upload-batch": {"POST": "scanUploadBatch"},
    "/api/v1/analysis/gaps": {"POST": "analyseGaps"},
    "/api/v1/integrations/github/evidence": {"POST": "collectGithubEvidence"},
    "/api/v1/integrations/okta/evidence": {"POST": "collectOktaEvidence"},
    "/api/v1/integrations/aws/evidence": {"POST": "collectAwsEvidence"},
    "/api/v1/integrations/dlp/evidence": {"POST": "recordDlpEvidence"},
    "/api/v1/integrations/m365/evidence": {"POST": "collectM365Evidence"},
    "/api/v1/integrations/drive/evidence": {"POST": "collectDriveEvidence"},
    "/api/v1/integrations/sharepoint/evidence": {"POST": "collectSharepointEvidence"},
}
OPERATION_IDS = frozenset(op for methods in ROUTES.values() for op in methods.values())
# The limiter wraps the API and the fallbacks, not this route.
UNLIMITED_PATHS = frozenset({"/health"})


@dataclass(frozen=True, slots=True)
class Match:
    """A known path.

    `operation_id` is None when the method is wrong; `captured` is still percent-encoded.
    """

    template: str
    operation_id: str | None
    captured: Mapping[str, str]
    allow: str


def match_route(method: str, url_path: str) -> Match | None:
    """Fixed segments win over parameters, and a parameter is never empty.

    No trailing slash is forgiven.
    """
    candidates = [
        (template, captured)
        for template in ROUTES
        if (captured := _captured(template, url_path)) is not None
    ]
    if not candidates:
        return None
    template, captured = min(candidates, key=lambda candidate: len(candidate[1]))
    methods = ROUTES[template]
    wanted = "GET" if method == "HEAD" else method
    return Match(template, methods.get(wanted), captured, _allow(methods))


def _captured(template: str, url_path: str) -> dict[str, str] | None:
    wanted, given = template.split("/"), url_path.split("/")
    if len(wanted) != len(given):
        return None
    captured: dict[str, str] = {}
    for pattern, segment in zip(wanted, given, strict=True):
        if pattern.startswith("{"):
            if not segment:
                return None
            captured[pattern[1:-1]] = segment
        elif pattern != segment:
            return None
    return captured


def _allow(methods: Mapping[str, str]) -> str:
    """In the order in which the live service lists them: `GET,HEAD,POST`."""
    names = [
        name for method in methods for name in ((method, "HEAD") if method == "GET" else (method,))
    ]
    return ",".join(names)
