"""The ledger's lines become a table and findings."""

from functools import partial

import msgspec

from compai_kit.gate.calls import call_findings, call_table
from compai_kit.gate.model import Call, Scenario, ScenarioResult

_CALL = Call(
    dag="d", task="t", operation="listTests", method="GET", path="/api/v1/tests", status=200
)
_call = partial(msgspec.structs.replace, _CALL)


def _result(*calls: Call, name: str = "plain run") -> ScenarioResult:
    scenario = Scenario(node=f"t.py::{name}", dag="d", name=name, where="t.py:1", promise="")
    return ScenarioResult(scenario=scenario, outcome="passed", seconds=1.0, calls=calls)


def _reproduce(scenario: Scenario) -> str:
    return f"compai gate --scenario '{scenario.name}'"


def test_table_counts_calls_and_statuses_over_all_scenarios() -> None:
    table = call_table(
        [
            _result(_call(), _call(status=500, fault="status")),
            _result(_call(), _call(operation="recordTestResult"), name="429"),
        ]
    )
    assert [(cell.operation, cell.calls, cell.statuses, cell.faulted) for cell in table] == [
        ("listTests", 3, {"200": 2, "500": 1}, 1),
        ("recordTestResult", 1, {"200": 1}, 0),
    ]


def test_call_without_a_caller_counts_for_the_dag_of_its_scenario() -> None:
    (cell,) = call_table([_result(_call(dag=None, operation="slack"))])
    assert (cell.dag, cell.operation) == ("d", "slack")


def test_cut_connection_has_a_word_of_its_own() -> None:
    (cell,) = call_table([_result(_call(status=None, fault="reset"))])
    assert cell.statuses == {"cut": 1}


def test_bad_request_is_a_finding_although_the_scenario_passed() -> None:
    (finding,) = call_findings(
        [_result(_call(request_violations=("/result: not one of pass, fail",)))], _reproduce
    )
    assert finding.code == "CK401"
    assert finding.where == "d: listTests"
    assert finding.seen == "/result: not one of pass, fail\nonce, in: plain run"
    assert finding.reproduce == "compai gate --scenario 'plain run'"


def test_bad_answer_names_its_status() -> None:
    (finding,) = call_findings(
        [_result(_call(response_violations=("/0/id: is missing",)))], _reproduce
    )
    assert (finding.code, finding.seen.splitlines()[0]) == (
        "CK402",
        "status 200: /0/id: is missing",
    )


def test_unknown_route_is_a_finding() -> None:
    (finding,) = call_findings(
        [_result(_call(operation=None, path="/api/v1/api/v1/tests", status=404))], _reproduce
    )
    assert (finding.code, finding.where) == ("CK403", "d: GET /api/v1/api/v1/tests")
    assert finding.seen.startswith("GET /api/v1/api/v1/tests was answered 404")


def test_same_defect_is_reported_once() -> None:
    bad = _call(request_violations=("/result: missing",))
    (finding,) = call_findings(
        [_result(bad, bad), *(_result(bad, name=f"s{n}") for n in range(4))], _reproduce
    )
    assert finding.seen.splitlines()[1] == "6 times, in: plain run, s0, s1 and 2 more"


def test_calls_within_the_contract_are_no_findings() -> None:
    assert call_findings([_result(_call(), _call(operation="slack"))], _reproduce) == []
