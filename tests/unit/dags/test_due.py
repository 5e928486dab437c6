"""Due and fresh, by ticks: what runs, what is verified, and that no tick is lost or run twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compai_dags.due import (
    MAX_ERRORS_PER_TICK,
    Freshness,
    attestation_due_since,
    errors_at_this_tick,
    exception_of,
    freshness,
    is_due,
    last_attempt,
    next_run,
)
from compai_dags.outcomes import Outcome, Reason
from compai_dags.rows import Exemption, Row
from compai_dags.schedule import DAILY, is_cron, next_tick, plan_of
from compai_dags.stored import NEVER_RUN, Author, Stored
from compai_dags.trailer import Trailer

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def a_test(schedule: str | None, stored: Stored = NEVER_RUN, **over) -> Row:
    plan = plan_of(
        schedule, timezone=over.pop("timezone", None), cadence=over.pop("cadence", DAILY)
    )
    values = {"id": 5, "control_id": 3, "name": "T", "test_type": "github_last_commit"}
    return Row(**values, schedule=schedule, config=None, stored=stored, plan=plan, **over)


def result_of(
    at: datetime, outcome: Outcome = Outcome.PASS, *, n_errors: int = 0, **over
) -> Stored:
    trailer = Trailer(
        outcome=outcome,
        reason=over.pop("reason", None),
        prev=None,
        prev_at=None,
        collected_at=over.pop("collected_at", at if outcome is Outcome.PASS else None),
        run="run-1",
        try_number=1,
        n_errors=n_errors,
        kit="0.1.0",
    )
    return Stored(author=Author.KIT, result="pass", at=at, trailer=trailer)


class TestDue:
    def test_what_never_ran(self) -> None:
        assert is_due(a_test("yearly"), MONDAY)

    def test_weekly_at_6_days_23_hours_56_minutes(self) -> None:
        """Last Monday's run took four minutes; by age it would slip to Tuesday, then Wednesday."""
        last = MONDAY - timedelta(days=6, hours=23, minutes=56)
        assert is_due(a_test("weekly", result_of(last)), MONDAY)

    @pytest.mark.parametrize(
        ("schedule", "last", "now", "due"),
        [
            ("weekly", MONDAY + 5 * MINUTE, MONDAY + DAY, False),
            ("weekly", MONDAY + 5 * MINUTE, MONDAY + 6 * DAY, False),
            ("weekly", MONDAY + 5 * MINUTE, MONDAY + 7 * DAY, True),
            ("weekly", MONDAY - MINUTE, MONDAY, True),
            ("weekly", MONDAY, MONDAY, False),
            (None, MONDAY - DAY + 5 * MINUTE, MONDAY, True),
            (None, MONDAY + MINUTE, MONDAY + 2 * MINUTE, False),
            ("0 9 * * 1-5", MONDAY, MONDAY + DAY, True),
            ("0 9 * * 1-5", MONDAY - 2 * DAY, MONDAY, False),
            ("hourly", MONDAY - DAY + 5 * MINUTE, MONDAY, True),
            ("nonsense", MONDAY - DAY + 5 * MINUTE, MONDAY, True),
            ("never", MONDAY - 999 * DAY, MONDAY, False),
        ],
    )
    def test_by_tick(self, schedule, last, now, due) -> None:
        assert is_due(a_test(schedule, result_of(last)), now) is due

    def test_several_missed_ticks_are_one_run(self) -> None:
        late = MONDAY + 5 * MINUTE
        assert is_due(a_test("daily", result_of(MONDAY - 30 * DAY)), late)
        assert not is_due(a_test("daily", result_of(late)), late + HOUR)

    def test_in_its_own_time_zone(self) -> None:
        """Monday 06:00 in New York is 11:00 UTC: Monday's run of 06:00 UTC is too early."""
        row = a_test("weekly", result_of(MONDAY - 6 * DAY), timezone="America/New_York")
        assert not is_due(row, MONDAY)
        assert is_due(row, MONDAY + DAY)
        assert next_run(row, MONDAY) == MONDAY + DAY

    def test_what_others_wrote_is_an_attempt_unless_it_proves_nothing(self, theirs) -> None:
        now = MONDAY + DAY
        seen = theirs("pass", "Seen.", now - HOUR)
        old = theirs("pass", "Evidence collected; id=7", now - HOUR)
        assert not is_due(a_test("weekly", seen), now)
        assert is_due(a_test("weekly", old), now)

    def test_an_error_is_no_attempt_three_times(self) -> None:
        now = MONDAY + DAY
        due = {
            n: is_due(a_test("weekly", result_of(MONDAY, Outcome.ERROR, n_errors=n)), now)
            for n in (1, 2, 3, 4)
        }
        assert due == {1: True, 2: True, 3: False, 4: False}
        assert is_due(a_test("weekly", result_of(MONDAY, Outcome.ERROR, n_errors=3)), now + 6 * DAY)

    def test_errors_are_counted_per_tick(self) -> None:
        row = a_test("weekly", result_of(MONDAY + MINUTE, Outcome.ERROR, n_errors=2))
        assert errors_at_this_tick(row, MONDAY + DAY) == 2
        assert errors_at_this_tick(row, MONDAY + 7 * DAY) == 0
        assert errors_at_this_tick(a_test("weekly", result_of(MONDAY)), MONDAY + DAY) == 0
        never = a_test("never", result_of(MONDAY, Outcome.ERROR, n_errors=2))
        assert errors_at_this_tick(never, MONDAY + 900 * DAY) == 2

    def test_a_kept_fail_is_tried_in_each_run_until_it_is_seen(self) -> None:
        row = a_test("weekly", result_of(MONDAY - 7 * DAY, Outcome.FAIL))
        assert [is_due(row, MONDAY + n * DAY) for n in range(3)] == [True] * 3

    def test_comp_ais_clock_may_be_behind(self) -> None:
        """Stored at 05:57 by its clock, observed at 06:02 by ours."""
        stored = result_of(MONDAY - 3 * MINUTE, collected_at=MONDAY + 2 * MINUTE)
        assert not is_due(a_test("weekly", stored), MONDAY + DAY)

    def test_a_time_in_the_future_counts_as_now(self) -> None:
        now = MONDAY + DAY
        assert last_attempt(a_test("weekly", result_of(now + HOUR)), now) == now
        assert not is_due(a_test("weekly", result_of(now + HOUR)), now)

    def test_but_it_does_not_put_a_test_off_for_ever(self) -> None:
        now = MONDAY + DAY
        assert is_due(a_test("weekly", result_of(now + 30 * 365 * DAY)), now)


