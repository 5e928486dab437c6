"""The stored rows: order, sequences with their holes, and what the database refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compai_kit.simulator.seed import load_seed
from compai_kit.simulator.state import Change, Database, DatabaseError

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def database() -> Database:
    controls = [{"internal_id": name, "name": name} for name in ("B", "A", "C")]
    tests = [
        {"control_id": 2, "name": "z"},
        {"control_id": 1, "name": "y"},
        {"control_id": 1, "name": "x"},
    ]
    return load_seed({"controls": controls, "control_tests": tests}, now=NOW)


def insert(database: Database, **fields: Any) -> int:
    row = {"control_id": 1, "type": "note", "source": None, "description": None}
    row |= {"link_url": None, "created_by": "somebody", "now": NOW}
    return database.insert_evidence(**(row | fields)).id


def test_control_tests_come_by_control_and_name(database: Database) -> None:
    assert [row.name for row in database.tests(control_id=None)] == ["x", "y", "z"]
    assert [row.name for row in database.tests(control_id=2)] == ["z"]
    assert database.tests(control_id=99) == []


def test_a_result_overwrites_everything_of_the_last_one(database: Database) -> None:
    database.record_result(test_id=1, result="fail", details="why", now=NOW)
    row = database.record_result(test_id=1, result="pass", details=None, now=LATER)
    assert (row.last_result, row.last_details, row.last_run_at) == ("pass", None, LATER)
    assert row.updated_at == LATER
    assert database.drain_journal() == [Change("control_tests", 1, "update")] * 2
    assert database.drain_journal() == []


def test_any_evidence_closes_a_gap(database: Database) -> None:
    assert [row.internal_id for row in database.gaps()] == ["A", "B", "C"]
    insert(database, control_id=1)
    assert [row.internal_id for row in database.gaps()] == ["A", "C"]


@pytest.mark.parametrize(
    "refused",
    [{"control_id": 99}, {"type": "t" * 51}, {"source": "s" * 501}, {"created_by": "c" * 256}],
)
def test_a_refused_insert_uses_up_an_id(database: Database, refused: dict[str, Any]) -> None:
    with pytest.raises(DatabaseError):
        insert(database, **refused)
    assert insert(database) == 2
    assert database.drain_journal() == [Change("evidence", 2, "insert")]


def test_limits_count_characters_not_bytes(database: Database) -> None:
    assert insert(database, source="✅" * 500) == 1


def test_a_nul_character_is_refused_before_an_id_is_taken(database: Database) -> None:
    with pytest.raises(DatabaseError):
        insert(database, description="a\0b")
    assert insert(database) == 1


def test_evidence_comes_newest_first_in_pages(database: Database) -> None:
    for number in range(120):
        insert(database, control_id=1 + number % 2, now=NOW + timedelta(seconds=number))
    page = database.evidence_page(control_id=None, limit=None, offset=None)
    assert [row.id for row in page] == list(range(120, 70, -1))
    assert len(database.evidence_page(control_id=None, limit=500, offset=None)) == 100
    assert database.evidence_page(control_id=None, limit=0, offset=None) == []
    last = database.evidence_page(control_id=1, limit=3, offset=58)
    assert [row.id for row in last] == [3, 1]


def test_evidence_of_the_same_instant_comes_by_id(database: Database) -> None:
    assert [insert(database) for _ in range(3)] == [1, 2, 3]
    page = database.evidence_page(control_id=None, limit=None, offset=None)
    assert [row.id for row in page] == [3, 2, 1]


def test_without_schema_nothing_works() -> None:
    database = Database(has_schema=False)
    with pytest.raises(DatabaseError):
        database.tests(control_id=None)
    with pytest.raises(DatabaseError):
        database.gaps()
    with pytest.raises(DatabaseError):
        database.remediation(control_id=None)
    with pytest.raises(DatabaseError):
        database.evidence_page(control_id=None, limit=None, offset=None)
    with pytest.raises(DatabaseError):
        insert(database)


def test_a_copy_goes_its_own_way(database: Database) -> None:
    copy = database.copy()
    copy.record_result(test_id=1, result="pass", details=None, now=NOW)
    insert(copy)
    assert database.control_tests[1].last_result is None
    assert database.evidence == {}
    assert database.drain_journal() == []
    assert insert(database) == 1
