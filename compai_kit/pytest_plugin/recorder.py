"""Turns a pytest session into the gate's events; made only when an option asks for it.

The fixtures leave their evidence in the test item; this object adds outcome, seconds and reason.
"""

import os
import signal
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from compai_kit.airflow_stack.errors import ApiUnreachableError, ComponentDiedError
from compai_kit.gate.model import (
    Collected,
    Event,
    Outcome,
    Scenario,
    ScenarioEnded,
    ScenarioResult,
    ScenarioStarted,
    SessionEnded,
    StackFailed,
    StackKept,
    StackReady,
)
from compai_kit.pytest_plugin.collection import choose, scenarios_of
from compai_kit.pytest_plugin.options import PluginSettings
from compai_kit.pytest_plugin.sinks import Lifeline, ListSink, PipeSink, Sink
from compai_kit.pytest_plugin.stash import EVIDENCE, RECORDER
from compai_kit.report.redact import redact, trimmed

_REASON_LINES = 14
_PYTEST_HINTS = frozenset(
    {
        "",
        "Use -v to get more diff",
        "...Full output truncated, use '-vv' to show",
    }
)


class Recorder:
    """One per session, registered as a pytest plugin of its own."""

    def __init__(self, settings: PluginSettings, sink: Sink, lifeline: Lifeline | None) -> None:
        self._settings = settings
        self._sink = sink
        self._lifeline = lifeline
        self._scenarios: dict[str, Scenario] = {}
        self._started: dict[str, float] = {}
        self._reports: dict[str, list[pytest.TestReport]] = {}
        self._items: dict[str, pytest.Item] = {}
        self._problems: list[str] = []
        self._ready: StackReady | None = None
        self._held: list[ExitStack] = []

    def emit(self, event: Event) -> None:
        """Pass an event on. The boot of the stack is not part of the scenario that waits for it."""
        if isinstance(event, StackReady):
            self._ready = event
            self._started = dict.fromkeys(self._started, time.monotonic())
        self._sink.emit(event)

    def hold(self, resources: ExitStack) -> None:
        """Take over what is to be closed when the last scenario has been reported."""
        self._held.append(resources)

    @classmethod
    def start(cls, config: pytest.Config, settings: PluginSettings) -> None:
        """Register a recorder that writes to whatever the options name."""
        sink: Sink = ListSink()
        if settings.events_fd is not None:
            sink = PipeSink(settings.events_fd)
        lifeline = None
        if settings.lifeline_fd is not None:
            # A gate that a script started in the background hands down an ignored SIGINT.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            lifeline = Lifeline(settings.lifeline_fd, on_cut=_interrupt)
        recorder = cls(settings, sink, lifeline)
        config.stash[RECORDER] = recorder
        config.pluginmanager.register(recorder, "compai-recorder")

    @property
    def judges(self) -> bool:
        """Whether somebody else turns calls that break the contract into findings."""
        return self._settings.events_fd is not None or self._settings.report is not None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Number the scenarios, choose by name, leave out those of DAGs that do not parse."""
        self._scenarios = scenarios_of(items)
        every = tuple(s for s in self._scenarios.values() if self._is_of_these_dags(s))
        choice = choose(every, self._settings.names)
        self.emit(
            Collected(
                all=every,
                chosen=tuple(scenario for scenario in every if scenario.node in choice.nodes),
                unknown_names=choice.unknown,
                names=self._settings.names,
                left_out=len(self._scenarios) - len(every),
            )
        )
        if choice.unknown:
            known = ", ".join(f"{s.dag}/{s.name}" for s in every) or "none"
            raise pytest.UsageError(
                f"no scenario is called {', '.join(choice.unknown)}; there are: {known}"
            )
        kept: list[pytest.Item] = []
        left_out: list[pytest.Item] = []
        for item in items:
            scenario = self._scenarios[item.nodeid]
            blocked = scenario.dag in self._settings.blocked_dags
            chosen_one = item.nodeid in choice.nodes
            if blocked and chosen_one and not config.option.collectonly:
                reason = f"{scenario.dag} does not parse in this Airflow"
                self.emit(
                    ScenarioEnded(
                        result=ScenarioResult(
                            scenario=scenario, outcome="not run", seconds=0.0, reason=reason
                        )
                    )
                )
            (kept if chosen_one and not blocked else left_out).append(item)
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = kept

    def _is_of_these_dags(self, scenario: Scenario) -> bool:
        only = self._settings.only_dags
        return not only or scenario.dag is None or scenario.dag in only

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that does not import."""
        if report.failed:
            last = redact(report.longreprtext).strip().splitlines()[-1:] or ["no reason given"]
            self._problems.append(f"{report.nodeid}: {trimmed(last[0].lstrip('E '), lines=1)}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """A scenario's seconds are wall-clock, fixtures included."""
        self._items[item.nodeid] = item
        self._started[item.nodeid] = time.monotonic()
        self.emit(ScenarioStarted(scenario=self._scenarios[item.nodeid]))
        result = yield
        self.emit(ScenarioEnded(result=self._result(item.nodeid)))
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Setup, call and teardown each give one."""
        self._reports.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fetch the logs of a failed scenario while its stack is there to ask."""
        report = yield
        evidence = item.stash.get(EVIDENCE, None)
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, ComponentDiedError | ApiUnreachableError):
            # Airflow itself is gone: that says nothing about the DAG.
            self.emit(StackFailed(reason=trimmed(redact(str(error)), lines=_REASON_LINES)))
        if evidence is not None and report.when == "call":
            evidence.keep_states(with_logs=report.failed)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """All scenarios are reported: keep the stack if asked to, then close what is held."""
        try:
            if self._settings.keep and self._lifeline and self._ready:
                ready = self._ready
                self.emit(StackKept(stack=ready.stack, simulator_url=ready.simulator_url))
                self._lifeline.wait_until_cut()
        finally:
            for resources in self._held:
                resources.close()
        if self._lifeline:
            self._lifeline.release()
        self.emit(SessionEnded(exit_status=int(exitstatus), problems=tuple(self._problems)))
        if self._settings.report is not None and isinstance(self._sink, ListSink):
            from compai_kit.gate.verdict import verdict_of_session
            from compai_kit.report.files import write_report

            verdict = verdict_of_session(
                self._sink.events, reproduce=lambda scenario: f"pytest '{scenario.node}'"
            )
            write_report(verdict, self._settings.report)

    def _result(self, node: str) -> ScenarioResult:
        reports = self._reports.pop(node, [])
        evidence = self._items.pop(node).stash.get(EVIDENCE, None)
        secrets = evidence.secrets if evidence else ()
        outcome, telling = _outcome(reports)
        return ScenarioResult(
            scenario=self._scenarios[node],
            outcome=outcome,
            seconds=time.monotonic() - self._started.pop(node),
            reason="" if telling is None else _reason(telling, secrets),
            failed_at="" if telling is None else _failed_at(telling),
            runs=evidence.states if evidence else (),
            calls=tuple(evidence.calls) if evidence else (),
        )


