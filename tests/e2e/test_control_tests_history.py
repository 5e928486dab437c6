"""`comp_ai_control_tests` with a history: what Comp-AI overwrites is kept, in Airflow's storage."""

import json
from pathlib import Path
from typing import Any

import pytest
from comp_ai_world import GITHUB, TESTS_DAG, github_test, seed_of, summary, typed_test

from compai_kit.simulator.control import Fault, SimulatorControl


def read_history(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of each object, by its name."""
    return {
        path.name: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in sorted(folder.rglob("*.jsonl"))
    }


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "history of all outcomes")
def test_every_outcome_is_kept_also_what_was_not_posted(
    simulator: SimulatorControl, run_dag: Any, tmp_path: Path
) -> None:
    simulator.reset(seed_of(github_test(1), typed_test(2, "manual"), github_test(3)), GITHUB)
    # The result of the third test is lost, in every try of the client.
    simulator.faults(
        Fault(kind="status", operation="recordTestResult", status=500, after=1, count=4)
    )

    run = run_dag(TESTS_DAG, variables={"COMP_AI_HISTORY_URL": f"file://{tmp_path}/history"})

    assert run.state == "success", "the second try recorded it"
    assert run.task("evaluate_chunk", 0).try_number == 2
    history = read_history(tmp_path / "history")
    assert list(history) == [
        "chunk-000-try-1.jsonl", "chunk-000-try-2.jsonl", "summary-try-1.jsonl",
    ]  # fmt: skip
    tries = [
        {line["id"]: (line["outcome"], line["posted"]) for line in lines}
        for lines in list(history.values())[:2]
    ]
    assert tries[0] == {1: ("PASS", "pass"), 2: ("MANUAL", None), 3: ("UNRECORDED", None)}
    assert tries[1] == {1: ("PASS", None), 2: ("MANUAL", None), 3: ("PASS", "pass")}
    (counts,) = history["summary-try-1.jsonl"]
    assert counts["run"] == run.run_id
    assert {name: n for name, n in counts["counts"].items() if n} == summary(run)


@pytest.mark.scenario(TESTS_DAG, "history cannot be written")
def test_a_history_that_cannot_be_written_turns_the_run_red(
    simulator: SimulatorControl, run_dag: Any, tmp_path: Path
) -> None:
    simulator.reset(seed_of(github_test(1)), GITHUB)
    in_the_way = tmp_path / "history"
    in_the_way.write_text("a file where the folder should be", encoding="utf-8")

    run = run_dag(TESTS_DAG, variables={"COMP_AI_HISTORY_URL": f"file://{in_the_way}"})

    assert run.state == "failed"
    assert summary(run) == {"passed": 1, "total": 1}, "nothing else is lost"
    assert [row["last_result"] for row in simulator.state()["control_tests"]] == ["pass"]
    told = "\n".join(run.log("summarise"))
    assert "The outcomes of chunk 0 were not stored in COMP_AI_HISTORY_URL" in told
