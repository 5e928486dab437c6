"""`compai gate` from the outside: what it prints, where, and with which exit code it ends.

The Airflow of these tests can only parse; the scenarios talk to the simulator themselves.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import junitparser
import pytest

ScenarioFile = Callable[..., str]
DAG = 'from airflow.sdk import DAG\n\ndag = DAG("tiny")\n'
GREEN = '''
@pytest.mark.scenario("tiny", "plain run")
def test_plain(simulator):
    """Comp-AI answers."""
    assert get(simulator, "/health").status_code == 200
'''


def test_yes(project: Any, scenario_file: ScenarioFile) -> None:
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(GREEN)})
    before = project.files()

    done = project.gate().assert_code(0)

    assert (
        done.out.splitlines()[-1] == "YES: 1 DAG on Airflow 3.3.2, 1 scenario passed, no findings"
    )
    assert re.search(r"calls +ok +1 call to 1 operation of Comp-AI, all within", done.out)
    assert re.search(r"getHealth +1: 200", done.out)
    assert re.search(r"1/1 ✓ tiny: plain run +\d+\.\d s", done.err), "progress is talk: stderr"
    assert "1/1" not in done.out
    assert project.files() == before, "without --report nothing is written"


def test_every_kind_of_finding_in_one_run(project: Any, scenario_file: ScenarioFile) -> None:
    tests = """
@pytest.mark.scenario("tiny", "wrong number")
def test_wrong():
    \"\"\"The sum is four.\"\"\"
    token = "eyJhbGciOiJub25lIn0" + ".eyJzdWIiOiJ4In0.x"
    assert (token, 3) == ("", 4)

@pytest.mark.scenario("tiny", "passes, but breaks the contract")
def test_breaks(simulator):
    assert get(simulator, "/api/v1/tests?control_id=abc").status_code == 400
    assert get(simulator, "/api/v1/api/v1/tests").status_code == 404
