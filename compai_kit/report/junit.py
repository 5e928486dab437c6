"""The verdict as JUnit XML, which every CI server reads.

One suite per step. A scenario is a test case; so is every finding that belongs to no scenario, and
every DAG file that parsed.
"""

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from compai_kit.findings import Finding
from compai_kit.gate.model import Parsed, ScenarioResult, Step, Verdict
from compai_kit.gate.verdict import run_text

# Findings of a code range belong to the step of that suite.
_SUITES = {"CK1": "contract", "CK2": "parse", "CK3": "scenarios", "CK4": "calls"}
_OF_A_SCENARIO = "CK301"


def render_junit(verdict: Verdict) -> bytes:
    """The whole document."""
    xml = JUnitXml("compai gate")
    for step in verdict.steps:
        suite = TestSuite(step.name)
        cases = [_finding_case(f) for f in verdict.findings if _belongs(f, step)]
        if step.name == "parse":
            cases += [case for parsed in verdict.parsed for case in _parse_cases(parsed)]
        if step.name == "scenarios":
            cases += [_scenario_case(result) for result in verdict.scenarios]
        cases += [_step_case(step, has_others=bool(cases))] if _needs_case(step, cases) else []
        for case in cases:
            suite.add_testcase(case)
        suite.time = round(step.seconds, 3)
        xml.add_testsuite(suite)
    document: bytes = xml.tostring()  # type: ignore[no-untyped-call]  # annotated only in part
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + document + b"\n"


def _belongs(finding: Finding, step: Step) -> bool:
    return _SUITES.get(finding.code[:3]) == step.name and finding.code != _OF_A_SCENARIO


def _needs_case(step: Step, cases: list[TestCase]) -> bool:
    return not cases or step.outcome in ("could not run", "undecided", "not run")


def _step_case(step: Step, *, has_others: bool) -> TestCase:
    case = TestCase(step.name, f"gate.{step.name}", None if has_others else step.seconds)
    if step.outcome == "could not run":
        case.result = [Error(step.detail.partition("\n")[0], "could not run")]
    elif step.outcome in ("undecided", "not run"):
        case.result = [Skipped(f"{step.outcome}: {step.detail}")]
    return case


def _finding_case(finding: Finding) -> TestCase:
    case = TestCase(f"{finding.code} {finding.where}", f"gate.{finding.title}")
    case.result = [_failure(finding.title, _finding_text(finding), finding.code)]
    return case


def _finding_text(finding: Finding) -> str:
    return "\n".join(
        [
            f"{finding.code} {finding.title}",
            f"where: {finding.where}",
            f"expected: {finding.expected}",
            f"seen: {finding.seen}",
            f"fix: {finding.fix}",
            f"reproduce: {finding.reproduce}",
        ]
    )


def _parse_cases(parsed: Parsed) -> list[TestCase]:
    return [
        TestCase(entry.file, f"gate.parse.{parsed.airflow}", round(entry.seconds, 3))
        for entry in parsed.files
        if entry.dag_ids
    ]


def _scenario_case(result: ScenarioResult) -> TestCase:
    scenario = result.scenario
    case = TestCase(scenario.name, scenario.dag or scenario.node, round(result.seconds, 3))
    first = result.reason.partition("\n")[0]
    runs = "\n".join(run_text(run) for run in result.runs)
    if result.outcome in ("failed", "error"):
        case.result = [_failure(first, f"{result.reason}\n{runs}", result.outcome)]
    elif result.outcome in ("skipped", "not run"):
        case.result = [Skipped(f"{result.outcome}: {first}")]
    elif runs:
        case.system_out = runs
    return case


def _failure(message: str, text: str, kind: str) -> Failure:
    failure = Failure(message, kind)
    failure.text = text
    return failure
