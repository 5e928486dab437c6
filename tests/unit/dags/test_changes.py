"""What is new, still open or gone since a summary last arrived."""

from __future__ import annotations

from datetime import date

import pytest

from compai_dags.changes import Known, Open, compare

OLD = date(2026, 11, 20)
TODAY = date(2026, 11, 25)
A, B = Open(name="A", since=TODAY), Open(name="B", since=TODAY)
TOLD_A = Known(name="A", since=OLD, told=True)


def after(known, current, *, told: bool = True, **over):
    return compare(known, current, **over).remembered(told=told)


class TestNew:
    def test_what_was_never_told_is_new(self) -> None:
        found = compare({}, {1: A})
        assert found.is_new(1)
        assert found.number_new == 1
        assert found.since(1) == TODAY

    def test_what_was_told_is_not(self) -> None:
        found = compare({1: TOLD_A}, {1: A, 2: B})
        assert [found.is_new(number) for number in (1, 2)] == [False, True]
        assert found.number_new == 1

    def test_it_stays_new_until_a_summary_arrived(self) -> None:
        state = after({}, {1: A}, told=False)
        assert compare(state, {1: A}).is_new(1)
        state = after(state, {1: A}, told=True)
        assert not compare(state, {1: A}).is_new(1)

    def test_its_age_counts_from_the_first_day_also_when_no_summary_arrived(self) -> None:
        state = after({}, {1: Open(name="A", since=OLD)}, told=False)
        assert compare(state, {1: A}).since(1) == OLD

    def test_it_goes_by_its_present_name(self) -> None:
        assert after({1: TOLD_A}, {1: B})[1] == Known(name="B", since=OLD, told=True)


class TestGone:
    def test_what_was_told_and_is_no_longer_open_is_gone_once(self) -> None:
        found = compare({1: TOLD_A}, {})
        assert found.gone == {1: TOLD_A}
        assert found.remembered(told=True) == {}

    def test_it_is_told_again_until_a_summary_arrived(self) -> None:
        assert after({1: TOLD_A}, {}, told=False) == {1: TOLD_A}

    def test_what_came_and_went_unheard_leaves_no_trace(self) -> None:
        found = compare({1: Known(name="A", since=OLD, told=False)}, {})
        assert found.gone == {}
        assert found.remembered(told=False) == {}

    def test_what_comes_back_before_it_was_told_gone_is_not_new(self) -> None:
        state = after({1: TOLD_A}, {}, told=False)
        found = compare(state, {1: A})
        assert not found.is_new(1)
        assert found.since(1) == OLD


class TestUnreadableRows:
    """What is not listed may be one of the rows that cannot be read."""

    @pytest.mark.parametrize("told", [True, False])
    def test_nothing_is_said_of_it_and_it_is_kept(self, told) -> None:
        found = compare({1: TOLD_A}, {}, is_complete=False)
        assert found.gone == {}
        assert found.remembered(told=told) == {1: TOLD_A}

    def test_what_is_listed_with_another_standing_is_gone_all_the_same(self) -> None:
        found = compare({1: TOLD_A, 2: TOLD_A}, {}, listed={1}, is_complete=False)
        assert set(found.gone) == {1}
        assert set(found.remembered(told=True)) == {2}


def test_has_news_says_whether_anything_came_or_went() -> None:
    assert not compare({1: TOLD_A}, {1: A}).has_news
    assert compare({1: TOLD_A}, {}).has_news
    assert compare({1: TOLD_A}, {1: A, 2: B}).has_news
