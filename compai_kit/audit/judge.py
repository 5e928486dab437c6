"""Is a stored result supported? Pure; every rule is the DAGs' own: author, standing, texts.

What the audit adds is the class of a complaint, the reason in words and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, cast

from compai_client import EvidenceItem
from compai_dags.checks import check_for
from compai_dags.checks.collected_texts import is_negative
from compai_dags.due import attestation_due_since
from compai_dags.outcomes import Reason
from compai_dags.rows import Row
from compai_dags.standing import Standing, standing_of
from compai_dags.stored import Author, evidence_named_in, tells_of_a_failed_call
from compai_dags.trailer import MARK, one_line
from compai_kit.audit.model import Entry, Result, make_entry
from compai_kit.report.redact import redact

_TESTS_DAG = "comp_ai_control_tests"
_QUOTED = 100
_SAID = 200
_SUPPORTED = (Standing.VERIFIED, Standing.ATTESTED, Standing.NOT_OURS, Standing.NOT_APPLICABLE)


class Complaint(NamedTuple):
    """Why a stored result is not supported."""

    code: str
    why: str
    fix: str


class Negative(NamedTuple):
    """A row of evidence that says something bad, as far as an audit quotes it."""

    id: int
    type: str
    text: str
    at: datetime


class Judgement(NamedTuple):
    """`is_late`: supported, but one run was missed. `is_not_ours`: nobody here can tell."""

    entry: Entry | None
    is_late: bool = False
    is_not_ours: bool = False


def judge(
    row: Row, now: datetime, *, named: Negative | None, name_of: Callable[[int], str]
) -> Judgement:
    """Judge one test; `named` is negative evidence that its text rests on."""
    stored, complaint = row.stored, None
    standing = standing_of(row, now)
    if stored.result == "pass":
        complaint = _complaint_about_pass(row, standing, named)
    elif stored.result == "fail":
        complaint = _complaint_about_fail(row)
    if complaint is not None:
        return Judgement(_entry(row, complaint, name_of(row.control_id)))
    is_pass = stored.result == "pass"
    return Judgement(
        None,
        is_late=is_pass and standing is Standing.LATE,
        is_not_ours=is_pass and standing is Standing.NOT_OURS,
    )


def evidence_to_look_at(row: Row) -> int | None:
    """The evidence that decides whether a pass contradicts itself; None where there is none."""
    is_old_pass = row.stored.author is Author.FIRST_GENERATION and row.stored.result == "pass"
    return evidence_named_in(row.stored.said) if is_old_pass else None


def negative(item: EvidenceItem) -> Negative | None:
    """The row when it says something bad, by the checks' own reading of it; else None."""
    if not is_negative(item):
        return None
    return Negative(item.id, shown(item.type), shown(item.description), item.collected_at)


def shown(text: str | None, *, limit: int = _SAID) -> str:
    """A text of Comp-AI as it may be shown: one line, no secrets, nothing a terminal obeys."""
    return one_line(redact(text or ""), limit=limit)


def gap_entry(control_id: int, control: str, rows: int, newest: Negative) -> Entry:
    """A control that only negative evidence keeps off the gap list."""
    what = "Its only row of evidence says" if rows == 1 else f"All {rows} rows of evidence say"
    return make_entry(
        "CK521",
        control_id=control_id,
        control=control,
        at=newest.at,
        said=newest.text,
        why=f"{what} nothing good; the newest, {newest.type} {newest.id}: {_quoted(newest.text)}",
        fix="Treat the control as a gap: attach evidence that shows it at work.",
    )


