"""Findings for CI servers: SARIF by the official schema, annotations by GitHub's own grammar."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from compai_kit.findings import CODES, Finding, make_finding
from compai_kit.gate.model import (
    Parsed,
    ParsedFile,
    Scenario,
    ScenarioResult,
    Step,
    Verdict,
)
from compai_kit.report.github import annotations, wanted_here
from compai_kit.report.places import Place, nearest_place, place_of
from compai_kit.report.sarif import render_sarif

SCENARIO = Scenario(node="t", dag="d", name="plain run", where="tests/e2e/test_d.py:12", promise="")
FILE = ParsedFile(file="e.py", dag_ids=("e",), error=None, seconds=0.1)


def _finding(code: str, where: str, seen: str = "this", fix: str = "mend it") -> Finding:
    return make_finding(
        code, where=where, expected="that", seen=seen, fix=fix, reproduce="compai gate"
    )


def _verdict(*findings: Finding, steps: tuple[Step, ...] = ()) -> Verdict:
    return Verdict(
        steps=steps,
        parsed=(Parsed(airflow="3.3.2", files=(FILE,)),),
        scenarios=(ScenarioResult(scenario=SCENARIO, outcome="passed", seconds=1),),
        findings=findings,
        dags="my_dags",
        contract="contracts/comp-ai.openapi.yaml",
    )


WHERES = [
    ("CK207", "my_dags/d.py:7", Place("my_dags/d.py", 7)),
    ("CK202", "my_dags/d.py", Place("my_dags/d.py")),
    ("CK301", "d: down (tests/e2e/test_d.py:31)", Place("tests/e2e/test_d.py", 31)),
    ("CK401", "d: listTests", Place("tests/e2e/test_d.py", 12)),
    ("CK303", "e", Place("my_dags/e.py")),
    ("CK102", "listTests 200, c.yaml#3 and 4 more", Place("contracts/comp-ai.openapi.yaml")),
    ("CK205", "my_dags", Place("my_dags")),
]


@pytest.mark.parametrize(("code", "where", "place"), WHERES)
def test_every_finding_has_a_nearest_file(code: str, where: str, place: Place) -> None:
    finding = _finding(code, where)
    assert nearest_place(finding, _verdict(finding)) == place


def test_only_a_file_that_is_named_is_a_place() -> None:
    assert place_of(_finding("CK401", "d: listTests")) is None
    assert place_of(_finding("CK206", "compai_dags")) is None


def test_file_below_the_working_directory_is_named_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_of(_finding("CK207", f"{tmp_path}/dags/d.py:3")) == Place("dags/d.py", 3)


class TestSarif:
    @staticmethod
    def _run(verdict: Verdict) -> dict[str, Any]:
        document = json.loads(render_sarif(verdict))
        Sarif.model_validate(document)
        run: dict[str, Any] = document["runs"][0]
        return run

    def test_conforms_to_the_schema_whatever_was_found(self) -> None:
        run = self._run(_verdict(*(_finding(code, where) for code, where, _ in WHERES)))
        assert [result["ruleId"] for result in run["results"]] == [code for code, _, _ in WHERES]
        rules = run["tool"]["driver"]["rules"]
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]

    def test_schema_knows_a_wrong_document(self) -> None:
        document = json.loads(render_sarif(_verdict(_finding("CK207", "d.py:7"))))
        document["runs"][0]["results"][0]["level"] = "fatal"
        with pytest.raises(ValueError, match="level"):
            Sarif.model_validate(document)

    def test_result_has_line_words_and_how_to_mend_it(self) -> None:
        [result] = self._run(_verdict(_finding("CK207", "my dags/d.py:7")))["results"]
        assert "fix: mend it" in result["message"]["text"]
        [result] = self._run(_verdict(_finding("CK207", "my_dags/d.py:7")))["results"]
        assert result["locations"][0]["physicalLocation"] == {
            "artifactLocation": {"uri": "my_dags/d.py"},
            "region": {"startLine": 7},
        }

    def test_rule_brings_the_long_text(self) -> None:
        [rule] = self._run(_verdict(_finding("CK207", "d.py:7")))["tool"]["driver"]["rules"]
        assert rule["help"]["text"] == CODES["CK207"].explanation

    def test_same_defect_on_another_line_has_the_same_fingerprint(self) -> None:
        run = self._run(
            _verdict(
                _finding("CK207", "d.py:7"),
                _finding("CK207", "d.py:99"),
                _finding("CK207", "d.py:7", seen="else"),
            )
        )
        first, moved, other = [r["partialFingerprints"]["compaiGate/v1"] for r in run["results"]]
        assert first == moved != other

    def test_no_finding_is_an_empty_list_and_a_success(self) -> None:
        run = self._run(_verdict(steps=(Step(name="parse", outcome="ok", detail=""),)))
        assert run["results"] == []
        assert run["invocations"][0]["executionSuccessful"] is True

    def test_gate_that_could_not_run_does_not_look_like_one_that_found_nothing(self) -> None:
        steps = (Step(name="parse", outcome="could not run", detail="no uv"),)
        [invocation] = self._run(_verdict(steps=steps))["invocations"]
        assert invocation["executionSuccessful"] is False
        [note] = invocation["toolExecutionNotifications"]
        assert note["message"]["text"] == "parse: could not run: no uv"


class TestAnnotations:
    def test_line_of_the_file_is_marked(self) -> None:
        [line] = annotations(_verdict(_finding("CK216", "my_dags/d.py:7")))
        assert line == (
            "::error file=my_dags/d.py,line=7,title=CK216 HTTP call without a timeout::"
            "where: my_dags/d.py:7%0Aexpected: that%0Aseen: this%0Afix: mend it"
            "%0Areproduce: compai gate"
        )

    def test_nothing_in_a_text_can_end_the_command(self) -> None:
        finding = _finding("CK301", "d: a, b (t_x.py:3)", seen="100%\r\n::warning::x")
        [line] = annotations(_verdict(finding))
        assert "\n" not in line
        assert "100%25%0D%0A::warning::x" in line
        [line] = annotations(_verdict(replace(finding, title="one: two, three")))
        assert ",title=CK301 one%3A two%2C three::" in line

    def test_finding_without_a_file_marks_none(self) -> None:
        [line] = annotations(_verdict(_finding("CK401", "d: listTests")))
        assert line.startswith("::error title=CK401 Request outside the contract::where: d: list")

    @pytest.mark.parametrize(
        ("outcome", "kind"), [("could not run", "error"), ("undecided", "warning")]
    )
    def test_step_that_leaves_the_answer_open_is_said(self, outcome: Any, kind: str) -> None:
        step = Step(name="scenarios", outcome=outcome, detail="1 skipped")
        [line] = annotations(_verdict(steps=(step,)))
        assert line == f"::{kind} title=compai gate%3A scenarios {outcome}::1 skipped"

    def test_yes_says_nothing(self) -> None:
        assert list(annotations(_verdict())) == []

    @pytest.mark.parametrize(("value", "wanted"), [("true", True), ("false", False), ("", False)])
    def test_github_actions_is_known_by_its_variable(
        self, value: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", value)
        assert wanted_here() is wanted
