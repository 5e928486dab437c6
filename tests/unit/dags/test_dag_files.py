"""What every DAG file promises, read from its source: no Airflow is needed to see it."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest

import compai_client
import compai_dags
from compai_dags import control_tests
from compai_dags.checks import keycloak, okta

DAGS = Path(__file__).parents[3] / "dags"
FILES = sorted(DAGS.glob("*.py"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def source(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text(encoding="utf-8")


@pytest.fixture
def tree(source: str) -> ast.Module:
    return ast.parse(source)


def decorators(tree: ast.Module, name: str) -> list[ast.Call]:
    return [
        decorator
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == name
    ]


def keywords(call: ast.Call) -> dict[str | None, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords}


def test_the_dag_files_are_those_that_are_known() -> None:
    assert [path.stem for path in FILES] == [
        "comp_ai_alerts",
        "comp_ai_control_tests",
        "comp_ai_gap_analysis",
        "comp_ai_scan_documents",
    ]


def test_client_and_dags_are_of_one_version() -> None:
    assert compai_dags.__version__ == compai_client.__version__


def test_it_is_short_enough_to_be_read_as_the_process(source: str) -> None:
    assert 40 <= len(source.splitlines()) <= 120


def test_parsing_imports_only_the_sdk_and_the_standard_library(tree: ast.Module) -> None:
    imported = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in imported
        for alias in node.names
    }
    assert names == {"__future__", "os", "datetime", "typing", "airflow.sdk"}


def test_the_environment_gives_schedule_and_retry_delay_and_nothing_else(source: str) -> None:
    tree = ast.parse(source)
    read = {
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get"
    }
    assert len(read) == 2
    assert "COMP_AI_TASK_RETRY_DELAY_S" in read
    assert all(name.endswith(("_SCHEDULE", "_RETRY_DELAY_S")) for name in read)
    assert source.count("os.environ") == 2


def test_it_is_bounded_and_documented(tree: ast.Module) -> None:
    (dag,) = decorators(tree, "dag")
    given = keywords(dag)
    assert ast.unparse(given["max_active_runs"]) == "1"
    assert ast.unparse(given["catchup"]) == "False"
    assert ast.unparse(given["doc_md"]) == "__doc__"
    assert "dagrun_timeout" in given
    tasks = decorators(tree, "task")
    assert tasks
    assert all("execution_timeout" in keywords(task) for task in tasks)


def test_a_chunk_ends_by_its_own_clock_before_airflow_ends_it() -> None:
    source = (DAGS / "comp_ai_control_tests.py").read_text(encoding="utf-8")
    (chunk,) = (
        task
        for task in decorators(ast.parse(source), "task")
        if "max_active_tis_per_dagrun" in keywords(task)
    )
    assert ast.unparse(keywords(chunk)["execution_timeout"]) == "timedelta(minutes=60)"
    longest = max(keycloak.TIME, okta.TIME)
    assert control_tests.EVALUATE_FOR + longest < control_tests.POST_FOR
    last_call = timedelta(seconds=compai_client.ClientSettings().budget_s)
    assert control_tests.POST_FOR + last_call < timedelta(minutes=60)


def tasks_of(tree: ast.Module) -> set[str]:
    return {f.name for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and is_task(f)}


def leaves(tree: ast.Module) -> set[str]:
    """The tasks of the DAG that nothing follows, by `>>` and by what is given to a task."""
    names = tasks_of(tree)
    followed: set[str] = set()
    results: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (made := tasks_in(node.value, names, {})):
            (target,) = node.targets
            results[ast.unparse(target)] = made.pop()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
            followed |= tasks_in(node.left, names, results)
        if isinstance(node, ast.Call) and tasks_in(node.func, names, {}):
            for given in (*node.args, *(keyword.value for keyword in node.keywords)):
                followed |= tasks_in(given, names, results)
    return names - followed


def is_task(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(d).partition("(")[0] == "task" for d in function.decorator_list)


def tasks_in(node: ast.expr, names: set[str], results: dict[str, str]) -> set[str]:
    used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return (used & names) | {results[name] for name in used if name in results}


def test_its_only_leaf_runs_whatever_came_before(tree: ast.Module) -> None:
    """The state of the run is the state of its leaves: no outage may look like health."""
    (leaf,) = leaves(tree)
    if tasks_of(tree) == {leaf}:
        return  # nothing comes before it
    (function,) = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and f.name == leaf]
    (decorator,) = function.decorator_list
    assert isinstance(decorator, ast.Call)
    assert ast.literal_eval(keywords(decorator)["trigger_rule"]) == "all_done"


@pytest.mark.parametrize(
    ("flow", "last"),
    [
        ("a() >> b()", {"b"}),
        ("[a(), b()] >> c()", {"c"}),
        ("b(a())", {"b"}),
        ("x = a()\n    b.expand(x=x) >> c()", {"c"}),
        ("a()\n    b()", {"a", "b"}),
        ("a() >> [b(), c()]", {"b", "c"}),
    ],
)
def test_leaves_are_those_that_nothing_follows(flow: str, last: set[str]) -> None:
    used = sorted({letter for letter in "abc" if f"{letter}(" in flow or f"{letter}." in flow})
    tasks = "\n".join(f"    @task\n    def {name}(x=None): ..." for name in used)
    assert leaves(ast.parse(f"@dag\ndef d():\n{tasks}\n    {flow}\n")) == last


def test_its_page_says_what_an_operator_asks(tree: ast.Module) -> None:
    page = ast.get_docstring(tree) or ""
    for heading in ("**When:**", "**Writes:**", "**Red means:**", "**Run again?**"):
        assert heading in page


def test_form_parameters_are_typed(tree: ast.Module) -> None:
    params = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Param"
    ]
    assert params
    for param in params:
        assert {"type", "title", "description"} <= set(keywords(param))


def test_no_result_of_a_task_is_printed_into_its_log(tree: ast.Module) -> None:
    # Rows hold the words of other people.
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and ast.unparse(function.returns) != "None":
            (decorator,) = function.decorator_list
            shown = keywords(decorator).get("show_return_value_in_logs")
            assert shown is not None, function.name
            assert ast.unparse(shown) == "False"