"""
    project.write(
        {
            "dags/tiny.py": DAG,
            "dags/other.py": DAG.replace("tiny", "other"),
            "dags/broken.py": "from airflow.sdk import DAG\nimport compai_kit.findings\n",
            "scenarios/test_tiny.py": scenario_file(tests),
        }
    )

    done = project.gate("--report", "out").assert_code(1)

    found = dict(re.findall(r"^(CK\d+) (.*)$", done.out, re.MULTILINE))
    assert set(found) == {"CK201", "CK301", "CK303", "CK401", "CK403"}
    assert "dags/broken.py:2" in done.out
    assert "the kit is not in the Airflow image" in done.out
    assert "expected   The sum is four." in done.out
    assert "--scenario 'wrong number'" in done.out
    assert "eyJ" not in done.out
    report = json.loads((project.path / "out" / "verdict.json").read_text("utf-8"))
    assert report["answer"] == "no"
    assert "eyJ" not in json.dumps(report)
    assert "eyJ" not in (project.path / "out" / "pytest.log").read_text("utf-8")
    suites = junitparser.JUnitXml.fromfile(str(project.path / "out" / "junit.xml"))
    assert {suite.name: suite.failures for suite in suites} == {
        "contract": 0,
        "parse": 1,
        "scenarios": 2,
        "calls": len(re.findall(r"^CK4", done.out, re.MULTILINE)),
    }


def test_scenarios_of_a_dag_that_does_not_parse_are_not_run(
    project: Any, scenario_file: ScenarioFile
) -> None:
    project.write(
        {
            "dags/tiny.py": f"{DAG}\nraise ValueError('at import')\n",
            "scenarios/test_tiny.py": scenario_file(GREEN),
        }
    )
    done = project.gate().assert_code(1)
    assert "not run: tiny does not parse in this Airflow" in done.out
    assert re.findall(r"^CK\d+", done.out, re.MULTILINE) == ["CK201"]


def test_no_scenario_is_not_green(project: Any) -> None:
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": "import pytest\n"})
    assert "CK302" in project.gate().assert_code(1).out


def test_empty_dag_folder_is_not_green(project: Any, scenario_file: ScenarioFile) -> None:
    project.write({"dags/readme.txt": "", "scenarios/test_tiny.py": scenario_file(GREEN)})
    assert "CK205" in project.gate().assert_code(1).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-such-option"], "No such option"),
        (["--dags=nowhere"], "nowhere"),
        (["--scenario=plain"], "there are:\n  tiny/plain run"),
        (["--airflow-version=3.3.2"], "exclude each other"),
    ],
)
def test_usage(project: Any, scenario_file: ScenarioFile, arguments: list[str], words: str) -> None:
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(GREEN)})
    done = project.gate(*arguments).assert_code(2)
    assert words in done.err
    assert done.out == ""


def test_unreadable_recordings(project: Any, scenario_file: ScenarioFile) -> None:
    project.write(
        {
            "dags/tiny.py": DAG,
            "scenarios/test_tiny.py": scenario_file(GREEN),
            "empty/readme.txt": "",
        }
    )
    done = project.gate("--recordings=empty").assert_code(3)
    assert done.out.splitlines()[-1].startswith("COULD NOT RUN: contract: empty/index.json: ")
    assert re.search(r"scenarios +NOT RUN +not reached", done.out)
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("scenarios", "options", "words"),
    [
        ("import no_such_module\n", [], "No module named 'no_such_module'"),
        ("def test_a(no_such_fixture): ...\n", ["--simulator=nowhere:make"], "fixture 'no_such_f"),
    ],
)
def test_scenario_files_that_do_not_work(
    project: Any, scenarios: str, options: list[str], words: str
) -> None:
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenarios})
    done = project.gate(*options)
    assert done.code in (1, 3)
    assert words in done.out
    assert "Traceback" not in done.err


def test_simulator_that_cannot_be_made(project: Any, scenario_file: ScenarioFile) -> None:
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(GREEN)})
    done = project.gate("--simulator=nowhere:make").assert_code(3)
    assert "COULD NOT RUN: scenarios: --simulator nowhere:make: No module named" in done.out


def test_marker_that_names_no_scenario(project: Any) -> None:
    tests = 'import pytest\n\n@pytest.mark.scenario("tiny")\ndef test_a(): ...\n'
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": tests})
    done = project.gate().assert_code(3)
    assert """given: scenario('tiny')""" in done.out


def test_skipped_scenario_leaves_the_answer_open(project: Any, scenario_file: ScenarioFile) -> None:
    tests = f"""{GREEN}
@pytest.mark.scenario("tiny", "in a container")
def test_container():
    pytest.skip("no Docker here; run: pytest --require docker")
"""
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(tests)})
    done = project.gate().assert_code(4)
    assert "skipped: no Docker here" in done.out
    assert done.out.splitlines()[-1].startswith("UNDECIDED: scenarios: 1 passed, 1 skipped")


def test_list_runs_nothing(project: Any, scenario_file: ScenarioFile) -> None:
    tests = scenario_file(f"{GREEN}\nopen('ran', 'w')\n".replace("open", "if False: open"))
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": tests})
    done = project.gate("--list").assert_code(0)
    words = r"tiny +plain run +Comp-AI answers\. +scenarios/test_tiny\.py:\d+ *\n"
    assert re.fullmatch(words, done.out)


def test_chosen_scenario_runs_alone(project: Any, scenario_file: ScenarioFile) -> None:
    tests = f"""{GREEN}
@pytest.mark.scenario("tiny", "other")
def test_other():
    raise AssertionError
