"""The work of the tasks of comp_ai_control_tests: list, evaluate a chunk, give the verdict."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from compai_dags import history, rows, summary
from compai_dags.checks import CheckContext
from compai_dags.listing import chunk, list_rows, select
from compai_dags.runner import ChunkRunner, Record, explain_trouble
from compai_dags.settings import Settings
from compai_dags.task import PermanentError, Task

log = logging.getLogger(__name__)

LIST_TASK = "list_control_tests"
CHUNK_TASK = "evaluate_chunk"
OUTCOMES = "outcomes"
BAD_ROWS = "bad_rows"
HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What an installation may decide about a run."""

    allow_empty: bool
    max_errors: int
    always_collect: bool
    post_attestation_expiry: bool
    unchecked_pass: bool
    history_url: str | None

    @classmethod
    def read(cls, settings: Settings) -> RunSettings:
        """All at once, so that a wrong one stops the run before anything is evaluated."""
        return cls(
            allow_empty=settings.switch("COMP_AI_ALLOW_EMPTY"),
            max_errors=settings.count("COMP_AI_MAX_ERRORS", default=0),
            always_collect=settings.is_exactly("COMP_AI_COLLECT_EVIDENCE", "always"),
            post_attestation_expiry=settings.switch("COMP_AI_POST_ATTESTATION_EXPIRY"),
            unchecked_pass=settings.is_exactly("COMP_AI_UNCHECKED_RESULT", "pass"),
            history_url=settings.object_storage("COMP_AI_HISTORY_URL"),
        )


class ChunkFailedError(PermanentError):
    """Tests of this chunk could not be verified or recorded; no further try would help."""


class ChunkIncompleteError(Exception):
    """Another try may help; it repeats nothing that is recorded."""


def list_chunks(task: Task, *, test_ids: Collection[int]) -> list[list[dict[str, Any]]]:
    """The control tests of this run, in chunks."""
    allow_empty = RunSettings.read(task.settings).allow_empty
    with task.client() as client:
        listing = select(list_rows(client), test_ids=test_ids, allow_empty=allow_empty)
    task.push(BAD_ROWS, listing.bad_rows)
    chunks = chunk(listing.rows)
    log.info("%s control tests in %s chunks", len(listing.rows), len(chunks))
    return [rows.to_xcom([rows.without_words(row) for row in part]) for part in chunks]


def evaluate_chunk(task: Task, chunk_rows: list[dict[str, Any]]) -> None:
    """Evaluate and post; the outcomes are stored before anything is raised."""
    settings, identity = RunSettings.read(task.settings), task.identity
    with task.client() as client:
        runner = ChunkRunner(
            context=CheckContext(
                client=client,
                now=lambda: datetime.now(UTC),
                connection=task.connection,
                always_collect=settings.always_collect,
                post_attestation_expiry=settings.post_attestation_expiry,
                reuse_since=task.run_started_at if identity.is_retry else None,
            ),
            identity=identity,
            unchecked_pass=settings.unchecked_pass,
        )
        try:
            runner.run(rows.from_xcom(chunk_rows))
        finally:
            task.push(OUTCOMES, msgspec.to_builtins(runner.records))
            if settings.history_url is not None:
                task.push(HISTORY, _store_outcomes(task, settings.history_url, runner.records))
    if runner.wants_retry:
        raise ChunkIncompleteError(explain_trouble(runner.records))
    if any(record.is_trouble for record in runner.records):
        raise ChunkFailedError(explain_trouble(runner.records))


def _store_outcomes(task: Task, base: str, records: list[Record]) -> str:
    chunk, identity = task.map_index, task.identity
    lines = history.encode_outcomes(records, identity, chunk=chunk, at=datetime.now(UTC))
    return history.store(task, base, identity, f"chunk-{chunk:03}", lines)


def summarise(task: Task) -> None:
    """Store the counts of the run; raises when more went wrong than COMP_AI_MAX_ERRORS allows."""
    listed = task.pull(LIST_TASK)
    if listed is None:
        raise summary.RunFailedError(
            f"{LIST_TASK} delivered no list, so nothing was evaluated: see its log."
        )
    chunks = [rows.from_xcom(part) for part in listed]
    reported = [
        msgspec.convert(records, list[Record]) if records is not None else None
        for records in (
            task.pull(CHUNK_TASK, key=OUTCOMES, map_index=index) for index in range(len(chunks))
        )
    ]
    settings = RunSettings.read(task.settings)
    missing = summary.missing(chunks, reported, task.pull(LIST_TASK, key=BAD_ROWS) or [])
    records = [record for part in reported for record in part or []] + missing
    verdict = summary.summarise(records)
    log.log(logging.INFO if verdict.is_clean else logging.WARNING, "%s", verdict)
    # Pushed, not returned: the counts of a red run are read as well.
    task.push("return_value", summary.to_xcom(verdict))
    unsaved = [
        index
        for index, part in enumerate(reported)
        if settings.history_url is not None
        and part is not None
        and task.pull(CHUNK_TASK, key=HISTORY, map_index=index) is None
    ]
    try:
        if settings.history_url is not None:
            _store_summary(task, settings.history_url, missing, summary.to_xcom(verdict))
    finally:
        summary.check(verdict, records, max_errors=settings.max_errors, unsaved=unsaved)


def _store_summary(task: Task, base: str, missing: list[Record], counts: dict[str, int]) -> None:
    """What no chunk could tell, and the counts."""
    identity, at = task.identity, datetime.now(UTC)
    lines = history.encode_outcomes(missing, identity, chunk=None, at=at)
    lines += history.encode_summary(counts, identity, at=at)
    history.store(task, base, identity, "summary", lines)
