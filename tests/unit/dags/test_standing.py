"""Where a control test stands, from what is stored: every kind of result, at every age.

How an age is judged by the test's own schedule is in test_due.py.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from compai_dags.outcomes import Outcome, Reason
from compai_dags.rows import Exemption
from compai_dags.schedule import plan_of
from compai_dags.standing import Standing, is_verified, standing_of
from compai_dags.stored import NEVER_RUN

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


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

    def test_word_about_what_a_probe_could_look_at_is_unproven(self, row, theirs, now) -> None:
        stored = theirs("pass", "Fine.", now - HOUR)
        probe = row("integration", stored=stored, config={"url": "https://siem.test/health"})
        assert standing_of(probe, now) is Standing.UNPROVEN
        label = row("integration", stored=stored, config={"note": "see the wiki"})
        assert standing_of(label, now) is Standing.NOT_OURS

    @pytest.mark.parametrize("result", ["pass", "fail", "skipped"])
    def test_without_a_time_it_never_ran_whatever_it_says(self, row, theirs, now, result) -> None:
        stored = theirs(result, "Counter moved.", None)
        assert standing_of(row("integration", stored=stored), now) is Standing.NEVER_RUN
        assert standing_of(row("manual", stored=stored), now) is Standing.ATTESTATION_DUE

    def test_nothing_at_all(self, row, now) -> None:
        assert standing_of(row(stored=NEVER_RUN), now) is Standing.NEVER_RUN


class TestSchedules:
    """The same age means another standing under another schedule; how is in test_due.py."""

    @pytest.mark.parametrize(
        ("schedule", "expected"),
        [
            (None, Standing.STALE),
            ("daily", Standing.STALE),
            ("weekly", Standing.VERIFIED),
            ("never", Standing.VERIFIED),
            ("every second tuesday", Standing.STALE),
        ],
    )
    def test_a_pass_of_five_days(self, row, ours, now, schedule, expected) -> None:
        stored = ours(Outcome.PASS, at=now - 5 * DAY)
        test = row(stored=stored, schedule=schedule, plan=plan_of(schedule))
        assert standing_of(test, now) is expected
        assert is_verified(test, now) is (expected is Standing.VERIFIED)

    def test_what_is_not_scheduled_ages_all_the_same(self, row, ours, now) -> None:
        plan = plan_of("never")
        for age, expected in ((89, "verified"), (91, "late"), (181, "stale")):
            stored = ours(Outcome.PASS, at=now - age * DAY)
            assert standing_of(row(stored=stored, plan=plan), now) == expected

    def test_an_attestation_ages_by_the_schedule_of_its_test(self, row, theirs, now) -> None:
        stored = theirs("pass", at=now - 8 * DAY)
        for schedule, expected in (
            ("weekly", Standing.ATTESTATION_DUE),
            ("yearly", Standing.ATTESTED),
            ("manual", Standing.ATTESTED),
            (None, Standing.ATTESTED),
        ):
            test = row("manual", config=None, stored=stored, plan=plan_of(schedule))
            assert standing_of(test, now) is expected


class TestExceptions:
    ACTIVE = (Exemption(reason="Archived.", expires=date(2026, 12, 31)),)
    EXPIRED = (Exemption(reason="Archived.", expires=date(2026, 11, 24)),)

    def test_recorded_and_in_force(self, row, ours, now) -> None:
        stored = ours(Outcome.NOT_APPLICABLE, reason=Reason.EXCEPTION)
        test = row(stored=stored, exemptions=self.ACTIVE)
        assert standing_of(test, now) is Standing.NOT_APPLICABLE
        assert not is_verified(test, now)

    def test_one_that_has_ended_proves_nothing_any_more(self, row, ours, now) -> None:
        stored = ours(Outcome.NOT_APPLICABLE, reason=Reason.EXCEPTION)
        for exemptions in (self.EXPIRED, ()):
            assert standing_of(row(stored=stored, exemptions=exemptions), now) is Standing.LATE

    def test_a_fail_stays_one_until_the_runner_has_recorded_the_exception(
        self, row, ours, now
    ) -> None:
        test = row(stored=ours(Outcome.FAIL), exemptions=self.ACTIVE)
        assert standing_of(test, now) is Standing.FAILING

    def test_on_a_manual_test_nothing_is_recorded_so_it_counts_at_once(
        self, row, theirs, now
    ) -> None:
        for result in ("pass", "fail"):
            stored = theirs(result, at=now - 400 * DAY)
            excepted = row("manual", stored=stored, exemptions=self.ACTIVE)
            assert standing_of(excepted, now) is Standing.NOT_APPLICABLE
            over = row("manual", stored=stored, exemptions=self.EXPIRED)
            assert standing_of(over, now) is not Standing.NOT_APPLICABLE


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