"""
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(tests)})
    done = project.gate("--scenario", "TINY/Plain run").assert_code(0)
    assert done.out.splitlines()[-1] == (
        "YES: 1 DAG on Airflow 3.3.2, 1 of 2 scenarios (chosen) passed, no findings"
    )


class TestAnotherFolder:
    """`--dags DIR`: every DAG there is parsed, and those that have a scenario are run."""

    def test_dag_without_a_scenario_is_parsed_only(
        self, project: Any, scenario_file: ScenarioFile
    ) -> None:
        project.write(
            {
                "mine/tiny.py": DAG,
                "mine/other.py": DAG.replace("tiny", "other"),
                "scenarios/test_tiny.py": scenario_file(GREEN),
            }
        )
        done = project.gate("--dags=mine").assert_code(0)
        assert done.out.splitlines()[-1] == (
            "YES: 2 DAGs on Airflow 3.3.2, 1 scenario passed,"
            " 1 DAG parsed only (no scenario), no findings"
        )
        assert "parsed only, for want of a scenario: other" in done.out

    def test_scenario_of_a_dag_that_is_not_there_is_left_out(
        self, project: Any, scenario_file: ScenarioFile
    ) -> None:
        tests = f"""{GREEN}
@pytest.mark.scenario("elsewhere", "cannot pass here")
def test_elsewhere():
    raise AssertionError
"""
        project.write({"mine/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(tests)})
        done = project.gate("--dags=mine").assert_code(0)
        assert "left out: 1 scenario of DAGs that are not here" in done.out
        assert "elsewhere" not in project.gate("--dags=mine", "--list").assert_code(0).out

    def test_no_scenarios_no_recordings_and_still_an_answer(self, project: Any) -> None:
        project.write({"mine/tiny.py": DAG})
        command = [
            word
            for word in project.gate_command("--dags=mine", "--report=out")
            if not word.startswith(("--scenarios", "--recordings"))
        ]
        done = project.run(command).assert_code(0)
        assert re.search(r"contract +ok +\d+ operations; no recordings here", done.out)
        assert done.out.splitlines()[-1] == (
            "YES: 1 DAG on Airflow 3.3.2, 1 DAG parsed only (no scenario), no findings"
        )
        report = json.loads((project.path / "out" / "verdict.json").read_text("utf-8"))
        assert report["selection"] == {
            "chosen": 0,
            "of": 0,
            "names": [],
            "left_out": 0,
            "parsed_only": ["tiny"],
        }

    def test_own_folder_of_scenarios_that_holds_none_is_not_green(self, project: Any) -> None:
        project.write({"mine/tiny.py": DAG, "scenarios/test_tiny.py": "import pytest\n"})
        done = project.gate("--dags=mine").assert_code(1)
        assert re.findall(r"^CK\d+", done.out, re.MULTILINE) == ["CK302"]

    def test_own_dags_need_scenarios(self, project: Any) -> None:
        project.write({"dags/tiny.py": DAG})
        command = [w for w in project.gate_command() if not w.startswith("--scenarios")]
        assert "CK302" in project.run(command).assert_code(1).out


def test_what_is_refused_while_parsing_is_a_finding(
    project: Any, scenario_file: ScenarioFile
) -> None:
    dag = f"import os\nX = os.environ.get('API_KEY')\n{DAG}"
    project.write({"dags/tiny.py": dag, "scenarios/test_tiny.py": scenario_file(GREEN)})
    done = project.gate().assert_code(1)
    assert re.findall(r"^CK\d+", done.out, re.MULTILINE) == ["CK210"]
    assert "dags/tiny.py:2" in done.out
    assert "not run: tiny does not parse in this Airflow" in done.out


def test_airflow_in_which_the_guard_is_blind_judges_nothing(
    project: Any, scenario_file: ScenarioFile, tiny_airflow: Path
) -> None:
    """A release that moves what is guarded must not turn the gate green."""
    [sdk] = (tiny_airflow.parents[1] / "lib").rglob("airflow/sdk/__init__.py")
    text = sdk.read_text("utf-8")
    project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(GREEN)})
    try:
        sdk.write_text(text.replace("context._get_variable(key) or default", "default"), "utf-8")
        done = project.gate().assert_code(3)
    finally:
        sdk.write_text(text, "utf-8")
    assert "the gate cannot see this use at parse time: variable" in done.out


class TestForms:
    BAD = f"import os\nX = os.environ.get('API_KEY')\n{DAG}"

    @pytest.fixture(autouse=True)
    def _outside_of_github(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    @pytest.fixture
    def bad(self, project: Any) -> Any:
        project.write({"mine/tiny.py": self.BAD})
        return project

    def _gate(self, project: Any, *options: str) -> Any:
        command = project.gate_command("--dags=mine", *options)
        command = [word for word in command if not word.startswith(("--scenarios", "--recordings"))]
        return project.run(command).assert_code(1)

    def test_stdout_is_one_document(self, bad: Any) -> None:
        sarif = json.loads(self._gate(bad, "--format=sarif", "--annotations").out)
        [result] = sarif["runs"][0]["results"]
        assert result["ruleId"] == "CK210"
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == "mine/tiny.py"

    @pytest.mark.parametrize(
        ("form", "start"), [("json", "{"), ("junit", "<?xml "), ("text", "contract ")]
    )
    def test_other_forms(self, bad: Any, form: str, start: str) -> None:
        done = self._gate(bad, f"--format={form}")
        assert done.out.startswith(start)
        assert "::error" not in done.out + done.err

    def test_annotations_come_by_themselves_in_a_github_workflow(
        self, bad: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        done = self._gate(bad)
        [line] = [line for line in done.err.splitlines() if line.startswith("::")]
        assert line.startswith("::error file=mine/tiny.py,line=2,title=CK210 Secret read while")
        assert "::error" not in self._gate(bad, "--no-annotations").err


def test_wrong_simulator_is_found(project: Any, scenario_file: ScenarioFile) -> None:
    """A twin whose answers are outside its contract turns the gate red though the test passes."""
    twin = """
