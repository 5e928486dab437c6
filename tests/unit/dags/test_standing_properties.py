"""Whatever Comp-AI holds: every stored result is judged, once, and never better than it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compai_dags.checks import CHECKS
from compai_dags.decisions import RunIdentity, decide, trailer_of
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.rows import Exemption, Row
from compai_dags.schedule import plan_of
from compai_dags.standing import Standing, is_verified, standing_of
from compai_dags.stored import (
    NEVER_RUN,
    Author,
    Stored,
    evidence_named_in,
    read_stored,
    tells_of_a_failed_call,
)
from compai_dags.trailer import write_details

NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
FIRST, LAST = (time.replace(tzinfo=UTC) for time in (datetime.min, datetime.max))  # noqa: DTZ901

# What anybody may have stored: any words, those of the first generation, broken lines of ours.
texts = st.none() | st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        (
            "Scheduled run (Airflow); test_type=",
            "Evidence collected; id=",
            "Okta evidence collected; id=",
            '{"error":',
            "503 Server Error",
            "HTTPConnectionPool(",
            "Looked.\ncompai-kit {",
            'Looked.\ncompai-kit {"outcome":"PASS"},"sha256":"0123456789abcdef"}',
        )
    ).flatmap(lambda head: st.text(max_size=30).map(lambda tail: head + tail)),
)
results = st.sampled_from(("pass", "fail", "skipped", None))
times = st.none() | st.one_of(
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from((FIRST, LAST)),
)
kinds = st.sampled_from(
    (*sorted(CHECKS), "manual", "integration", " Manual ", "sonarqube_gate", "")
)
schedules = st.none() | st.one_of(
    st.sampled_from(("daily", "weekly", "never", "@monthly", "*/5 * * * *", "0 0 29 2 *", "x")),
    st.text(max_size=20),
)
configs: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("attest_every", "timezone", "owner")), inner, max_size=3)
    ),
    max_leaves=5,
)
exemptions = st.lists(
    st.builds(
        Exemption,
        reason=st.just("accepted"),
        expires=st.dates(date(2026, 11, 1), date(2026, 12, 31)),
        object=st.none() | st.just("ada@example.com"),
    ),
    max_size=2,
).map(tuple)


@st.composite
def ours(draw: st.DrawFn) -> Stored:
    """A result that this kit wrote, through the code that writes it."""
    at = draw(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 - below
    outcome = draw(st.sampled_from(list(Outcome)))
    observed = draw(st.none() | st.just(at.replace(tzinfo=UTC)))
    observation = Observation(
        outcome=outcome,
        sentence=draw(st.text(max_size=40)),
        reason=draw(st.none() | st.sampled_from(list(Reason))),
        collected_at=observed,
    )
    decision = decide(observation, NEVER_RUN, unchecked_pass=draw(st.booleans()))
    result = decision.result or "skipped"
    trailer = trailer_of(decision, NEVER_RUN, RunIdentity(run_id="run-1"))
    details = write_details(decision.sentence, trailer, result)
    return read_stored(result=result, details=details, at=at.replace(tzinfo=UTC))


anybodys = st.builds(read_stored, result=results, details=texts, at=times)


everybodys = ours() | anybodys


@st.composite
def rows(draw: st.DrawFn, stored: st.SearchStrategy[Stored] = everybodys) -> Row:
    schedule, config = draw(schedules), draw(configs)
    timezone = draw(st.none() | st.just("Europe/Stockholm") | st.text(max_size=8))
    return Row(
        id=1,
        control_id=1,
        name="Test",
        test_type=draw(kinds),
        schedule=schedule,
        config=config,
        stored=draw(stored),
        exemptions=draw(exemptions),
        plan=plan_of(schedule, timezone=timezone),
    )


@given(row=rows())
def test_every_row_has_one_standing(row: Row) -> None:
    assert isinstance(standing_of(row, NOW), Standing)


@pytest.mark.parametrize("at", [FIRST, FIRST + timedelta(hours=5), LAST])
@pytest.mark.parametrize("schedule", [None, "daily", "yearly", "never", "0 0 29 2 *"])
@pytest.mark.parametrize("timezone", [None, "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("kind", ["manual", "github_last_commit", "sonarqube_gate"])
def test_a_year_at_the_end_of_time_is_judged_as_well(
    at: datetime, schedule: str | None, timezone: str | None, kind: str
) -> None:
    stored = read_stored(result="pass", details="Seen.", at=at)
    plan = plan_of(schedule, timezone=timezone)
    row = Row(
        id=1,
        control_id=1,
        name="Test",
        test_type=kind,
        schedule=schedule,
        config=None,
        stored=stored,
        plan=plan,
    )
    assert isinstance(standing_of(row, NOW), Standing)


@given(row=rows())
def test_verified_is_only_what_we_observed(row: Row) -> None:
    standing = standing_of(row, NOW)
    if standing is Standing.VERIFIED or is_verified(row, NOW):
        assert row.stored.author is Author.KIT
        assert row.stored.trailer is not None
        assert row.stored.trailer.collected_at is not None
        assert row.stored.result in ("pass", "fail")


@given(row=rows(anybodys))
def test_nobody_elses_pass_is_verified(row: Row) -> None:
    """Where a check exists, a word leaves the test unproven, late, stale or never run."""
    if row.stored.result != "pass" or row.kind == "manual":
        return
    standing = standing_of(row, NOW)
    assert standing not in (Standing.VERIFIED, Standing.NOT_APPLICABLE, Standing.ATTESTED)
    if row.kind in CHECKS:
        assert standing is not Standing.NOT_OURS


@given(result=results, details=texts, at=times)
@example(result="fail", details='{"error":"x"}', at=LAST)
def test_every_text_has_one_author(
    result: str | None, details: str | None, at: datetime | None
) -> None:
    stored = read_stored(result=result, details=details, at=at)
    assert isinstance(stored.author, Author)
    assert (stored.trailer is not None) == (stored.author is Author.KIT)
    assert len(stored.said) <= 200
    assert "\n" not in stored.said
    if at is None:
        assert stored.author is Author.NOBODY
    if stored.author is Author.FIRST_GENERATION:
        assert not stored.is_proven_fail


@given(text=st.text(max_size=60))
def test_any_text_can_be_asked_what_it_names(text: str) -> None:
    named = evidence_named_in(text)
    assert named is None or named >= 0
    assert tells_of_a_failed_call(text) in (True, False)


@given(sentence=st.text(max_size=40), place=st.integers(0, 10_000), letter=st.characters())
def test_one_letter_changed_and_it_is_not_ours(sentence: str, place: int, letter: str) -> None:
    observation = Observation(outcome=Outcome.PASS, sentence=sentence, collected_at=NOW)
    decision = decide(observation, NEVER_RUN)
    trailer = trailer_of(decision, NEVER_RUN, RunIdentity(run_id="run-1"))
    details = write_details(decision.sentence, trailer, "pass")
    place %= len(details)
    changed = details[:place] + letter + details[place + 1 :]
    stored = read_stored(result="pass", details=changed, at=NOW)
    assert (stored.author is Author.KIT) == (changed == details)


@given(row=rows(), age=st.timedeltas(timedelta(0), timedelta(days=3_000)))
def test_what_is_not_verified_does_not_become_so_by_waiting(row: Row, age: timedelta) -> None:
    at = row.stored.at
    if at is not None and at <= NOW and not is_verified(row, NOW):
        assert not is_verified(row, NOW + age)
