"""Whatever Comp-AI holds, the message fits into what Slack takes and says nothing by accident."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compai_dags.alert_state import AlertState, Incident, LastGood
from compai_dags.alerts import compose, compose_unknown, view_of
from compai_dags.analysis_state import LastAnalysis
from compai_dags.changes import Known
from compai_dags.decisions import RunIdentity, decide, trailer_of
from compai_dags.facts import Facts, Failure, Gap, Remediation, Work
from compai_dags.listing import Listing
from compai_dags.message import Message
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.rows import Exemption, Row
from compai_dags.schedule import plan_of
from compai_dags.slack_format import plain_payload, slack_payload
from compai_dags.standing import Standing, standing_of
from compai_dags.stored import NEVER_RUN, Stored, read_stored
from compai_dags.trailer import Trailer, write_details

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
OWNERS = {"Kim": "U012ABC", "<!here>": "U034DEF"}
LINK = "https://airflow.example/runs/r?try_number=1&map_index=-1"
ALL_CLEAR = re.compile(r"no gaps|no failed tests|all clear", re.IGNORECASE)
# What may stand in angle brackets: a mention of the map, and the link to the log.
OURS = re.compile(r"<@(U012ABC|U034DEF)>|<https://airflow\.example/[^<>|]*\|full text>")
ENTITY = re.compile(r"&(?!(amp|lt|gt);)")

# Without letters that could spell an all clear. Text is what attackers and long names are made of.
nasty = st.sampled_from(
    [
        "<!channel>", "<@U666>", "<https://x|y>", "&", "&amp;", "\n", "\u2028", "\x00", "\ud800",
        "😀", "|", ">", "*", "`", "x" * 300, "& < > " * 60, "😀" * 200,
    ]
)  # fmt: skip
texts = st.lists(nasty | st.text("xyz<>&| 😀\n", max_size=12), max_size=4).map("".join)
moments = st.sampled_from([0.1, 1, 20, 30, 60, 24 * 100, 24 * 400, -3]).map(
    lambda age_h: NOW - timedelta(hours=age_h)
)
days = st.dates(date(2026, 1, 1), date(2027, 6, 1))
small_ids = st.integers(1, 12)
people = st.none() | st.sampled_from(["Kim", "<!here>"]) | texts


def stored_by_us(observation: Observation, at: datetime) -> Stored:
    decision = decide(observation, NEVER_RUN)
    assert decision.result is not None
    trailer = trailer_of(decision, NEVER_RUN, RunIdentity(run_id="run-1"))
    details = write_details(decision.sentence, trailer, decision.result)
    return read_stored(result=decision.result, details=details, at=at)


@st.composite
def stored(draw: st.DrawFn) -> Stored:
    at = draw(moments)
    if draw(st.booleans()):
        said = draw(texts | st.sampled_from(["Evidence collected; id=1", '{"error": "x"}']))
        result = draw(st.sampled_from(["pass", "fail", "skipped", None]))
        return read_stored(result=result, details=said, at=draw(st.none() | st.just(at)))
    outcome = draw(
        st.sampled_from(
            [
                Outcome.PASS,
                Outcome.FAIL,
                Outcome.ERROR,
                Outcome.NOT_CONFIGURED,
                Outcome.NOT_APPLICABLE,
            ]
        )
    )
    observation = Observation(
        outcome=outcome,
        sentence=draw(texts),
        reason=draw(st.none() | st.sampled_from(Reason)),
        collected_at=at if outcome in (Outcome.PASS, Outcome.FAIL) else None,
        hides_gap=draw(st.booleans()),
    )
    return stored_by_us(observation, at)


exemptions = st.builds(Exemption, reason=texts, expires=days, object=people)
rows = st.builds(
    Row,
    id=st.integers(1, 60),
    control_id=small_ids,
    name=texts,
    test_type=st.sampled_from(["github_branch_protection", "manual", "integration"]) | texts,
    schedule=st.none(),
    config=st.none(),
    stored=stored(),
    exemptions=st.lists(exemptions, max_size=2).map(tuple),
    plan=st.sampled_from([plan_of(None), plan_of("weekly"), plan_of("never"), plan_of("<!here>")]),
)
gaps = st.lists(
    st.builds(Gap, id=st.none() | small_ids, internal_id=texts, name=texts),
    max_size=40,
    unique_by=lambda gap: gap.id or object(),
)


def many(found: list[Row]) -> list[Row]:
    """The same rows over and over: what is drawn is few, what does not fit is many."""
    return [
        msgspec.structs.replace(found[n % len(found)], id=n, name=found[n % len(found)].name * 3)
        for n in range(1, 61)
    ]


def calm(extra: Row) -> list[Row]:
    """Everything is fine, but for one test that may be anything."""
    at = NOW - timedelta(hours=1)
    observation = Observation(outcome=Outcome.PASS, sentence="Seen.", collected_at=at)
    stored = stored_by_us(observation, at)
    return [msgspec.structs.replace(extra, id=1, stored=stored, plan=plan_of(None)), extra]


some_rows = st.lists(rows, max_size=60, unique_by=lambda row: row.id)
listings = st.builds(
    Listing,
    rows=some_rows | some_rows.filter(bool).map(many),
    bad_rows=st.lists(texts, max_size=3),
) | st.builds(Listing, rows=rows.filter(lambda row: row.id > 1).map(calm), bad_rows=st.just([]))
works = st.builds(Work, control_id=small_ids, assigned_to=people, due=st.none() | days)
remediations = st.builds(
    Remediation,
    works=st.lists(works, max_size=20),
    unreadable_rows=st.integers(0, 9),
    unreadable_dates=st.lists(small_ids, max_size=30),
)
failures = st.builds(
    Failure,
    call=st.sampled_from(["listGaps", "listTests", "listRemediation"]),
    status=st.none() | st.integers(200, 599),
    attempts=st.none() | st.integers(1, 4),
    at=st.just(NOW),
    message=texts,
)
known = st.dictionaries(
    st.integers(1, 60), st.builds(Known, name=texts, since=days, told=st.booleans()), max_size=30
)
states = st.builds(
    AlertState,
    last_good=st.none() | st.builds(LastGood, at=st.just(NOW), summary=texts),
    tests=known,
    gaps=known,
)
incidents = st.builds(
    Incident, since=st.just(NOW), calls=st.just(["listGaps"]), posted=st.booleans()
)
analyses = st.builds(
    LastAnalysis,
    at=st.just(NOW),
    framework=st.none() | texts,
    model=texts,
    degraded=st.booleans(),
    summary=texts | st.sampled_from(["No gaps.", "All clear: no failed tests."]),
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[Facts, Message]:
    facts = Facts(
        gaps=draw(gaps | st.just([]) | failures),
        tests=draw(listings | failures),
        remediation=draw(remediations | failures),
        now=NOW,
    )
    state = draw(states)
    view = view_of(facts, state)
    link = draw(st.sampled_from([None, LINK, LINK + "x" * 300]))
    if facts.failures:
        return facts, compose_unknown(view, last_good=state.last_good, link=link)
    return facts, compose(
        view, recovered=draw(st.none() | incidents), analysis=draw(st.none() | analyses), link=link
    )


def trailers(listing: Listing) -> list[Trailer]:
    return [row.stored.trailer for row in listing.rows if row.stored.trailer is not None]


def size_of(text: str) -> int:
    """Characters as Slack counts them at most: those of UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def blocks_of(payload: dict[str, Any]) -> list[str]:
    return [
        block["text"]["text"] if "text" in block else block["elements"][0]["text"]
        for block in payload["blocks"]
    ]


