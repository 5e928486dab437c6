"""Seed files: rows as the API names them, in JSON. Loading moves every time and due date so that
the recording's day is today.

A misspelt key is refused: a seed that silently loses a field would make a test prove something
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from compai_kit.simulator.state import Database, Table
from compai_kit.simulator.tables import (
    ABSENT,
    Control,
    ControlRequirement,
    ControlTest,
    Evidence,
    Framework,
    JsonObject,
    RemediationTask,
    Requirement,
    Row,
)
from compai_kit.simulator.times import format_time, parse_time, shift_to_today

T = TypeVar("T")

# In the order in which they can be loaded: a row comes after those that it names.
_TABLES: dict[Table, type[Row]] = {
    "frameworks": Framework,
    "requirements": Requirement,
    "controls": Control,
    "control_tests": ControlTest,
    "evidence": Evidence,
    "remediation_tasks": RemediationTask,
}
_PAIRS = "control_requirements"
_KNOWN = (*_TABLES, _PAIRS)
EMPTY_SEED: JsonObject = {table: [] for table in _KNOWN}
_REQUIRED: Mapping[Table, Mapping[str, type]] = {
    "frameworks": {"slug": str, "name": str},
    "requirements": {"framework_id": int, "code": str},
    "controls": {"internal_id": str, "name": str},
    "control_tests": {"control_id": int, "name": str},
    "evidence": {"control_id": int, "type": str},
    "remediation_tasks": {"control_id": int},
}
_PARENTS: Mapping[str, Table] = {
    "framework_id": "frameworks",
    "requirement_id": "requirements",
    "control_id": "controls",
}
# Defaults of the live columns.
_DEFAULTS: dict[Table, JsonObject] = {
    "control_tests": {"test_type": "integration"},
    "remediation_tasks": {"status": "open"},
}
_TIMES = {"created_at", "updated_at", "collected_at", "last_run_at"}
_TIMES_WITH_DEFAULT = _TIMES - {"last_run_at"}


class SeedError(ValueError):
    """The seed cannot be loaded; the message names table, row and field."""


def load_seed(seed: Mapping[str, Any], *, now: datetime, has_schema: bool = True) -> Database:
    recorded_at = _recorded_at(seed, now)
    known = ("recorded_at", *_KNOWN)
    unknown = set(seed) - set(known)
    if unknown:
        msg = f"seed: unknown key {sorted(unknown)[0]!r}; known are {', '.join(known)}"
        raise SeedError(msg)
    database = Database(has_schema=has_schema)
    shift = shift_to_today(recorded_at, now)
    for table in _TABLES:
        for index, raw in enumerate(seed.get(table, [])):
            where = f"seed: {table}[{index}]"
            new_id = raw.get("id") if isinstance(raw, dict) else None
            row = _row(table, raw, where, recorded_at, shift)
            if new_id is None:
                new_id = database.use_id(table)
            _put(database, table, row, new_id, where)
    for index, raw in enumerate(seed.get(_PAIRS, [])):
        database.control_requirements.add(_pair(database, raw, f"seed: {_PAIRS}[{index}]"))
    database.drain_journal()
    return database


def dump_state(database: Database, *, now: datetime) -> JsonObject:
    """What is stored now, as a seed that loads again to the same rows."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "recorded_at": format_time(midnight),
        **{table: [_seed_row(row) for row in _rows(database, table).values()] for table in _TABLES},
        _PAIRS: [
            asdict(pair)
            for pair in sorted(
                database.control_requirements, key=lambda p: (p.control_id, p.requirement_id)
            )
        ],
    }


def _seed_row(row: Row) -> JsonObject:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    if isinstance(row, RemediationTask) and row.due_date is not None:
        values["due_date"] = row.due_date.isoformat()
    for name in _TIMES & values.keys():
        if values[name] is not None:
            values[name] = format_time(values[name])
    if values.get("config") is ABSENT:
        del values["config"]
    return values


def _recorded_at(seed: Mapping[str, Any], now: datetime) -> datetime:
    text = seed.get("recorded_at")
    return now if text is None else _converted(parse_time, text, "seed: recorded_at")


def _row(table: Table, raw: Any, where: str, recorded_at: datetime, shift: timedelta) -> JsonObject:
    if not isinstance(raw, dict):
        msg = f"{where}: expected an object, got {type(raw).__name__}"
        raise SeedError(msg)
    names = {field.name for field in fields(_TABLES[table])}
    unknown = set(raw) - names
    if unknown:
        msg = f"{where}: unknown field {sorted(unknown)[0]!r}"
        raise SeedError(msg)
    for name, kind in _REQUIRED[table].items():
        if not isinstance(raw.get(name), kind):
            msg = f"{where}: {name} must be given, as {kind.__name__}"
            raise SeedError(msg)
    row: JsonObject = dict.fromkeys(names) | _DEFAULTS.get(table, {}) | raw
    if table == "control_tests" and "config" not in raw:
        row["config"] = ABSENT
    for name in _TIMES & names:
        text = row[name]
        if text is not None:
            row[name] = _converted(parse_time, text, f"{where}.{name}") + shift
        elif name in _TIMES_WITH_DEFAULT:
            row[name] = recorded_at + shift
    if row.get("due_date") is not None:
        row["due_date"] = (
            _converted(date.fromisoformat, row["due_date"], f"{where}.due_date") + shift
        )
    return row


def _rows(database: Database, table: Table) -> Mapping[int, Row]:
    rows: Mapping[int, Row] = getattr(database, table)
    return rows


def _put(database: Database, table: Table, row: JsonObject, new_id: int, where: str) -> None:
    if new_id in _rows(database, table):
        msg = f"{where}: id {new_id} is already taken"
        raise SeedError(msg)
    _refuse_orphan(database, row, where)
    database.put(_TABLES[table](**(row | {"id": new_id})))


def _pair(database: Database, raw: Any, where: str) -> ControlRequirement:
    names = {field.name for field in fields(ControlRequirement)}
    if not isinstance(raw, dict) or set(raw) != names:
        msg = f"{where}: expected an object with {' and '.join(sorted(names))}"
        raise SeedError(msg)
    _refuse_orphan(database, raw, where)
    return ControlRequirement(**raw)


def _refuse_orphan(database: Database, row: JsonObject, where: str) -> None:
    for name, parent in _PARENTS.items():
        if name in row and row[name] not in _rows(database, parent):
            msg = f"{where}: {name} {row[name]} is not among the {parent}"
            raise SeedError(msg)


def _converted(convert: Callable[[str], T], text: Any, where: str) -> T:
    try:
        return convert(text)
    except (TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise SeedError(msg) from error