def _complaint_about_pass(row: Row, standing: Standing, named: Negative | None) -> Complaint | None:
    stored = row.stored
    if stored.at is None:
        return _never_ran(row)
    if named is not None:
        return Complaint(
            "CK502",
            f"It rests on evidence {named.id}, which says: {_quoted(named.text)}",
            _look_again(row),
        )
    if stored.author is not Author.KIT and _says_no(row):
        return Complaint("CK502", f"Its own text says no: {_quoted(stored.said)}", _look_again(row))
    if stored.author is Author.FIRST_GENERATION:
        return Complaint(
            "CK501",
            f"Written by an earlier runner, which did not look: {_quoted(stored.said)}",
            _look_again(row),
        )
    is_late = standing is Standing.LATE and stored.author is Author.KIT
    if standing in _SUPPORTED or is_late:
        return None
    if standing is Standing.ATTESTATION_DUE:
        return Complaint(
            "CK507",
            f"Attested {stored.at:%Y-%m-%d}, "
            f"due since {attestation_due_since(row, stored.at):%Y-%m-%d}",
            "Have the test repeated by a person, and record the result.",
        )
    if stored.author is Author.OTHER:
        return Complaint(
            "CK505", f"{_words_of_others(stored.said)}; a check could look", _look_again(row)
        )
    return _complaint_about_ours(row, standing)


def _words_of_others(said: str) -> str:
    if f" {MARK}{{" in said:
        return "A text of this kit that somebody edited, so that its seal is broken"
    words = f"saying {_quoted(said)}" if said else "without a text"
    return f"A person or another system wrote it, {words}"


def _complaint_about_ours(row: Row, standing: Standing) -> Complaint:
    trailer = row.stored.trailer
    observed = trailer.collected_at if trailer is not None else None
    if standing is Standing.STALE and observed is not None:
        plan = row.plan
        whose = f"its schedule {shown(row.schedule)!r}" if plan.is_own else f"{plan.cadence!r}"
        return Complaint(
            "CK504",
            f"Observed {observed:%Y-%m-%d %H:%M}; by {whose} two or more runs were missed since",
            f"Find out why {_TESTS_DAG} did not evaluate it: paused, red, or Airflow down?",
        )
    if trailer is not None and trailer.reason == Reason.UNCHECKED:
        return Complaint(
            "CK506",
            "Nothing was checked: COMP_AI_UNCHECKED_RESULT=pass asked for it",
            "Remove that setting; the next run stores what is known.",
        )
    return Complaint(
        "CK506", "The line of this kit names no observation of a pass", _look_again(row)
    )


def _complaint_about_fail(row: Row) -> Complaint | None:
    if row.stored.at is None:
        return _never_ran(row)
    if row.stored.author is not Author.FIRST_GENERATION:
        return None
    return Complaint(
        "CK511",
        f"Its text is the error of a call, not an observation: {_quoted(row.stored.said)}",
        _look_again(row),
    )


def _never_ran(row: Row) -> Complaint:
    return Complaint(
        "CK503", f"No run was ever recorded, yet a {row.stored.result} is stored", _look_again(row)
    )


def _says_no(row: Row) -> bool:
    """Whether the text, read as evidence of the test's type, is one that the checks call bad."""
    said = row.stored.said
    return tells_of_a_failed_call(said) or is_negative(_as_evidence(row, said))


def _as_evidence(row: Row, text: str) -> EvidenceItem:
    assert row.stored.at is not None  # noqa: S101 - the caller has looked
    return EvidenceItem(
        id=0,
        control_id=row.control_id,
        type=row.kind,
        source=None,
        description=text,
        link_url=None,
        collected_at=row.stored.at,
        created_by=None,
        file_path=None,
        file_name=None,
        content_type=None,
        extracted_text=None,
    )


def _look_again(row: Row) -> str:
    if row.kind == "manual":
        return "Have it tested by a person, and record the result."
    if check_for(row) is not None:
        return f"Let {_TESTS_DAG} evaluate it: it stores what it observes."
    if row.stored.author is Author.OTHER:
        return "There is no check for this type: have whoever wrote the result look again."
    return (
        f"There is no check for this type: {_TESTS_DAG} stores `skipped`; "
        "give it a type that has one, or make it manual."
    )


def _entry(row: Row, complaint: Complaint, control: str) -> Entry:
    return make_entry(
        complaint.code,
        control_id=row.control_id,
        control=control,
        test_id=row.id,
        test=shown(row.name),
        test_type=shown(row.test_type),
        result=cast(Result, row.stored.result),
        at=row.stored.at,
        said=shown(row.stored.said),
        why=complaint.why,
        fix=complaint.fix,
    )


def _quoted(text: str) -> str:
    return f"“{shown(text, limit=_QUOTED)}”"