class TestException:
    def whole(self, expires: date) -> tuple[Exemption, ...]:
        return (Exemption(reason="Archived.", expires=expires),)

    def test_it_is_in_force_through_its_last_day(self) -> None:
        today = MONDAY.date()
        for expires, active in ((today - DAY, False), (today, True), (today + DAY, True)):
            row = a_test(None, exemptions=self.whole(expires))
            assert (exception_of(row, MONDAY) is not None) is active

    def test_one_for_a_part_does_not_cover_the_test(self) -> None:
        part = (Exemption(reason="Robot.", expires=MONDAY.date(), object="robot@example"),)
        assert exception_of(a_test(None, exemptions=part), MONDAY) is None

    def test_its_begin_and_its_end_make_a_test_due(self) -> None:
        now = MONDAY + DAY
        excepted = result_of(MONDAY, Outcome.NOT_APPLICABLE, reason=Reason.EXCEPTION)
        seen = result_of(MONDAY)
        active, expired = self.whole(now.date()), self.whole(MONDAY.date())
        assert is_due(a_test("yearly", seen, exemptions=active), now)
        assert not is_due(a_test("yearly", excepted, exemptions=active), now)
        assert is_due(a_test("yearly", excepted, exemptions=expired), now)
        assert is_due(a_test("yearly", excepted), now)
        assert not is_due(a_test("yearly", seen, exemptions=expired), now)


