"""What the gate makes of the events of its pytest, also when they break off."""

from compai_kit.gate.model import (
    Collected,
    Scenario,
    ScenarioEnded,
    ScenarioResult,
    StackFailed,
)
from compai_kit.gate.scenario_step import ScenarioRun

ONE, TWO = (
    Scenario(node=f"t.py::{name}", dag="d", name=name, where="t.py:1", promise="")
    for name in ("one", "two")
)


def _heard(*events: Collected | ScenarioEnded | StackFailed) -> ScenarioRun:
    run = ScenarioRun()
    for event in events:
        run.hear(event)
    run.account_for_all()
    return run


def _ended(scenario: Scenario, outcome: str = "passed") -> ScenarioEnded:
    return ScenarioEnded(result=ScenarioResult(scenario=scenario, outcome=outcome, seconds=1))


COLLECTED = Collected(all=(ONE, TWO), chosen=(ONE, TWO), unknown_names=())


def test_scenario_of_which_nothing_was_heard_did_not_run() -> None:
    """Once, a last scenario was lost and the answer was yes."""
    run = _heard(COLLECTED, _ended(ONE))
    assert [(r.scenario.name, r.outcome) for r in run.results] == [
        ("one", "passed"),
        ("two", "not run"),
    ]


def test_scenario_that_was_not_chosen_is_not_missed() -> None:
    chosen = Collected(all=(ONE, TWO), chosen=(TWO,), unknown_names=())
    assert [r.scenario.name for r in _heard(chosen, _ended(TWO)).results] == ["two"]


def test_without_a_stack_scenarios_did_not_fail_but_did_not_run() -> None:
    run = _heard(
        COLLECTED, _ended(ONE, "failed"), StackFailed(reason="it died"), _ended(TWO, "failed")
    )
    assert [r.outcome for r in run.results] == ["failed", "not run"]
