"""The session's simulator and Airflow: started, announced to the gate, handed over at the end."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from compai_kit.airflow_stack.errors import AirflowStackError, DagImportError
from compai_kit.bundle import BundleError
from compai_kit.contract.load import ContractError
from compai_kit.gate.model import ImportProblem, Note, StackFailed, StackReady
from compai_kit.pytest_plugin.options import PluginSettings
from compai_kit.pytest_plugin.stack import described, process_stack
from compai_kit.pytest_plugin.world import (
    STACK_ENVIRONMENT,
    SimulatedCompAI,
    SimulatorFactoryError,
    simulated,
)
from compai_kit.report.redact import redact, trimmed

if TYPE_CHECKING:
    from compai_kit.airflow_stack.processes import ProcessStack
    from compai_kit.pytest_plugin.recorder import Recorder

_REASON_LINES = 30


@contextmanager
def running_simulator(
    settings: PluginSettings, *, recorder: "Recorder | None"
) -> Iterator[SimulatedCompAI]:
    """Serve the simulator that the options name."""
    with ExitStack() as running:
        try:
            comp_ai = running.enter_context(
                simulated(settings.simulator, contract=settings.contract)
            )
        except (SimulatorFactoryError, ContractError, OSError) as error:
            if recorder:
                recorder.emit(StackFailed(reason=redact(str(error))))
            raise
        yield comp_ai
        if recorder:
            recorder.hold(running.pop_all())


@contextmanager
def running_stack(
    settings: PluginSettings, comp_ai: SimulatedCompAI, *, recorder: "Recorder | None"
) -> "Iterator[ProcessStack]":
    """Boot, point at the simulator, hand out.

    pytest tears a session's fixtures down within its last test. With a recorder it is done after
    that: shutting down is not part of a scenario, and with --keep it waits for the reader.
    """
    with ExitStack() as running:
        try:
            stack = running.enter_context(
                process_stack(
                    dags=settings.dags,
                    env=STACK_ENVIRONMENT,
                    version=settings.version,
                    python=settings.python,
                    without=settings.blocked_dags,
                    on_progress=lambda text: recorder.emit(Note(text=text)) if recorder else None,
                )
            )
            stack.api.set_variables(comp_ai.variables)
        except (AirflowStackError, BundleError) as error:
            if recorder:
                recorder.emit(_failure(error, comp_ai))
            raise
        if recorder:
            recorder.emit(StackReady(stack=described(stack), simulator_url=comp_ai.url))
        yield stack
        if recorder:
            recorder.hold(running.pop_all())


@contextmanager
def own_stack(settings: PluginSettings, environment: Mapping[str, str]) -> "Iterator[ProcessStack]":
    """Boot another Airflow for one scenario: what its environment says, no Variable points at."""
    with process_stack(
        dags=settings.dags,
        env={**STACK_ENVIRONMENT, **environment},
        version=settings.version,
        python=settings.python,
        without=settings.blocked_dags,
    ) as stack:
        yield stack


def _failure(error: Exception, comp_ai: SimulatedCompAI) -> StackFailed:
    failures = error.failures if isinstance(error, DagImportError) else ()
    return StackFailed(
        reason=trimmed(redact(str(error), comp_ai.secrets), lines=_REASON_LINES),
        import_problems=tuple(
            ImportProblem(file=failure.filename, error=redact(failure.stack_trace))
            for failure in failures
        ),
    )