def _outcome(reports: list[pytest.TestReport]) -> tuple[Outcome, pytest.TestReport | None]:
    """The outcome over all phases, and the report that explains it."""
    for report in reports:
        if report.failed:
            return ("failed" if report.when == "call" else "error"), report
    for report in reports:
        if report.skipped:
            return "skipped", report
    return ("passed", None) if reports else ("error", None)


def _reason(report: pytest.TestReport, secrets: tuple[str, ...]) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        text = str(crash.message)
    elif isinstance(report.longrepr, tuple):  # a skip: path, line, reason
        text = str(report.longrepr[2]).removeprefix("Skipped: ")
    else:
        text = report.longreprtext
    lines = [line for line in text.strip().splitlines() if line.strip() not in _PYTEST_HINTS]
    return trimmed(redact("\n".join(lines), secrets), lines=_REASON_LINES)


def _failed_at(report: pytest.TestReport) -> str:
    """Where the assertion stands; empty when that is not in a file below the working directory."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ""
    path = Path(crash.path)
    here = Path.cwd()
    return f"{path.relative_to(here)}:{crash.lineno}" if path.is_relative_to(here) else ""


def _interrupt() -> None:
    """The gate is gone: end like on Ctrl-C, so that every fixture cleans up."""
    os.kill(os.getpid(), signal.SIGINT)
