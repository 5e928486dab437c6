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

EvidenceType = Literal["last_commit", "branch_protection"]
RemediationStatus = Literal["open", "in_progress", "done"]
TestResult = Literal["pass", "fail", "skipped"]

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
    """A control, as the gap list shows it."""

    id: Int64
    internal_id: str
    name: str
    description: str | None
    category: str | None
    external_id: str | None
    created_at: Timestamp


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
    """What a collecting call created; `collected_at` differs a little from the stored row's."""

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


class Health(Struct, frozen=True, kw_only=True):
    """The service's constant sign of life; touches neither its database nor Keycloak."""

    status: str
    service: str
    version: str


class RecordTestResultRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of recordTestResult; without `details` those of before are erased."""

    result: TestResult
    details: str | None = None


class CollectGithubEvidenceRequest(Struct, frozen=True, kw_only=True):
    """Body of collectGithubEvidence."""

    control_id: Int64
    owner: str
    repo: str
    evidence_type: EvidenceType


class BadRow(Struct, frozen=True, kw_only=True):
    """A row of a list that does not decode: where, and why, never what it holds."""

    index: int
    reason: str
