"""What is remembered between two alerts, and what happens when it cannot be read."""

from __future__ import annotations

import json

import pytest

from compai_dags.alert_state import AlertState, Incident, LastGood, Sent, read_state, write_state
from compai_dags.changes import Known


def test_round_trip(now) -> None:
    state = AlertState(
        last_good=LastGood(at=now, summary="nothing open"),
        incident=Incident(since=now, calls=["listTests"], posted=True),
        sent=Sent(at=now, fingerprint="abc"),
        tests={5: Known(name="Branch rule is on", since=now.date(), told=True)},
        gaps={2: Known(name="EX-IAM-02 Access review", since=now.date())},
    )
    text = write_state(state)
    assert json.loads(text)["version"] == 2
    assert json.loads(text)["tests"] == {
        "5": {"name": "Branch rule is on", "since": "2026-11-25", "told": True}
    }
    assert read_state(text) == (state, None)


def test_no_state_is_fine() -> None:
    assert read_state(None) == (AlertState(), None)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"x"',
        '{"version": 3}',
        '{"version": 2, "incident": {"since": "today"}}',
        '{"version": 2, "sent": {"at": "2026-11-25T07:00:00", "fingerprint": "abc"}}',
        '{"version": 2, "tests": {"Branch rule": {"name": "x", "since": "2026-11-25"}}}',
        '{"version": 1, "last_good": null, "incident": null, "sent": null}',
        "\ud800",
    ],
    ids=[
        "cut", "list", "text", "newer", "no time", "no zone", "no id", "of the version before",
        "no Unicode",
    ],
)  # fmt: skip
def test_a_state_that_is_old_or_unreadable_is_no_state_and_is_told(text) -> None:
    state, problem = read_state(text)
    assert state == AlertState()
    assert problem is not None
    assert problem.startswith("Variable comp_ai_alerts_state is unreadable, all is taken as new")
