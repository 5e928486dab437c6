"""The work of the tasks of comp_ai_control_tests: list, evaluate a chunk, give the verdict."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from compai_dags import history, kept_fails, rows, summary
from compai_dags.checks import CheckContext
from compai_dags.listing import chunk, due_of, list_in_force, log_next_runs, select
from compai_dags.records import Record, explain_trouble, for_summary
from compai_dags.rows import Row
from compai_dags.runner import ChunkRunner
from compai_dags.settings import Settings
from compai_dags.task import PermanentError, Task
from compai_dags.web import Web
from compai_dags.web_guard import Allowed

log = logging.getLogger(__name__)

LIST_TASK = "list_control_tests"
CHUNK_TASK = "evaluate_chunk"
OUTCOMES = "outcomes"
BAD_ROWS = "bad_rows"
NOT_DUE = "not_due"
HISTORY = "history"
# Within the task's time-out of 60 minutes: the longest check takes 15, and then what was held back
# is posted, of which one call takes four at most.
EVALUATE_FOR = timedelta(minutes=38)
POST_FOR = timedelta(minutes=55)


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What an installation may decide about a run."""

    allow_empty: bool
    max_errors: int
    always_collect: bool
    post_attestation_expiry: bool
    unchecked_pass: bool
    history_url: str | None
    allowed: Allowed

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
            allowed=Allowed.read(settings),
        )


class ChunkFailedError(PermanentError):
    """Tests of this chunk could not be verified or recorded; no further try would help."""


class ChunkIncompleteError(Exception):
    """Another try may help; it repeats nothing that is recorded."""


def list_chunks(
    task: Task, *, test_ids: Collection[int], only_due: bool = False
) -> list[dict[str, int]]:
    """What each chunk has to do: its number, and how many control tests it has.

    A run that the clock started evaluates what is due; one that a person started evaluates
    everything, or with `only_due` what is due as well. A Clear repeats what the run recorded.

    The tests of each are stored by themselves: a mapped task reads all of what it is mapped over.
    """
    allow_empty, now = RunSettings.read(task.settings).allow_empty, datetime.now(UTC)
    with task.client() as client:
        in_force = list_in_force(client, task.settings, now)
    listing = select(in_force, test_ids=test_ids, allow_empty=allow_empty)
    log_next_runs(listing.rows, now)
    not_due = 0
    if only_due or not task.is_started_by_hand:
        identity = task.identity
        cleared_run = identity.run_id if identity.first_try > 1 else None
        listing, not_due = due_of(listing, now, cleared_run=cleared_run)
        log.info("%s control tests are not due and are left alone", not_due)
    task.push(BAD_ROWS, listing.bad_rows)
    task.push(NOT_DUE, not_due)
    chunks = chunk(listing.rows)
    log.info("%s control tests in %s chunks", len(listing.rows), len(chunks))
    for number, part in enumerate(chunks):
        task.push(rows_key(number), rows.to_xcom([rows.without_words(row) for row in part]))
    return [{"chunk": number, "tests": len(part)} for number, part in enumerate(chunks)]


def rows_key(chunk: int) -> str:
    return f"chunk_{chunk}"


def _pull_rows(task: Task, chunk: int) -> list[Row]:
    return rows.from_xcom(task.pull(LIST_TASK, key=rows_key(chunk)))


def evaluate_chunk(task: Task, chunk: int) -> None:
    """Evaluate and post; the outcomes are stored before anything is raised."""
    begin = datetime.now(UTC)
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
                web=Web(settings.allowed),
            ),
            identity=identity,
            unchecked_pass=settings.unchecked_pass,
            evaluate_until=begin + EVALUATE_FOR,
            post_until=begin + POST_FOR,
        )
        try:
            runner.run(_pull_rows(task, chunk))
        finally:
            task.push(OUTCOMES, msgspec.to_builtins([for_summary(it) for it in runner.records]))
            if settings.history_url is not None:
                url = _store_outcomes(task, settings.history_url, chunk, runner.records)
                task.push(HISTORY, url)
    if runner.wants_retry:
        raise ChunkIncompleteError(explain_trouble(runner.records))
    if any(record.is_trouble for record in runner.records):
        raise ChunkFailedError(explain_trouble(runner.records))


def _store_outcomes(task: Task, base: str, chunk: int, records: list[Record]) -> str:
    identity = task.identity
    lines = history.encode_outcomes(records, identity, chunk=chunk, at=datetime.now(UTC))
    return history.store(task, base, identity, f"chunk-{chunk:03}", lines)


def summarise(task: Task) -> None:
    """Store the counts of the run; raises when more went wrong than COMP_AI_MAX_ERRORS allows."""
    listed = task.pull(LIST_TASK)
    if listed is None:
        raise summary.RunFailedError(
            f"{LIST_TASK} delivered no list, so nothing was evaluated: see its log."
        )
    settings = RunSettings.read(task.settings)
    missing = summary.unreadable(task.pull(LIST_TASK, key=BAD_ROWS) or [])
    verdict = summary.summarise(missing, not_due=task.pull(LIST_TASK, key=NOT_DUE) or 0)
    trouble, unsaved = list(missing), []
    attempts = _earlier_attempts(task)
    for part in listed:
        # One chunk at a time: together they are as large as the list.
        number = part["chunk"]
        reported = task.pull(CHUNK_TASK, key=OUTCOMES, map_index=number)
        records = msgspec.convert(reported or [], list[Record])
        lost = []
        if len(records) < part["tests"]:
            lost = summary.unreported(_pull_rows(task, number), records, number)
        verdict += summary.summarise(records + lost)
        attempts = kept_fails.after_run(attempts, records + lost, datetime.now(UTC))
        trouble += [record for record in records + lost if record.is_trouble]
        missing += lost
        if settings.history_url is not None and reported is not None:
            is_saved = task.pull(CHUNK_TASK, key=HISTORY, map_index=number) is not None
            unsaved += [] if is_saved else [number]
    log.log(logging.INFO if verdict.is_clean else logging.WARNING, "%s", verdict)
    # Pushed, not returned: the counts of a red run are read as well.
    task.push("return_value", summary.to_xcom(verdict))
    task.write_variable(kept_fails.VARIABLE, kept_fails.write_attempts(attempts))
    try:
        if settings.history_url is not None:
            _store_summary(task, settings.history_url, missing, summary.to_xcom(verdict))
    finally:
        summary.check(verdict, trouble, max_errors=settings.max_errors, unsaved=unsaved)


def _earlier_attempts(task: Task) -> dict[int, kept_fails.Attempt]:
    attempts, unreadable = kept_fails.read_attempts(task.read_variable(kept_fails.VARIABLE))
    if unreadable:
        log.warning("%s", unreadable)
    return attempts


def _store_summary(task: Task, base: str, missing: list[Record], counts: dict[str, int]) -> None:
    """What no chunk could tell, and the counts."""
    identity, at = task.identity, datetime.now(UTC)
    lines = history.encode_outcomes(missing, identity, chunk=None, at=at)
    lines += history.encode_summary(counts, identity, at=at)
    history.store(task, base, identity, "summary", lines)
