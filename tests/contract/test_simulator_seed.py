"""The recordings' seed as a seed file: it holds what seed.sql inserts and shows what was recorded
first.

`python tests/contract/test_simulator_seed.py` writes tests/data/recorded.seed.json anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compai_kit.contract.exchange import HttpRequest
from compai_kit.contract.recordings import Recorded, load_recordings
from compai_kit.simulator.app import SimulatorApp, create_app
from compai_kit.simulator.seed import dump_state, load_seed

TESTS = Path(__file__).parents[1]
RECORDINGS = TESTS / "cassettes" / "live"
SEED_FILE = TESTS / "data" / "recorded.seed.json"
RECORDED_AT = datetime(2026, 11, 25, tzinfo=UTC)
TABLES = (
    "frameworks",
    "requirements",
    "controls",
    "control_tests",
    "evidence",
    "remediation_tasks",
)
PAIRS = "control_requirements"
TIMES = ("created_at", "updated_at", "collected_at", "last_run_at")

_INSERT = re.compile(
    r"INSERT INTO comp_ai\.(?P<table>\w+) \((?P<columns>[^)]*)\) (?P<values>.*?);\n(?=INSERT|\Z)",
    re.DOTALL,
)
_LITERAL = re.compile(r"'(?:[^']|'')*'|NULL|[a-z.]+", re.DOTALL)


def seed_of_sql(sql: str) -> dict[str, Any]:
    """Ids come from the sequences, from 1, in the order of the file."""
    seed: dict[str, Any] = {
        "recorded_at": "2026-11-25T00:00:00Z",
        **{table: [] for table in (*TABLES, PAIRS)},
    }
    for found in _INSERT.finditer(sql):
        table = found["table"]
        if table in TABLES:
            row = {"id": len(seed[table]) + 1, **_row(found["columns"], found["values"])}
            seed[table].append(row | _parent(seed, found["values"], row))
        elif table == PAIRS:
            seed[table].append(_pair(seed, found["values"]))
    return seed


def _row(columns: str, values: str) -> dict[str, Any]:
    names = columns.split(", ")
    literals = _literals(values.partition(" FROM comp_ai.")[0])
    row: dict[str, Any] = dict(zip(names, literals, strict=True))
    for name in TIMES:
        if row.get(name):
            row[name] = row[name].replace(" ", "T") + "Z"
    if "config" in row:
        config = row.pop("config")
        row |= {} if config is None else {"config": json.loads(config)}
    return row


def _parent(seed: dict[str, Any], values: str, row: dict[str, Any]) -> dict[str, int]:
    """`SELECT id, … FROM comp_ai.controls WHERE internal_id = '…'`, likewise for frameworks."""
    found = re.search(r" FROM comp_ai\.(\w+) WHERE (\w+) = '([^']*)'\Z", values)
    if found is None:
        return {}
    table, column, value = found.groups()
    [parent] = [parent for parent in seed[table] if parent[column] == value]
    key = f"{table.removesuffix('s')}_id"
    assert key in row
    return {key: parent["id"]}


def _pair(seed: dict[str, Any], values: str) -> dict[str, int]:
    wanted = dict(re.findall(r"(c\.internal_id|f\.slug|r\.code) = '([^']*)'", values))
    [control] = [c for c in seed["controls"] if c["internal_id"] == wanted["c.internal_id"]]
    [framework] = [f for f in seed["frameworks"] if f["slug"] == wanted["f.slug"]]
    [requirement] = [
        r
        for r in seed["requirements"]
        if (r["framework_id"], r["code"]) == (framework["id"], wanted["r.code"])
    ]
    return {"control_id": control["id"], "requirement_id": requirement["id"]}


def _literals(values: str) -> Iterator[str | None]:
    text = re.sub(r"\A(?:VALUES \(|SELECT )", "", values).removesuffix(")")
    for literal in _LITERAL.findall(re.sub(r"::\w+", "", text)):
        yield (
            None
            if literal == "NULL"
            else literal.removeprefix("'").removesuffix("'").replace("''", "'")
        )


def first(recordings: list[Recorded], operation: str, query: str = "") -> Any:
    found = next(
        r
        for r in recordings
        if (r.operation, r.setting, r.request.method) == (operation, "main", "GET")
        and r.request.query == query
    )
    return json.loads(found.response.body)


def shown(app: SimulatorApp, url_path: str) -> Any:
    request = HttpRequest(
        method="GET", url_path=url_path, headers={"authorization": "Bearer a-token"}
    )
    response = app.handle(request)
    assert response is not None
    return json.loads(response.body)


def recorded_app() -> SimulatorApp:
    seed = json.loads(SEED_FILE.read_text())
    return create_app(seed, {"static_tokens": ["a-token"]}, clock=lambda: RECORDED_AT)


def test_the_seed_file_is_what_seed_sql_inserts() -> None:
    expected = seed_of_sql((RECORDINGS / "seed.sql").read_text())
    assert json.loads(SEED_FILE.read_text()) == expected
    assert [len(expected[table]) for table in (*TABLES, PAIRS)] == [2, 7, 8, 14, 7, 3, 9]


def test_a_fresh_simulator_shows_what_was_recorded_first() -> None:
    recordings = load_recordings(RECORDINGS)
    app = recorded_app()
    assert shown(app, "/api/v1/tests") == first(recordings, "list_tests")
    assert shown(app, "/api/v1/controls/gaps") == first(recordings, "list_gaps")
    assert shown(app, "/api/v1/controls") == first(recordings, "list_controls")
    assert shown(app, "/api/v1/requirements") == first(recordings, "list_requirements")
    assert shown(app, "/api/v1/remediation") == first(recordings, "list_remediation")
    # No recording lists all evidence before the first write; the last page of the end state has it.
    oldest = first(recordings, "list_evidence", "limit=100&offset=300")[-7:]
    assert shown(app, "/api/v1/evidence") == oldest


def test_a_control_shows_the_requirements_that_it_covers() -> None:
    app = recorded_app()
    recordings = [r for r in load_recordings(RECORDINGS) if r.cassette == "get_control.yaml"]
    good = [r for r in recordings if r.response.status == 200]
    assert len({r.request.url_path for r in good}) > 8
    for recorded in good:
        assert shown(app, recorded.request.url_path) == json.loads(recorded.response.body)


def test_the_seed_survives_a_round_trip() -> None:
    seed = json.loads(SEED_FILE.read_text())
    once = load_seed(seed, now=RECORDED_AT)
    again = load_seed(dump_state(once, now=RECORDED_AT), now=RECORDED_AT)
    assert dump_state(again, now=RECORDED_AT) == dump_state(once, now=RECORDED_AT)


if __name__ == "__main__":
    text = json.dumps(
        seed_of_sql((RECORDINGS / "seed.sql").read_text()), ensure_ascii=False, indent=1
    )
    SEED_FILE.write_text(text + "\n")
