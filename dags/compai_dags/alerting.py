"""The work of the tasks of comp_ai_alerts: fetch three lists, then say what they mean."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import requests

from compai_client import BadRow, CompAI, CompAIError
from compai_dags.alert_state import (
    VARIABLE,
    AlertState,
    Incident,
    LastGood,
    Sent,
    read_state,
    write_state,
)
from compai_dags.alerts import compose, compose_unknown, good_summary
from compai_dags.facts import Facts, Failure, Gap, Work, as_fact, failure_of, gap_of, work_of
from compai_dags.listing import Listing, explain_misrouting, list_rows
from compai_dags.message import Message, render_text
from compai_dags.slack_delivery import deliver
from compai_dags.slack_format import plain_payload, slack_payload
from compai_dags.standing import Standing
from compai_dags.status import TestStatus, test_status
from compai_dags.task import PermanentError, Task

log = logging.getLogger(__name__)

FAILURE = "failure"
_WEEK = timedelta(days=7)
_HEARTBEAT_TIMEOUT_S = (5.0, 10.0)

T = TypeVar("T")


class StatusUnknownError(PermanentError):
    """A required call failed; the task is red so that nobody takes silence for health."""


def fetch_gaps(task: Task) -> list[dict[str, Any]]:
    """The controls without evidence; one whose row cannot be read is a gap without a name."""

    def read(client: CompAI) -> list[Gap]:
        unreadable: list[Gap] = []

        def note(row: BadRow) -> None:
            unreadable.append(Gap(id=None, internal_id="?", name=f"unreadable row: {row.reason}"))

        controls = explain_misrouting(client, lambda: client.list_gaps(on_bad_row=note))
        return [gap_of(control) for control in controls] + unreadable

    gaps: list[dict[str, Any]] = _fetch(task, "listGaps", read)
    return gaps


def fetch_tests(task: Task) -> dict[str, Any]:
    """The control tests, with what their stored results are worth."""
    tests: dict[str, Any] = _fetch(task, "listTests", list_rows)
    return tests


def fetch_remediation(task: Task) -> list[dict[str, Any]]:
    """The remediation tasks that are not done; a row that cannot be read is logged and left out."""

    def read(client: CompAI) -> list[Work]:
        def note(row: BadRow) -> None:
            log.error("A remediation task cannot be read: row %s: %s", row.index, row.reason)

        return work_of(client.list_remediation(on_bad_row=note))

    works: list[dict[str, Any]] = _fetch(task, "listRemediation", read)
    return works


def _fetch(task: Task, call: str, read: Callable[[CompAI], object]) -> Any:
    """Plain data; a failure is stored for `send_alert` before it turns this task red."""
    try:
        with task.client() as client:
            return msgspec.to_builtins(read(client))
    except CompAIError as failure:
        task.push(FAILURE, msgspec.to_builtins(failure_of(call, failure, _now())))
        raise


def send_alert(task: Task, *, dry_run: bool) -> None:
    """Say where compliance stands. Raises when that is unknown, or when Slack refuses it.

    `dry_run` logs the message, and neither sends nor remembers anything.
    """
    facts = _gather(task)
    state, unreadable = read_state(task.read_variable(VARIABLE))
    if unreadable:
        log.warning("%s", unreadable)
    alert = _Alert(task, facts, state, dry_run=dry_run)
    if isinstance(facts.gaps, Failure) or isinstance(facts.tests, Failure):
        alert.report_unknown()
        raise StatusUnknownError("; ".join(map(str, facts.failures)))
    alert.report(test_status(facts.tests, facts.now), facts.gaps)


class _Alert:
    """One message: composed, logged in full, delivered, remembered, and counted as XCom."""

    def __init__(self, task: Task, facts: Facts, state: AlertState, *, dry_run: bool) -> None:
        self._task = task
        self._facts = facts
        self._state = state
        self._dry_run = dry_run

    def report(self, tests: TestStatus, gaps: list[Gap]) -> None:
        state, now = self._state, self._facts.now
        message = compose(
            self._facts, tests, gaps, recovered=state.incident, link=self._task.log_url
        )
        _log(message)
        fingerprint = _fingerprint(message)
        delivered = False
        try:
            if self._is_wanted(message, fingerprint):
                delivered = self._deliver(message)
        finally:
            self._store_result(tests, gaps, delivered=delivered)
            reported = delivered or not self._webhook
            self._remember(
                AlertState(
                    last_good=LastGood(at=now, summary=good_summary(tests, gaps)),
                    incident=None if reported else state.incident,
                    sent=Sent(at=now, fingerprint=fingerprint) if delivered else state.sent,
                )
            )
        if delivered:
            self._call_heartbeat()

    def report_unknown(self) -> None:
        """Post once per incident; the log and the red task say it every time."""
        facts, state = self._facts, self._state
        message = compose_unknown(facts, last_good=state.last_good, link=self._task.log_url)
        _log(message)
        tests = None if isinstance(facts.tests, Failure) else test_status(facts.tests, facts.now)
        gaps = None if isinstance(facts.gaps, Failure) else facts.gaps
        delivered = False
        try:
            if state.incident is None:
                delivered = self._deliver(message)
            else:
                log.info(
                    "This incident was posted on %s; it is not posted again.", state.incident.since
                )
        finally:
            self._store_result(tests, gaps, delivered=delivered)
        if delivered:
            calls = [failure.call for failure in facts.failures]
            incident = Incident(since=facts.now, calls=calls)
            self._remember(msgspec.structs.replace(state, incident=incident))

    def _is_wanted(self, message: Message, fingerprint: str) -> bool:
        if self._task.settings.alerts_mode() == "daily":
            return True
        sent = self._state.sent
        is_news = sent is None or sent.fingerprint != fingerprint
        is_overdue = any(section.is_overdue for section in message.sections)
        is_sign_of_life = sent is not None and self._facts.now - sent.at >= _WEEK
        if is_news or is_overdue or is_sign_of_life or self._state.incident is not None:
            return True
        log.info("COMP_AI_ALERTS_MODE is changes, and nothing changed: nothing is sent.")
        return False

    def _deliver(self, message: Message) -> bool:
        webhook = self._webhook
        if self._dry_run:
            log.info("dry_run: nothing is sent.")
            return False
        if webhook is None:
            log.log(_level(message), "SLACK_WEBHOOK_URL is not set: this log is the only message.")
            return False
        self._task.hide(webhook)
        owners = self._task.settings.slack_owners()
        deliver(webhook, slack_payload(message, owners), plain_payload(message))
        return True

    @cached_property
    def _webhook(self) -> str | None:
        return self._task.settings.web_address("SLACK_WEBHOOK_URL")

    def _store_result(
        self, tests: TestStatus | None, gaps: list[Gap] | None, *, delivered: bool
    ) -> None:
        is_known = tests is not None and gaps is not None
        all_clear = tests is not None and tests.is_clear and gaps == []
        self._task.push(
            "return_value",
            {
                "gaps": None if gaps is None else len(gaps),
                "failed_tests": None if tests is None else len(tests.rows(Standing.FAILING)),
                "has_issues": not (is_known and all_clear),
                "delivered": delivered,
                "all_clear": is_known and all_clear,
            },
        )

    def _remember(self, state: AlertState) -> None:
        if not self._dry_run:
            self._task.write_variable(VARIABLE, write_state(state))

    def _call_heartbeat(self) -> None:
        """A dead-man's switch outside Slack and Airflow: its own alarm tells when this fails."""
        url = self._task.settings.web_address("COMP_AI_HEARTBEAT_URL")
        if url is None:
            return
        self._task.hide(url)
        try:
            answer = requests.get(url, timeout=_HEARTBEAT_TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as failure:
            log.warning("COMP_AI_HEARTBEAT_URL cannot be called: %s", type(failure).__name__)
            return
        if not 200 <= answer.status_code < 300:
            log.warning("COMP_AI_HEARTBEAT_URL answers HTTP %s", answer.status_code)


def _gather(task: Task) -> Facts:
    now = _now()

    def fact(task_id: str, call: str, kind: type[T]) -> T | Failure:
        value = task.pull(task_id)
        failure = task.pull(task_id, key=FAILURE) if value is None else None
        return as_fact(value, failure, kind, call=call, at=now)

    return Facts(
        gaps=fact("fetch_gaps", "listGaps", list[Gap]),
        tests=fact("fetch_tests", "listTests", Listing),
        remediation=fact("fetch_remediation", "listRemediation", list[Work]),
        now=now,
    )


def _log(message: Message) -> None:
    for line in render_text(message):
        log.log(_level(message), "%s", line)


def _level(message: Message) -> int:
    return logging.WARNING if message.is_open else logging.INFO


def _fingerprint(message: Message) -> str:
    """Changes when what is open changes, not with its age."""
    content = [
        (section.title, sorted(line.key for line in section.lines)) for section in message.sections
    ]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _now() -> datetime:
    return datetime.now(UTC)
