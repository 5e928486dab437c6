"""The verdict for programs: JSON by a published schema, JUnit that CI servers read."""

import json
from pathlib import Path

import jsonschema_rs
import junitparser
import pytest

import compai_kit.report
from compai_kit.findings import make_finding
from compai_kit.gate.model import (
    Call,
    Outcome,
    Parsed,
    ParsedFile,
    RunState,
    Scenario,
    ScenarioResult,
    Selection,
    Stack,
    StackKept,
    Step,
    TaskState,
    Verdict,
)
from compai_kit.report.files import write_report
from compai_kit.report.json import render_json, report_schema
from compai_kit.report.junit import render_junit

SCHEMA_FILE = Path(compai_kit.report.__file__).with_name("gate-report.schema.json")
STACK = Stack(
    version="3.3.2", url="http://127.0.0.1:1", user="u", password="of-this-stack", seconds=12.0
)


def _result(name: str, outcome: Outcome, reason: str = "") -> ScenarioResult:
    return ScenarioResult(
        scenario=Scenario(node=f"t.py::{name}", dag="d", name=name, where="t.py:1", promise=""),
        outcome=outcome,
        seconds=3.0,
        reason=reason,
        runs=(
            RunState(
                dag="d",
                run_id="manual__1",
                state="failed",
                seconds=2.0,
                tasks=(TaskState(task="t", map_index=-1, state="failed", tries=2),),
                log_tail=("ValueError",),
            ),
        ),
        calls=(
            Call(dag="d", task="t", operation="listTests", method="GET", path="/x", status=None),
        ),
    )


VERDICT = Verdict(
    steps=(
        Step(name="contract", outcome="ok", detail="fine", seconds=1.0),
        Step(name="parse", outcome="findings", detail="1 finding", seconds=4.0),
        Step(name="scenarios", outcome="findings", detail="1 failed", seconds=30.0),
        Step(name="calls", outcome="not run", detail="no call"),
    ),
    parsed=(
        Parsed(
            airflow="3.1.3",
            files=(ParsedFile(file="d.py", dag_ids=("d",), error=None, seconds=0.1),),
        ),
    ),
    scenarios=(
        _result("plain run", "passed"),
        _result("down", "failed", "assert 1 == 2\nmore"),
        _result("docker", "skipped", "needs Docker"),
    ),
    findings=tuple(
        make_finding(code, where="x.py:3", expected="e", seen="s", fix="f", reproduce="r")
        for code in ("CK201", "CK301")
    ),
    selection=Selection(chosen=3, of=27, names=("plain run", "down", "docker")),
    stack=STACK,
    kept=StackKept(stack=STACK, simulator_url="http://127.0.0.1:2"),
)


class TestJson:
    def test_published_schema_is_that_of_the_code(self) -> None:
        published = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
        by_code = json.loads(json.dumps(report_schema()))
        assert published == by_code, "write report_schema() to the file, or make a new version"

    def test_report_conforms_to_the_published_schema(self) -> None:
        schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
        report = json.loads(render_json(VERDICT))
        jsonschema_rs.validator_for(schema).validate(report)
        assert report["schema"] == "compai-gate-report/1"
        assert report["answer"] == "no"
        assert report["calls"] == [
            {
                "dag": "d",
                "operation": "listTests",
                "calls": 3,
                "statuses": {"cut": 3},
                "faulted": 0,
                "violations": 0,
            }
        ]

    def test_part_of_the_scenarios_is_called_a_part(self) -> None:
        selection = json.loads(render_json(VERDICT))["selection"]
        assert (selection["chosen"], selection["of"]) == (3, 27)
        assert selection["names"] == ["plain run", "down", "docker"]

    def test_password_of_the_stack_is_left_out(self) -> None:
        assert b"of-this-stack" not in render_json(VERDICT)


@pytest.fixture
def suites() -> dict[str, junitparser.TestSuite]:
    xml = junitparser.JUnitXml.fromstring(render_junit(VERDICT))
    return {suite.name: suite for suite in xml}


class TestJunit:
    def test_one_suite_per_step(self, suites: dict[str, junitparser.TestSuite]) -> None:
        assert list(suites) == ["contract", "parse", "scenarios", "calls"]

    def test_scenarios_are_test_cases(self, suites: dict[str, junitparser.TestSuite]) -> None:
        suite = suites["scenarios"]
        assert (suite.tests, suite.failures, suite.skipped) == (3, 1, 1)
        failed = next(case for case in suite if case.name == "down")
        assert (failed.classname, failed.time) == ("d", 3.0)
        assert failed.result[0].message == "assert 1 == 2"
        assert "t failed in 2 tries" in failed.result[0].text

    def test_finding_of_another_step_is_a_failed_case(
        self, suites: dict[str, junitparser.TestSuite]
    ) -> None:
        failed = next(case for case in suites["parse"] if case.is_failure)
        assert failed.name == "CK201 x.py:3"
        assert "reproduce: r" in failed.result[0].text

    def test_file_that_parses_is_a_passed_case(
        self, suites: dict[str, junitparser.TestSuite]
    ) -> None:
        passed = next(case for case in suites["parse"] if case.is_passed)
        assert (passed.classname, passed.name) == ("gate.parse.3.1.3", "d.py")

    def test_step_that_was_not_reached_is_skipped_and_not_green(
        self, suites: dict[str, junitparser.TestSuite]
    ) -> None:
        (case,) = suites["calls"]
        assert case.result[0].message == "not run: no call"

    def test_step_that_could_not_run_is_an_error(self) -> None:
        verdict = Verdict(
            steps=(Step(name="parse", outcome="could not run", detail="no uv"),),
            parsed=(),
            scenarios=(),
            findings=(),
        )
        xml = junitparser.JUnitXml.fromstring(render_junit(verdict))
        assert next(iter(xml)).errors == 1


def test_report_folder_has_every_form(tmp_path: Path) -> None:
    write_report(VERDICT, tmp_path / "new" / "folder", pytest_output="collected 3 items\n")
    written = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert written == ["junit.xml", "pytest.log", "verdict.json", "verdict.sarif", "verdict.txt"]
    assert "NO: 2 findings" in (tmp_path / "new" / "folder" / "verdict.txt").read_text("utf-8")
