"""`comp_ai_control_tests` run again: by a retry, which repeats nothing, or by a person's Clear."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from comp_ai_world import (
    GITHUB,
    TESTS_DAG,
    collected_evidence,
    github_test,
    posted_results,
    seed_of,
    stored_tests,
    trailer,
)

from compai_kit.simulator.control import Fault, SimulatorControl

_GIVE_UP_S = 30.0


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "cleared by a person")
def test_clear_evaluates_again(simulator: SimulatorControl, run_dag: Any) -> None:
    """A retry skips what the run has recorded; a person who clears wants it looked at again."""
    simulator.reset(seed_of(github_test(1, repo="open"), github_test(2)), GITHUB)
    first = run_dag(TESTS_DAG)
    assert first.state == "failed"
    assert [result for _, result in posted_results(simulator)] == ["pass", "skipped"]
    now_protected = {"example-org/open": {"protection": "enabled"}}
    repositories = {**GITHUB["github"]["repositories"], **now_protected}
    simulator.reset(
        simulator.state(), {"github": {"configured": True, "repositories": repositories}}
    )

    run = run_dag.clear(first, task_ids=["evaluate_chunk"])

    assert run.run_id == first.run_id
    assert posted_results(simulator) == [(1, "pass"), (2, "pass")]
    assert run.state == "success"
    assert trailer(stored_tests(simulator)[2])["cleared_try"] == 2


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "retry after half a chunk")
def test_a_retry_repeats_nothing_that_was_recorded(
    simulator: SimulatorControl, run_dag: Any, keycloak_dies_after_two_results: None
) -> None:
    run = run_dag(TESTS_DAG)

    assert run.task("evaluate_chunk", 0).try_number == 2
    assert run.state == "success"
    assert posted_results(simulator) == [(n, "pass") for n in range(1, 6)], "each exactly once"
    tries = [trailer(row)["try"] for row in stored_tests(simulator).values()]
    assert tries == [1, 1, 2, 2, 2]
    # The third was collected in the first try, and its result lost: its row is used, not repeated.
    assert len(collected_evidence(simulator)) == 5


@pytest.fixture
def keycloak_dies_after_two_results(simulator: SimulatorControl) -> None:
    """Tokens end in mid-chunk, and Keycloak is down until the client has given up once."""
    simulator.reset(seed_of(*(github_test(n, repo=f"locked-{n}") for n in range(1, 6))), GITHUB)
    simulator.faults(
        Fault(kind="token_expiry", operation="recordTestResult", after=2),
        # after the tokens of list_control_tests and of evaluate_chunk
        Fault(kind="status", operation="keycloakToken", status=502, after=2, count=4),
    )


def is_task(process: psutil.Process) -> bool:
    """Airflow names the process of a task after its instance, that of a worker after both."""
    try:
        title = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return title.startswith("airflow worker -- ") and "LocalExecutor" not in title


@pytest.fixture
def kill_the_task_that_waits(
    simulator: SimulatorControl,
) -> Callable[[int], threading.Thread]:
    """Once Comp-AI has written so many rows of evidence, the task that asked for the last is gone.

    As when the kernel kills it for its memory: no except, no finally.
    """

    def watch(rows: int) -> None:
        with SimulatorControl(simulator.url) as control:
            deadline = time.monotonic() + _GIVE_UP_S
            while len(collected_evidence(control)) < rows and time.monotonic() < deadline:
                time.sleep(0.05)
        # Only what runs below this pytest, which is this session's Airflow.
        for process in filter(is_task, psutil.Process().children(recursive=True)):
            process.kill()

    def start(rows: int) -> threading.Thread:
        thread = threading.Thread(target=watch, args=(rows,))
        thread.start()
        return thread

    return start


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "task killed in mid-chunk")
def test_a_task_that_is_killed_leaves_nothing_twice(
    simulator: SimulatorControl,
    run_dag: Any,
    kill_the_task_that_waits: Callable[[int], threading.Thread],
) -> None:
    simulator.reset(seed_of(*(github_test(n, repo=f"locked-{n}") for n in range(1, 4))), GITHUB)
    held = Fault(kind="slow", operation="collectGithubEvidence", when="after", after=1, delay_s=5)
    simulator.faults(held)
    killer = kill_the_task_that_waits(2)

    run = run_dag(TESTS_DAG)

    killer.join()
    assert run.task("evaluate_chunk", 0).try_number == 2, "the first try was killed"
    assert run.state == "success"
    assert posted_results(simulator) == [(1, "pass"), (2, "pass"), (3, "pass")]
    assert [trailer(row)["try"] for row in stored_tests(simulator).values()] == [1, 2, 2]
    assert len(collected_evidence(simulator)) == 3, "what was written before the kill is used"
