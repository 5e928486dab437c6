"""What is said while the gate works."""

import io

from compai_kit.gate.model import (
    Collected,
    Note,
    Scenario,
    ScenarioEnded,
    ScenarioResult,
    ScenarioStarted,
    Stack,
    StackFailed,
    StackReady,
    Step,
    StepEnded,
    StepStarted,
)
from compai_kit.report.console import plain_console
from compai_kit.report.progress import Progress

ONE = Scenario(node="t.py::a", dag="d", name="plain run", where="t.py:1", promise="")
TWO = Scenario(node="t.py::b", dag=None, name="test_b", where="t.py:9", promise="")


def test_one_line_per_step_and_scenario() -> None:
    out = io.StringIO()
    stack = Stack(version="3.3.2", url="http://127.0.0.1:1", user="u", password="p", seconds=14.2)
    with Progress(plain_console(out)) as progress:
        for event in (
            StepStarted(name="scenarios"),
            Note(text="building the environment for Airflow 3.3.2"),
            Collected(all=(ONE, TWO), chosen=(ONE, TWO), unknown_names=()),
            StackReady(stack=stack, simulator_url="http://127.0.0.1:2"),
            ScenarioStarted(scenario=ONE),
            ScenarioEnded(result=ScenarioResult(scenario=ONE, outcome="passed", seconds=3.21)),
            ScenarioStarted(scenario=TWO),
            ScenarioEnded(result=ScenarioResult(scenario=TWO, outcome="failed", seconds=4.0)),
            StepEnded(step=Step(name="scenarios", outcome="findings", detail="", seconds=21.0)),
        ):
            progress.hear(event)
    assert (
        out.getvalue()
        == """\
  building the environment for Airflow 3.3.2
  Airflow 3.3.2 is up after 14.2 s
  1/2 ✓ d: plain run  3.2 s
  2/2 ✗ FAILED -: test_b  4.0 s
scenarios: findings (21.0 s)
"""
    )


def test_stack_that_does_not_come_up_is_said_at_once_and_in_one_line() -> None:
    out = io.StringIO()
    Progress(plain_console(out)).hear(StackFailed(reason="no uv\nmore"))
    assert out.getvalue() == "  no Airflow: no uv\n"
