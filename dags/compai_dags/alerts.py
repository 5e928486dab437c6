"""What comp_ai_alerts says, and in which order. The words of the all clear are earned in `status`.

What must be done comes first: new fails, what is overdue, what still fails; good news comes last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from compai_dags import alert_lines as say
from compai_dags.alert_lines import about, moment, name_of
from compai_dags.alert_state import AlertState, Incident, LastGood
from compai_dags.analysis_state import LastAnalysis
from compai_dags.changes import Compared, Open, compare
from compai_dags.facts import Facts, Failure, Gap, Remediation
from compai_dags.kept_fails import Attempt
from compai_dags.message import Line, Message, Section
from compai_dags.rows import Row
from compai_dags.standing import Standing
from compai_dags.status import TestStatus, headline, test_status
from compai_dags.trailer import one_line

TITLE = "Compliance status"
UNKNOWN_TITLE = "Compliance status UNKNOWN"
_NAME_LIMIT = 120
_ANALYSIS_LIMIT = 400
_ANALYSIS_IS_OLD = timedelta(days=14)
_GOOD_WORDS = re.compile(r"\b(no gaps|no failed tests|all clear)\b", re.IGNORECASE)
# What became of a failing test and is as good as it gets.
_RESOLVED = (Standing.VERIFIED,)
_NO_ATTEMPTS: Mapping[int, Attempt] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class View:
    """The facts, judged, and held against what was told before. None: that call failed."""

    facts: Facts
    tests: TestStatus | None
    gaps: list[Gap] | None
    test_changes: Compared | None
    gap_changes: Compared | None
    # Looks at failing tests that came to nothing, by test id.
    attempts: Mapping[int, Attempt]

    @property
    def today(self) -> date:
        return self.facts.now.date()

    @property
    def remediation(self) -> Remediation:
        known = self.facts.remediation
        return Remediation() if isinstance(known, Failure) else known

    @property
    def has_news(self) -> bool:
        """Something came or went since the last summary that arrived."""
        both = (self.test_changes, self.gap_changes)
        return any(changes is not None and changes.has_news for changes in both)


def view_of(
    facts: Facts, state: AlertState, attempts: Mapping[int, Attempt] = _NO_ATTEMPTS
) -> View:
    """What both required calls brought, as far as they were answered."""
    tests = None if isinstance(facts.tests, Failure) else test_status(facts.tests, facts.now)
    gaps = None if isinstance(facts.gaps, Failure) else facts.gaps
    # An empty database has neither tests nor gaps: that ends no fail and closes no gap.
    is_empty = tests is not None and tests.total == 0
    return View(
        facts=facts,
        tests=tests,
        gaps=gaps,
        test_changes=None if tests is None else _compare_tests(facts, tests, state, is_empty),
        gap_changes=None if gaps is None else _compare_gaps(facts, gaps, state, is_empty),
        attempts=attempts,
    )


def _compare_tests(facts: Facts, tests: TestStatus, state: AlertState, is_empty: bool) -> Compared:
    return compare(
        state.tests,
        {
            row.id: Open(
                name=one_line(row.name, limit=_NAME_LIMIT),
                since=min(row.stored.at or facts.now, facts.now).date(),
            )
            for row in tests.rows(Standing.FAILING)
        },
        listed=tests.standings().keys(),
        is_complete=not (is_empty or tests.bad_rows),
    )


def _compare_gaps(facts: Facts, gaps: list[Gap], state: AlertState, is_empty: bool) -> Compared:
    today = facts.now.date()
    return compare(
        state.gaps,
        {
            gap.id: Open(name=one_line(say.name_of_gap(gap), limit=_NAME_LIMIT), since=today)
            for gap in gaps
            if gap.id is not None
        },
        is_complete=not is_empty and all(gap.id is not None for gap in gaps),
    )


def compose(
    view: View,
    *,
    recovered: Incident | None = None,
    analysis: LastAnalysis | None = None,
    link: str | None = None,
) -> Message:
    """The message when both required calls were answered; otherwise see `compose_unknown`."""
    tests, gaps, changes = view.tests, view.gaps, view.test_changes
    if tests is None or gaps is None or changes is None:
        raise ValueError("a required call failed: the status is unknown")
    sections = tuple(_sections(view))
    is_clear = tests.is_clear and not gaps
    notes = list(_notes(view))
    if analysis is not None:
        notes.append(_analysis(analysis, view, is_clear=is_clear))
    return Message(
        title=f"{TITLE} {view.facts.now:%Y-%m-%d}",
        headline=headline(tests, gaps, new_failing=changes.number_new),
        lead=() if recovered is None else (_recovered(recovered),),
        sections=sections,
        notes=tuple(notes),
        is_open=not is_clear or any(section.is_overdue for section in sections),
        link=link,
    )


def compose_unknown(view: View, *, last_good: LastGood | None, link: str | None = None) -> Message:
    """The message of an outage: what failed, what is known all the same, what was last known."""
    known = [
        f"gaps: {'unknown' if view.gaps is None else len(view.gaps)}",
        f"tests: {'unknown' if view.tests is None else _in_one_line(view.tests)}",
    ]
    failed = tuple(
        Line(text=one_line(str(failure)), key=failure.call) for failure in view.facts.failures
    )
    before = (
        "The last good summary is not known."
        if last_good is None
        else f"Last good summary, {moment(last_good.at)}: {last_good.summary}"
    )
    return Message(
        title=UNKNOWN_TITLE,
        headline="; ".join(known),
        lead=(before,),
        sections=(Section(title="Failed calls", lines=failed), *_sections(view)),
        notes=tuple(_notes(view)),
        is_open=True,
        link=link,
    )


def good_summary(tests: TestStatus, gaps: list[Gap]) -> str:
    """The status in words that an outage may quote: it must not sound like an all clear."""
    if tests.is_clear and not gaps:
        return f"nothing open, {tests.coverage}"
    return headline(tests, gaps)


def _in_one_line(tests: TestStatus) -> str:
    return ", ".join([*tests.open_counts(), tests.coverage]) if tests.total else "none listed"


def _recovered(incident: Incident) -> str:
    calls = " and ".join(incident.calls)
    return f"Recovered: the status was unknown since {moment(incident.since)} ({calls} failed)."


def _sections(view: View) -> Iterator[Section]:
    still = tuple(_failing(view, new=False))
    if new := tuple(_failing(view, new=True)):
        yield Section(title="Failing: new", lines=new, calls_owners=True)
    if overdue := tuple(_overdue(view)):
        yield Section(
            title="Overdue remediation", lines=overdue, calls_owners=True, is_overdue=True
        )
    if still:
        yield Section(title="Still failing", lines=still)
    if view.tests is not None:
        yield from _unproven_sections(view.tests)
    yield from _gap_sections(view)
    if view.tests is not None:
        yield from _waiting_sections(view.tests, view.today)
    yield from _gone_sections(view)


def _of(
    tests: TestStatus, title: str, standing: Standing, text: Callable[[Row], str]
) -> Iterator[Section]:
    if rows := tests.rows(standing):
        yield Section(title=title, lines=tuple(about(row, standing, text(row)) for row in rows))


def _failing(view: View, *, new: bool) -> Iterator[Line]:
    tests, changes = view.tests, view.test_changes
    if tests is None or changes is None:
        return
    works = view.remediation.by_control()
    for row in say.sort_by_age(tests.rows(Standing.FAILING), changes):
        if changes.is_new(row.id) is new:
            yield say.failing(
                row,
                view.facts.now,
                works.get(row.control_id),
                since=None if new else changes.since(row.id),
                attempt=view.attempts.get(row.id),
            )


def _overdue(view: View) -> Iterator[Line]:
    gaps = {gap.id: say.name_of_gap(gap) for gap in view.gaps or []}
    rows = view.tests.rows(Standing.FAILING) if view.tests is not None else []
    for work in view.remediation.overdue(view.today):
        concerns = [f"gap {gaps[work.control_id]}"] if work.control_id in gaps else []
        concerns += [f"failing: {row.name}" for row in rows if row.control_id == work.control_id]
        if work.due is not None:
            yield say.overdue(work, work.due, view.today, concerns)


def _unproven_sections(tests: TestStatus) -> Iterator[Section]:
    yield from _of(tests, "Could not be verified", Standing.COULD_NOT_VERIFY, say.unverified)
    yield from _of(tests, "Not configured", Standing.NOT_CONFIGURED, say.said)
    if invalid := [row for row in tests.all_rows() if row.plan.problem]:
        lines = tuple(
            Line(text=say.schedule_problem(row), key=f"schedule: test {row.id}") for row in invalid
        )
        yield Section(title="Invalid schedules", lines=lines)
    yield from _of(tests, "Unproven", Standing.UNPROVEN, say.unproven)
    yield from _of(tests, "Stale: two scheduled runs or more missed", Standing.STALE, say.aged)
    yield from _of(tests, "Late: not verified on schedule", Standing.LATE, say.aged)
    yield from _of(tests, "Never run", Standing.NEVER_RUN, name_of)
    if tests.bad_rows:
        unreadable = tuple(
            Line(text=one_line(row), key=f"unreadable {row}") for row in tests.bad_rows
        )
        yield Section(title="Control tests that cannot be read", lines=unreadable)


def _gap_sections(view: View) -> Iterator[Section]:
    works = view.remediation.by_control()
    new, still = [], []
    for gap in view.gaps or []:
        work = None if gap.id is None else works.get(gap.id)
        if gap.id is None or view.gap_changes is None:
            still.append(say.gap(gap, view.today, work))
        elif view.gap_changes.is_new(gap.id):
            new.append(say.gap(gap, view.today, work))
        else:
            since = view.gap_changes.since(gap.id)
            still.append(say.gap(gap, view.today, work, since=since))
    if new:
        yield Section(
            title="New gaps: controls without evidence", lines=tuple(new), calls_owners=True
        )
    if still:
        yield Section(title="Gaps: controls without evidence", lines=tuple(still))
    if view.tests is not None and (hidden := view.tests.hidden_gaps()):
        lines = tuple(Line(text=say.said(row), key=f"hidden gap: test {row.id}") for row in hidden)
        yield Section(title="Gaps that only negative evidence hides", lines=lines)


def _waiting_sections(tests: TestStatus, today: date) -> Iterator[Section]:
    yield from _of(tests, "Attestations due", Standing.ATTESTATION_DUE, say.attestation)
    yield from _of(tests, "Not ours: results of other systems", Standing.NOT_OURS, say.of_others)
    if ending := tuple(say.ending_exceptions(tests.all_rows(), today)):
        yield Section(title="Exceptions that end or have ended", lines=ending)


def _gone_sections(view: View) -> Iterator[Section]:
    """What was told as open and is so no longer; only an observed pass is called resolved."""
    resolved: list[Line] = []
    unclear: list[Line] = []
    if view.tests is not None and view.test_changes is not None:
        standings = view.tests.standings()
        for number, known in view.test_changes.gone.items():
            now = standings.get(number)
            is_resolved = now is not None and now[1] in _RESOLVED
            (resolved if is_resolved else unclear).append(say.gone_test(known, now, view.today))
    if resolved:
        yield Section(title="Resolved since last", lines=tuple(resolved), is_history=True)
    if unclear:
        yield Section(
            title="No longer failing, but not verified", lines=tuple(unclear), is_history=True
        )
    if view.gap_changes is not None and view.gap_changes.gone:
        rows = view.tests.hidden_gaps() if view.tests is not None else []
        hidden = {row.control_id: name_of(row) for row in rows}
        closed = tuple(
            say.gone_gap(number, known, hidden, view.today)
            for number, known in view.gap_changes.gone.items()
        )
        yield Section(title="Gaps closed since last", lines=closed, is_history=True)


def _notes(view: View) -> Iterator[str]:
    if view.tests is not None:
        yield from _footnotes(view.tests, view.today)
    remediation = view.facts.remediation
    if isinstance(remediation, Failure):
        yield (
            "Overdue remediation: unknown. Owners and due dates are missing as well. "
            f"{one_line(str(remediation))}"
        )
        return
    if remediation.unreadable_rows:
        yield (
            f"Remediation tasks that cannot be read: {remediation.unreadable_rows}. "
            "They may be overdue."
        )
    if dates := sorted(set(remediation.unreadable_dates)):
        yield f"Remediation tasks whose due date names no day: control {_few(dates)}."


def _footnotes(tests: TestStatus, today: date) -> Iterator[str]:
    if attested := len(tests.rows(Standing.ATTESTED)):
        yield f"Current attestations: {attested}."
    if not_applicable := len(tests.rows(Standing.NOT_APPLICABLE)):
        yield f"Not applicable: {not_applicable}."
    in_force = [
        exemption.expires
        for row in tests.all_rows()
        for exemption in row.exemptions
        if exemption.expires >= today
    ]
    if in_force:
        ends = min(in_force).isoformat()
        yield f"Exceptions in force: {len(in_force)}, the next one ends {ends}."


def _analysis(last: LastAnalysis, view: View, *, is_clear: bool) -> str:
    """What the model wrote, as its words and nobody else's."""
    begin = f"Gap analysis of {last.at:%Y-%m-%d}"
    if last.degraded:
        return f"{begin}: DEGRADED, no model answered; its canned text is left out."
    hint = f", asked with {last.framework} in mind" if last.framework else ""
    begin = f"{begin} (model {last.model}{hint}; about the gaps of every framework)"
    if view.facts.now - last.at > _ANALYSIS_IS_OLD:
        begin += f", {say.days(view.facts.now - last.at)} old"
    if not last.summary.strip():
        return one_line(f"{begin}: the model wrote nothing.")
    if not is_clear and _GOOD_WORDS.search(last.summary):
        # It was written on another day, by a model: here it would read as today's verdict.
        return one_line(f"{begin}: left out, because it says that all is well.")
    return one_line(f"{begin}: {one_line(last.summary, limit=_ANALYSIS_LIMIT)}")


def _few(numbers: list[int], limit: int = 10) -> str:
    shown = ", ".join(map(str, numbers[:limit]))
    return shown if len(numbers) <= limit else f"{shown} and {len(numbers) - limit} more"