@settings(max_examples=25, deadline=None)
@given(messages())
def test_every_status_fits_into_what_slack_takes(found: tuple[Facts, Message]) -> None:
    payload = slack_payload(found[1], OWNERS)
    shown = blocks_of(payload)
    assert len(shown) <= 45
    assert max(map(size_of, shown)) <= 2_900
    assert sum(map(size_of, shown)) <= 12_000
    assert size_of(shown[0]) <= 150
    assert all(text.strip() for text in shown), "Slack refuses an empty block"
    assert size_of(payload["text"]) <= 3_000
    json.dumps(payload, ensure_ascii=False).encode("utf-8")


@settings(max_examples=25, deadline=None)
@given(messages())
def test_no_text_of_others_becomes_markup(found: tuple[Facts, Message]) -> None:
    payload = slack_payload(found[1], OWNERS)
    shown = [*blocks_of(payload)[1:], payload["text"], plain_payload(found[1])["text"]]
    for text in shown:
        rest = OURS.sub("", text)
        assert "<" not in rest
        assert ">" not in rest
        assert not ENTITY.search(rest)
    assert "<@" not in payload["text"], "the fallback mentions nobody"


@settings(max_examples=25, deadline=None)
@given(messages())
def test_no_text_of_others_begins_a_line(found: tuple[Facts, Message]) -> None:
    """A line of a section is its title, a bullet, or says how many more there are."""
    message = found[1]
    for section, text in zip(
        message.sections, blocks_of(slack_payload(message, OWNERS))[2:], strict=False
    ):
        title, *lines = text.split("\n")
        assert title == f"*{section.title} ({len(section.lines)})*"
        assert all(line.startswith(("• ", "… and ")) for line in lines)
        assert len(lines) <= len(section.lines)


@settings(max_examples=25, deadline=None)
@given(messages())
def test_the_words_of_the_all_clear_are_earned(found: tuple[Facts, Message]) -> None:
    facts, message = found
    text = json.dumps(slack_payload(message, OWNERS))
    if isinstance(facts.gaps, Failure) or isinstance(facts.tests, Failure):
        assert not ALL_CLEAR.search(text)
        assert "UNKNOWN" in text
        if isinstance(facts.gaps, Failure):
            assert "gaps: unknown" in message.headline
        if isinstance(facts.tests, Failure):
            assert "tests: unknown" in message.headline
    elif ALL_CLEAR.search(text):
        assert facts.gaps == []
        assert facts.tests.bad_rows == []
        standings = {standing_of(row, NOW) for row in facts.tests.rows if row.stored.is_proven_fail}
        assert standings <= {Standing.NOT_APPLICABLE}, "a person's fail, and an exception in force"
        assert not any(trailer.hides_gap for trailer in trailers(facts.tests))
        assert message.headline.startswith("No gaps, no failed tests — ")
