"""The work of the tasks of comp_ai_alerts: fetch three lists, then say what they mean."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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
from compai_dags.alerts import View, compose, compose_unknown, good_summary, view_of
from compai_dags.analysis_state import VARIABLE as ANALYSIS_VARIABLE
from compai_dags.analysis_state import LastAnalysis, read_analysis
from compai_dags.facts import (
    Facts,
    Failure,
    Gap,
    Remediation,
    as_fact,
    failure_of,
    gap_of,
    remediation_of,
)
from compai_dags.kept_fails import VARIABLE as KEPT_VARIABLE
from compai_dags.kept_fails import read_attempts
from compai_dags.listing import Listing, explain_misrouting, list_in_force
from compai_dags.message import Message, render_text
from compai_dags.settings import AlertsMode, Settings
from compai_dags.slack_delivery import deliver
from compai_dags.slack_format import plain_payload, slack_payload
from compai_dags.standing import Standing
from compai_dags.task import PermanentError, Task

log = logging.getLogger(__name__)

FAILURE = "failure"
# A week between two runs of a daily DAG is at times some seconds short of seven days.
_WEEK = timedelta(days=6, hours=12)
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
    tests: dict[str, Any] = _fetch(
        task, "listTests", lambda client: list_in_force(client, task.settings, _now())
    )
    return tests


def fetch_remediation(task: Task) -> dict[str, Any]:
    """The remediation tasks that are not done; a row that cannot be read is logged and counted."""

    def read(client: CompAI) -> Remediation:
        unreadable: list[BadRow] = []

        def note(row: BadRow) -> None:
            unreadable.append(row)
            log.error("A remediation task cannot be read: row %s: %s", row.index, row.reason)

        tasks = client.list_remediation(on_bad_row=note)
        return remediation_of(tasks, unreadable_rows=len(unreadable))

    remediation: dict[str, Any] = _fetch(task, "listRemediation", read)
    return remediation


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
    attempts, unreadable = read_attempts(task.read_variable(KEPT_VARIABLE))
    if unreadable:
        log.warning("%s", unreadable)
    alert = _Alert(task, view_of(facts, state, attempts), state, dry_run=dry_run)
    if facts.failures:
        alert.report_unknown()
        raise StatusUnknownError("; ".join(map(str, facts.failures)))
    alert.report(_last_analysis(task))


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Where and how the message goes; without a webhook the log is the message."""

    mode: AlertsMode
    webhook: str | None = field(repr=False)
    owners: dict[str, str]
    heartbeat: str | None = field(repr=False)

    @classmethod
    def read(cls, settings: Settings) -> Channels:
        """All at once, so that a wrong one is known before anything is sent."""
        return cls(
            mode=settings.alerts_mode(),
            webhook=settings.web_address("SLACK_WEBHOOK_URL"),
            owners=settings.slack_owners(),
            heartbeat=settings.web_address("COMP_AI_HEARTBEAT_URL"),
        )


