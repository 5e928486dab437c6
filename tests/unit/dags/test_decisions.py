"""What may be posted over what is stored: every outcome over every author."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compai_dags.decisions import RunIdentity, decide, is_recorded, trailer_of
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.stored import NEVER_RUN, read_stored
from compai_dags.trailer import write_details

POSTED = "pass", "fail", "skipped"


@pytest.fixture
def before(ours, theirs):
    """Every kind of stored result, by name."""
    return {
        "never run": NEVER_RUN,
        "never run, says pass": theirs("pass", at=None),
        "never run, says fail": theirs("fail", at=None),
        "our pass": ours(Outcome.PASS),
        "our fail": ours(Outcome.FAIL),
        "our error": ours(Outcome.ERROR, reason="timeout"),
        "our config": ours(Outcome.NOT_CONFIGURED, reason="config"),
        "first-generation pass": theirs("pass", "Evidence collected; id=1"),
        "first-generation fail": theirs("fail", '{"error":"Unauthorized"}'),
        "their pass": theirs("pass"),
        "their fail": theirs("fail"),
        "their skipped": theirs("skipped"),
    }


NOTHING = None
TABLE = {
    #                         PASS    FAIL    N/A        NOT_CONFIGURED  ERROR
    "never run":             ("pass", "fail", "skipped", "skipped", "skipped"),
    "never run, says pass":  ("pass", "fail", "skipped", "skipped", "skipped"),
    "never run, says fail":  ("pass", "fail", "skipped", "skipped", "skipped"),
    "our pass":              ("pass", "fail", "skipped", "skipped", "skipped"),
    "our fail":              ("pass", "fail", "skipped", NOTHING,   NOTHING),
    "our error":             ("pass", "fail", "skipped", "skipped", "skipped"),
    "our config":            ("pass", "fail", "skipped", "skipped", "skipped"),
    "first-generation pass": ("pass", "fail", "skipped", "skipped", "skipped"),
    "first-generation fail": ("pass", "fail", "skipped", "skipped", "skipped"),
    "their pass":            ("pass", "fail", "skipped", NOTHING,   "skipped"),
    "their fail":            ("pass", "fail", "skipped", NOTHING,   NOTHING),
    "their skipped":         ("pass", "fail", "skipped", NOTHING,   "skipped"),
}  # fmt: skip
COLUMNS = (
    Observation(outcome=Outcome.PASS, sentence="Seen."),
    Observation(outcome=Outcome.FAIL, sentence="Seen."),
    Observation(outcome=Outcome.NOT_APPLICABLE, sentence="Archived."),
    Observation(outcome=Outcome.NOT_CONFIGURED, sentence="No owner.", reason=Reason.CONFIG),
    Observation(outcome=Outcome.ERROR, sentence="No answer.", reason=Reason.TIMEOUT),
)


@pytest.mark.parametrize("column", range(len(COLUMNS)))
@pytest.mark.parametrize("name", list(TABLE))
def test_what_is_posted(before, name, column) -> None:
    decision = decide(COLUMNS[column], before[name])
    assert decision.result == TABLE[name][column]
    assert (decision.kept_because is None) == (decision.result in POSTED)


@pytest.mark.parametrize("outcome", [Outcome.MANUAL, Outcome.NOT_DUE, Outcome.UNRECORDED])
def test_these_outcomes_post_nothing_ever(before, outcome) -> None:
    for stored in before.values():
        assert decide(Observation(outcome=outcome, sentence="x"), stored).result is None


def test_every_outcome_is_decided(before) -> None:
    for outcome in Outcome:
        decide(Observation(outcome=outcome, sentence="x", reason=Reason.BUG), before["never run"])


@pytest.mark.parametrize(
    ("observation", "sentence"),
    [
        (COLUMNS[0], "Seen."),
        (COLUMNS[1], "Seen."),
        (COLUMNS[2], "[n/a] Archived."),
        (COLUMNS[3], "[config] No owner."),
        (COLUMNS[4], "[error:timeout] No answer."),
    ],
)
def test_the_sentence_says_what_kind_of_skipped_it_is(observation, sentence) -> None:
    assert decide(observation, NEVER_RUN).sentence == sentence


@pytest.mark.parametrize("reason", [Reason.UNKNOWN_TYPE, Reason.NO_CHECK])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("never run", "pass"),
        ("never run, says pass", "pass"),
        ("never run, says fail", "skipped"),
        ("our pass", "pass"),
        ("our fail", NOTHING),
        ("our error", "pass"),
        ("first-generation pass", "pass"),
        ("first-generation fail", "skipped"),
        ("their pass", NOTHING),
        ("their fail", NOTHING),
    ],
)
def test_the_pass_of_the_first_design_is_opted_into_and_never_over_a_fail(
    before, reason, name, expected
) -> None:
    nothing_checked = Observation(
        outcome=Outcome.NOT_CONFIGURED, sentence="No check.", reason=reason
    )
    decision = decide(nothing_checked, before[name], unchecked_pass=True)
    assert decision.result == expected
    if expected == "pass":
        assert decision.sentence.startswith("[unchecked] Nothing was checked")
        assert decision.observation.reason is Reason.UNCHECKED
        assert decision.observation.outcome is Outcome.NOT_CONFIGURED


def test_a_test_that_could_be_checked_never_gets_the_unchecked_pass() -> None:
    assert decide(COLUMNS[3], NEVER_RUN, unchecked_pass=True).result == "skipped"
    assert decide(COLUMNS[4], NEVER_RUN, unchecked_pass=True).result == "skipped"


@pytest.mark.parametrize(
    ("name", "prev"),
    [
        ("never run", None),
        ("never run, says fail", None),
        ("our pass", "pass"),
        ("our fail", "fail"),
        ("first-generation pass", "unproven"),
        ("their skipped", "skipped"),
    ],
)
def test_the_trailer_keeps_what_it_replaces(before, name, prev) -> None:
    stored = before[name]
    trailer = trailer_of(decide(COLUMNS[0], stored), stored, RunIdentity(run_id="r"))
    assert trailer.prev == prev
    assert trailer.prev_at == (stored.at if prev else None)


def test_errors_in_a_row_are_counted_and_keep_the_last_word(before, now) -> None:
    stored = before["our pass"]
    for expected in (1, 2, 3):
        decision = decide(COLUMNS[4], stored)
        identity = RunIdentity(run_id=f"r{expected}")
        trailer = trailer_of(decision, stored, identity, errors_before=expected - 1)
        assert trailer.n_errors == expected
        assert (trailer.prev, trailer.prev_at) == ("pass", before["our pass"].at)
        details = write_details(decision.sentence, trailer, "skipped")
        stored = read_stored(result="skipped", details=details, at=now + timedelta(days=expected))
    observed = decide(COLUMNS[0], stored)
    later = RunIdentity(run_id="r")
    assert trailer_of(observed, stored, later, errors_before=3).n_errors == 0


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        pytest.param({"try_number": 1}, False, id="first try"),
        pytest.param({"try_number": 2}, True, id="retry"),
        pytest.param({"try_number": 2, "first_try": 2}, False, id="first try after a Clear"),
        pytest.param({"try_number": 3, "first_try": 2}, False, id="retry after a Clear"),
        pytest.param({"try_number": 2, "run_id": "run-2"}, False, id="another run"),
    ],
)
def test_a_retry_repeats_nothing_and_a_clear_everything(ours, identity, expected) -> None:
    stored = ours(Outcome.PASS, run="run-1")
    assert is_recorded(stored, RunIdentity(**({"run_id": "run-1"} | identity))) is expected


def test_a_retry_after_a_clear_knows_its_own_results(now) -> None:
    cleared = RunIdentity(run_id="run-1", try_number=3, first_try=2)
    decision = decide(COLUMNS[0], NEVER_RUN)
    trailer = trailer_of(decision, NEVER_RUN, cleared)
    assert trailer.cleared_try == 2
    stored = read_stored(result="pass", details=write_details("x", trailer, "pass"), at=now)
    assert is_recorded(stored, RunIdentity(run_id="run-1", try_number=4, first_try=2))


def test_nobodys_result_was_recorded_by_us(theirs) -> None:
    assert not is_recorded(theirs("pass"), RunIdentity(run_id="run-1", try_number=2))


def test_an_outage_leaves_what_a_person_attested(theirs) -> None:
    decision = decide(COLUMNS[4], theirs("pass"), is_manual=True)
    assert COLUMNS[4].outcome is Outcome.ERROR
    assert (decision.result, decision.kept_because) == (
        None,
        "the record of a person is never overwritten",
    )
