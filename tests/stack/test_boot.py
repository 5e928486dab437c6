"""How a stack comes up, beside another one, and what it says when it cannot."""

import tempfile
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from compai_kit.airflow_stack.errors import BootError, ComponentDiedError, DagImportError
from compai_kit.airflow_stack.processes import ProcessStack
from compai_kit.bundle import build_bundle

pytestmark = pytest.mark.stack


def homes() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("compai-airflow-*"))


def test_two_stacks_side_by_side_do_not_meet(new_stack) -> None:
    def look(value: str) -> tuple[str, str, str]:
        with new_stack(env={"WHO": value}) as stack:
            stack.api.set_variables({"STACK_PROBE": value})
            run = stack.api.run("stack_probe", timeout_s=90)
            seen = run.xcom("look_around")
            return stack.url, seen["environment"]["WHO"], seen["variable"]

    with ThreadPoolExecutor(2) as pool:
        (url_one, *one), (url_two, *two) = pool.map(look, ["first", "second"])

    assert url_one != url_two
    assert one == ["first", "first"]
    assert two == ["second", "second"]


@pytest.fixture
def broken_bundle(tmp_path: Path) -> Path:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "broken.py").write_text(
        "from airflow.sdk import dag\nfrom compai_kit.bundle import build_bundle\n"
    )
    build_bundle(tmp_path / "bundle", dags=dags)
    return tmp_path / "bundle"


@pytest.mark.parametrize("version", ["3.1.3", "3.3.2"])
def test_a_dag_file_that_does_not_import_fails_the_boot_with_its_traceback(
    new_stack, broken_bundle: Path, version: str
) -> None:
    before = homes()

    with (
        pytest.raises(DagImportError) as caught,
        new_stack(version, bundle=broken_bundle, expected_dag_ids=["broken"]),
    ):
        pass

    assert [Path(failure.filename).name for failure in caught.value.failures] == ["broken.py"]
    assert f"1 DAG file did not import in Airflow {version}" in str(caught.value)
    assert "No module named 'compai_kit'" in str(caught.value)
    assert homes() <= before


def test_a_dag_that_is_not_there_is_named_when_the_time_is_up(new_stack) -> None:
    with (
        pytest.raises(
            BootError, match=r"not parsed: no_such_dag \(parsed: stack_probe, "
        ) as caught,
        new_stack(expected_dag_ids=["no_such_dag"], boot_timeout_s=20),
    ):
        pass

    assert "--- last lines of dag-processor's log ---" in str(caught.value)


def test_a_component_that_cannot_start_ends_the_boot_at_once(new_stack) -> None:
    heard: list[str] = []
    stack = new_stack(env={"AIRFLOW__CORE__EXECUTOR": "no.such.Executor"}, on_progress=heard.append)

    with (
        pytest.raises(BootError, match=r"did not boot: scheduler ended by itself") as caught,
        stack,
    ):
        pass

    assert "no.such" in str(caught.value)


def test_a_component_that_dies_later_ends_the_wait_for_a_run(new_stack) -> None:
    with new_stack() as stack:
        scheduler = next(
            process
            for process in psutil.Process(stack.supervisor_pid).children()
            if "scheduler" in process.cmdline()
        )
        scheduler.kill()

        with pytest.raises(ComponentDiedError, match="scheduler ended by itself with exit code -9"):
            stack.api.run("stack_probe", timeout_s=60)


def test_logs_outlive_the_stack_where_the_caller_wants_them(new_stack, tmp_path: Path) -> None:
    with new_stack(logs=tmp_path / "kept") as stack:
        stack.api.run("stack_probe", timeout_s=60)

    kept = {path.name for path in (tmp_path / "kept").iterdir()}
    assert {"api-server.log", "scheduler.log", "dag-processor.log", "triggerer.log"} <= kept
    assert list((tmp_path / "kept" / "tasks").rglob("attempt=1.log"))


def test_the_database_is_migrated_once_per_environment(new_stack) -> None:
    heard: list[str] = []
    for _ in range(2):
        heard.clear()
        with new_stack(on_progress=heard.append):
            pass

    assert [line for line in heard if "migrating" in line] == []
    assert heard  # but it does tell what it waits for


def test_what_only_a_running_stack_has_is_refused_before(bundle: Path) -> None:
    stack = ProcessStack(
        bundle, python=Path("/no/python"), version="3.3.2", env={}, expected_dag_ids=[]
    )

    with pytest.raises(BootError, match="not running"):
        _ = stack.api
    with pytest.raises(BootError, match="was not started"):
        _ = stack.url


def test_an_interpreter_without_airflow_is_said_so(bundle: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare")
    python = tmp_path / "bare" / "bin" / "python"
    stack = ProcessStack(bundle, python=python, version="3.3.2", env={}, expected_dag_ids=[])

    with (
        pytest.raises(BootError, match="`airflow db migrate` ended with exit code 1") as caught,
        stack,
    ):
        pass

    assert "No module named airflow" in str(caught.value)
