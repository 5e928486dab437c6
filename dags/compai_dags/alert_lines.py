"""How comp_ai_alerts says one thing: a failing test, a gap, an attestation, what became of a fail.

Every text here is one line; whoever renders it escapes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta

from compai_dags.changes import Compared, Known
from compai_dags.due import attestation_due_since, rests_on_exception
from compai_dags.facts import Gap, Work
from compai_dags.kept_fails import Attempt
from compai_dags.message import Line
from compai_dags.outcomes import Reason
from compai_dags.rows import Exemption, Row
from compai_dags.standing import Standing, is_verified
from compai_dags.stored import Author
from compai_dags.trailer import one_line

EXCEPTION_WARNING = timedelta(days=14)
_OWNER_LIMIT = 100
_KIND_LIMIT = 50


def name_of(row: Row) -> str:
    return one_line(f"{row.name} (control {row.control_id}, test {row.id})")


def name_of_gap(gap: Gap) -> str:
    return one_line(f"{gap.internal_id} {gap.name}")


def about(row: Row, standing: Standing, text: str) -> Line:
    """A line on a test; it changes when the test's standing does, not with its words."""
    return Line(text=text, key=f"{standing}: test {row.id}")


def failing(
    row: Row,
    now: datetime,
    work: Work | None,
    *,
    since: date | None = None,
    attempt: Attempt | None = None,
) -> Line:
    """A failing test; `since` for one that was told before, `attempt` for the last vain look."""
    at = row.stored.at
    tags = []
    if since is not None:
        tags.append(f"failing for {age(since, now.date())}")
    why = ""
    if attempt is not None and at is not None and attempt.at > at:
        why = f", because {attempt} ({day(attempt.at)})"
    if row.stored.author is Author.OTHER:
        since_then = f", not verified since{why}" if why else ""
        tags.append(f"reported {day(at)} by a person or another system{since_then}")
    elif why or not is_verified(row, now):
        tags.append(f"not re-verified since {day(at)}{why}")
    return Line(
        text=said(row),
        key=f"{Standing.FAILING}: test {row.id}",
        tags=(*tags, *_due(work, now.date())),
        owner=owner_of(work),
    )


def gap(item: Gap, today: date, work: Work | None, *, since: date | None = None) -> Line:
    """A control without evidence; `since` for one that was told before."""
    tags = [] if since is None else [f"a gap for {age(since, today)}"]
    return Line(
        text=name_of_gap(item),
        key=f"gap: {item.id if item.id is not None else item.name}",
        tags=(*tags, *_due(work, today)),
        owner=owner_of(work),
    )


def overdue(work: Work, due: date, today: date, concerns: Iterable[str]) -> Line:
    """Remediation whose day has passed; `concerns` is what is open at its control."""
    named = "; ".join(concerns)
    where = f"control {work.control_id} ({named})" if named else f"control {work.control_id}"
    return Line(
        text=one_line(f"{where}: due {due.isoformat()}, {days(today - due)} overdue"),
        key=f"overdue: control {work.control_id} since {due.isoformat()}",
        owner=owner_of(work),
    )


def unverified(row: Row) -> str:
    trailer = row.stored.trailer
    if trailer is None or not trailer.prev or trailer.prev_at is None:
        return said(row)
    return f"{said(row)} [before: {trailer.prev} on {day(trailer.prev_at)}]"


def unproven(row: Row) -> str:
    trailer = row.stored.trailer
    if trailer is not None and trailer.reason == Reason.UNCHECKED:
        why = "nothing was checked"
    elif row.stored.author is Author.FIRST_GENERATION:
        why = "written by the runner before this one, without a check"
    else:
        why = "the word of a person or another system, not observed"
    return f"{name_of(row)}: {_result(row)}, {why}"


def aged(row: Row) -> str:
    trailer = row.stored.trailer
    at = trailer.collected_at if trailer and trailer.collected_at else row.stored.at
    if rests_on_exception(row):
        return f"{name_of(row)}: not looked at since {day(at)}; the exception of then has ended"
    return f"{name_of(row)}: {row.stored.result}, last seen {day(at)}"


def schedule_problem(row: Row) -> str:
    return f"{name_of(row)}: {one_line(row.plan.problem)}; it runs whenever the DAG does"