from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.app import SimulatorApp

class Twin(SimulatorApp):
    def perform(self, call):
        return HttpResponse(status=200, headers={"content-type": "application/json"}, body=b"[]")
"""
    project.write(
        {
            "dags/tiny.py": DAG,
            "scenarios/test_tiny.py": scenario_file(GREEN),
            "twin.py": twin,
        }
    )
    done = project.gate("--simulator=twin.py:Twin").assert_code(1)
    assert "CK402" in done.out
    assert "--simulator twin.py:Twin" in done.out, "the command that reproduces it names the twin"


class TestEndedFromOutside:
    SLOW = """
import pathlib, time

@pytest.fixture
def cleaned():
    yield
    pathlib.Path("cleaned").touch()

@pytest.mark.scenario("tiny", "slow")
def test_slow(cleaned):
    pathlib.Path("started").touch()
    time.sleep(60)
"""

    @pytest.fixture
    def prefix(self) -> list[str]:
        return []

    @pytest.fixture
    def gate(self, project: Any, scenario_file: ScenarioFile, prefix: list[str]) -> Any:
        project.write({"dags/tiny.py": DAG, "scenarios/test_tiny.py": scenario_file(self.SLOW)})
        with subprocess.Popen(
            [*prefix, *project.gate_command()],
            cwd=project.path,
            env=project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            _wait_for(project.path / "started")
            yield process
            process.kill()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_signal_cleans_up_and_decides_nothing(
        self, gate: Any, project: Any, number: signal.Signals
    ) -> None:
        gate.send_signal(number)
        out, err = gate.communicate(timeout=30)
        assert gate.returncode == 4, err
        assert "UNDECIDED: scenarios: interrupted" in out
        assert (project.path / "cleaned").exists()
        assert "Traceback" not in err

    @pytest.mark.parametrize(
        "prefix",
        [[], ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]],
        ids=["in the foreground", "in the background of a script"],
    )
    def test_kill_lets_the_scenarios_clean_up(self, gate: Any, project: Any) -> None:
        os.kill(gate.pid, signal.SIGKILL)
        _wait_for(project.path / "cleaned")


def _wait_for(path: Path, timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear within {timeout_s:g} s"
        time.sleep(0.05)
