"""Retry decisions as values in, values out."""

from datetime import UTC, datetime, timedelta

import pytest

from compai_client import ClientSettings
from compai_client._retry import (
    RETRIED_STATUSES,
    Decision,
    Outcome,
    RetryClass,
    decide,
    over_budget,
    parse_retry_after,
    wait_before_next,
)

POLICY = ClientSettings(jitter=lambda upper: upper)
STOP = Decision(retry=False)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def repeated(retry: RetryClass) -> set[int]:
    return {
        status
        for status in range(200, 600)
        if decide(retry, Outcome(status=status), 1, POLICY).retry
    }


@pytest.mark.parametrize("retry", ["safe", "repeatable"])
def test_only_the_listed_statuses_are_repeated(retry: RetryClass) -> None:
    assert repeated(retry) == RETRIED_STATUSES


def test_the_listed_statuses() -> None:
    assert {408, 425, 429, 500, 502, 503, 504} == RETRIED_STATUSES


def test_what_adds_a_row_is_not_repeated_after_it_may_have_been_processed() -> None:
    assert repeated("never") == set()
    assert not decide("never", Outcome(status=None), 1, POLICY).retry


@pytest.mark.parametrize(
    "outcome", [Outcome(unsent=True), Outcome(status=429, own_rate_limit=True)]
)
@pytest.mark.parametrize("retry", ["safe", "repeatable", "never"])
def test_what_was_provably_not_processed_is_repeated(outcome: Outcome, retry: RetryClass) -> None:
    assert [decide(retry, outcome, attempt, POLICY).retry for attempt in range(1, 5)] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("outcome", "processed"),
    [
        (Outcome(), True),
        (Outcome(unsent=True), False),
        (Outcome(status=401), False),
        (Outcome(status=429), True),
        (Outcome(status=429, own_rate_limit=True), False),
        (Outcome(status=500), True),
        (Outcome(status=200), True),
    ],
)
def test_what_may_have_been_processed(outcome: Outcome, processed: bool) -> None:
    assert outcome.maybe_processed is processed


@pytest.mark.parametrize("outcome", [Outcome(status=503, settled=True), Outcome(settled=True)])
def test_what_waiting_cannot_change_is_not_repeated(outcome: Outcome) -> None:
    assert decide("safe", outcome, 1, POLICY) == STOP


def test_why_it_stopped_is_told() -> None:
    lost, failed = Outcome(), Outcome(status=500)
    assert decide("never", lost, 1, POLICY).why == "Not repeated: it may have been processed"
    assert decide("safe", failed, 4, POLICY).why == "Gave up after 4 tries"
    assert decide("safe", Outcome(status=404), 1, POLICY).why == ""


def test_waits_double_up_to_the_cap() -> None:
    waits = [wait_before_next(Outcome(status=500), attempt, POLICY) for attempt in range(1, 8)]
    assert waits == [1, 2, 4, 8, 16, 20, 20]


def test_jitter_is_full() -> None:
    none = ClientSettings(jitter=lambda _: 0.0)
    assert wait_before_next(Outcome(status=500), 3, none) == 0
    samples = [wait_before_next(Outcome(status=500), 3, ClientSettings()) for _ in range(200)]
    assert 0 <= min(samples) < 1
    assert 3 < max(samples) <= 4


@pytest.mark.parametrize(
    ("asked", "waited"), [(0, 4), (1, 4), (60, 60), (90, 90), (91, 90), (21_600, 90)]
)
def test_retry_after_is_the_least_wait_and_is_capped(asked: float, waited: float) -> None:
    outcome = Outcome(status=429, own_rate_limit=True, retry_after_s=asked)
    assert wait_before_next(outcome, 3, POLICY) == waited


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("60", 60),
        (" 0 ", 0),
        ("Wed, 25 Nov 2026 00:01:30 GMT", 90),
        ("Wed, 25 Nov 2026 00:01:30 -0000", 90),
        ("Tue, 24 Nov 2026 23:00:00 GMT", 0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Wed, 99 Nov 2026 00:00:00 GMT", None),
        ("Wed, 25 Nov 2026 00:00:00 +99999999999999999999", None),
        ("9" * 400, float("inf")),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


def test_a_date_of_another_zone_counts_right() -> None:
    elsewhere = NOW + timedelta(minutes=1)
    assert parse_retry_after(f"{elsewhere:%a, %d %b %Y} 01:01:00 +0100", NOW) == 60


def test_the_budget_is_kept_to_the_second() -> None:
    assert over_budget(elapsed_s=10, wait_s=60, try_s=35, budget_s=105) == ""
    assert over_budget(elapsed_s=10.1, wait_s=60, try_s=35, budget_s=105)


def test_the_default_budget_holds_three_windows_and_a_try_of_the_slowest_operation() -> None:
    settings = ClientSettings()
    slowest_try_s = settings.connect_timeout_s + 60
    assert not over_budget(
        elapsed_s=120, wait_s=60, try_s=slowest_try_s, budget_s=settings.budget_s
    )