class _Alert:
    """One message: composed, logged in full, delivered, remembered, and counted as XCom."""

    def __init__(self, task: Task, view: View, state: AlertState, *, dry_run: bool) -> None:
        self._task = task
        self._view = view
        self._state = state
        self._dry_run = dry_run
        self._delivered = False

    def report(self, analysis: LastAnalysis | None) -> None:
        state, view = self._state, self._view
        message = compose(
            view, recovered=state.incident, analysis=analysis, link=self._task.log_url
        )
        _log(message)
        fingerprint = _fingerprint(message)
        told = False
        try:
            channels = self._channels()
            if self._is_wanted(message, fingerprint, channels):
                told = self._deliver(message, channels)
        finally:
            self._store_result()
            self._remember(
                told=told,
                last_good=self._as_last_good(),
                incident=None if told else state.incident,
                sent=Sent(at=self._now, fingerprint=fingerprint) if told else state.sent,
            )
        if told:
            self._call_heartbeat(channels)

    def report_unknown(self) -> None:
        """Post once per incident; the log and the red task say it every time."""
        state, view = self._state, self._view
        message = compose_unknown(view, last_good=state.last_good, link=self._task.log_url)
        _log(message)
        incident = state.incident or Incident(
            since=self._now, calls=[failure.call for failure in view.facts.failures], posted=False
        )
        told = False
        try:
            if incident.posted:
                log.info("This incident was posted before; it is not posted again.")
            else:
                told = self._deliver(message, self._channels())
        finally:
            self._store_result()
            # Only a whole summary ends that something is new.
            self._remember(
                told=False,
                last_good=state.last_good,
                incident=msgspec.structs.replace(incident, posted=incident.posted or told),
                sent=state.sent,
            )

    @property
    def _now(self) -> datetime:
        return self._view.facts.now

    def _channels(self) -> Channels:
        channels = Channels.read(self._task.settings)
        for secret in (channels.webhook, channels.heartbeat):
            if secret is not None:
                self._task.hide(secret)
        return channels

    def _is_wanted(self, message: Message, fingerprint: str, channels: Channels) -> bool:
        if channels.mode == "daily":
            return True
        sent = self._state.sent
        is_news = sent is None or sent.fingerprint != fingerprint or self._view.has_news
        is_overdue = any(section.is_overdue for section in message.sections)
        is_sign_of_life = sent is not None and self._now - sent.at >= _WEEK
        if is_news or is_overdue or is_sign_of_life or self._state.incident is not None:
            return True
        log.info("COMP_AI_ALERTS_MODE is changes, and nothing changed: nothing is sent.")
        return False

    def _deliver(self, message: Message, channels: Channels) -> bool:
        """Whether the message has arrived; without a webhook the log is where it arrives."""
        if self._dry_run:
            log.info("dry_run: nothing is sent.")
            return False
        if channels.webhook is None:
            log.log(_level(message), "SLACK_WEBHOOK_URL is not set: this log is the only message.")
            return True
        deliver(channels.webhook, slack_payload(message, channels.owners), plain_payload(message))
        self._delivered = True
        return True

    def _store_result(self) -> None:
        """Fixed types: ints, None where the number is unknown, and real booleans."""
        tests, gaps = self._view.tests, self._view.gaps
        all_clear = tests is not None and tests.is_clear and gaps == []
        self._task.push(
            "return_value",
            {
                "gaps": None if gaps is None else len(gaps),
                "failed_tests": None if tests is None else len(tests.rows(Standing.FAILING)),
                "has_issues": not all_clear,
                "delivered": self._delivered,
                "all_clear": all_clear,
            },
        )

    def _as_last_good(self) -> LastGood | None:
        tests, gaps = self._view.tests, self._view.gaps
        if tests is None or gaps is None:
            return self._state.last_good
        return LastGood(at=self._now, summary=good_summary(tests, gaps))

    def _remember(
        self,
        *,
        told: bool,
        last_good: LastGood | None,
        incident: Incident | None,
        sent: Sent | None,
    ) -> None:
        """What could not be fetched is remembered as it was."""
        if self._dry_run:
            return
        state, view = self._state, self._view
        tests, gaps = view.test_changes, view.gap_changes
        after = AlertState(
            last_good=last_good,
            incident=incident,
            sent=sent,
            tests=state.tests if tests is None else tests.remembered(told=told),
            gaps=state.gaps if gaps is None else gaps.remembered(told=told),
        )
        self._task.write_variable(VARIABLE, write_state(after))

    def _call_heartbeat(self, channels: Channels) -> None:
        """A dead-man's switch outside Slack and Airflow: its own alarm tells when this fails."""
        if channels.heartbeat is None:
            return
        try:
            answer = requests.get(
                channels.heartbeat, timeout=_HEARTBEAT_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as failure:
            log.warning("COMP_AI_HEARTBEAT_URL cannot be called: %s", type(failure).__name__)
            return
        if not 200 <= answer.status_code < 300:
            log.warning("COMP_AI_HEARTBEAT_URL answers HTTP %s", answer.status_code)


def _last_analysis(task: Task) -> LastAnalysis | None:
    analysis, unreadable = read_analysis(task.read_variable(ANALYSIS_VARIABLE))
    if unreadable:
        log.warning("%s", unreadable)
    return analysis


def _gather(task: Task) -> Facts:
    now = _now()

    def fact(task_id: str, call: str, kind: type[T]) -> T | Failure:
        value = task.pull(task_id)
        failure = task.pull(task_id, key=FAILURE) if value is None else None
        return as_fact(value, failure, kind, call=call, at=now)

    return Facts(
        gaps=fact("fetch_gaps", "listGaps", list[Gap]),
        tests=fact("fetch_tests", "listTests", Listing),
        remediation=fact("fetch_remediation", "listRemediation", Remediation),
        now=now,
    )


def _log(message: Message) -> None:
    for line in render_text(message):
        log.log(_level(message), "%s", line)


def _level(message: Message) -> int:
    return logging.WARNING if message.is_open else logging.INFO


def _fingerprint(message: Message) -> str:
    """Changes when what is open changes, not with its age or with what is new."""
    open_now = sorted(
        line.key for section in message.sections if not section.is_history for line in section.lines
    )
    return hashlib.sha256(repr(open_now).encode("utf-8", "replace")).hexdigest()[:16]


def _now() -> datetime:
    return datetime.now(UTC)
