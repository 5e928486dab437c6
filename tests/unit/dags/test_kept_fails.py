"""Why a fail that is kept could not be verified again, from one run to the next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compai_dags.kept_fails import MAX_ATTEMPTS, Attempt, after_run, read_attempts, write_attempts
from compai_dags.outcomes import Outcome
from compai_dags.records import Record


def record(number: int = 5, outcome: Outcome = Outcome.ERROR, **over) -> Record:
    values = {"reason": "timeout", "said": "Could not verify: no answer.", "posted": None} | over
    return Record(id=number, control_id=3, name="x", outcome=outcome, **values)


@pytest.fixture
def attempt(now) -> Attempt:
    return Attempt(at=now - timedelta(days=1), reason="permission", said="Forbidden.")


def test_what_could_not_be_verified_is_kept_with_its_reason(now) -> None:
    found = after_run({}, [record()], now)
    assert found == {5: Attempt(at=now, reason="timeout", said="no answer.")}
    assert str(found[5]) == "timeout: no answer"


def test_not_configured_over_a_fail_is_kept_as_well(now) -> None:
    kept = record(outcome=Outcome.NOT_CONFIGURED, reason="config", said="")
    assert str(after_run({}, [kept], now)[5]) == "config"


@pytest.mark.parametrize(
    "seen",
    [
        record(outcome=Outcome.PASS, reason=None, posted="pass"),
        record(outcome=Outcome.FAIL, reason=None, posted="fail"),
        record(posted="skipped"),
        record(outcome=Outcome.UNRECORDED),
        record(outcome=Outcome.MANUAL, reason=None),
        record(outcome=Outcome.NOT_CONFIGURED, reason="unknown_type"),
    ],
    ids=["pass", "fail", "posted error", "unrecorded", "manual", "not ours"],
)
def test_anything_else_ends_it(now, attempt, seen) -> None:
    assert after_run({5: attempt}, [seen], now) == {}


def test_a_run_for_some_tests_leaves_the_others(now, attempt) -> None:
    assert after_run({7: attempt}, [record(5)], now)[7] == attempt


def test_what_is_too_old_is_dropped(now, attempt) -> None:
    assert after_run({7: attempt}, [], now + timedelta(days=90)) == {}


def test_only_the_newest_are_kept(now, attempt) -> None:
    found = after_run({7: attempt}, [record(n) for n in range(10, 10 + MAX_ATTEMPTS)], now)
    assert len(found) == MAX_ATTEMPTS
    assert 7 not in found


def test_an_endless_text_is_one_short_line(now) -> None:
    said = after_run({}, [record(said="a\nb" * 500)], now)[5].said
    assert "\n" not in said
    assert len(said) <= 150
    assert said.endswith("…")


def test_round_trip(attempt) -> None:
    assert read_attempts(write_attempts({5: attempt})) == ({5: attempt}, None)
    assert read_attempts(None) == ({}, None)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2}', '{"tests": {"x": {}}}', "\ud800"])
def test_what_cannot_be_read_is_nothing_and_is_told(text) -> None:
    attempts, problem = read_attempts(text)
    assert attempts == {}
    assert problem is not None
    assert problem.startswith("Variable comp_ai_control_tests_kept is unreadable: ")
