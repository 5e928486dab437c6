"""Seeds: defaults, the shift to today, and refusal of what would be lost silently."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from compai_kit.simulator.seed import EMPTY_SEED, SeedError, dump_state, load_seed
from compai_kit.simulator.tables import ABSENT
from compai_kit.simulator.times import (
    format_due_date,
    format_process_time,
    format_time,
    parse_time,
)

NOW = datetime(2027, 3, 10, 23, 59, 59, 1, tzinfo=UTC)
CONTROL = {"internal_id": "C-1", "name": "Locked"}


def seed(**tables: Any) -> dict[str, Any]:
    return {"recorded_at": "2027-03-01T00:00:00Z", "controls": [CONTROL], **tables}


@pytest.mark.parametrize(
    ("micros", "expected"),
    [(0, "30Z"), (500_000, "30.500Z"), (1, "30.000001Z"), (70, "30.000070Z")],
)
def test_a_time_has_as_many_fraction_digits_as_it_needs(micros: int, expected: str) -> None:
    instant = datetime(2026, 10, 3, 10, 15, 30, micros, tzinfo=UTC)
    assert format_time(instant) == f"2026-10-03T10:15:{expected}"
    assert parse_time(format_time(instant)) == instant


def test_the_process_clock_has_nine_digits() -> None:
    instant = datetime(2026, 10, 3, tzinfo=UTC)
    assert format_process_time(instant, nanosecond=7) == "2026-10-03T00:00:00.000000007Z"


def test_a_due_date_is_day_month_year_with_zeros() -> None:
    assert format_due_date(date(26, 2, 1)) == "01/02/0026"


def test_every_time_moves_by_whole_days_so_that_the_recording_is_of_today() -> None:
    database = load_seed(
        seed(
            control_tests=[
                {"control_id": 1, "name": "t", "last_run_at": "2027-02-28T06:00:01.123456Z"}
            ],
            remediation_tasks=[{"control_id": 1, "due_date": "2027-03-02"}],
        ),
        now=NOW,
    )
    [test] = database.control_tests.values()
    assert test.last_run_at == datetime(2027, 3, 9, 6, 0, 1, 123456, tzinfo=UTC)
    assert test.created_at == datetime(2027, 3, 10, tzinfo=UTC)
    [task] = database.remediation_tasks.values()
    assert task.due_date == date(2027, 3, 11)


def test_without_a_recording_day_nothing_moves() -> None:
    raw = {"controls": [CONTROL | {"created_at": "2020-01-01T00:00:00Z"}]}
    [control] = load_seed(raw, now=NOW).controls.values()
    assert control.created_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert control.updated_at == NOW


def test_what_is_left_out_has_the_default_of_its_column() -> None:
    database = load_seed(
        seed(
            control_tests=[{"control_id": 1, "name": "t"}],
            evidence=[{"control_id": 1, "type": "note"}],
            remediation_tasks=[{"control_id": 1}],
        ),
        now=NOW,
    )
    [test] = database.control_tests.values()
    assert (test.id, test.test_type, test.config, test.last_run_at) == (
        1,
        "integration",
        ABSENT,
        None,
    )
    assert "config" not in test.as_json()
    assert database.evidence[1].collected_at == datetime(2027, 3, 10, tzinfo=UTC)
    assert database.remediation_tasks[1].status == "open"


def test_a_stored_json_null_is_shown_and_keys_are_sorted() -> None:
    rows = [
        {"control_id": 1, "name": "null", "config": None},
        {"control_id": 1, "name": "keys", "config": {"b": [{"d": 1, "c": 2}], "a": 1}},
    ]
    database = load_seed(seed(control_tests=rows), now=NOW)
    assert database.control_tests[1].as_json()["config"] is None
    assert list(database.control_tests[2].as_json()["config"]) == ["a", "b"]
    assert list(database.control_tests[2].as_json()["config"]["b"][0]) == ["c", "d"]


def test_ids_come_from_the_sequence_unless_given() -> None:
    database = load_seed(seed(controls=[CONTROL, {**CONTROL, "id": 7}, CONTROL]), now=NOW)
    assert list(database.controls) == [1, 7, 8]
    assert database.use_id("controls") == 9
    assert database.drain_journal() == []


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"control": []}, "seed: unknown key 'control'; known are recorded_at, frameworks,"),
        ({"recorded_at": "2027-03-01T00:00:00"}, "seed: recorded_at: '2027-03-01T00:00:00' has no"),
        ({"recorded_at": 5}, "seed: recorded_at: "),
        (seed(controls=["x"]), "seed: controls[0]: expected an object, got str"),
        (seed(controls=[{"name": "n"}]), "seed: controls[0]: internal_id must be given, as str"),
        (seed(controls=[CONTROL | {"title": "t"}]), "seed: controls[0]: unknown field 'title'"),
        (seed(controls=[{**CONTROL, "id": 1}] * 2), "seed: controls[1]: id 1 is already taken"),
        (
            seed(evidence=[{"control_id": 2, "type": "note"}]),
            "seed: evidence[0]: control_id 2 is not among the controls",
        ),
        (
            seed(requirements=[{"framework_id": 1, "code": "A-1"}]),
            "seed: requirements[0]: framework_id 1 is not among the frameworks",
        ),
        (
            seed(control_requirements=[{"control_id": 1}]),
            "seed: control_requirements[0]: expected an object with control_id and requirement_id",
        ),
        (
            seed(control_requirements=[{"control_id": 1, "requirement_id": 2}]),
            "seed: control_requirements[0]: requirement_id 2 is not among the requirements",
        ),
        (
            seed(controls=[CONTROL | {"created_at": "yesterday"}]),
            "seed: controls[0].created_at: Invalid isoformat string: 'yesterday'",
        ),
        (
            seed(remediation_tasks=[{"control_id": 1, "due_date": "24/12/2026"}]),
            "seed: remediation_tasks[0].due_date: ",
        ),
    ],
)
def test_a_seed_that_would_lose_something_is_refused(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(SeedError) as caught:
        load_seed(raw, now=NOW)
    assert str(caught.value).startswith(message)


def test_a_dump_loads_again_on_another_day() -> None:
    first = load_seed(
        seed(
            control_tests=[{"control_id": 1, "name": "t", "config": {"a": None}}],
            remediation_tasks=[{"control_id": 1, "due_date": "2027-03-02"}],
        ),
        now=NOW,
    )
    dump = dump_state(first, now=NOW)
    again = load_seed(dump, now=NOW)
    assert again.control_tests == first.control_tests
    assert again.remediation_tasks == first.remediation_tasks
    later = load_seed(dump, now=NOW + timedelta(days=3))
    assert later.remediation_tasks[1].due_date == date(2027, 3, 14)


def test_requirements_belong_to_frameworks_and_controls_cover_them() -> None:
    database = load_seed(
        seed(
            frameworks=[{"slug": "b", "name": "B"}, {"slug": "a", "name": "A"}],
            requirements=[
                {"framework_id": 1, "code": "2"},
                {"framework_id": 1, "code": "1"},
                {"framework_id": 2, "code": "9"},
            ],
            control_requirements=[
                {"control_id": 1, "requirement_id": 1},
                {"control_id": 1, "requirement_id": 3},
            ],
        ),
        now=NOW,
    )
    listed = [(slug, row.code) for slug, row in database.all_requirements(framework=None)]
    assert listed == [("a", "9"), ("b", "1"), ("b", "2")]
    covered = [(slug, row.code) for slug, row in database.covered_requirements(1)]
    assert covered == [("a", "9"), ("b", "2")]
    again = load_seed(dump_state(database, now=NOW), now=NOW)
    assert again.control_requirements == database.control_requirements
    assert again.copy().all_requirements(framework="b") == database.all_requirements(framework="b")


def test_the_empty_seed_is_a_seed() -> None:
    assert load_seed(EMPTY_SEED, now=NOW).controls == {}