CRONS = st.sampled_from(
    [
        "15 * * * *",
        "0 */5 * * *",
        "30 6 * * *",
        "0 6 * * 1",
        "15 9 * * 1-5",
        "0 6 1,15 * *",
        "0 6 1 1,4,7,10 *",
        "5 4 31 * *",
    ]
).filter(is_cron)
CADENCES = st.sampled_from([DAILY, "0 * * * *", "30 6,18 * * *", "0 12 * * 1-5", "0 6 * * 3"])
STARTS = st.integers(0, 730).map(lambda days: datetime(2026, 1, 1, 3, 0, tzinfo=UTC) + days * DAY)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])


class TestAnySchedule:
    @settings(deadline=None, max_examples=40)
    @given(
        cron=CRONS,
        zone=ZONES,
        cadence=CADENCES,
        start=STARTS,
        takes=st.integers(0, 50),
        missed=st.sets(st.integers(0, 40)),
    )
    def test_each_tick_is_run_for_once_and_none_is_lost(
        self, cron, zone, cadence, start, takes, missed
    ) -> None:
        """Sixteen days of the DAG's runs, each of which takes some minutes; some do not happen."""
        end = start + 16 * DAY
        stored_at = start
        runs: list[tuple[datetime, datetime]] = []
        happened = [
            now for n, now in enumerate(ticks(cadence, "UTC", start, end)) if n not in missed
        ]
        for now in happened:
            row = a_test(cron, result_of(stored_at), timezone=zone, cadence=cadence)
            if is_due(row, now):
                stored_at = now + takes * MINUTE
                runs.append((now, stored_at))

        of_test = [start, *ticks(cron, zone, start, end), end]
        for tick, following in pairwise(of_test):
            assert sum(tick <= now < following for now, _ in runs) <= 1, "two runs for one tick"
        for tick in of_test[1:-1]:
            first = next((now for now in happened if now >= tick), end)
            served = any(began == first or began < tick <= ended for began, ended in runs)
            assert first == end or served, "a tick is lost"

    def test_a_rule_by_age_would_lose_ticks(self) -> None:
        """The negative control: what "7 days since" does to the same schedule."""
        stored_at, runs = MONDAY - 7 * DAY + 5 * MINUTE, []
        for now in ticks(DAILY, "UTC", MONDAY - MINUTE, MONDAY + 21 * DAY):
            if now - stored_at >= 7 * DAY:
                stored_at = now + 5 * MINUTE
                runs.append(now)
        assert runs != [MONDAY, MONDAY + 7 * DAY, MONDAY + 14 * DAY]


