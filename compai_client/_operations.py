"""The operations as a table: what the contract says about each, and how its answer is decoded.

Paths are the service's own; behind a proxy `api_prefix` takes the place of /api/v1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from compai_client._models import (
    Control,
    ControlTest,
    CreateEvidenceResponse,
    EvidenceItem,
    Health,
    RemediationTask,
)
from compai_client._retry import RetryClass

SERVICE_PREFIX = "/api/v1"

Shape = TypeVar("Shape")

_READ_S = 30.0
# Comp-AI asks GitHub before it answers, and has no time limit of its own for that.
_COLLECT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[Shape]):
    """`shape` is one row where `rows` is true, else the whole answer."""

    id: str
    method: str
    path: str
    retry: RetryClass
    timeout_s: float
    success: int
    shape: type[Shape]
    rows: bool = False
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
LIST_GAPS = Operation(
    id="listGaps", method="GET", path="/api/v1/controls/gaps",
    retry="safe", timeout_s=_READ_S, success=200, shape=Control, rows=True,
)  # fmt: skip
LIST_EVIDENCE = Operation(
    id="listEvidence", method="GET", path="/api/v1/evidence",
    retry="safe", timeout_s=_READ_S, success=200, shape=EvidenceItem, rows=True,
)  # fmt: skip
COLLECT_GITHUB_EVIDENCE = Operation(
    id="collectGithubEvidence", method="POST", path="/api/v1/integrations/github/evidence",
    retry="never", timeout_s=_COLLECT_S, success=201, shape=CreateEvidenceResponse,
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
    LIST_GAPS,
    LIST_EVIDENCE,
    COLLECT_GITHUB_EVIDENCE,
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
