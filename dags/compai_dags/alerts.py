"""What comp_ai_alerts says. The words of the all clear are earned in `status`, nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime

from compai_dags.alert_state import Incident, LastGood
from compai_dags.cadence import attestation_due_since
from compai_dags.facts import Facts, Failure, Gap, Work
from compai_dags.message import Line, Message, Section
from compai_dags.outcomes import Reason
from compai_dags.rows import Row
from compai_dags.standing import Standing, is_verified
from compai_dags.status import TestStatus, headline, test_status
from compai_dags.stored import Author
from compai_dags.trailer import one_line

TITLE = "Compliance status"
UNKNOWN_TITLE = "Compliance status UNKNOWN"


def compose(
    facts: Facts,
    tests: TestStatus,
    gaps: list[Gap],
    *,
    recovered: Incident | None = None,
    link: str | None = None,
) -> Message:
    """The daily message, for when both required calls were answered."""
    notes = list(_notes(facts, tests))
    if recovered is not None:
        notes.insert(0, f"Recovered: the status was unknown since {_moment(recovered.since)}.")
    return Message(
        title=f"{TITLE} {facts.now:%Y-%m-%d}",
        headline=headline(tests, gaps),
        sections=tuple(_sections(facts, tests, gaps)),
        notes=tuple(notes),
        is_open=bool(gaps) or not tests.is_clear,
        link=link,
    )


def compose_unknown(
    facts: Facts, *, last_good: LastGood | None, link: str | None = None
) -> Message:
    """The message of an outage: what failed, what is known all the same, what was last known."""
    gaps = facts.gaps if not isinstance(facts.gaps, Failure) else None
    tests = None if isinstance(facts.tests, Failure) else test_status(facts.tests, facts.now)
    known = [
        f"gaps: {'unknown' if gaps is None else len(gaps)}",
        f"tests: {'unknown' if tests is None else _in_one_line(tests)}",
    ]
    failed = tuple(Line(text=str(failure), key=failure.call) for failure in facts.failures)
    before = (
        "The last good summary is not known."
        if last_good is None
        else f"Last good summary, {_moment(last_good.at)}: {last_good.summary}"
    )
    return Message(
        title=UNKNOWN_TITLE,
        headline="; ".join(known),
        sections=(Section(title="Failed calls", lines=failed), *_sections(facts, tests, gaps)),
        notes=(before, *_notes(facts, tests)),
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


def _sections(facts: Facts, tests: TestStatus | None, gaps: list[Gap] | None) -> Iterator[Section]:
    now = facts.now
    works = [] if isinstance(facts.remediation, Failure) else facts.remediation
    owners = {work.control_id: work.assigned_to for work in works if work.assigned_to}

    def of(title: str, standing: Standing, say: Callable[[Row], str]) -> Iterator[Section]:
        rows = tests.rows(standing) if tests is not None else []
        if rows:
            yield Section(title=title, lines=tuple(_line(row, say(row)) for row in rows))

    yield from of("Failing", Standing.FAILING, lambda row: _failing(row, now, owners))
    if overdue := tuple(_overdue(works, now.date())):
        yield Section(title="Overdue remediation", lines=overdue, is_overdue=True)
    yield from of("Could not be verified", Standing.COULD_NOT_VERIFY, _unverified)
    yield from of("Not configured", Standing.NOT_CONFIGURED, _said)
    yield from of("Unproven", Standing.UNPROVEN, _unproven)
    yield from of("Stale: two daily runs or more missed", Standing.STALE, _aged)
    yield from of("Late: not verified on schedule", Standing.LATE, _aged)
    yield from of("Never run", Standing.NEVER_RUN, _name)
    if tests is not None and tests.bad_rows:
        unreadable = tuple(Line(text=bad_row, key=bad_row) for bad_row in tests.bad_rows)
        yield Section(title="Control tests that cannot be read", lines=unreadable)
    if gaps:
        yield Section(
            title="Gaps: controls without evidence",
            lines=tuple(
                Line(text=one_line(f"{gap.internal_id} {gap.name}"), key=gap.internal_id)
                for gap in gaps
            ),
        )
    hidden = tests.hidden_gaps() if tests is not None else []
    if hidden:
        yield Section(
            title="Gaps that only negative evidence hides",
            lines=tuple(_line(row, _name(row)) for row in hidden),
        )
    yield from of("Attestations due", Standing.ATTESTATION_DUE, _attestation)
    yield from of("Not ours: results of other systems", Standing.NOT_OURS, _others)


def _notes(facts: Facts, tests: TestStatus | None) -> Iterator[str]:
    if tests is not None:
        if attested := len(tests.rows(Standing.ATTESTED)):
            yield f"Current attestations: {attested}."
        if not_applicable := len(tests.rows(Standing.NOT_APPLICABLE)):
            yield f"Not applicable: {not_applicable}."
    if isinstance(facts.remediation, Failure):
        yield f"Overdue remediation: unknown. {facts.remediation}"


def _line(row: Row, text: str) -> Line:
    return Line(text=text, key=f"test {row.id}")


def _name(row: Row) -> str:
    return one_line(f"{row.name} (control {row.control_id}, test {row.id})")


def _said(row: Row) -> str:
    return f"{_name(row)}: {row.stored.said}" if row.stored.said else _name(row)


def _failing(row: Row, now: datetime, owners: Mapping[int, str]) -> str:
    text = _said(row)
    if row.stored.author is Author.OTHER:
        text += f" [reported {_day(row.stored.at)} by a person or another system]"
    elif not is_verified(row, now):
        text += f" [not re-verified since {_day(row.stored.at)}]"
    owner = owners.get(row.control_id)
    return f"{text} [owner: {one_line(owner)}]" if owner else text


def _unverified(row: Row) -> str:
    trailer = row.stored.trailer
    text = _said(row)
    if trailer is not None and trailer.prev and trailer.prev_at:
        text += f" [before: {trailer.prev} on {_day(trailer.prev_at)}]"
    return text


def _unproven(row: Row) -> str:
    trailer = row.stored.trailer
    if trailer is not None and trailer.reason == Reason.UNCHECKED:
        why = "nothing was checked"
    elif row.stored.author is Author.FIRST_GENERATION:
        why = "written by the runner before this one, without a check"
    else:
        why = "the word of a person or another system, not observed"
    return f"{_name(row)}: {_result(row)}, {why}"


def _aged(row: Row) -> str:
    trailer = row.stored.trailer
    at = trailer.collected_at if trailer and trailer.collected_at else row.stored.at
    return f"{_name(row)}: {row.stored.result}, last seen {_day(at)}"


def _attestation(row: Row) -> str:
    stored = row.stored
    if stored.author is Author.KIT:
        return _said(row)
    if stored.author is Author.OTHER and stored.result == "pass" and stored.at is not None:
        due = attestation_due_since(row, stored.at)
        return f"{_name(row)}: attested {_day(stored.at)}, due since {_day(due)}"
    if stored.at is None:
        return f"{_name(row)}: never attested"
    return f"{_name(row)}: {_result(row)} is no attestation"


def _others(row: Row) -> str:
    kind = one_line(row.test_type, limit=50)
    return f"{_name(row)}: {_result(row)}, type {kind}"


def _overdue(works: list[Work], today: date) -> Iterator[Line]:
    for work in sorted(works, key=lambda work: work.due or date.max):
        if work.due is not None and work.due < today:
            days = (today - work.due).days
            text = f"control {work.control_id}: due {work.due.isoformat()}, {days} d overdue"
            yield Line(text=text, key=f"control {work.control_id}", owner=work.assigned_to)


def _result(row: Row) -> str:
    return f"{row.stored.result or 'no result'} of {_day(row.stored.at)}"


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at is not None else "an unknown day"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
