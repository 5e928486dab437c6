"""The verdict as text: complete, plain without a terminal, and ending with the answer."""

import io

import msgspec
import pytest
from rich.console import Console

from compai_kit.findings import make_finding
from compai_kit.gate.model import (
    Call,
    Outcome,
    Parsed,
    ParsedFile,
    Scenario,
    ScenarioResult,
    Selection,
    Step,
    Verdict,
)
from compai_kit.report.console import make_console, plain_console
from compai_kit.report.text import print_verdict


def _result(
    dag: str, name: str, outcome: Outcome, *calls: Call, reason: str = ""
) -> ScenarioResult:
    return ScenarioResult(
        scenario=Scenario(node=name, dag=dag, name=name, where="t.py:1", promise=""),
        outcome=outcome,
        seconds=3.21,
        reason=reason,
        calls=calls,
    )


def _call(dag: str, operation: str, status: int | None) -> Call:
    return Call(dag=dag, task="t", operation=operation, method="GET", path="/x", status=status)


GREEN = Verdict(
    steps=(Step(name="scenarios", outcome="ok", detail="1 passed", seconds=3.2),),
    parsed=(
        Parsed(
            airflow="3.3.2",
            files=(ParsedFile(file="a.py", dag_ids=("a",), error=None, seconds=0.1),),
        ),
    ),
    scenarios=(_result("a", "plain run", "passed", _call("a", "listTests", 200)),),
    findings=(),
)
RED = Verdict(
    steps=(
        Step(name="contract", outcome="ok", detail="8 operations", seconds=1.0),
        Step(name="scenarios", outcome="findings", detail="1 passed, 1 failed", seconds=12.0),
    ),
    parsed=(),
    scenarios=(
        _result("b", "plain run", "passed", _call("b", "slack", 200), _call("b", "slack", 200)),
        _result("a", "Comp-AI down", "failed", _call("a", "listTests", None)),
        _result("a", "other", "skipped", reason="needs Docker"),
    ),
    findings=(
        make_finding(
            "CK301",
            where="a: Comp-AI down (t.py:9)",
            expected="the run is red",
            seen="assert 'success' == 'failed'\nrun of a: success",
            fix="correct it",
            reproduce="compai gate --scenario 'Comp-AI down'",
        ),
    ),
)


def _text(verdict: Verdict) -> str:
    out = io.StringIO()
    print_verdict(verdict, plain_console(out))
    return out.getvalue()


def test_whole_red_verdict() -> None:
    assert (
        _text(RED)
        == """\
contract   ok        8 operations         1.0 s
scenarios  FINDINGS  1 passed, 1 failed  12.0 s

a
  ✗ Comp-AI down  3.2 s  FAILED
  ○ other         3.2 s  skipped: needs Docker
b
  ✓ plain run     3.2 s

What was called: how often, with which answers (the scenarios' faults included)
               a         b
  listTests    1: cut    -
  slack        -         2: 200×2

Findings
CK301 Scenario failed
  where      a: Comp-AI down (t.py:9)
  expected   the run is red
  seen       assert 'success' == 'failed'
             run of a: success
  fix        correct it
  reproduce  compai gate --scenario 'Comp-AI down'

NO: 1 finding (CK301; `compai explain CODE` says more)
"""
    )


def test_green_verdict_ends_with_yes_and_what_it_rests_on() -> None:
    last = _text(GREEN).splitlines()[-1]
    assert last == "YES: 1 DAG on Airflow 3.3.2, 1 scenario passed, no findings"


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(chosen=1, of=27, names=("plain run",)), "1 of 27 scenarios (chosen) passed"),
        (
            Selection(chosen=1, of=1, parsed_only=("b", "c")),
            "1 scenario passed, 2 DAGs parsed only (no scenario)",
        ),
    ],
)
def test_yes_that_rests_on_a_part_says_so(selection: Selection, words: str) -> None:
    last = _text(msgspec.structs.replace(GREEN, selection=selection)).splitlines()[-1]
    assert last == f"YES: 1 DAG on Airflow 3.3.2, {words}, no findings"


def test_yes_without_a_single_scenario_does_not_count_any() -> None:
    parsed_only = Selection(chosen=0, of=0, parsed_only=("a",))
    verdict = msgspec.structs.replace(GREEN, scenarios=(), selection=parsed_only)
    assert _text(verdict).splitlines()[-1] == (
        "YES: 1 DAG on Airflow 3.3.2, 1 DAG parsed only (no scenario), no findings"
    )


def test_step_that_could_not_run_gives_the_reason_in_one_line() -> None:
    verdict = Verdict(
        steps=(Step(name="parse", outcome="could not run", detail="no uv\nsecond line"),),
        parsed=(),
        scenarios=(),
        findings=(),
    )
    assert _text(verdict).splitlines()[-1] == "COULD NOT RUN: parse: no uv"


def test_doubt_names_its_step() -> None:
    verdict = Verdict(
        steps=(Step(name="scenarios", outcome="undecided", detail="1 skipped"),),
        parsed=(),
        scenarios=(),
        findings=(),
    )
    assert _text(verdict).splitlines()[-1] == "UNDECIDED: scenarios: 1 skipped"


def test_many_scenarios_that_did_not_run_for_one_reason_are_one_line() -> None:
    results = [_result("a", f"s{n}", "not run", reason="no Airflow") for n in range(4)]
    verdict = Verdict(
        steps=(), parsed=(), scenarios=(_result("a", "first", "passed"), *results), findings=()
    )
    assert _text(verdict).splitlines()[1:4] == [
        "a",
        "  ✓ first        3.2 s",
        "  ○ 4 scenarios         not run: no Airflow",
    ]


def test_calls_outside_the_contract_are_marked_in_the_table() -> None:
    bad = Call(
        dag="a", task="t", operation="listTests", method="GET", path="/x", status=200,
        request_violations=("query/limit: is not an integer",),
    )  # fmt: skip
    verdict = Verdict(
        steps=(), parsed=(), scenarios=(_result("a", "plain run", "passed", bad),), findings=()
    )
    assert "1: 200, 1 outside the contract" in _text(verdict)


def test_text_from_outside_is_not_read_as_markup() -> None:
    verdict = Verdict(
        steps=(Step(name="parse", outcome="ok", detail="[bold]x[/bold] :smile:"),),
        parsed=(),
        scenarios=(),
        findings=(),
    )
    assert "[bold]x[/bold] :smile:" in _text(verdict)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", ["60", "200"])
def test_columns_sets_the_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert make_console(io.StringIO()).width == int(columns)


def test_file_without_columns_is_wide_enough_for_a_log_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert make_console(io.StringIO()).width == 120


def test_terminal_gets_colour_and_no_color_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = _Terminal()
    print_verdict(RED, make_console(coloured))
    assert "\x1b[1;31m" in coloured.getvalue()

    monkeypatch.setenv("NO_COLOR", "1")
    plain = _Terminal()
    console: Console = make_console(plain)
    print_verdict(RED, console)
    assert "31m" not in plain.getvalue()
