"""What Comp-AI answers and is sent, as frozen Structs; one per component of the contract.

Unknown fields are ignored, so that a newer service does not break an older client.
Construction is unchecked (msgspec checks when decoding); mypy and the contract tests check it.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

# Comp-AI's integers are signed 64-bit.
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
# RFC 3339 with 0, 3, 6 or 9 digits of a second; the ninth-digit form is rounded to microseconds.
Timestamp = Annotated[datetime, Meta(tz=True)]

AwsEvidenceType = Literal["iam_summary"]
GitHubEvidenceType = Literal["last_commit", "branch_protection"]
OktaEvidenceType = Literal["org_summary", "users_snapshot", "groups_snapshot"]
RemediationStatus = Literal["open", "in_progress", "done"]
TestResult = Literal["pass", "fail", "skipped"]

# scanDocuments refuses a request with more.
MAX_SCAN_DOCUMENTS = 50

_DUE_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{4})")


class ControlTest(Struct, frozen=True, kw_only=True):
    """A control test: how a control is verified, and the last result, the only one kept.

    `test_type` and `schedule` are open strings; `config` is None where Comp-AI omits it.
    `last_result` can be set while `last_run_at` is None: such a test never ran.
    """

    id: Int64
    control_id: Int64
    name: str
    test_type: str
    schedule: str | None
    config: Any = None
    last_run_at: Timestamp | None
    last_result: TestResult | None
    last_details: str | None
    created_at: Timestamp
    updated_at: Timestamp


class Control(Struct, frozen=True, kw_only=True):
    """A control, as the lists show it."""

    id: Int64
    internal_id: str
    name: str
    description: str | None
    category: str | None
    external_id: str | None
    created_at: Timestamp


class ControlRequirement(Struct, frozen=True, kw_only=True):
    """A requirement of a framework that a control serves."""

    code: str
    title: str | None
    framework_slug: str
    external_id: str | None


class ControlWithRequirements(Struct, frozen=True, kw_only=True):
    """A control, as it is shown by itself."""

    id: Int64
    internal_id: str
    name: str
    description: str | None
    category: str | None
    external_id: str | None
    created_at: Timestamp
    requirements: list[ControlRequirement]


class Requirement(Struct, frozen=True, kw_only=True):
    """A requirement of one of the frameworks in the database."""

    id: Int64
    framework_slug: str
    code: str
    title: str | None
    description: str | None


class Framework(Struct, frozen=True, kw_only=True):
    """A framework that the AI model is taught; its id is no `framework_slug`."""

    id: str
    name: str
    description: str


class Frameworks(Struct, frozen=True, kw_only=True):
    """Answer of listFrameworks."""

    frameworks: list[Framework]


class EvidenceItem(Struct, frozen=True, kw_only=True):
    """A piece of evidence of one control; `type` is an open string."""

    id: Int64
    control_id: Int64
    type: str
    source: str | None
    description: str | None
    link_url: str | None
    collected_at: Timestamp
    created_by: str | None
    file_path: str | None
    file_name: str | None
    content_type: str | None
    extracted_text: str | None


class CreateEvidenceResponse(Struct, frozen=True, kw_only=True):
    """The row of evidence that was created; its own `collected_at` differs a little from this."""

    id: Int64
    control_id: Int64
    collected_at: Timestamp


class RemediationTask(Struct, frozen=True, kw_only=True):
    """Who mends a control, and until when; `due_date` is DD/MM/YYYY as Comp-AI writes it."""

    id: Int64
    control_id: Int64
    assigned_to: str | None
    due_date: str | None
    status: RemediationStatus
    notes: str | None
    created_at: Timestamp
    updated_at: Timestamp

    @property
    def due(self) -> date | None:
        """`due_date` as a date; None when there is none or it names no day of the calendar."""
        match = _DUE_DATE.fullmatch(self.due_date or "")
        if match is None:
            return None
        day, month, year = map(int, match.groups())
        try:
            return date(year, month, day)
        except ValueError:
            return None


class ScanDocumentsResponse(Struct, frozen=True, kw_only=True):
    """The rows that were created, in the order of the documents, without those of blank URLs."""

    evidence_ids: list[Int64]
    created: Annotated[int, Meta(ge=0, le=MAX_SCAN_DOCUMENTS)]


class GapAnalysis(Struct, frozen=True, kw_only=True):
    """What an AI model wrote about the gaps; `summary` can be empty."""

    summary: str
    model_used: str

    @property
    def is_degraded(self) -> bool:
        """Whether no model answered: the summary is a canned text of Comp-AI and no analysis."""
        return self.model_used.startswith("mock")


class Health(Struct, frozen=True, kw_only=True):
    """The service's constant sign of life; touches neither its database nor Keycloak."""

    status: str
    service: str
    version: str


class RecordTestResultRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of recordTestResult; without `details` those of before are erased."""

    result: TestResult
    details: str | None = None


class CreateEvidenceRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of createEvidence."""

    control_id: Int64
    type: str
    source: str | None = None
    description: str | None = None
    link_url: str | None = None


class ScanDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A document to attach: a URL, which Comp-AI never opens, and a type (None: document)."""

    url: str
    type: str | None = None


class ScanDocumentsRequest(Struct, frozen=True, kw_only=True):
    """Body of scanDocuments."""

    control_id: Int64
    documents: Annotated[list[ScanDocument], Meta(max_length=MAX_SCAN_DOCUMENTS)]


class AnalyseGapsRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of analyseGaps."""

    framework: str | None = None


class GitHubEvidenceRequest(Struct, frozen=True, kw_only=True):
    """Body of collectGithubEvidence."""

    control_id: Int64
    owner: str
    repo: str
    evidence_type: GitHubEvidenceType


class OktaEvidenceRequest(Struct, frozen=True, kw_only=True):
    """Body of collectOktaEvidence."""

    control_id: Int64
    evidence_type: OktaEvidenceType


class AwsEvidenceRequest(Struct, frozen=True, kw_only=True):
    """Body of collectAwsEvidence."""

    control_id: Int64
    evidence_type: AwsEvidenceType


class BadRow(Struct, frozen=True, kw_only=True):
    """A row of a list that does not decode: where, and why, never what it holds."""

    index: int
    reason: str
