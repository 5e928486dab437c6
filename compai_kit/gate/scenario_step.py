"""Step 3: boot Airflow once and run each DAG through its scenarios, as pytest tests."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from compai_kit.findings import Finding
from compai_kit.gate.model import (
    Collected,
    Event,
    ImportProblem,
    Parsed,
    ParsedFile,
    Scenario,
    ScenarioEnded,
    ScenarioResult,
    SessionEnded,
    Stack,
    StackFailed,
    StackKept,
    StackReady,
    Step,
)
from compai_kit.gate.parse_findings import parse_findings
from compai_kit.gate.plan import GatePlan
from compai_kit.gate.scenarios import (
    PytestOutput,
    ScenariosCouldNotRunError,
    pytest_child,
    unreadable,
)
from compai_kit.gate.verdict import (
    coverage_findings,
    scenario_findings,
    scenario_step,
    selected,
)

_ENDED_BY_ITSELF = frozenset({0, 1, 5})  # pytest: all passed, some failed, nothing collected


@dataclass
class ScenarioRun:
    """What the events said so far; stays readable when the run is cut short."""

    selected: Collected | None = None
    results: tuple[ScenarioResult, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    stack: Stack | None = None
    kept: StackKept | None = None
    failure: StackFailed | None = None
    ended: SessionEnded | None = None

    @property
    def collected(self) -> tuple[Scenario, ...]:
        """The scenarios there are."""
        return self.selected.all if self.selected else ()

    def hear(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case Collected():
                self.selected = event
            case StackReady():
                self.stack = event.stack
            case StackFailed():
                self.failure = self.failure or event
            case StackKept():
                self.kept = event
            case ScenarioEnded():
                self.results += (self._judged(event.result),)
            case SessionEnded():
                self.ended = event

    def account_for_all(self) -> None:
        """A chosen scenario of which nothing was heard did not run; it must not be forgotten."""
        heard = {result.scenario.node for result in self.results}
        self.results += tuple(
            ScenarioResult(
                scenario=scenario,
                outcome="not run",
                seconds=0.0,
                reason="pytest ended before it",
            )
            for scenario in (self.selected.chosen if self.selected else ())
            if scenario.node not in heard
        )

    def _judged(self, result: ScenarioResult) -> ScenarioResult:
        """Without a stack a scenario did not fail: it did not run."""
        if self.failure is None or result.outcome not in ("failed", "error"):
            return result
        return ScenarioResult(
            scenario=result.scenario,
            outcome="not run",
            seconds=result.seconds,
            reason="the stack was not there",
        )


def run_scenarios(
    plan: GatePlan,
    run: ScenarioRun,
    *,
    parsed: Parsed,
    blocked: Sequence[str],
    printed: PytestOutput,
    listen: Callable[[Event], None],
    resources: ExitStack,
) -> Step:
    """Fill `run` and give the step's line. With --keep pytest stays alive in `resources`."""
    if not plan.has_scenarios:
        run.ended = SessionEnded(exit_status=0, problems=())
        run.findings += _findings(plan, run, parsed)
        return _step(plan, run, parsed)
    try:
        with ExitStack() as child_resources:
            extra = [f"--compai-blocked-dag={dag_id}" for dag_id in blocked]
            child = child_resources.enter_context(pytest_child(plan, printed, *extra))
            for event in child.events():
                run.hear(event)
                listen(event)
                if run.kept:
                    resources.push(child_resources.pop_all())
                    break
    finally:  # also after Ctrl-C: what was found until then counts
        run.account_for_all()
        run.findings += _findings(plan, run, parsed)
    if run.failure and not run.failure.import_problems:
        return Step(name="scenarios", outcome="could not run", detail=run.failure.reason)
    if not run.kept:
        _refuse_incomplete(run, printed)
    return _step(plan, run, parsed)


def parsed_only(plan: GatePlan, run: ScenarioRun, parsed: Parsed) -> list[str]:
    """The DAGs of another folder that no scenario runs."""
    if not plan.is_another_folder:
        return []
    covered = {scenario.dag for scenario in run.collected}
    return [dag_id for dag_id in _dag_ids(parsed) if dag_id not in covered]


def _step(plan: GatePlan, run: ScenarioRun, parsed: Parsed) -> Step:
    return scenario_step(
        run.results,
        run.findings,
        selection=selected(run.selected, parsed_only(plan, run, parsed)),
        boot_s=run.stack.seconds if run.stack else 0.0,
    )


def _dag_ids(parsed: Parsed) -> list[str]:
    return [dag_id for entry in parsed.files for dag_id in entry.dag_ids]


def _refuse_incomplete(run: ScenarioRun, printed: PytestOutput) -> None:
    if run.ended is None:
        raise ScenariosCouldNotRunError(f"pytest ended early: {printed.last_line()}")
    if run.ended.problems:
        raise ScenariosCouldNotRunError(unreadable(run.ended.problems))
    if run.ended.exit_status not in _ENDED_BY_ITSELF:
        raise ScenariosCouldNotRunError(
            f"pytest ended with {run.ended.exit_status}: {printed.last_line()}"
        )


def _findings(plan: GatePlan, run: ScenarioRun, parsed: Parsed) -> list[Finding]:
    findings = scenario_findings(run.results, lambda s: plan.reproduce(s, run.collected))
    # Scenarios are demanded of this project's own DAGs, and by whoever names a folder of them.
    if run.ended and not run.ended.problems and (plan.scenarios or not plan.is_another_folder):
        findings += coverage_findings(
            run.collected,
            [] if plan.is_another_folder else _dag_ids(parsed),
            folder=str(plan.scenarios_folder),
            reproduce=plan.command(),
        )
    if run.failure and run.failure.import_problems:
        findings += _boot_findings(plan, run.failure.import_problems)
    return findings


def _boot_findings(plan: GatePlan, problems: Sequence[ImportProblem]) -> list[Finding]:
    """The dag-processor checks more than the parse step, e.g. values that change at each parse."""
    files = tuple(
        ParsedFile(file=Path(problem.file).name, dag_ids=(), error=problem.error, seconds=0.0)
        for problem in problems
    )
    return parse_findings(
        [Parsed(airflow=plan.version, files=files)],
        bundle=plan.dags_folder.resolve(),
        dags=plan.dags_folder,
        reproduce=lambda _: plan.command(),
    )
