"""From Comp-AI's list of control tests to at most 16 chunks of small rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TypeVar

import msgspec

from compai_client import (
    BadRow,
    BaseUrlError,
    CompAI,
    RedirectedError,
    RejectedError,
    UnusableAnswerError,
)
from compai_dags.due import is_due, next_run
from compai_dags.overrides import apply_overrides, read_overrides
from compai_dags.rows import Row, read_row
from compai_dags.schedule import CADENCE_SETTING, DAILY, cadence_of, is_finer_than_cadence
from compai_dags.settings import Settings
from compai_dags.task import PermanentError

log = logging.getLogger(__name__)

# A mapped task reads the whole list: more chunks times all rows would grow with the square.
MAX_CHUNKS = 16
# A task process takes longer to start than a test takes to run.
MIN_CHUNK = 10
# More lines than these nobody reads; the rest is counted.
_LOGGED = 200

T = TypeVar("T")


class UnexpectedListError(PermanentError):
    """The list is not what a healthy installation has; a person must look, a retry cannot help."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to evaluate, and which rows could not be read (place and type, no content)."""

    rows: list[Row]
    bad_rows: list[str]


def list_rows(client: CompAI, *, cadence: str = DAILY) -> Listing:
    """All control tests; a row that does not decode is logged and counted, the others go on.

    `cadence` is when the DAG runs, as cron in UTC.
    """
    bad_rows: list[str] = []

    def note(row: BadRow) -> None:
        bad_rows.append(f"row {row.index}: {row.reason}")
        log.error("A control test cannot be read: row %s: %s", row.index, row.reason)

    tests = explain_misrouting(client, lambda: client.list_tests(on_bad_row=note))
    rows = [read_row(test, cadence=cadence) for test in tests]
    return Listing(rows=rows, bad_rows=bad_rows)


def list_in_force(client: CompAI, settings: Settings, now: datetime) -> Listing:
    """All control tests as they are in force: under the DAG's cadence, with the overrides.

    The controls are asked for only where overrides name them. Raises a SettingsError for overrides
    that cannot be read, before anything is asked.
    """
    overrides = read_overrides(settings)
    cadence = cadence_of(settings.from_environment(CADENCE_SETTING))
    if cadence.problem:
        log.warning("%s", cadence.problem)
    listing = list_rows(client, cadence=cadence.cron)
    if not overrides:
        return listing
    controls = client.list_controls(on_bad_row=_note_bad_control)
    rows = apply_overrides(listing.rows, overrides, controls, cadence=cadence.cron, now=now)
    return msgspec.structs.replace(listing, rows=rows)


def _note_bad_control(row: BadRow) -> None:
    log.warning(
        "A control cannot be read, so no override can name it: row %s: %s", row.index, row.reason
    )


def explain_misrouting(client: CompAI, call: Callable[[], T]) -> T:
    """Make the call; when the answer is not Comp-AI's, let the base URL check say what to set."""
    try:
        return call()
    except (UnusableAnswerError, RedirectedError, RejectedError) as failure:
        try:
            client.check_base_url()
        except BaseUrlError as misrouted:
            raise misrouted from failure
        raise


def select(listing: Listing, *, test_ids: Collection[int], allow_empty: bool) -> Listing:
    """The rows that this run is to evaluate."""
    if not listing.rows and not listing.bad_rows and not allow_empty:
        raise UnexpectedListError(
            "0 tests: wrong database or tenant? Comp-AI answered with an empty list of control "
            "tests. Set COMP_AI_ALLOW_EMPTY=1 if that is right."
        )
    if not test_ids:
        return listing
    rows = [row for row in listing.rows if row.id in test_ids]
    missing = sorted(set(test_ids) - {row.id for row in rows})
    if missing:
        raise UnexpectedListError(
            f"test_ids {', '.join(map(str, missing))}: Comp-AI has no control test of that id."
        )
    return Listing(rows=rows, bad_rows=listing.bad_rows)


def due_of(
    listing: Listing, now: datetime, *, cleared_run: str | None = None
) -> tuple[Listing, int]:
    """The rows that are due, and how many are not. Manual tests are looked at in every run.

    What `cleared_run` recorded is due again: a person asked that run to look anew.
    """

    def is_wanted(row: Row) -> bool:
        is_of_run = row.stored.trailer is not None and row.stored.trailer.run == cleared_run
        return row.kind == "manual" or is_of_run or is_due(row, now)

    rows = list(filter(is_wanted, listing.rows))
    return msgspec.structs.replace(listing, rows=rows), len(listing.rows) - len(rows)


def log_next_runs(rows: list[Row], now: datetime) -> None:
    """When each test is due next, and which of them ask for more than the DAG's cadence gives."""
    automated = [row for row in rows if row.kind != "manual"]
    for row in automated[:_LOGGED]:
        at = next_run(row, now)
        due = f"next due {at:%Y-%m-%d %H:%M} UTC" if at else "not scheduled"
        log.info("%s: %s%s", row, due, f" ({row.plan.problem})" if row.plan.problem else "")
    if len(automated) > _LOGGED:
        log.info("… and %s more tests", len(automated) - _LOGGED)
    if finer := [row for row in automated if is_finer_than_cadence(row.plan)]:
        log.warning(
            "%s control tests have a finer schedule than this DAG (%s) and run when it does, such "
            "as %s; %s makes the DAG run more often.",
            *(len(finer), finer[0].plan.cadence, finer[0], CADENCE_SETTING),
        )


def chunk(rows: list[Row]) -> list[list[Row]]:
    """At most `MAX_CHUNKS` slices of the list."""
    size = max(MIN_CHUNK, -(-len(rows) // MAX_CHUNKS))
    return [rows[start : start + size] for start in range(0, len(rows), size)]
