"""One gate run: contract, parse, scenarios, calls; then the verdict.

A step that finds something does not stop the next one: a reader wants all findings of one run. A
step that could not run ends the run, because what follows would only fail for the same reason.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from compai_kit.airflow_stack.errors import AirflowStackError
from compai_kit.bundle import BundleError
from compai_kit.contract.load import ContractError, default_path
from compai_kit.contract.recordings import RecordingsError
from compai_kit.findings import Finding
from compai_kit.gate.calls import call_findings
from compai_kit.gate.contract_step import check_contract
from compai_kit.gate.model import (
    Event,
    Parsed,
    Scenario,
    Selection,
    Step,
    StepEnded,
    StepOutcome,
    StepStarted,
    Verdict,
)
from compai_kit.gate.parse import ParseCouldNotRunError
from compai_kit.gate.parse_step import blocked_dags, parse_everywhere
from compai_kit.gate.plan import GatePlan
from compai_kit.gate.scenario_step import ScenarioRun, parsed_only, run_scenarios
from compai_kit.gate.scenarios import PytestOutput, ScenariosCouldNotRunError
from compai_kit.gate.verdict import calls_step, selected
from compai_kit.report.redact import redact, trimmed

Listener = Callable[[Event], None]
STEPS = ("contract", "parse", "scenarios", "calls")
# Everything that a step is known to fail with and that says nothing about the DAGs. Anything else
# is a bug of the kit, and shows its traceback.
KNOWN_FAILURES = (
    AirflowStackError,
    BundleError,
    ContractError,
    OSError,
    ParseCouldNotRunError,
    RecordingsError,
    ScenariosCouldNotRunError,
)


@dataclass(frozen=True, kw_only=True)
class Gated:
    """What a gate run leaves: the verdict, and what pytest printed."""

    verdict: Verdict
    pytest_output: str


@contextmanager
def gate_run(plan: GatePlan, *, listen: Listener) -> Iterator[Gated]:
    """Run all steps and give the verdict. A kept stack runs until the context is left."""
    with ExitStack() as resources:
        run = _GateRun(plan, listen, resources)
        verdict = run.verdict()
        yield Gated(verdict=verdict, pytest_output=run.printed.text)


class _Stop(Exception):  # noqa: N818 - it ends the steps and is no error
    """No further step can run."""


class _GateRun:
    def __init__(self, plan: GatePlan, listen: Listener, resources: ExitStack) -> None:
        self._plan = plan
        self._listen = listen
        self.printed = PytestOutput()
        self._resources = resources
        self._steps: list[Step] = []
        self._findings: list[Finding] = []
        self._parsed: tuple[Parsed, ...] = ()
        self._scenarios = ScenarioRun()

    def verdict(self) -> Verdict:
        try:
            self._do("contract", self._contract)
            self._do("parse", self._parse)
            self._do("scenarios", self._run)
            self._do("calls", self._calls)
        except _Stop:
            for name in STEPS[len(self._steps) :]:
                self._steps.append(Step(name=name, outcome="not run", detail="not reached"))
        return Verdict(
            steps=tuple(self._steps),
            parsed=self._parsed,
            scenarios=self._scenarios.results,
            findings=tuple(self._findings),
            stack=self._scenarios.stack,
            kept=self._scenarios.kept,
            selection=self._selection(),
            dags=str(self._plan.dags_folder),
            contract=str(self._plan.contract or default_path()),
        )

    def _selection(self) -> Selection | None:
        if not self._parsed:
            return None
        return selected(
            self._scenarios.selected, parsed_only(self._plan, self._scenarios, self._parsed[0])
        )

    def _do(self, name: str, work: Callable[[], Step]) -> None:
        """Run one step, announce it, and turn what it is known to fail with into its outcome."""
        self._listen(StepStarted(name=name))
        started = time.monotonic()
        stop = True
        try:
            step = work()
            stop = step.outcome == "could not run"
        except KNOWN_FAILURES as error:
            step = Step(name=name, outcome="could not run", detail=one_line(error))
        except KeyboardInterrupt:
            step = Step(name=name, outcome="undecided", detail="interrupted")
        step = Step(
            name=name,
            outcome=step.outcome,
            detail=step.detail,
            seconds=time.monotonic() - started,
        )
        self._steps.append(step)
        self._listen(StepEnded(step=step))
        if stop:
            raise _Stop

    def _contract(self) -> Step:
        step, findings = check_contract(self._plan)
        self._findings += findings
        return step

    def _parse(self) -> Step:
        step, self._parsed, findings = parse_everywhere(self._plan, self._listen)
        self._findings += findings
        return step

    def _run(self) -> Step:
        step = run_scenarios(
            self._plan,
            self._scenarios,
            parsed=self._parsed[0],
            blocked=blocked_dags(self._parsed[0]),
            printed=self.printed,
            listen=self._listen,
            resources=self._resources,
        )
        self._findings += self._scenarios.findings
        return step

    def _calls(self) -> Step:
        findings = call_findings(self._scenarios.results, self._reproduce)
        self._findings += findings
        silence: StepOutcome = "ok" if self._plan.is_another_folder else "not run"
        return calls_step(self._scenarios.results, findings, silence=silence)

    def _reproduce(self, scenario: Scenario) -> str:
        return self._plan.reproduce(scenario, self._scenarios.collected)


def one_line(error: Exception) -> str:
    """A known failure as the one line that a reader gets."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return trimmed(redact(text), lines=12)
