"""What operations wrote that are not simulated, from the index's `effect` and from what the
recordings show of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from compai_kit.contract.recordings import Recorded
from compai_kit.simulator.state import Database
from compai_kit.simulator.tables import Control, Evidence, RemediationTask
from compai_kit.simulator.text import trimmed

# The database refuses a longer external id; the bulk update passes over such a row.
_EXTERNAL_ID_LIMIT = 255


class EffectError(ValueError):
    """The index tells of a write that cannot be made from the recordings; the text names both."""


class Effects:
    def __init__(self, recordings: Sequence[Recorded]) -> None:
        # The lists after the last call show every row that was ever written.
        self._evidence: dict[int, dict[str, Any]] = {
            row["id"]: row
            for recorded in recordings
            if recorded.cassette == "final_state.yaml" and recorded.operation == "list_evidence"
            for row in json.loads(recorded.response.body)
        }

    def apply(self, recorded: Recorded, database: Database) -> None:
        """Raises EffectError."""
        for table, effect in (recorded.effect or {}).items():
            match table:
                case "evidence":
                    self._insert_evidence(effect, database)
                case "remediation_tasks":
                    _write_task(recorded, effect, database)
                case "controls":
                    _update_controls(recorded, effect["updated"], database)
                case "requests":
                    # The history is not simulated, so its rows are not missed.
                    pass
                case _:
                    raise EffectError(f"{recorded.name}: a write to {table} is unknown")
        database.drain_journal()

    def _insert_evidence(self, effect: dict[str, int], database: Database) -> None:
        ids = [database.use_id("evidence") for _ in range(effect["ids"])]
        for new_id in ids[: effect.get("inserted", 0)]:
            row = dict(self._evidence[new_id])
            row["collected_at"] = datetime.fromisoformat(row["collected_at"])
            database.put(Evidence(**row))


def _write_task(recorded: Recorded, effect: dict[str, int], database: Database) -> None:
    if "inserted" in effect or "updated" in effect:
        database.put(_task(json.loads(recorded.response.body)))
    else:
        database.use_id("remediation_tasks")


def _task(shown: dict[str, Any]) -> RemediationTask:
    due_date = shown["due_date"]
    # One task was due in the year 12345 for a moment; the next call changed that.
    in_range = due_date is not None and len(due_date) == len("DD/MM/YYYY")
    times = {name: datetime.fromisoformat(shown[name]) for name in ("created_at", "updated_at")}
    day = datetime.strptime(due_date, "%d/%m/%Y").replace(tzinfo=UTC) if in_range else None
    return RemediationTask(**(shown | times | {"due_date": day and day.date()}))


def _update_controls(recorded: Recorded, updated: int, database: Database) -> None:
    """One update shows its row; those in bulk are known by their request."""
    if recorded.operation == "update_control":
        shown = json.loads(recorded.response.body)
        changed = {shown["id"]: shown["external_id"]}
    else:
        changed = dict(_bulk(recorded, database))
    if len(changed) != updated:
        raise EffectError(
            f"{recorded.name}: {len(changed)} controls changed, the index has {updated}"
        )
    for control_id, external_id in changed.items():
        row = database.controls[control_id]
        database.put(replace(row, external_id=external_id))


def _bulk(recorded: Recorded, database: Database) -> Iterator[tuple[int, str | None]]:
    """As pairs, because arrays may stand for objects; the last value for a control counts."""
    by_internal_id = {row.internal_id: row for row in database.controls.values()}
    for internal_id, external_id in _pairs(json.loads(recorded.request.body)):
        row: Control | None = by_internal_id.get(trimmed(internal_id))
        too_long = external_id is not None and len(external_id) > _EXTERNAL_ID_LIMIT
        if row is not None and not too_long and "\0" not in (external_id or ""):
            yield row.id, external_id


def _pairs(body: Any) -> Iterator[tuple[str, str | None]]:
    updates = body[0] if isinstance(body, list) else body["updates"]
    for update in updates:
        if isinstance(update, list):
            yield update[0], update[1]
        else:
            yield update["internal_id"], update.get("external_id")
