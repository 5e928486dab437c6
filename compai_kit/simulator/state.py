"""What Comp-AI's database holds and how it changes: no clock, no I/O, no locks. Whoever calls
brings the time.

Text is sorted by code point; the live order follows the collation of its database, which no
recording tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeVar, get_args

from compai_kit.simulator.tables import (
    Control,
    ControlRequirement,
    ControlTest,
    Evidence,
    Framework,
    RemediationTask,
    Requirement,
    Row,
)

# The tables with a sequence. Which control covers which requirement has none.
Table = Literal[
    "frameworks", "requirements", "controls", "control_tests", "evidence", "remediation_tasks"
]
RowT = TypeVar("RowT", Control, ControlTest, Evidence, RemediationTask, Framework, Requirement)

# VARCHAR limits of the evidence columns; they count characters.
EVIDENCE_LIMITS = {"type": 50, "source": 500, "created_by": 255}
# The service asks the database for no more than this, whatever the caller wants.
MAX_EVIDENCE_ROWS = 100
DEFAULT_EVIDENCE_ROWS = 50


class DatabaseError(Exception):
    """PostgreSQL would refuse this; every handler makes a 500 of it."""


@dataclass(frozen=True, slots=True)
class Change:
    table: Table
    id: int
    change: Literal["insert", "update"]


class Database:
    """The tables with their sequences, and a journal of what was written since it was last
    drained.
    """

    def __init__(self, *, has_schema: bool = True) -> None:
        self.has_schema = has_schema
        self.frameworks: dict[int, Framework] = {}
        self.requirements: dict[int, Requirement] = {}
        self.control_requirements: set[ControlRequirement] = set()
        self.controls: dict[int, Control] = {}
        self.control_tests: dict[int, ControlTest] = {}
        self.evidence: dict[int, Evidence] = {}
        self.remediation_tasks: dict[int, RemediationTask] = {}
        self._last_ids: dict[Table, int] = dict.fromkeys(get_args(Table), 0)
        self._journal: list[Change] = []

    def copy(self) -> Database:
        """An independent database with the same rows (rows are immutable) and an empty journal."""
        twin = Database(has_schema=self.has_schema)
        twin.frameworks = dict(self.frameworks)
        twin.requirements = dict(self.requirements)
        twin.control_requirements = set(self.control_requirements)
        twin.controls = dict(self.controls)
        twin.control_tests = dict(self.control_tests)
        twin.evidence = dict(self.evidence)
        twin.remediation_tasks = dict(self.remediation_tasks)
        twin._last_ids = dict(self._last_ids)
        return twin

    def drain_journal(self) -> list[Change]:
        journal, self._journal = self._journal, []
        return journal

    def use_id(self, table: Table) -> int:
        """The next value of the table's sequence; a refused insert loses it."""
        self._last_ids[table] += 1
        return self._last_ids[table]

    def put(self, row: Row) -> None:
        """Inserts or replaces a whole row, and moves the sequence past its id."""
        match row:
            case Control():
                self._store("controls", self.controls, row)
            case ControlTest():
                self._store("control_tests", self.control_tests, row)
            case Evidence():
                self._store("evidence", self.evidence, row)
            case RemediationTask():
                self._store("remediation_tasks", self.remediation_tasks, row)
            case Framework():
                self._store("frameworks", self.frameworks, row)
            case Requirement():
                self._store("requirements", self.requirements, row)

    def _store(self, table: Table, rows: dict[int, RowT], row: RowT) -> None:
        change = Change(table, row.id, "update" if row.id in rows else "insert")
        rows[row.id] = row
        self._last_ids[table] = max(self._last_ids[table], row.id)
        self._journal.append(change)

    def tests(self, *, control_id: int | None) -> list[ControlTest]:
        self._require_schema()
        rows = [t for t in self.control_tests.values() if control_id in (None, t.control_id)]
        return sorted(rows, key=lambda test: (test.control_id, test.name, test.id))

    def record_result(
        self, *, test_id: int, result: str, details: str | None, now: datetime
    ) -> ControlTest:
        """Overwrites the last result; details that are not given erase those of before."""
        self._require_schema()
        _refuse_nul(result, details)
        row = replace(
            self.control_tests[test_id],
            last_run_at=now,
            last_result=result,
            last_details=details,
            updated_at=now,
        )
        self.put(row)
        return row

    def all_controls(self, *, category: str | None) -> list[Control]:
        self._require_schema()
        rows = [c for c in self.controls.values() if category in (None, c.category)]
        return sorted(rows, key=_by_internal_id)

    def control(self, control_id: int) -> Control | None:
        self._require_schema()
        return self.controls.get(control_id)

    def covered_requirements(self, control_id: int) -> list[tuple[str, Requirement]]:
        """The requirements of a control, each with the slug of its framework."""
        self._require_schema()
        ids = {p.requirement_id for p in self.control_requirements if p.control_id == control_id}
        return [pair for pair in self.all_requirements(framework=None) if pair[1].id in ids]

    def all_requirements(self, *, framework: str | None) -> list[tuple[str, Requirement]]:
        """Each with the slug of its framework, in the order of slug and code."""
        self._require_schema()
        rows = [(self.frameworks[r.framework_id].slug, r) for r in self.requirements.values()]
        kept = [(slug, row) for slug, row in rows if framework in (None, slug)]
        return sorted(kept, key=lambda pair: (pair[0], pair[1].code, pair[1].id))

    def gaps(self) -> list[Control]:
        """Controls without a single row of evidence, whatever its type and age."""
        self._require_schema()
        covered = {row.control_id for row in self.evidence.values()}
        rows = [control for control in self.controls.values() if control.id not in covered]
        return sorted(rows, key=_by_internal_id)

    def evidence_page(
        self, *, control_id: int | None, limit: int | None, offset: int | None
    ) -> list[Evidence]:
        """Newest first.

        Equal times fall back to the higher id, which the live service leaves open.
        """
        self._require_schema()
        rows = [e for e in self.evidence.values() if control_id in (None, e.control_id)]
        rows.sort(key=lambda row: (row.collected_at, row.id), reverse=True)
        size = min(DEFAULT_EVIDENCE_ROWS if limit is None else limit, MAX_EVIDENCE_ROWS)
        start = offset or 0
        return rows[start : start + size]

    def insert_evidence(
        self,
        *,
        control_id: int,
        type: str,
        source: str | None,
        description: str | None,
        link_url: str | None,
        created_by: str | None,
        now: datetime,
    ) -> Evidence:
        self._require_schema()
        _refuse_nul(type, source, description, link_url, created_by)
        new_id = self.use_id("evidence")
        for column, text in (("type", type), ("source", source), ("created_by", created_by)):
            if text is not None and len(text) > EVIDENCE_LIMITS[column]:
                msg = f"value too long for evidence.{column}"
                raise DatabaseError(msg)
        if control_id not in self.controls:
            msg = f"evidence.control_id {control_id} is not a control"
            raise DatabaseError(msg)
        row = Evidence(
            id=new_id,
            control_id=control_id,
            type=type,
            source=source,
            description=description,
            link_url=link_url,
            collected_at=now,
            created_by=created_by,
        )
        self.put(row)
        return row

    def remediation(self, *, control_id: int | None) -> list[RemediationTask]:
        """The last changed first."""
        self._require_schema()
        rows = [t for t in self.remediation_tasks.values() if control_id in (None, t.control_id)]
        return sorted(rows, key=lambda task: (task.updated_at, task.id), reverse=True)

    def remediation_of(self, control_id: int) -> RemediationTask | None:
        return next(iter(self.remediation(control_id=control_id)), None)

    def _require_schema(self) -> None:
        if not self.has_schema:
            msg = "the database has no schema"
            raise DatabaseError(msg)


def _by_internal_id(control: Control) -> tuple[str, int]:
    return control.internal_id, control.id


def _refuse_nul(*texts: str | None) -> None:
    """PostgreSQL text cannot hold a NUL character; it notices before it takes an id."""
    if any(text is not None and "\0" in text for text in texts):
        msg = "invalid byte sequence: NUL"
        raise DatabaseError(msg)
