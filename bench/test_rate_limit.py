"""Many control tests that need evidence, under Comp-AI's limit: what is lost and what it costs.

Each test probes an address of its own, and each control has three tests. The first run stores the
evidence of all of them; the second finds nothing changed.
"""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from compai_kit.airflow_stack.runs import Run
from compai_kit.simulator.control import LedgerEntry, SimulatorControl

DAG = "comp_ai_control_tests"
PER_CONTROL = 3
OTHERS = ("keycloakToken", "web", None)


def start(simulator: SimulatorControl, count: int, requests: int, window_s: int) -> None:
    controls = range(1, (count - 1) // PER_CONTROL + 2)
    seed = {
        "controls": [
            {"id": n, "internal_id": f"CTL-{n:04}", "name": f"Control {n}"} for n in controls
        ],
        "control_tests": [
            {
                "id": n,
                "control_id": (n - 1) // PER_CONTROL + 1,
                "name": f"Test {n:04}",
                "test_type": "http_probe",
                "config": {"url": f"{simulator.url}/systems/web/{n}"},
            }
            for n in range(1, count + 1)
        ],
    }
    pages = {f"/{n}": {"body": "ok"} for n in range(1, count + 1)}
    limit = {"requests": requests, "window_s": window_s}
    simulator.reset(seed, {"rate_limit": limit, "systems": {"web": pages}})


def windows(calls: Sequence[LedgerEntry], window_s: int) -> int:
    """How many windows of the limiter were opened: each by the first request after the last."""
    opened: list[datetime] = []
    for call in calls:
        at = datetime.fromisoformat(call.at)
        if not opened or at - opened[-1] >= timedelta(seconds=window_s):
            opened.append(at)
    return len(opened)


def report(
    simulator: SimulatorControl, run: Run, since: int, *, requests: int, window_s: int
) -> str:
    """One line of figures about the calls after the first `since`."""
    calls = [call for call in simulator.ledger()[since:] if call.operation not in OTHERS]
    state = simulator.state()
    tests = state["control_tests"]
    lost = sum(f'"run":"{run.run_id}"' not in (row["last_details"] or "") for row in tests)
    counted = Counter(call.status for call in calls)
    fewest = math.ceil((len(calls) - counted[429]) / requests)
    used = windows(calls, window_s)
    statuses = ", ".join(f"{n} × {status}" for status, n in sorted(counted.items()))
    assert run.state == "success"
    assert lost == 0
    assert len(state["evidence"]) == len(tests)
    return (
        f"run {run.state} in {run.seconds:.0f} s, {lost} results lost, "
        f"{len(state['evidence'])} rows of evidence, {len(calls)} requests "
        f"({len(calls) / len(tests):.2f} per test: {statuses}), "
        f"{used} windows where {fewest} are the fewest ({used / fewest:.2f})"
    )


@pytest.mark.parametrize(
    ("count", "requests", "window_s"),
    [
        pytest.param(70, 60, 60, id="70-tests"),
        pytest.param(1_000, 60, 10, id="1000-tests"),
    ],
)
def test_nothing_is_lost_under_the_limit(
    simulator: SimulatorControl,
    run_dag: Any,
    capsys: pytest.CaptureFixture[str],
    count: int,
    requests: int,
    window_s: int,
) -> None:
    start(simulator, count, requests, window_s)
    for name in ("first run", "nothing changed"):
        since = len(simulator.ledger())
        run = run_dag(DAG, variables={"COMP_AI_PROBE_ALLOW": "127.0.0.1"}, timeout_s=1800)
        line = report(simulator, run, since, requests=requests, window_s=window_s)
        with capsys.disabled():
            print(f"\n{count} tests, {requests} requests/{window_s} s, {name}: {line}")  # noqa: T201 - the figure is what this is for
