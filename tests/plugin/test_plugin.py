"""The pytest plugin, by running pytest on small generated projects."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

ScenarioFile = Callable[..., str]

# What a pytest run that uses none of the fixtures must not pay for.
HEAVY = (
    "airflow",
    "requests",
    "werkzeug",
    "msgspec",
    "yaml",
    "rich",
    "uv",
    "psutil",
    "schemathesis",
)


def test_loading_the_plugin_costs_nothing() -> None:
    """Every pytest run of an environment that has the kit loads it."""
    script = (
        "import sys, time, pytest; before = set(sys.modules); started = time.perf_counter();"
        "import compai_kit.pytest_plugin.plugin;"
        "print(time.perf_counter() - started); print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    seconds, modules = done.stdout.splitlines()
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in modules.split() if name.startswith("compai_kit.")} == {
        "compai_kit.pytest_plugin",
        "compai_kit.pytest_plugin.fixtures",
        "compai_kit.pytest_plugin.options",
        "compai_kit.pytest_plugin.plugin",
        "compai_kit.pytest_plugin.stash",
    }
    assert float(seconds) < 0.1


def test_helpers_need_no_pytest() -> None:
    modules = ("markers", "runner", "stack", "world", "evidence")
    imports = "; ".join(f"import compai_kit.pytest_plugin.{name}" for name in modules)
    script = f"import sys; {imports}; print('pytest' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_plugin_changes_nothing_until_asked(project: Any) -> None:
    project.write({"test_a.py": "import sys\ndef test_a(): assert 'requests' not in sys.modules\n"})
    done = project.pytest("-q").assert_code(0)
    assert "1 passed" in done.out
    assert "compai" not in done.out


def test_options_stand_in_one_group_and_fixtures_are_explained(project: Any) -> None:
    helped = project.pytest("--help").assert_code(0).out
    group = helped.partition("DAG scenarios on a real Airflow")[2]
    for option in ("--airflow-version", "--dags", "--simulator", "--require", "--compai-report"):
        assert option in group
    assert "--compai-events-fd" not in helped, "how the gate drives pytest is nobody's option"
    fixtures = project.pytest("--fixtures").assert_code(0).out
    for fixture in ("airflow_stack", "simulator", "run_dag", "simulated_comp_ai"):
        assert re.search(rf"^{fixture}\b", fixtures, re.MULTILINE)
    assert "_compai" not in fixtures


def test_simulator_starts_empty_for_every_test(project: Any) -> None:
    tests = """
from compai_kit.simulator.control import Fault

def test_first(simulator):
    simulator.reset({"controls": [{"id": 1, "internal_id": "C-1", "name": "One"}]})
    simulator.faults(Fault(kind="status", status=500, count=None))
    assert len(simulator.state()["controls"]) == 1

def test_second(simulator):
    assert simulator.state()["controls"] == []
    assert simulator.ledger() == []
"""
    project.write({"test_a.py": tests})
    project.pytest("-q").assert_code(0)


def test_call_outside_the_contract_is_an_error_in_a_plain_run(
    project: Any, scenario_file: ScenarioFile
) -> None:
    tests = """
def test_a(simulator):
    get(simulator, "/nowhere")
    simulator.reset()  # what came before is judged all the same
"""
    project.write({"test_a.py": scenario_file(tests)})
    done = project.pytest("-q").assert_code(1)
    assert "1 passed, 1 error" in done.out
    assert "no such route GET /nowhere: the contract does not know this call" in done.out


@pytest.mark.parametrize(
    ("marker", "given"),
    [
        ('scenario("dag")', "given: scenario('dag')"),
        ('scenario("dag", 3)', "given: scenario('dag', 3)"),
        ('scenario("dag", "name", "more")', "given: scenario('dag', 'name', 'more')"),
        ('scenario("dag", nmae="x")', "given: scenario('dag', nmae='x')"),
    ],
)
def test_marker_shows_allowed_and_given(project: Any, marker: str, given: str) -> None:
    source = f"import pytest\n@pytest.mark.{marker}\ndef test_a(): ...\n"
    project.write({"test_a.py": source})
    done = project.pytest("--compai-report=out").assert_code(4)
    assert 'allowed: @pytest.mark.scenario("dag_id", "name")' in done.err
    assert given in done.err


SCENARIOS = """
import pytest

@pytest.mark.scenario("d", "one")
def test_one(): ...

@pytest.mark.scenario("d", "two")
@pytest.mark.parametrize("status", [500, 503])
def test_two(status): ...

@pytest.mark.scenario(dag_id="e", name="one")
def test_three(): ...

def test_without_marker(): ...
"""


@pytest.mark.parametrize(
    ("names", "passed"),
    [
        (["one"], 2),
        (["d/ONE"], 1),
        (["two"], 2),
        (["two [503]"], 1),
        (["e"], 1),
        (["one", "two"], 4),
        (["test_without_marker"], 1),
    ],
)
def test_scenarios_are_chosen_by_name(project: Any, names: list[str], passed: int) -> None:
    project.write({"test_a.py": SCENARIOS})
    done = project.pytest(*(f"--scenario={name}" for name in names)).assert_code(0)
    assert re.search(rf"\b{passed} passed", done.out)


def test_unknown_scenario_is_refused_with_those_there_are(project: Any) -> None:
    project.write({"test_a.py": SCENARIOS})
    done = project.pytest("--scenario=three").assert_code(4)
    assert "no scenario is called three; there are: d/one, d/two [500], d/two [503], e/one" in (
        done.err
    )


def test_report_of_a_plain_run(project: Any, scenario_file: ScenarioFile) -> None:
    tests = """
@pytest.mark.scenario("d", "one")
def test_one(simulator):
    \"\"\"Says something.\"\"\"
    get(simulator, "/health")
    assert 1 == 2
"""
    project.write({"test_a.py": scenario_file(tests, dag="d")})
    project.pytest("--compai-report=out").assert_code(1)
    report = json.loads((project.path / "out" / "verdict.json").read_text("utf-8"))
    assert report["answer"] == "no"
    (finding,) = report["findings"]
    assert (finding["code"], finding["expected"]) == ("CK301", "Says something.")
    assert finding["reproduce"] == "pytest 'test_a.py::test_one'"
    assert [(cell["dag"], cell["operation"]) for cell in report["calls"]] == [("d", "getHealth")]
    assert {p.name for p in (project.path / "out").iterdir()} == {
        "junit.xml",
        "verdict.json",
        "verdict.sarif",
        "verdict.txt",
    }


class TestDocker:
    TESTS = "import pytest\n@pytest.mark.requires_docker\ndef test_compose(): ...\n"

    @pytest.fixture(autouse=True)
    def _without_docker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.delenv("TOX_ENV_NAME", raising=False)

    def test_skip_says_why_and_what_would_run_it(self, project: Any) -> None:
        project.write({"test_a.py": self.TESTS})
        done = project.pytest("-rs").assert_code(0)
        assert "needs Docker (there is no command `docker`)" in done.out
        assert "pytest 'test_a.py::test_compose' --require docker" in done.out

    def test_within_tox_the_skip_names_tox(
        self, project: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOX_ENV_NAME", "compose")
        project.write({"test_a.py": self.TESTS})
        done = project.pytest("-rs").assert_code(0)
        assert "with Docker this runs it: tox -e compose -- --require docker" in done.out

    def test_required_docker_that_is_missing_fails(self, project: Any) -> None:
        project.write({"test_a.py": self.TESTS})
        done = project.pytest("--require=docker").assert_code(1)
        assert "Docker is required and missing: there is no command `docker`" in done.out
