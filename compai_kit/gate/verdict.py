"""What the scenarios and their calls amount to: findings, steps and the answer. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from compai_kit.findings import Finding, make_finding
from compai_kit.gate.calls import OTHER_SERVICES, call_findings, call_table
from compai_kit.gate.model import (
    Answer,
    Collected,
    Event,
    RunState,
    Scenario,
    ScenarioEnded,
    ScenarioResult,
    Selection,
    StackFailed,
    StackReady,
    Step,
    StepOutcome,
    TaskState,
    Verdict,
)
from compai_kit.report.words import counted, listed

Reproduce = Callable[[Scenario], str]

_OK_STATES = frozenset({"success", "skipped"})


def scenario_findings(results: Iterable[ScenarioResult], reproduce: Reproduce) -> list[Finding]:
    """One finding per scenario that failed."""
    return [
        make_finding(
            "CK301",
            where=_where(result),
            expected=result.scenario.promise or "every assertion of the scenario holds",
            seen="\n".join([result.reason or "no reason given", *map(run_text, result.runs)]),
            fix=(
                "the assertion, the task states and the log say what the DAG did;"
                " add --keep to look around in the running Airflow"
            ),
            reproduce=reproduce(result.scenario),
        )
        for result in results
        if result.outcome in ("failed", "error")
    ]


def run_text(run: RunState) -> str:
    """A run in a few lines: its state, every task instance with tries, the end of the log."""
    tasks = ", ".join(_task_text(task) for task in run.tasks) or "no task ran"
    lines = [f"run of {run.dag}: {run.state} after {run.seconds:.1f} s ({tasks})"]
    return "\n".join([*lines, *(f"  {line}" for line in run.log_tail)])


def coverage_findings(
    scenarios: Sequence[Scenario], dag_ids: Iterable[str], *, folder: str, reproduce: str
) -> list[Finding]:
    """No scenario at all, or a DAG that none of them runs."""
    if not scenarios:
        return [
            make_finding(
                "CK302",
                where=folder,
                expected="at least one scenario",
                seen="pytest collected none",
                fix="point --scenarios at the folder with the scenario tests",
                reproduce=reproduce,
            )
        ]
    covered = {scenario.dag for scenario in scenarios}
    return [
        make_finding(
            "CK303",
            where=dag_id,
            expected="at least one scenario that runs this DAG",
            seen=f"none of {len(scenarios)} does",
            fix=f'write one in {folder}: @pytest.mark.scenario("{dag_id}", "plain run")',
            reproduce=reproduce,
        )
        for dag_id in dag_ids
        if dag_id not in covered
    ]


def selected(collected: Collected | None, parsed_only: Sequence[str] = ()) -> Selection:
    """What the scenarios that ran are among those there are."""
    if collected is None:
        return Selection(chosen=0, of=0, parsed_only=tuple(parsed_only))
    return Selection(
        chosen=len(collected.chosen),
        of=len(collected.all),
        names=collected.names,
        left_out=collected.left_out,
        parsed_only=tuple(parsed_only),
    )


def scenario_step(
    results: Sequence[ScenarioResult],
    findings: Sequence[Finding],
    *,
    selection: Selection,
    boot_s: float,
) -> Step:
    """The line about the scenarios."""
    counts = Counter(result.outcome for result in results)
    words = [f"{count} {outcome}" for outcome, count in counts.items()] or ["none ran"]
    details = [", ".join(words)]
    if selection.names:
        details[0] += f" (chosen: {selection.chosen} of {selection.of})"
    if boot_s:
        details.append(f"Airflow booted in {boot_s:.1f} s")
    if selection.parsed_only:
        details.append(f"parsed only, for want of a scenario: {listed(selection.parsed_only)}")
    if selection.left_out:
        details.append(
            f"left out: {counted(selection.left_out, 'scenario')} of DAGs that are not here"
        )
    outcome: StepOutcome = "ok"
    if findings:
        outcome = "findings"
    elif counts["skipped"] or counts["not run"] or not (results or selection.parsed_only):
        outcome = "undecided"
    return Step(name="scenarios", outcome=outcome, detail="; ".join(details))


def calls_step(
    results: Sequence[ScenarioResult],
    findings: Sequence[Finding],
    *,
    silence: StepOutcome = "not run",
) -> Step:
    """The line about the calls. `silence`: what it means when none was made."""
    table = [c for c in call_table(results) if c.operation not in OTHER_SERVICES]
    calls = sum(cell.calls for cell in table)
    operations = len({cell.operation for cell in table})
    if not calls:
        return Step(name="calls", outcome=silence, detail="no call to Comp-AI was made")
    words = f"{counted(calls, 'call')} to {counted(operations, 'operation')} of Comp-AI"
    if findings:
        broken = sum(cell.violations for cell in table)
        return Step(
            name="calls", outcome="findings", detail=f"{words}, {broken} outside the contract"
        )
    return Step(name="calls", outcome="ok", detail=f"{words}, all within the contract")


def answer(verdict: Verdict) -> Answer:
    """A run that is not complete outranks findings, and those outrank doubt."""
    outcomes = {step.outcome for step in verdict.steps}
    if "could not run" in outcomes:
        return "could not run"
    if verdict.findings or "findings" in outcomes:
        return "no"
    if "undecided" in outcomes or "not run" in outcomes:
        return "undecided"
    return "yes"


def verdict_of_session(events: Sequence[Event], *, reproduce: Reproduce) -> Verdict:
    """The verdict of a plain pytest run with --compai-report: scenarios and calls only."""
    results = tuple(event.result for event in events if isinstance(event, ScenarioEnded))
    boot_s = sum(event.stack.seconds for event in events if isinstance(event, StackReady))
    failed = scenario_findings(results, reproduce)
    breaches = call_findings(results, reproduce)
    collected = next((event for event in events if isinstance(event, Collected)), None)
    selection = selected(collected)
    step = scenario_step(results, failed, selection=selection, boot_s=boot_s)
    for event in events:
        if isinstance(event, StackFailed):
            step = Step(name="scenarios", outcome="could not run", detail=event.reason)
    return Verdict(
        steps=(step, calls_step(results, breaches)),
        parsed=(),
        scenarios=results,
        findings=(*failed, *breaches),
        selection=selection,
    )


def _where(result: ScenarioResult) -> str:
    scenario = result.scenario
    return f"{scenario.dag or '-'}: {scenario.name} ({result.failed_at or scenario.where})"


def _task_text(task: TaskState) -> str:
    name = task.task if task.map_index < 0 else f"{task.task}[{task.map_index}]"
    tries = f" in {task.tries} tries" if task.tries > 1 else ""
    return f"{name} {task.state}{tries}"
