"""The fixtures. Light: everything heavy is imported by the fixture that needs it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import pytest

from compai_kit.pytest_plugin.options import PluginSettings
from compai_kit.pytest_plugin.stash import EVIDENCE, RECORDER

if TYPE_CHECKING:
    from compai_kit.airflow_stack.instance import AirflowStack
    from compai_kit.pytest_plugin.evidence import Evidence
    from compai_kit.pytest_plugin.runner import DagRunner
    from compai_kit.pytest_plugin.world import RecordingControl, SimulatedCompAI


@pytest.fixture(scope="session")
def simulated_comp_ai(request: pytest.FixtureRequest) -> "Iterator[SimulatedCompAI]":
    """The simulator of this session: its address and the credentials made for it.

    One server serves all tests; use `simulator` to steer it.
    """
    from compai_kit.pytest_plugin.session import running_simulator

    with running_simulator(
        PluginSettings.from_config(request.config),
        recorder=request.config.stash.get(RECORDER, None),
    ) as running:
        yield running


@pytest.fixture(scope="session")
def airflow_stack(
    request: pytest.FixtureRequest, simulated_comp_ai: "SimulatedCompAI"
) -> "Iterator[AirflowStack]":
    """A real Airflow that runs the bundle of --dags, booted once per session (about 15 s).

    Its Variables point the DAGs at the session's simulator. `airflow_stack.api` drives it.
    """
    from compai_kit.pytest_plugin.session import running_stack

    with running_stack(
        PluginSettings.from_config(request.config),
        simulated_comp_ai,
        recorder=request.config.stash.get(RECORDER, None),
    ) as stack:
        yield stack


@pytest.fixture
def _compai_evidence(
    request: pytest.FixtureRequest, simulated_comp_ai: "SimulatedCompAI"
) -> "Evidence":
    from compai_kit.pytest_plugin.evidence import Evidence

    evidence = Evidence(secrets=simulated_comp_ai.secrets)
    request.node.stash[EVIDENCE] = evidence
    return evidence


@pytest.fixture
def simulator(
    request: pytest.FixtureRequest,
    simulated_comp_ai: "SimulatedCompAI",
    _compai_evidence: "Evidence",
) -> "Iterator[RecordingControl]":
    """Steers the simulator: `reset(seed=…)`, `faults(…)`, `ledger()`, `state()`.

    Empty and without faults when the test begins. When it ends, every call that was made is held
    to the contract: a breach is a finding of the gate, or an error of this test in a plain run.
    """
    from compai_kit.pytest_plugin.world import RecordingControl

    with RecordingControl(simulated_comp_ai.url, _compai_evidence) as control:
        control.forget()
        yield control
        control.keep_calls()
    recorder = request.config.stash.get(RECORDER, None)
    if (breaches := _compai_evidence.violations()) and not (recorder and recorder.judges):
        pytest.fail("calls outside the contract:\n" + "\n".join(breaches), pytrace=False)


@pytest.fixture
def run_dag(
    airflow_stack: "AirflowStack",
    simulated_comp_ai: "SimulatedCompAI",
    simulator: "RecordingControl",  # noqa: ARG001 - resets the simulator first
    _compai_evidence: "Evidence",
) -> "DagRunner":
    """`run_dag(dag_id, conf=…, variables=…, timeout_s=…)` runs a DAG to its end, returns the Run.

    Variables and Connections given to it are in force for that run only. The simulator is reset
    first, so set up its state between taking this fixture and calling it. `run_dag.clear(run)`
    clears a run's tasks as a person would, and waits for its end.
    """
    from compai_kit.pytest_plugin.runner import DagRunner

    runner = DagRunner(airflow_stack.api, simulated_comp_ai.variables, _compai_evidence.runs)
    runner.prepare()
    return runner


@pytest.fixture
def airflow_with(
    request: pytest.FixtureRequest,
    simulator: "RecordingControl",  # noqa: ARG001 - resets the simulator first
    _compai_evidence: "Evidence",
) -> "Callable[[Mapping[str, str]], AbstractContextManager[DagRunner]]":
    """`with airflow_with({"COMP_AI_BASE_URL": …}) as run_dag:` boots an Airflow of its own.

    For what an Airflow reads from its environment, at the price of a boot. No Variable points its
    DAGs at the simulator: the environment, or what is given to `run_dag`, has to.
    """
    from compai_kit.pytest_plugin.runner import DagRunner
    from compai_kit.pytest_plugin.session import own_stack

    settings = PluginSettings.from_config(request.config)

    @contextmanager
    def booted(environment: Mapping[str, str]) -> "Iterator[DagRunner]":
        with own_stack(settings, environment) as stack:
            yield DagRunner(stack.api, {}, _compai_evidence.runs)

    return booted
