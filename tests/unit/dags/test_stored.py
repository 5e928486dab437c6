"""Who wrote a stored result, told by its text."""

from __future__ import annotations

import pytest

from compai_dags.outcomes import Outcome
from compai_dags.stored import (
    Author,
    evidence_named_in,
    read_stored,
    tells_of_a_failed_call,
)

FIRST_GENERATION = [
    ("pass", "Scheduled run (Airflow); test_type=manual"),
    ("pass", "Evidence collected; id=17"),
    ("pass", "Okta evidence collected; id=17"),
    ("pass", "AWS evidence collected; id=17"),
    ("fail", '{"error":"Unauthorized"}'),
    ("fail", '{"detail":"repo API error","error":"Failed to fetch GitHub repo/commit"}'),
    ("fail", '{ "error": "Too many requests", "retry_after_secs": 60}'),
    ("fail", "401 Client Error: Unauthorized for url: http://comp-ai.test:3002/api/v1/tests"),
    ("fail", "503 Server Error: Service Unavailable for url: http://comp-ai.test:3002/"),
    ("fail", "HTTPConnectionPool(host='comp-ai.test', port=3002): Max retries exceeded"),
    ("fail", "HTTPSConnectionPool(host='comp-ai.test', port=443): Read timed out."),
    ("fail", "('Connection aborted.', RemoteDisconnected('Remote end closed connection'))"),
]


@pytest.mark.parametrize(("result", "details"), FIRST_GENERATION)
def test_texts_of_the_first_generation_prove_nothing(result, details, now) -> None:
    stored = read_stored(result=result, details=details, at=now)
    assert stored.author is Author.FIRST_GENERATION
    assert not stored.is_proven_fail


@pytest.mark.parametrize(
    ("result", "details"),
    [
        pytest.param("fail", "Scheduled run (Airflow); test_type=x", id="turned to fail"),
        pytest.param("pass", '{"error":"Unauthorized"}', id="turned to pass"),
        pytest.param("fail", "The 401 Client Error of yesterday is not fixed", id="about an error"),
        pytest.param("pass", None, id="no text"),
        pytest.param("skipped", "Evidence collected; id=1", id="skipped was never written"),
        pytest.param("fail", "2 konton utan andra faktor", id="a person's words"),
    ],
)
def test_other_texts_are_somebody_elses(result, details, now) -> None:
    stored = read_stored(result=result, details=details, at=now)
    assert stored.author is Author.OTHER
    assert stored.is_proven_fail == (result == "fail")


@pytest.mark.parametrize("result", ["pass", "fail", "skipped", None])
def test_without_a_time_nothing_ever_ran(result) -> None:
    stored = read_stored(result=result, details="Counter moved.", at=None)
    assert stored.author is Author.NOBODY
    assert stored.result == result
    assert not stored.is_proven_fail


def test_a_fail_of_ours_is_proven_and_an_error_is_not(ours) -> None:
    assert ours(Outcome.FAIL).is_proven_fail
    assert not ours(Outcome.ERROR, reason="timeout").is_proven_fail
    assert not ours(Outcome.PASS).is_proven_fail


def test_a_fail_of_ours_that_a_person_edited_is_theirs(now) -> None:
    stored = read_stored(result="fail", details='Kept.\ncompai-kit {"outcome":"PASS"}', at=now)
    assert stored.author is Author.OTHER
    assert stored.is_proven_fail


def test_the_words_that_travel_are_few(now) -> None:
    stored = read_stored(result="skipped", details="Step 01: restored.\n" * 100, at=now)
    assert 150 < len(stored.said) <= 200
    assert "\n" not in stored.said


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Evidence collected; id=17", 17),
        ("Okta evidence collected; id=17", 17),
        ("AWS evidence collected; id=17 ", 17),
        ("Scheduled run (Airflow); test_type=manual", None),
        ("Seen by a person; id=17", None),
        ("Evidence collected; id=x", None),
        ("Evidence collected; id=" + "9" * 40, None),
        ("", None),
    ],
)
def test_evidence_that_a_first_generation_pass_names(text, number) -> None:
    assert evidence_named_in(text) == number


@pytest.mark.parametrize(("result", "details"), FIRST_GENERATION)
def test_text_of_a_failed_call_is_told_from_an_observation(result, details) -> None:
    assert tells_of_a_failed_call(details) == (result == "fail")


def test_words_about_a_failed_call_are_an_observation() -> None:
    assert not tells_of_a_failed_call("The 401 Client Error of yesterday is not fixed")
    assert not tells_of_a_failed_call("")
