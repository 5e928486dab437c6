"""The operations as a table: what the contract says about each, and how its answer is decoded.

Paths are the service's own; behind a proxy `api_prefix` takes the place of /api/v1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from compai_client._models import (
    Control,
    ControlTest,
    ControlWithRequirements,
    CreateEvidenceResponse,
    EvidenceItem,
    Frameworks,
    GapAnalysis,
    Health,
    RemediationTask,
    Requirement,
    ScanDocumentsResponse,
)
from compai_client._retry import RetryClass

SERVICE_PREFIX = "/api/v1"

Shape = TypeVar("Shape")

_READ_S = 30.0
# Comp-AI asks GitHub, Okta or AWS before it answers, and has no time limit of its own for that. For
# a free connection to its database it waits 30 s, and then says that nothing was stored.
_EVIDENCE_S = 60.0
# Above the 120 s that Comp-AI gives its AI model.
_ANALYSIS_S = 150.0


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[Shape]):
    """`shape` is one row where `rows` is true, else the whole answer, which may be null if so."""

    id: str
    method: str
    path: str
    retry: RetryClass
    timeout_s: float
    success: int
    shape: type[Shape]
    rows: bool = False
    nullable: bool = False
    token: bool = True


LIST_TESTS = Operation(
    id="listTests", method="GET", path="/api/v1/tests",
    retry="safe", timeout_s=_READ_S, success=200, shape=ControlTest, rows=True,
)  # fmt: skip
LIST_CONTROL_TESTS = Operation(
    id="listControlTests", method="GET", path="/api/v1/controls/{id}/tests",
    retry="safe", timeout_s=_READ_S, success=200, shape=ControlTest, rows=True,
)  # fmt: skip
RECORD_TEST_RESULT = Operation(
    id="recordTestResult", method="POST", path="/api/v1/controls/{id}/tests/{test_id}/result",
    retry="repeatable", timeout_s=_READ_S, success=200, shape=ControlTest,
)  # fmt: skip
LIST_CONTROLS = Operation(
    id="listControls", method="GET", path="/api/v1/controls",
    retry="safe", timeout_s=_READ_S, success=200, shape=Control, rows=True,
)  # fmt: skip
GET_CONTROL = Operation(
    id="getControl", method="GET", path="/api/v1/controls/{id}",
    retry="safe", timeout_s=_READ_S, success=200, shape=ControlWithRequirements,
)  # fmt: skip
LIST_GAPS = Operation(
    id="listGaps", method="GET", path="/api/v1/controls/gaps",
    retry="safe", timeout_s=_READ_S, success=200, shape=Control, rows=True,
)  # fmt: skip
ANALYSE_GAPS = Operation(
    id="analyseGaps", method="POST", path="/api/v1/analysis/gaps",
    retry="safe", timeout_s=_ANALYSIS_S, success=200, shape=GapAnalysis,
)  # fmt: skip
LIST_REQUIREMENTS = Operation(
    id="listRequirements", method="GET", path="/api/v1/requirements",
    retry="safe", timeout_s=_READ_S, success=200, shape=Requirement, rows=True,
)  # fmt: skip
LIST_FRAMEWORKS = Operation(
    id="listFrameworks", method="GET", path="/api/v1/frameworks",
    retry="safe", timeout_s=_READ_S, success=200, shape=Frameworks, token=False,
)  # fmt: skip
LIST_EVIDENCE = Operation(
    id="listEvidence", method="GET", path="/api/v1/evidence",
    retry="safe", timeout_s=_READ_S, success=200, shape=EvidenceItem, rows=True,
)  # fmt: skip
CREATE_EVIDENCE = Operation(
    id="createEvidence", method="POST", path="/api/v1/evidence",
    retry="never", timeout_s=_EVIDENCE_S, success=201, shape=CreateEvidenceResponse,
)  # fmt: skip
SCAN_DOCUMENTS = Operation(
    id="scanDocuments", method="POST", path="/api/v1/scan/documents",
    retry="never", timeout_s=_EVIDENCE_S, success=200, shape=ScanDocumentsResponse,
)  # fmt: skip
COLLECT_GITHUB_EVIDENCE = Operation(
    id="collectGithubEvidence", method="POST", path="/api/v1/integrations/github/evidence",
    retry="never", timeout_s=_EVIDENCE_S, success=201, shape=CreateEvidenceResponse,
)  # fmt: skip
COLLECT_OKTA_EVIDENCE = Operation(
    id="collectOktaEvidence", method="POST", path="/api/v1/integrations/okta/evidence",
    retry="never", timeout_s=_EVIDENCE_S, success=201, shape=CreateEvidenceResponse,
)  # fmt: skip
COLLECT_AWS_EVIDENCE = Operation(
    id="collectAwsEvidence", method="POST", path="/api/v1/integrations/aws/evidence",
    retry="never", timeout_s=_EVIDENCE_S, success=201, shape=CreateEvidenceResponse,
)  # fmt: skip
GET_CONTROL_REMEDIATION = Operation(
    id="getControlRemediation", method="GET", path="/api/v1/controls/{id}/remediation",
    retry="safe", timeout_s=_READ_S, success=200, shape=RemediationTask, nullable=True,
)  # fmt: skip
LIST_REMEDIATION = Operation(
    id="listRemediation", method="GET", path="/api/v1/remediation",
    retry="safe", timeout_s=_READ_S, success=200, shape=RemediationTask, rows=True,
)  # fmt: skip
GET_HEALTH = Operation(
    id="getHealth", method="GET", path="/health",
    retry="safe", timeout_s=_READ_S, success=200, shape=Health, token=False,
)  # fmt: skip

OPERATIONS: tuple[Operation[Any], ...] = (
    LIST_TESTS,
    LIST_CONTROL_TESTS,
    RECORD_TEST_RESULT,
    LIST_CONTROLS,
    GET_CONTROL,
    LIST_GAPS,
    ANALYSE_GAPS,
    LIST_REQUIREMENTS,
    LIST_FRAMEWORKS,
    LIST_EVIDENCE,
    CREATE_EVIDENCE,
    SCAN_DOCUMENTS,
    COLLECT_GITHUB_EVIDENCE,
    COLLECT_OKTA_EVIDENCE,
    COLLECT_AWS_EVIDENCE,
    GET_CONTROL_REMEDIATION,
    LIST_REMEDIATION,
    GET_HEALTH,
)


def url_path(path: str, api_prefix: str) -> str:
    """The path to request under `api_prefix`.

    /health lies beside /api/v1 on the service, but inside the prefix of the public proxy, which
    rewrites /api/v1/comp-ai/health.
    """
    prefix = api_prefix.rstrip("/")
    if path.startswith(f"{SERVICE_PREFIX}/"):
        return prefix + path.removeprefix(SERVICE_PREFIX)
    return prefix.removesuffix(SERVICE_PREFIX) + path
