"""What the DAGs really called: the DAG × operation table, and the calls that break the contract."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from compai_kit.findings import Finding, make_finding
from compai_kit.gate.model import Call, Scenario, ScenarioResult
from compai_kit.simulator.faults import NOT_COMP_AI

NO_ROUTE = "(no such route)"
# Simulated beside Comp-AI, and not described by its contract.
OTHER_SERVICES = NOT_COMP_AI
CUT = "cut"


class Cell(Struct, frozen=True, kw_only=True):
    """All calls of one DAG to one operation; a connection that was cut counts as status "cut"."""

    dag: str
    operation: str
    calls: int
    statuses: Mapping[str, int]
    faulted: int
    """calls for which the scenario had switched on a fault"""
    violations: int


def call_table(results: Iterable[ScenarioResult]) -> tuple[Cell, ...]:
    """One cell per DAG and operation that was called, sorted by DAG, then operation."""
    grouped: dict[tuple[str, str], list[Call]] = {}
    for result in results:
        for call in result.calls:
            key = (call.dag or result.scenario.dag or "-", call.operation or NO_ROUTE)
            grouped.setdefault(key, []).append(call)
    return tuple(
        Cell(
            dag=dag,
            operation=operation,
            calls=len(calls),
            statuses=dict(sorted(Counter(_status(call) for call in calls).items())),
            faulted=sum(call.fault is not None for call in calls),
            violations=sum(
                bool(call.request_violations or call.response_violations) for call in calls
            ),
        )
        for (dag, operation), calls in sorted(grouped.items())
    )


def call_findings(
    results: Iterable[ScenarioResult], reproduce: Callable[[Scenario], str]
) -> list[Finding]:
    """One finding per distinct defect, however often it happened and in however many scenarios."""
    seen: dict[tuple[str, str, str], list[tuple[Scenario, Call]]] = {}
    for result in results:
        for call in result.calls:
            for code, defect in _defects(call):
                key = (code, f"{call.dag or result.scenario.dag or '-'}: {_called(call)}", defect)
                seen.setdefault(key, []).append((result.scenario, call))
    findings = []
    for (code, where, defect), hits in seen.items():
        expected, fix = _ADVICE[code]
        scenarios = list(dict.fromkeys(scenario.name for scenario, _ in hits))
        more = f" and {len(scenarios) - 3} more" if len(scenarios) > 3 else ""
        findings.append(
            make_finding(
                code,
                where=where,
                expected=expected,
                seen=f"{defect}\n{_times(len(hits))}, in: {', '.join(scenarios[:3])}{more}",
                fix=fix,
                reproduce=reproduce(hits[0][0]),
            )
        )
    return findings


_ADVICE = {
    "CK401": (
        "a request that the contract allows",
        "correct what the client or the DAG sends; if the recordings show that the service"
        " accepts it, correct the contract",
    ),
    "CK402": (
        "an answer that the contract allows (no fault was active for this call)",
        "correct the simulator; if the recordings show this very answer, correct the contract",
    ),
    "CK403": (
        "an operation that the contract describes",
        "correct the URL (a doubled or missing prefix?), or describe the operation in the contract",
    ),
}


def _defects(call: Call) -> Iterable[tuple[str, str]]:
    if call.operation is None:
        yield "CK403", f"{call.method} {call.path} was answered {_status(call)}"
    for violation in call.request_violations:
        yield "CK401", violation
    for violation in call.response_violations:
        yield "CK402", f"status {_status(call)}: {violation}"


def _called(call: Call) -> str:
    return call.operation or f"{call.method} {call.path}"


def _status(call: Call) -> str:
    return CUT if call.status is None else str(call.status)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
