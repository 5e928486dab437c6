"""Whatever is stored: an audit gives one judgement, and lists no less than the rules ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from compai_dags.checks import CHECKS
from compai_dags.rows import Row
from compai_dags.schedule import plan_of
from compai_dags.standing import Standing, is_verified, standing_of
from compai_dags.stored import read_stored
from compai_dags.trailer import Trailer, write_details
from compai_kit.audit.judge import Negative, judge
from compai_kit.findings import CODES

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FIRST, LAST = (time.replace(tzinfo=UTC) for time in (datetime.min, datetime.max))  # noqa: DTZ901
NAMED = Negative(17, "github_branch_protection", "Not configured.", NOW)
HEADS = (
    "",
    "Scheduled run (Airflow); test_type=",
    "Evidence collected; id=17",
    '{"error":',
    "503 Server Error",
    "Branch protection not configured or not accessible for branch: ",
    "Looked.\ncompai-kit {",
)


@st.composite
def details(draw: st.DrawFn, result: str | None, at: datetime | None) -> str | None:
    if draw(st.booleans()):
        head = draw(st.sampled_from(HEADS))
        return head + draw(st.text(max_size=30))
    trailer = Trailer(
        outcome=draw(st.sampled_from(("PASS", "FAIL", "ERROR", "NOT_CONFIGURED"))),
        reason=draw(st.sampled_from((None, "unchecked", "timeout"))),
        prev=None,
        prev_at=None,
        collected_at=draw(st.sampled_from((None, at))),
        run="run-1",
        try_number=1,
        n_errors=0,
        kit="0.1.0",
    )
    return write_details("Looked.", trailer, result or "skipped")


@st.composite
def rows(draw: st.DrawFn) -> Row:
    result = draw(st.sampled_from(("pass", "pass", "fail", "skipped", None)))
    recent = st.timedeltas(timedelta(0), timedelta(days=120)).map(lambda age: NOW - age)
    at = draw(st.none() | recent | st.sampled_from((FIRST, LAST)))
    schedule = draw(st.sampled_from((None, "daily", "weekly", "never", "0 0 29 2 *", "x")))
    return Row(
        id=1,
        control_id=1,
        name=draw(st.text(max_size=10)),
        test_type=draw(st.sampled_from((*sorted(CHECKS), "sonarqube_gate", "manual"))),
        schedule=schedule,
        config=None,
        stored=read_stored(result=result, details=draw(details(result, at)), at=at),
        plan=plan_of(schedule),
    )


@given(row=rows(), named=st.sampled_from((None, NAMED)))
def test_one_judgement_that_says_why_and_what_to_do(row: Row, named: Negative | None) -> None:
    entry, is_late, is_not_ours = judge(row, NOW, named=named, name_of=str)
    assert (entry is not None) + is_late + is_not_ours <= 1
    if entry is not None:
        assert entry.code in CODES
        assert entry.result == row.stored.result
        assert entry.why
        assert entry.fix


@given(row=rows())
def test_pass_that_is_not_listed_has_grounds(row: Row) -> None:
    """Observed by this kit and not stale, attested by a person, or not for us to judge."""
    if row.stored.result != "pass":
        return
    entry, is_late, is_not_ours = judge(row, NOW, named=None, name_of=str)
    if entry is not None:
        assert standing_of(row, NOW) is not Standing.VERIFIED
        return
    assert row.stored.at is not None
    assert is_late or is_not_ours or is_verified(row, NOW) or row.kind == "manual"
    assert not (is_not_ours and row.kind in CHECKS)


@given(row=rows())
def test_skipped_claims_nothing(row: Row) -> None:
    if row.stored.result in ("skipped", None):
        assert judge(row, NOW, named=None, name_of=str).entry is None
