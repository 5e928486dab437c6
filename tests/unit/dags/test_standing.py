"""Where a control test stands, from what is stored: every kind of result, at every age."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compai_dags.cadence import STALE_AFTER, VERIFIED_FOR, Freshness, freshness
from compai_dags.outcomes import Outcome
from compai_dags.standing import Standing, is_verified, standing_of
from compai_dags.stored import NEVER_RUN

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (-2 * HOUR, Freshness.ON_SCHEDULE),
        (HOUR, Freshness.ON_SCHEDULE),
        (25 * HOUR, Freshness.ON_SCHEDULE),
        (VERIFIED_FOR, Freshness.ON_SCHEDULE),
        (VERIFIED_FOR + timedelta(seconds=1), Freshness.LATE),
        (STALE_AFTER - timedelta(seconds=1), Freshness.LATE),
        (STALE_AFTER, Freshness.STALE),
        (400 * DAY, Freshness.STALE),
    ],
)
def test_age(now, age, expected) -> None:
    assert freshness(now - age, now) is expected


class TestOurs:
    @pytest.mark.parametrize(
        ("outcome", "over", "age", "expected"),
        [
            (Outcome.PASS, {}, HOUR, Standing.VERIFIED),
            (Outcome.PASS, {}, 30 * HOUR, Standing.LATE),
            (Outcome.PASS, {}, 3 * DAY, Standing.STALE),
            (Outcome.FAIL, {}, HOUR, Standing.FAILING),
            (Outcome.FAIL, {}, 90 * DAY, Standing.FAILING),
            (Outcome.ERROR, {"reason": "timeout"}, HOUR, Standing.COULD_NOT_VERIFY),
            (Outcome.ERROR, {"reason": "timeout"}, 9 * DAY, Standing.COULD_NOT_VERIFY),
            (Outcome.NOT_CONFIGURED, {"reason": "config"}, HOUR, Standing.NOT_CONFIGURED),
            (Outcome.NOT_CONFIGURED, {"reason": "no_check"}, HOUR, Standing.UNPROVEN),
            (Outcome.NOT_APPLICABLE, {}, HOUR, Standing.NOT_APPLICABLE),
            (Outcome.NOT_APPLICABLE, {}, 3 * DAY, Standing.STALE),
        ],
    )
    def test_standing(self, row, ours, now, outcome, over, age, expected) -> None:
        stored = ours(outcome, at=now - age, **over)
        assert standing_of(row(stored=stored), now) is expected

    def test_a_pass_without_an_observation_is_unproven(self, row, ours, now) -> None:
        stored = ours(Outcome.PASS, collected_at=None)
        assert standing_of(row(stored=stored), now) is Standing.UNPROVEN

    def test_a_late_post_does_not_make_an_old_observation_fresh(self, row, ours, now) -> None:
        stored = ours(Outcome.PASS, at=now, collected_at=now - 3 * DAY)
        assert standing_of(row(stored=stored), now) is Standing.STALE


class TestTheirs:
    @pytest.mark.parametrize(
        ("test_type", "result", "details", "age", "expected"),
        [
            ("github_last_commit", "pass", "Seen.", HOUR, Standing.UNPROVEN),
            ("github_last_commit", "pass", "Seen.", 30 * HOUR, Standing.LATE),
            ("github_last_commit", "skipped", None, 3 * DAY, Standing.STALE),
            ("github_last_commit", "fail", "Broken.", 30 * DAY, Standing.FAILING),
            ("sonarqube_gate", "pass", "Fine.", 30 * DAY, Standing.NOT_OURS),
            ("sonarqube_gate", "skipped", None, HOUR, Standing.NOT_OURS),
            ("sonarqube_gate", "fail", "Coverage.", 30 * DAY, Standing.FAILING),
            ("integration", "pass", "Evidence collected; id=1", HOUR, Standing.UNPROVEN),
            ("integration", "fail", '{"error":"x"}', HOUR, Standing.UNPROVEN),
            (
                "manual",
                "pass",
                "Scheduled run (Airflow); test_type=manual",
                HOUR,
                Standing.UNPROVEN,
            ),
            ("manual", "pass", "Seen.", 89 * DAY, Standing.ATTESTED),
            ("manual", "pass", "Seen.", 90 * DAY, Standing.ATTESTATION_DUE),
            ("manual", "skipped", "Later.", HOUR, Standing.ATTESTATION_DUE),
            ("manual", "fail", "Missing.", 900 * DAY, Standing.FAILING),
        ],
    )
    def test_standing(self, row, theirs, now, test_type, result, details, age, expected) -> None:
        stored = theirs(result, details, now - age)
        assert standing_of(row(test_type, stored=stored, config=None), now) is expected

    @pytest.mark.parametrize("result", ["pass", "fail", "skipped"])
    def test_without_a_time_it_never_ran_whatever_it_says(self, row, theirs, now, result) -> None:
        stored = theirs(result, "Counter moved.", None)
        assert standing_of(row("integration", stored=stored), now) is Standing.NEVER_RUN
        assert standing_of(row("manual", stored=stored), now) is Standing.ATTESTATION_DUE

    def test_nothing_at_all(self, row, now) -> None:
        assert standing_of(row(stored=NEVER_RUN), now) is Standing.NEVER_RUN


def test_verified_is_what_we_observed_in_time(row, ours, theirs, now) -> None:
    verified = {
        "fresh pass": ours(Outcome.PASS),
        "fresh fail": ours(Outcome.FAIL),
    }
    not_verified = {
        "old pass": ours(Outcome.PASS, at=now - 3 * DAY),
        "error": ours(Outcome.ERROR, reason="timeout"),
        "unchecked": ours(Outcome.NOT_CONFIGURED, reason="no_check"),
        "somebody's": theirs("pass"),
        "first generation": theirs("pass", "Evidence collected; id=1"),
        "nothing": NEVER_RUN,
    }
    assert [
        name for name, stored in verified.items() if not is_verified(row(stored=stored), now)
    ] == []
    assert [
        name for name, stored in not_verified.items() if is_verified(row(stored=stored), now)
    ] == []


def test_an_attestation_interval_that_makes_no_sense_is_not_used(row, theirs, now) -> None:
    for config in ({"attest_every": -1}, {"attest_every": True}, {"attest_every": "9"}, [], None):
        stored = theirs("pass", at=now - 89 * DAY)
        assert standing_of(row("manual", config=config, stored=stored), now) is Standing.ATTESTED
