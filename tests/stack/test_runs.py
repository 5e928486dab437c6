"""What a booted stack does with DAG runs, on every supported Airflow."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import compai_kit
from compai_kit.airflow_stack.environments import SUPPORTED
from compai_kit.airflow_stack.errors import ApiError, RunTimeoutError
from compai_kit.airflow_stack.processes import ProcessStack
from compai_kit.airflow_stack.runs import Run

pytestmark = pytest.mark.stack

WITHIN_S = 60


@pytest.fixture(scope="module", params=SUPPORTED)
def stack(request: pytest.FixtureRequest, new_stack) -> Iterator[ProcessStack]:
    with pytest.MonkeyPatch.context() as host:
        # What a developer's shell may hold, and what must not reach a task.
        host.setenv("AIRFLOW__CORE__PARALLELISM", "17")
        host.setenv("AIRFLOW_VAR_STACK_PROBE", "of the host")
        host.setenv("AIRFLOW_CONN_COMP_AI", "https://of-the-host")
        host.setenv("COMP_AI_BASE_URL", "https://of-the-host")
        host.setenv("PYTHONPATH", str(Path(compai_kit.__file__).parents[1]))
        with new_stack(request.param, env={"GIVEN": "by the caller"}) as booted:
            yield booted


@pytest.fixture(scope="module")
def probe(stack: ProcessStack) -> Run:
    stack.api.set_variables({"STACK_PROBE": "012"})
    run = stack.api.run("stack_probe", conf={"word": "yes"}, timeout_s=WITHIN_S)
    stack.api.delete_variables()
    return run


def test_the_run_succeeds_and_every_task_ran_once(probe: Run) -> None:
    assert probe.state == "success"
    assert {(task.name, task.state, task.try_number) for task in probe.tasks} == {
        ("look_around", "success", 1),
        ("numbers", "success", 1),
        ("double[0]", "success", 1),
        ("double[1]", "success", 1),
        ("double[2]", "success", 1),
    }


def test_the_client_comes_from_the_bundle(probe: Run, bundle: Path) -> None:
    seen = probe.xcom("look_around")

    assert Path(seen["client"]).is_relative_to(bundle)


def test_the_kit_cannot_be_imported_in_a_task(probe: Run) -> None:
    assert probe.xcom("look_around")["kit"] is False


def test_only_what_the_caller_gives_reaches_a_task(probe: Run) -> None:
    told = probe.xcom("look_around")["environment"]

    assert told["GIVEN"] == "by the caller"
    assert told["AIRFLOW__CORE__PARALLELISM"] == "4"
    assert "PYTHONPATH" not in told
    assert [name for name, value in told.items() if "of-the-host" in value] == []
    assert told["HOME"] != os.environ["HOME"]


def test_variables_and_conf_reach_a_task(probe: Run) -> None:
    seen = probe.xcom("look_around")

    assert seen["variable"] == "012"
    assert seen["conf"] == {"word": "yes"}


def test_xcoms_of_mapped_tasks_are_told_apart(probe: Run) -> None:
    assert [probe.xcom("double", map_index=n) for n in range(3)] == [2, 4, 6]


def test_a_missing_xcom_is_an_error_not_none(probe: Run) -> None:
    with pytest.raises(ApiError, match="404"):
        probe.xcom("numbers", key="never_pushed")


def test_logs_of_mapped_tasks_are_told_apart(probe: Run) -> None:
    log = probe.log("double", map_index=1)

    assert "doubling 2" in log
    assert "doubling 3" not in log


def test_a_failing_task_is_tried_again_and_each_try_has_its_log(stack: ProcessStack) -> None:
    run = stack.api.run("stack_probe_fails", timeout_s=WITHIN_S)

    assert run.state == "failed"
    assert (run.task("give_up").state, run.task("give_up").try_number) == ("failed", 2)
    assert "RuntimeError: no luck in try 1" in run.log("give_up", try_number=1)
    assert "RuntimeError: no luck in try 2" in run.log("give_up")


def test_clear_runs_a_task_again(stack: ProcessStack) -> None:
    run = stack.api.run("stack_probe_fails", timeout_s=WITHIN_S)

    stack.api.clear(run.dag_id, run.run_id)

    assert stack.api.wait_for_run(run.dag_id, run.run_id, timeout_s=WITHIN_S) == "failed"
    again = stack.api.finished_run(run.dag_id, run.run_id)
    assert again.task("give_up").try_number > run.task("give_up").try_number


def test_a_run_that_takes_too_long_tells_where_it_hangs_and_makes_room(
    stack: ProcessStack,
) -> None:
    with pytest.raises(RunTimeoutError) as caught:
        stack.api.run("stack_probe_waits", timeout_s=6)

    assert "sleep: running for " in str(caught.value)
    assert "going to sleep" in str(caught.value)
    # max_active_runs=1: the next one starts only because the first was stopped.
    run_id = stack.api.trigger("stack_probe_waits")
    with pytest.raises(RunTimeoutError) as caught:
        stack.api.wait_for_run("stack_probe_waits", run_id, timeout_s=6)
    assert caught.value.last_state == "running"
    stack.api.stop("stack_probe_waits", run_id)


def test_runs_at_once_do_not_block_each_other(stack: ProcessStack) -> None:
    """A write of ours while tasks write made Airflow 3.3.2 stand still for half a minute."""
    dags = ["stack_probe", "stack_probe_fails"] * 4

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda dag: stack.api.run(dag, timeout_s=2 * WITHIN_S), dags))

    assert {(run.dag_id, run.state) for run in runs} == {
        ("stack_probe", "success"),
        ("stack_probe_fails", "failed"),
    }


def test_a_deleted_run_is_gone(stack: ProcessStack, probe: Run) -> None:
    run = stack.api.run("stack_probe", timeout_s=WITHIN_S)

    stack.api.delete_run(run.dag_id, run.run_id)
    stack.api.delete_run(run.dag_id, run.run_id)

    with pytest.raises(ApiError, match="404"):
        stack.api.run_state(run.dag_id, run.run_id)


def test_it_listens_on_loopback_only(stack: ProcessStack) -> None:
    processes = psutil.Process(stack.supervisor_pid).children(recursive=True)
    listening = {
        f"http://{connection.laddr.ip}:{connection.laddr.port}"
        for process in processes
        if process.status() != psutil.STATUS_ZOMBIE
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }

    assert stack.url in listening
    assert len(listening) <= 2  # the second one is the tasks' API
    assert all(address.startswith("http://127.0.0.1:") for address in listening)


def test_a_schedule_starts_nothing(stack: ProcessStack, probe: Run) -> None:
    """`stack_probe` is not paused and due at once: Airflow runs a tick missed by minutes."""
    assert stack.api.run_ids("stack_probe", run_type="scheduled") == []


def test_all_components_are_healthy(stack: ProcessStack) -> None:
    assert set(stack.api.health().values()) == {"healthy"}


def test_the_bundle_is_as_it_was(stack: ProcessStack, probe: Run, bundle: Path) -> None:
    from compai_kit.bundle import changed_files

    assert changed_files(bundle) == []
