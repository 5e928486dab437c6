"""`comp_ai_gap_analysis` in a real Airflow: an analysis, a canned answer, and none at all."""

from typing import Any

import pytest
from comp_ai_world import number_of_calls, seed_of

from compai_kit.simulator.control import SimulatorControl

ANALYSIS_DAG = "comp_ai_gap_analysis"
WRITTEN = "CTL-100 has no proof at all.\nStart there."


def model(**over: Any) -> dict[str, Any]:
    return {"model": {"configured": True, "answer": WRITTEN, **over}}


@pytest.mark.scenario(ANALYSIS_DAG, "analysis, then a mock model")
def test_a_mock_model_is_degraded_and_replaces_no_analysis(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(gaps=1), model())

    real = run_dag(ANALYSIS_DAG, conf={"framework": "soc2"})

    assert real.state == "success"
    result = real.xcom("analyse_gaps")
    assert (result["outcome"], result["model"], result["kept"]) == (
        "analysed",
        "simulated-model",
        True,
    )
    assert result["summary"] == WRITTEN
    log = real.log("analyse_gaps")
    assert any("over the gaps of every framework: 'soc2' was only a hint" in line for line in log)
    assert any("CTL-100 has no proof at all." in line for line in log)

    simulator.reset(seed_of(gaps=1), model(failure="unreachable"))

    canned = run_dag(ANALYSIS_DAG)

    assert canned.state == "success"
    result = canned.xcom("analyse_gaps")
    assert (result["outcome"], result["degraded"], result["kept"]) == ("degraded", True, False)
    assert result["summary"].startswith("DEGRADED: no model answered, so there is no analysis")
    log = canned.log("analyse_gaps")
    assert any("DEGRADED" in line for line in log)
    assert any(" stays the last one" in line for line in log)
    assert not any("stands in for its summary" in line for line in log), "the canned text"


@pytest.mark.core
@pytest.mark.scenario(ANALYSIS_DAG, "model unavailable")
def test_a_model_that_is_unavailable_is_red_after_retries(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(gaps=1), model(failure="error", fallback_to_mock=False))

    run = run_dag(ANALYSIS_DAG)

    assert run.state == "failed"
    assert run.task("analyse_gaps").try_number == 3
    assert any("AI model unavailable" in line for line in run.log("analyse_gaps"))


@pytest.mark.scenario(ANALYSIS_DAG, "no model")
def test_a_model_that_is_not_configured_is_red_at_once(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    simulator.reset(seed_of(gaps=1))

    run = run_dag(ANALYSIS_DAG)

    assert run.state == "failed"
    assert run.task("analyse_gaps").try_number == 1, "no further try can help"
    assert number_of_calls(simulator, "analyseGaps") == 1
    assert any("COMP_AI_OLLAMA_URL" in line for line in run.log("analyse_gaps"))