def attestation(row: Row) -> str:
    stored = row.stored
    if stored.author is Author.KIT:
        return said(row)
    if stored.author is Author.OTHER and stored.result == "pass" and stored.at is not None:
        due = attestation_due_since(row, stored.at)
        return f"{name_of(row)}: attested {day(stored.at)}, due since {day(due)}"
    if stored.at is None:
        return f"{name_of(row)}: never attested"
    return f"{name_of(row)}: {_result(row)} is no attestation"


def of_others(row: Row) -> str:
    return f"{name_of(row)}: {_result(row)}, type {one_line(row.test_type, limit=_KIND_LIMIT)}"


def said(row: Row) -> str:
    return f"{name_of(row)}: {row.stored.said}" if row.stored.said else name_of(row)


def ending_exceptions(rows: Iterable[Row], today: date) -> Iterator[Line]:
    """Exceptions that have ended, or will soon: somebody has to mend, or to decide again."""
    found = [
        (exemption.expires, row, exemption)
        for row in rows
        for exemption in row.exemptions
        if exemption.expires - today <= EXCEPTION_WARNING
    ]
    for expires, row, exemption in sorted(found, key=lambda item: (item[0], item[1].id)):
        if expires < today:
            when = f"ended {expires.isoformat()}, no longer in force"
        elif expires == today:
            when = "ends today"
        else:
            when = f"ends {expires.isoformat()}, in {days(expires - today)}"
        what = _covered(exemption)
        state = "ended" if expires < today else "ends"
        yield Line(
            text=one_line(f"{name_of(row)}: {what} {when}. Reason: {exemption.reason}"),
            key=f"exception {state}: test {row.id} {exemption.object} {expires.isoformat()}",
        )


def _covered(exemption: Exemption) -> str:
    if exemption.object is None:
        return "the exception for the whole test"
    local, at, domain = exemption.object.partition("@")
    # Nobody's address belongs in a channel.
    shown = f"{local[:1]}…@{domain}" if at else exemption.object
    return f"the exception for {shown}"


def gone_test(known: Known, now: tuple[Row, Standing] | None, today: date) -> Line:
    """What became of a test that failed: only a pass that was observed is its end."""
    was = f"had failed for {age(known.since, today)}"
    if now is None:
        return Line(text=f"{one_line(known.name)}: no longer listed by Comp-AI, {was}", key="")
    row, standing = now
    match standing:
        case Standing.VERIFIED:
            text = f"{name_of(row)}: pass observed {day(_seen(row))}, {was}"
        case Standing.ATTESTED:
            text = f"{name_of(row)}: attested {day(row.stored.at)} by a person, {was}"
        case Standing.NOT_OURS:
            text = f"{name_of(row)}: another system says {_result(row)}, {was}"
        case _:
            text = f"{name_of(row)}: now {standing}, {was}"
            if row.stored.said:
                text += f": {row.stored.said}"
    return Line(text=text, key="")


def gone_gap(number: int, known: Known, hidden: Mapping[int, str], today: date) -> Line:
    """The list of gaps tells no more than that a control is not in it."""
    name = one_line(known.name)
    was = f"was a gap for {age(known.since, today)}"
    if number in hidden:
        text = f"{name}: only negative evidence hides it ({hidden[number]}), {was}"
    else:
        text = f"{name}: has evidence now, or is no longer listed; {was}"
    return Line(text=text, key="")


def owner_of(work: Work | None) -> str | None:
    if work is None or work.assigned_to is None:
        return None
    return one_line(work.assigned_to, limit=_OWNER_LIMIT)


def sort_by_age(rows: Iterable[Row], changes: Compared) -> list[Row]:
    return sorted(rows, key=lambda row: (changes.since(row.id), row.id))


def age(since: date, today: date) -> str:
    return days(today - since) if since < today else "less than a day"


def days(length: timedelta) -> str:
    return f"{length.days} day{'s' if length.days != 1 else ''}"


def day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at is not None else "an unknown day"


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _due(work: Work | None, today: date) -> list[str]:
    if work is None or work.due is None:
        return []
    if work.due < today:
        return [f"due {work.due.isoformat()}, {days(today - work.due)} overdue"]
    return [f"due {work.due.isoformat()}"]


def _seen(row: Row) -> datetime | None:
    return row.stored.trailer.collected_at if row.stored.trailer else None


def _result(row: Row) -> str:
    return f"{row.stored.result or 'no result'} of {day(row.stored.at)}"
