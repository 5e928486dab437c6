"""Scenario results become findings, steps and an answer."""

from typing import Literal

import pytest

from compai_kit.cli.exit_codes import ExitCode
from compai_kit.cli.gate_run import EXIT_CODES
from compai_kit.findings import Finding, make_finding
from compai_kit.gate.model import (
    Answer,
    Call,
    Outcome,
    RunState,
    Scenario,
    ScenarioEnded,
    ScenarioResult,
    Selection,
    StackFailed,
    Step,
    StepOutcome,
    TaskState,
    Verdict,
)
from compai_kit.gate.verdict import (
    answer,
    calls_step,
    coverage_findings,
    scenario_findings,
    scenario_step,
    verdict_of_session,
)


def _scenario(name: str = "plain run", dag: str = "d", promise: str = "") -> Scenario:
    return Scenario(node=f"t.py::{name}", dag=dag, name=name, where="t.py:1", promise=promise)


def _result(outcome: Outcome, *, name: str = "plain run", reason: str = "") -> ScenarioResult:
    return ScenarioResult(
        scenario=_scenario(name), outcome=outcome, seconds=2.0, reason=reason, failed_at="t.py:9"
    )


ALL = Selection(chosen=2, of=2)


def _reproduce(scenario: Scenario) -> str:
    return f"compai gate --scenario '{scenario.name}'"


def _finding(code: str = "CK301") -> Finding:
    return make_finding(code, where="w", expected="e", seen="s", fix="f", reproduce="r")


class TestScenarioFindings:
    def test_failure_has_assertion_states_tries_and_log(self) -> None:
        run = RunState(
            dag="d",
            run_id="manual__1",
            state="failed",
            seconds=4.25,
            tasks=(
                TaskState(task="list", map_index=-1, state="success", tries=1),
                TaskState(task="chunk", map_index=0, state="failed", tries=3),
            ),
            log_tail=("--- chunk[0], try 3 ---", "ServerError: 500"),
        )
        result = ScenarioResult(
            scenario=_scenario(promise="A 500 is retried"),
            outcome="failed",
            seconds=5,
            reason="assert 3 == 4",
            failed_at="t.py:9",
            runs=(run,),
        )
        (finding,) = scenario_findings([result], _reproduce)
        assert finding.code == "CK301"
        assert finding.where == "d: plain run (t.py:9)"
        assert finding.expected == "A 500 is retried"
        assert finding.seen.splitlines() == [
            "assert 3 == 4",
            "run of d: failed after 4.2 s (list success, chunk[0] failed in 3 tries)",
            "  --- chunk[0], try 3 ---",
            "  ServerError: 500",
        ]
        assert finding.reproduce == "compai gate --scenario 'plain run'"

    def test_error_in_a_fixture_is_a_finding_as_well(self) -> None:
        (finding,) = scenario_findings([_result("error", reason="no such file")], _reproduce)
        assert finding.seen == "no such file"

    @pytest.mark.parametrize("outcome", ["passed", "skipped", "not run"])
    def test_other_outcomes_are_none(
        self, outcome: Literal["passed", "skipped", "not run"]
    ) -> None:
        assert scenario_findings([_result(outcome)], _reproduce) == []


class TestCoverage:
    def test_no_scenario_is_not_green(self) -> None:
        (finding,) = coverage_findings([], ["d"], folder="tests/e2e", reproduce="compai gate")
        assert (finding.code, finding.where) == ("CK302", "tests/e2e")

    def test_dag_that_no_scenario_runs(self) -> None:
        (finding,) = coverage_findings(
            [_scenario()], ["d", "other"], folder="tests/e2e", reproduce="compai gate"
        )
        assert (finding.code, finding.where) == ("CK303", "other")
        assert '@pytest.mark.scenario("other", "plain run")' in finding.fix

    def test_every_dag_covered(self) -> None:
        assert coverage_findings([_scenario()], ["d"], folder="f", reproduce="c") == []