def ticks(cron: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    found = [next_tick(cron, zone, after)]
    while found[-1] < until:
        found.append(next_tick(cron, zone, found[-1]))
    return found[:-1]


class TestFreshness:
    @pytest.mark.parametrize(
        ("schedule", "seen", "now", "expected"),
        [
            # daily: verified for a day and two hours
            (None, MONDAY, MONDAY + 26 * HOUR, Freshness.ON_SCHEDULE),
            (None, MONDAY, MONDAY + 26 * HOUR + MINUTE, Freshness.LATE),
            (None, MONDAY, MONDAY + 50 * HOUR, Freshness.LATE),
            (None, MONDAY, MONDAY + 50 * HOUR + MINUTE, Freshness.STALE),
            # by hand at noon: the interval counts, not the time of day
            (None, MONDAY + 6 * HOUR, MONDAY + 32 * HOUR, Freshness.ON_SCHEDULE),
            (None, MONDAY + 6 * HOUR, MONDAY + 33 * HOUR, Freshness.LATE),
            # weekly: verified for a week
            ("weekly", MONDAY, MONDAY + 7 * DAY + 2 * HOUR, Freshness.ON_SCHEDULE),
            ("weekly", MONDAY, MONDAY + 7 * DAY + 3 * HOUR, Freshness.LATE),
            ("weekly", MONDAY, MONDAY + 14 * DAY + 3 * HOUR, Freshness.STALE),
            ("weekly", MONDAY + 2 * DAY, MONDAY + 9 * DAY, Freshness.ON_SCHEDULE),
            # finer than the cadence, or unreadable: the cadence counts
            ("hourly", MONDAY, MONDAY + 26 * HOUR, Freshness.ON_SCHEDULE),
            ("hourly", MONDAY, MONDAY + 27 * HOUR, Freshness.LATE),
            ("nonsense", MONDAY, MONDAY + 27 * HOUR, Freshness.LATE),
            # weekdays at nine, picked up at six the next day: nothing is missing over a weekend
            ("0 9 * * 1-5", MONDAY - 2 * DAY, MONDAY + DAY + 2 * HOUR, Freshness.ON_SCHEDULE),
            ("0 9 * * 1-5", MONDAY - 2 * DAY, MONDAY + DAY + 3 * HOUR, Freshness.LATE),
            ("0 9 * * 1-5", MONDAY - 2 * DAY, MONDAY + 2 * DAY + 3 * HOUR, Freshness.STALE),
            ("monthly", MONDAY - 22 * DAY, MONDAY + 8 * DAY, Freshness.ON_SCHEDULE),
            ("monthly", MONDAY - 22 * DAY, MONDAY + 9 * DAY, Freshness.LATE),
            # not scheduled: 90 days
            ("never", MONDAY, MONDAY + 90 * DAY, Freshness.ON_SCHEDULE),
            ("never", MONDAY, MONDAY + 91 * DAY, Freshness.LATE),
            ("never", MONDAY, MONDAY + 181 * DAY, Freshness.STALE),
            # from the future
            (None, MONDAY + DAY, MONDAY, Freshness.ON_SCHEDULE),
        ],
    )
    def test_by_the_tests_own_schedule(self, schedule, seen, now, expected) -> None:
        assert freshness(a_test(schedule), seen, now) is expected

    @given(
        cron=CRONS,
        cadence=CADENCES,
        seen=STARTS,
        ages=st.lists(st.integers(0, 400 * 24), min_size=2),
    )
    def test_it_only_gets_worse(self, cron, cadence, seen, ages) -> None:
        row, order = a_test(cron, cadence=cadence), list(Freshness)
        got = [order.index(freshness(row, seen, seen + age * HOUR)) for age in sorted(ages)]
        assert got == sorted(got)

    @given(cron=CRONS, cadence=CADENCES, seen=STARTS, age=st.integers(0, 90 * 24))
    def test_what_is_no_longer_on_schedule_was_due_two_hours_before(
        self, cron, cadence, seen, age
    ) -> None:
        now = seen + age * HOUR
        row = a_test(cron, result_of(seen), cadence=cadence)
        if freshness(row, seen, now) is not Freshness.ON_SCHEDULE:
            assert is_due(row, now - 2 * HOUR)


class TestAttestation:
    @pytest.mark.parametrize(
        ("schedule", "config", "due"),
        [
            (None, None, MONDAY + 90 * DAY),
            (None, {"attest_every": 30}, MONDAY + 30 * DAY),
            (None, '{"attest_every": 30}', MONDAY + 30 * DAY),
            (None, {"attest_every": 10**12}, MONDAY + 90 * DAY),
            ("never", {"attest_every": 30}, MONDAY + 30 * DAY),
            ("nonsense", {"attest_every": 30}, MONDAY + 30 * DAY),
            ("weekly", {"attest_every": 30}, MONDAY + 7 * DAY),
            ("quarterly", None, MONDAY + 90 * DAY),
            ("yearly", None, MONDAY + 365 * DAY),
        ],
    )
    def test_it_ages_by_the_schedule_else_by_its_interval(self, schedule, config, due) -> None:
        row = msgspec.structs.replace(a_test(schedule), config=config)
        assert attestation_due_since(row, MONDAY) == due


def test_three_errors_is_the_rule_of_the_document() -> None:
    assert MAX_ERRORS_PER_TICK == 3
