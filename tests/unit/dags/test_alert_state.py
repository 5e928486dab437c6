"""What is remembered between two alerts, and what happens when it cannot be read."""

from __future__ import annotations

import json

import pytest

from compai_dags.alert_state import AlertState, Incident, LastGood, Sent, read_state, write_state


def test_round_trip(now) -> None:
    state = AlertState(
        last_good=LastGood(at=now, summary="nothing open"),
        incident=Incident(since=now, calls=["listTests"]),
        sent=Sent(at=now, fingerprint="abc"),
    )
    text = write_state(state)
    assert json.loads(text)["version"] == 1
    assert read_state(text) == (state, None)


def test_no_state_is_fine() -> None:
    assert read_state(None) == (AlertState(), None)


@pytest.mark.parametrize(
    "text", ["{", "[]", '"x"', '{"version": 2}', '{"version": 1, "incident": {"since": "today"}}']
)
def test_an_unreadable_state_is_no_state_and_is_told(text) -> None:
    state, problem = read_state(text)
    assert state == AlertState()
    assert problem is not None
    assert problem.startswith("Variable comp_ai_alerts_state is unreadable, all is taken as new")