class TestSteps:
    def test_line_counts_outcomes_and_names_the_boot(self) -> None:
        results = [_result("passed"), _result("passed", name="b")]
        step = scenario_step(results, [], selection=ALL, boot_s=12.34)
        assert (step.outcome, step.detail) == ("ok", "2 passed; Airflow booted in 12.3 s")

    @pytest.mark.parametrize("outcome", ["skipped", "not run"])
    def test_scenario_that_did_not_run_leaves_doubt(
        self, outcome: Literal["skipped", "not run"]
    ) -> None:
        step = scenario_step([_result(outcome)], [], selection=ALL, boot_s=0)
        assert step.outcome == "undecided"

    def test_finding_outranks_doubt(self) -> None:
        results = [_result("skipped"), _result("failed", name="b")]
        step = scenario_step(results, [_finding()], selection=ALL, boot_s=0)
        assert step.outcome == "findings"

    def test_part_of_the_scenarios_is_called_a_part(self) -> None:
        some = Selection(chosen=1, of=27, names=("plain run",), left_out=3)
        step = scenario_step([_result("passed")], [], selection=some, boot_s=0)
        assert step.detail == (
            "1 passed (chosen: 1 of 27); left out: 3 scenarios of DAGs that are not here"
        )

    def test_dags_that_were_only_parsed_are_named(self) -> None:
        parsed = Selection(chosen=0, of=0, parsed_only=("a", "b"))
        step = scenario_step([], [], selection=parsed, boot_s=0)
        assert (step.outcome, step.detail) == (
            "ok",
            "none ran; parsed only, for want of a scenario: a and b",
        )

    def test_nothing_at_all_leaves_doubt(self) -> None:
        assert scenario_step([], [], selection=ALL, boot_s=0).outcome == "undecided"

    def test_calls_of_other_services_are_not_counted(self) -> None:
        call = Call(
            dag="d", task="t", operation="listTests", method="GET", path="/api/v1/tests", status=200
        )
        token = Call(
            dag="d", task="t", operation="keycloakToken", method="POST", path="/auth/x", status=200
        )
        result = ScenarioResult(
            scenario=_scenario(), outcome="passed", seconds=1, calls=(call, token)
        )
        step = calls_step([result], [])
        assert (step.outcome, step.detail) == (
            "ok",
            "1 call to 1 operation of Comp-AI, all within the contract",
        )

    def test_no_call_at_all_is_not_ok(self) -> None:
        assert calls_step([_result("passed")], []).outcome == "not run"


class TestAnswer:
    @pytest.mark.parametrize(
        ("outcomes", "findings", "expected", "code"),
        [
            (["ok", "ok"], 0, "yes", ExitCode.OK),
            (["findings", "ok"], 1, "no", ExitCode.FINDINGS),
            (["could not run", "not run"], 0, "could not run", ExitCode.COULD_NOT_RUN),
            (["findings", "could not run"], 1, "could not run", ExitCode.COULD_NOT_RUN),
            (["ok", "undecided"], 0, "undecided", ExitCode.UNDECIDED),
            (["findings", "undecided"], 1, "no", ExitCode.FINDINGS),
            (["ok", "not run"], 0, "undecided", ExitCode.UNDECIDED),
        ],
    )
    def test_row_of_the_exit_table(
        self, outcomes: list[StepOutcome], findings: int, expected: Answer, code: ExitCode
    ) -> None:
        verdict = Verdict(
            steps=tuple(Step(name=f"s{n}", outcome=o, detail="") for n, o in enumerate(outcomes)),
            parsed=(),
            scenarios=(),
            findings=(_finding(),) * findings,
        )
        assert answer(verdict) == expected
        assert EXIT_CODES[answer(verdict)] is code

    def test_exit_codes_are_public_and_never_change(self) -> None:
        assert {code.name: code.value for code in ExitCode} == {
            "OK": 0,
            "FINDINGS": 1,
            "USAGE": 2,
            "COULD_NOT_RUN": 3,
            "UNDECIDED": 4,
        }


class TestSession:
    def test_plain_pytest_run_gets_a_verdict_too(self) -> None:
        events = [
            ScenarioEnded(result=_result("passed")),
            ScenarioEnded(result=_result("failed", name="b")),
        ]
        verdict = verdict_of_session(events, reproduce=_reproduce)
        assert [finding.code for finding in verdict.findings] == ["CK301"]
        assert answer(verdict) == "no"

    def test_without_a_stack_nothing_was_decided(self) -> None:
        verdict = verdict_of_session([StackFailed(reason="no Airflow")], reproduce=_reproduce)
        assert answer(verdict) == "could not run"
