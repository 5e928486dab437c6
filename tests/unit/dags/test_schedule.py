"""Schedules as text, and their ticks: names, cron, time zones, clock changes, the DAG's cadence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compai_dags.schedule import (
    DAILY,
    Plan,
    cadence_of,
    is_cron,
    is_finer_than_cadence,
    last_tick,
    next_pickup,
    next_tick,
    pickup_of,
    plan_of,
)

WEDNESDAY = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"
INSTANT = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestText:
    @pytest.mark.parametrize("text", [None, "", "  "])
    def test_none_is_the_cadence_of_the_dag(self, text) -> None:
        assert plan_of(text, cadence="30 5 * * *") == Plan(cron="30 5 * * *", cadence="30 5 * * *")

    @pytest.mark.parametrize(
        ("text", "cron"),
        [
            ("hourly", "30 * * * *"),
            ("daily", "30 5 * * *"),
            (" Weekly ", "30 5 * * 1"),
            ("@weekly", "30 5 * * 1"),
            ("monthly", "30 5 1 * *"),
            ("@QUARTERLY", "30 5 1 1,4,7,10 *"),
            ("yearly", "30 5 1 1 *"),
            ("0 9 * * MON-FRI", "0 9 * * mon-fri"),
        ],
    )
    def test_names_have_the_time_of_day_of_the_cadence(self, text, cron) -> None:
        plan = plan_of(text, cadence="30 5 * * *")
        assert (plan.cron, plan.is_own, plan.problem) == (cron, True, "")

    @pytest.mark.parametrize(
        ("cadence", "weekly"),
        [("0 */6 * * *", "0 0 * * 1"), ("15 9 * * 3", "15 9 * * 1"), ("*/20 * * * *", "0 0 * * 1")],
    )
    def test_a_cadence_of_many_times_lends_its_first_of_a_day(self, cadence, weekly) -> None:
        assert plan_of("weekly", cadence=cadence).cron == weekly

    @pytest.mark.parametrize("text", ["manual", "never", "OFF", "@never"])
    def test_not_scheduled(self, text) -> None:
        plan = plan_of(text)
        assert (plan.cron, plan.is_own, plan.problem) == (None, True, "")
        assert next_pickup(plan, WEDNESDAY) is None

    @pytest.mark.parametrize(
        "text",
        [
            "every second tuesday",
            "60 1 * * *",
            "* * * *",
            "0 0 6 * * *",
            "0 0 31 2 *",
            "R R * * *",
            "H H * * *",
            "@once",
            "@reboot",
            "0 6 * * *; true",
            "x" * 5_000,
        ],
    )
    def test_what_cannot_be_read_runs_at_the_cadence_and_says_so(self, text) -> None:
        plan = plan_of(text, cadence="30 5 * * *")
        assert (plan.cron, plan.is_own) == ("30 5 * * *", False)
        assert plan.problem.startswith(f"invalid schedule '{text[:20]}")
        assert len(plan.problem) < 90

    @pytest.mark.parametrize("zone", ["Mars/Base", "", "../../etc/passwd", "Europe", 3, "x\0y"])
    def test_so_does_a_time_zone(self, zone) -> None:
        plan = plan_of("weekly", timezone=zone)
        assert plan == Plan(problem=f"invalid timezone {zone!r}")

    def test_a_time_zone_without_a_schedule_has_nothing_to_shift(self) -> None:
        assert plan_of(None, timezone="Mars/Base") == Plan()


class TestCadence:
    @pytest.mark.parametrize(
        ("text", "cron"),
        [
            (None, DAILY),
            ("", DAILY),
            ("@daily", "0 0 * * *"),
            ("@weekly", "0 0 * * 0"),
            ("@hourly", "0 * * * *"),
            ("5 4 * * SUN", "5 4 * * sun"),
        ],
    )
    def test_as_airflow_reads_it(self, text, cron) -> None:
        assert cadence_of(text) == (cron, "")

    @pytest.mark.parametrize("text", ["@once", "@continuous", "never", "None", "0 0 6 * * *"])
    def test_without_regular_times_the_default_stands_in_and_it_is_said(self, text) -> None:
        assert cadence_of(text) == (
            DAILY,
            f"COMP_AI_CONTROL_TESTS_SCHEDULE {text!r} names no regular times: control tests are "
            "held to daily 06:00 UTC (0 6 * * *).",
        )


class TestTicks:
    @pytest.mark.parametrize(
        ("text", "last", "following"),
        [
            ("hourly", "2026-11-25T07:00", "2026-11-25T08:00"),
            ("daily", "2026-11-25T06:00", "2026-11-26T06:00"),
            ("weekly", "2026-11-23T06:00", "2026-11-30T06:00"),
            ("monthly", "2026-11-01T06:00", "2026-12-01T06:00"),
            ("quarterly", "2026-10-01T06:00", "2027-01-01T06:00"),
            ("yearly", "2026-01-01T06:00", "2027-01-01T06:00"),
            ("0 9 * * 1-5", "2026-11-24T09:00", "2026-11-25T09:00"),
            ("0 0 29 2 *", "2024-02-29T00:00", "2028-02-29T00:00"),
        ],
    )
    def test_around_a_moment(self, text, last, following) -> None:
        cron = plan_of(text).cron
        assert cron is not None
        assert last_tick(cron, "UTC", WEDNESDAY) == at(last)
        assert next_tick(cron, "UTC", WEDNESDAY) == at(following)

    def test_a_tick_is_its_own_last_and_not_its_next(self) -> None:
        tick = at("2026-11-25T06:00")
        assert last_tick(DAILY, "UTC", tick) == tick
        assert last_tick(DAILY, "UTC", tick - INSTANT) == tick - timedelta(days=1)
        assert next_tick(DAILY, "UTC", tick) == tick + timedelta(days=1)

    @pytest.mark.parametrize(
        ("zone", "winter", "summer"),
        [
            (BERLIN, "2026-01-15T05:00", "2026-07-15T04:00"),
            ("America/New_York", "2026-01-15T11:00", "2026-07-15T10:00"),
            ("Asia/Kolkata", "2026-01-15T00:30", "2026-07-15T00:30"),
        ],
    )
    def test_in_a_time_zone_it_follows_the_clock_on_the_wall(self, zone, winter, summer) -> None:
        for expected in (at(winter), at(summer)):
            assert next_tick(DAILY, zone, expected - INSTANT) == expected
            assert last_tick(DAILY, zone, expected) == expected

    def test_a_time_that_is_skipped_comes_an_hour_later(self) -> None:
        """Berlin, 29 March 2026: 02:30 does not exist."""
        assert next_tick("30 2 * * *", BERLIN, at("2026-03-28T12:00")) == at("2026-03-29T01:30")
        assert last_tick("30 2 * * *", BERLIN, at("2026-03-29T01:29")) == at("2026-03-28T01:30")
        assert last_tick("30 2 * * *", BERLIN, at("2026-03-29T01:30")) == at("2026-03-29T01:30")
        assert next_tick("30 2 * * *", BERLIN, at("2026-03-29T01:30")) == at("2026-03-30T00:30")

    def test_a_time_that_is_repeated_comes_once(self) -> None:
        """Berlin, 25 October 2026: 02:30 is at 00:30 and at 01:30 UTC."""
        ticks = [at("2026-10-24T12:00")]
        for _ in range(3):
            ticks.append(next_tick("30 2 * * *", BERLIN, ticks[-1]))
        assert ticks[1:] == [
            at("2026-10-25T00:30"),
            at("2026-10-26T01:30"),
            at("2026-10-27T01:30"),
        ]
        for moment in ("00:30", "00:45", "01:15", "01:30", "12:00"):
            assert last_tick("30 2 * * *", BERLIN, at(f"2026-10-25T{moment}")) == ticks[1]


FIELDS = st.tuples(
    st.sampled_from(["0", "*/15", "59", "7,37"]),
    st.sampled_from(["*", "0", "2", "6,18", "*/5", "23"]),
    st.sampled_from(["*", "1", "15,31", "29"]),
    st.sampled_from(["*", "1,7", "2", "*/3"]),
    st.sampled_from(["*", "1", "0", "1-5"]),
)
CRONS = FIELDS.map(" ".join).filter(is_cron)
ZONES = st.sampled_from(["UTC", BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
MOMENTS = st.integers(0, 5 * 365 * 24 * 60 * 60).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def values(field: str, start: int, end: int) -> set[int]:
    """An independent reading of a field of cron."""
    if field.startswith("*"):
        return set(range(start, end + 1, int(field.partition("/")[2] or 1)))
    if "-" in field:
        low, high = map(int, field.split("-"))
        return set(range(low, high + 1))
    return set(map(int, field.split(",")))


class TestAnyTick:
    @given(cron=CRONS, zone=ZONES, now=MOMENTS)
    def test_last_and_next_enclose_the_moment_with_nothing_between(self, cron, zone, now) -> None:
        last, following = last_tick(cron, zone, now), next_tick(cron, zone, now)
        assert last <= now < following
        assert last_tick(cron, zone, following - INSTANT) == last
        assert next_tick(cron, zone, last) == following

    @given(cron=CRONS, now=MOMENTS)
    def test_a_tick_is_what_cron_says(self, cron, now) -> None:
        minute, hour, day, month, weekday = cron.split()
        tick = next_tick(cron, "UTC", now)
        assert tick.minute in values(minute, 0, 59)
        assert tick.hour in values(hour, 0, 23)
        assert tick.month in values(month, 1, 12)
        is_day = tick.day in values(day, 1, 31)
        is_weekday = tick.isoweekday() % 7 in values(weekday, 0, 6)
        # cron's own rule: when both are given, either will do
        given_both = not day.startswith("*") and not weekday.startswith("*")
        assert (is_day or is_weekday) if given_both else (is_day and is_weekday)

    @given(cron=CRONS, zone=ZONES, now=MOMENTS)
    def test_it_has_its_time_on_the_wall_unless_clocks_were_changed(self, cron, zone, now) -> None:
        minute, hour, *_ = cron.split()
        tick = next_tick(cron, zone, now)
        wall = tick.astimezone(ZoneInfo(zone))
        offsets = {(wall - timedelta(hours=back)).utcoffset() for back in range(4)}
        assume(len(offsets) == 1)
        assert wall.minute in values(minute, 0, 59)
        assert wall.hour in values(hour, 0, 23)


class TestCadencePicksUp:
    @pytest.mark.parametrize(
        ("text", "cadence", "picked_up"),
        [
            ("weekly", DAILY, "2026-11-30T06:00"),
            ("0 9 * * 1-5", DAILY, "2026-11-26T06:00"),
            ("0 9 * * 1-5", "0 * * * *", "2026-11-25T09:00"),
            ("*/5 * * * *", DAILY, "2026-11-26T06:00"),
            ("weekly", "0 12 * * 3", "2026-12-02T12:00"),
        ],
    )
    def test_at_its_first_run_after_a_tick(self, text, cadence, picked_up) -> None:
        assert next_pickup(plan_of(text, cadence=cadence), WEDNESDAY) == at(picked_up)

    def test_a_run_at_the_tick_itself_is_the_one(self) -> None:
        assert pickup_of(at("2026-11-25T06:00"), DAILY) == at("2026-11-25T06:00")

    @pytest.mark.parametrize(
        ("text", "cadence", "finer"),
        [
            ("hourly", DAILY, True),
            ("0 */12 * * *", DAILY, True),
            ("0 9,10 * * 1", DAILY, True),
            ("0 9 * * 1-5", "0 6 * * 1", True),
            ("daily", DAILY, False),
            ("15 5 * * *", DAILY, False),
            ("0 9 * * 1-5", DAILY, False),
            ("weekly", DAILY, False),
            ("hourly", "0 * * * *", False),
            ("never", DAILY, False),
            (None, DAILY, False),
            ("nonsense", DAILY, False),
        ],
    )
    def test_finer_than_the_cadence(self, text, cadence, finer) -> None:
        assert is_finer_than_cadence(plan_of(text, cadence=cadence)) is finer
