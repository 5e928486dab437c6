"""The rows that Comp-AI stores, and how its API shows them.

Every field is always present, `config` excepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Final

from compai_kit.simulator.times import format_due_date, format_time

JsonObject = dict[str, Any]


class Absent(Enum):
    """SQL NULL in a JSON column: the key is left out, while a stored JSON `null` would be shown."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


def _optional_time(instant: datetime | None) -> str | None:
    return None if instant is None else format_time(instant)


def _sorted_keys(value: Any) -> Any:
    """The service shows the keys of a JSON column in alphabetical order."""
    if isinstance(value, dict):
        return {key: _sorted_keys(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted_keys(item) for item in value]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    id: int
    internal_id: str
    name: str
    description: str | None
    category: str | None
    external_id: str | None
    created_at: datetime
    updated_at: datetime

    def as_json(self) -> JsonObject:
        return {
            "id": self.id,
            "internal_id": self.internal_id,
            "name": self.name,
            "description": self.description,
            "category": self.category,
            "external_id": self.external_id,
            "created_at": format_time(self.created_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTest:
    id: int
    control_id: int
    name: str
    test_type: str
    schedule: str | None
    config: Any
    last_run_at: datetime | None
    last_result: str | None
    last_details: str | None
    created_at: datetime
    updated_at: datetime

    def as_json(self) -> JsonObject:
        config = {} if self.config is ABSENT else {"config": _sorted_keys(self.config)}
        return {
            "id": self.id,
            "control_id": self.control_id,
            "name": self.name,
            "test_type": self.test_type,
            "schedule": self.schedule,
            **config,
            "last_run_at": _optional_time(self.last_run_at),
            "last_result": self.last_result,
            "last_details": self.last_details,
            "created_at": format_time(self.created_at),
            "updated_at": format_time(self.updated_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    id: int
    control_id: int
    type: str
    source: str | None
    description: str | None
    link_url: str | None
    collected_at: datetime
    created_by: str | None
    file_path: str | None = None
    file_name: str | None = None
    content_type: str | None = None
    extracted_text: str | None = None

    def as_json(self) -> JsonObject:
        return {
            "id": self.id,
            "control_id": self.control_id,
            "type": self.type,
            "source": self.source,
            "description": self.description,
            "link_url": self.link_url,
            "collected_at": format_time(self.collected_at),
            "created_by": self.created_by,
            "file_path": self.file_path,
            "file_name": self.file_name,
            "content_type": self.content_type,
            "extracted_text": self.extracted_text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationTask:
    id: int
    control_id: int
    assigned_to: str | None
    due_date: date | None
    status: str
    notes: str | None
    created_at: datetime
    updated_at: datetime

    def as_json(self) -> JsonObject:
        return {
            "id": self.id,
            "control_id": self.control_id,
            "assigned_to": self.assigned_to,
            "due_date": None if self.due_date is None else format_due_date(self.due_date),
            "status": self.status,
            "notes": self.notes,
            "created_at": format_time(self.created_at),
            "updated_at": format_time(self.updated_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A row of the database; the public list of frameworks is another one, fixed in the service."""

    id: int
    slug: str
    name: str
    version: str | None
    scope: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    id: int
    framework_id: int
    code: str
    title: str | None
    description: str | None
    external_id: str | None

    def as_json(self, framework_slug: str) -> JsonObject:
        return {
            "id": self.id,
            "framework_slug": framework_slug,
            "code": self.code,
            "title": self.title,
            "description": self.description,
        }

    def as_json_of_control(self, framework_slug: str) -> JsonObject:
        return {
            "code": self.code,
            "title": self.title,
            "framework_slug": framework_slug,
            "external_id": self.external_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequirement:
    """Which control covers which requirement; the pair is its own key."""

    control_id: int
    requirement_id: int


Row = Control | ControlTest | Evidence | RemediationTask | Framework | Requirement
