"""The plan of a gate run, the command that repeats it, and the Airflow it is about."""

import sys
from pathlib import Path

import pytest

from compai_kit.gate.model import Scenario
from compai_kit.gate.plan import GatePlan
from compai_kit.gate.targets import TargetError, airflow_version, plan_for


def _scenario(dag: str, name: str) -> Scenario:
    return Scenario(node=f"{dag}::{name}", dag=dag, name=name, where="t.py:1", promise="")


def test_command_of_the_defaults_is_short() -> None:
    assert GatePlan(versions=("3.3.2", "3.1.3")).command() == "compai gate"


def test_command_repeats_what_was_asked_for_and_quotes_it() -> None:
    plan = GatePlan(
        versions=("3.1.3",),
        asked_versions=("3.1.3",),
        dags=Path("my dags"),
        simulator="twins:Twin",
        report=Path("out"),
    )
    assert plan.command("Comp-AI down") == (
        "compai gate --dags 'my dags' --simulator twins:Twin --airflow-version 3.1.3"
        " --scenario 'Comp-AI down'"
    )


def test_scenario_is_named_with_its_dag_only_when_two_dags_have_it() -> None:
    plan = GatePlan(versions=("3.3.2",))
    scenarios = [_scenario("a", "plain run"), _scenario("b", "plain run"), _scenario("a", "429")]
    assert plan.reproduce(scenarios[0], scenarios) == "compai gate --scenario 'a/plain run'"
    assert plan.reproduce(scenarios[2], scenarios) == "compai gate --scenario 429"


def test_default_is_every_supported_version_and_the_newest_runs_the_scenarios() -> None:
    plan = plan_for(versions=(), python=None)
    assert plan.versions == ("3.3.2", "3.1.3")
    assert plan.version == "3.3.2"
    assert plan.command() == "compai gate"


def test_chosen_versions_keep_their_order_and_lose_doubles() -> None:
    plan = plan_for(versions=("3.1.3", "3.3.2", "3.1.3"), python=None)
    assert (plan.versions, plan.version) == (("3.1.3", "3.3.2"), "3.1.3")


def test_unsupported_version_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        TargetError, match=r"2\.9\.0: there are locks for .*3\.1\.3.*--airflow-pyth"
    ):
        plan_for(versions=("2.9.0",), python=None)


def test_interpreter_and_version_exclude_each_other() -> None:
    with pytest.raises(TargetError, match="exclude each other"):
        plan_for(versions=("3.3.2",), python=Path(sys.executable))


def test_interpreter_without_airflow_is_refused(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    with pytest.raises(TargetError, match=r"has no Airflow 3"):
        airflow_version(python)


def test_file_that_is_no_interpreter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="is not a Python interpreter"):
        airflow_version(tmp_path / "python")
