"""The work of comp_ai_gap_analysis: what the model said, and what is never taken for that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from compai_client import NotConfiguredError, ServerError
from compai_dags import gap_analysis
from compai_dags.analysis_state import VARIABLE, LastAnalysis, read_analysis, write_analysis
from compai_dags.failures import meaning_of
from compai_kit.simulator.control import Fault, SimulatorControl

CANNED = "No model answered; this text stands in for its summary of the gaps."
EARLIER = LastAnalysis(
    at=datetime(2026, 11, 16, 6, 30, tzinfo=UTC),
    framework=None,
    model="simulated-model",
    degraded=False,
    summary="Of last week.",
)


def model(**over: Any) -> dict[str, Any]:
    return {"model": {"configured": True, "answer": "Two controls lack proof.\nStart.", **over}}


def last(task: Any) -> LastAnalysis | None:
    kept, problem = read_analysis(task.variables.get(VARIABLE))
    assert problem is None
    return kept


def asked(simulator: SimulatorControl) -> list[Any]:
    return [call.request_body for call in simulator.ledger() if call.operation == "analyseGaps"]


def test_the_models_words_are_logged_whole_and_kept(
    simulator: SimulatorControl, task: Any, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.reset(settings=model())
    before = datetime.now(UTC)

    gap_analysis.analyse_gaps(task, framework="soc2")

    kept = last(task)
    assert kept is not None
    assert (kept.framework, kept.model, kept.degraded) == ("soc2", "simulated-model", False)
    assert kept.summary == "Two controls lack proof.\nStart."
    assert before <= kept.at <= datetime.now(UTC)
    assert task.pull("task") == {
        "outcome": "analysed",
        "model": "simulated-model",
        "framework_hint": "soc2",
        "degraded": False,
        "summary": "Two controls lack proof.\nStart.",
        "kept": True,
    }
    assert "Two controls lack proof." in caplog.messages
    assert "Start." in caplog.messages
    assert asked(simulator) == [{"framework": "soc2"}]


def test_the_output_is_never_labelled_as_the_gaps_of_one_framework(
    simulator: SimulatorControl, task: Any, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.reset(settings=model())
    gap_analysis.analyse_gaps(task, framework="soc2")
    assert (
        "Gap analysis by simulated-model, over the gaps of every framework: 'soc2' was only a hint "
        "to the model, Comp-AI does not filter the gaps by it." in caplog.messages
    )
    assert "soc2 gaps" not in caplog.text.lower()


def test_without_a_framework_there_is_no_hint(
    simulator: SimulatorControl, task: Any, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.reset(settings=model())
    gap_analysis.analyse_gaps(task, framework=None)
    assert asked(simulator) == [{}]
    assert "Gap analysis by simulated-model, over the gaps of every framework." in caplog.messages


@pytest.mark.parametrize("form", [None, "", "  "])
def test_the_setting_gives_the_framework_when_the_form_does_not(
    simulator: SimulatorControl, task: Any, form: str | None
) -> None:
    simulator.reset(settings=model())
    task.variables["COMP_AI_GAP_ANALYSIS_FRAMEWORK"] = "iso27001"
    gap_analysis.analyse_gaps(task, framework=form)
    gap_analysis.analyse_gaps(task, framework="soc2")
    assert asked(simulator) == [{"framework": "iso27001"}, {"framework": "soc2"}]


def test_a_canned_answer_is_degraded_and_replaces_no_analysis(
    simulator: SimulatorControl, task: Any, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.reset(settings=model(failure="unreachable"))
    task.variables[VARIABLE] = write_analysis(EARLIER)

    gap_analysis.analyse_gaps(task, framework=None)

    assert last(task) == EARLIER
    result = task.pull("task")
    assert (result["outcome"], result["degraded"], result["kept"]) == ("degraded", True, False)
    assert result["summary"] == (
        "DEGRADED: no model answered, so there is no analysis; the text that Comp-AI sent instead "
        "(model_used 'mock-model (Ollama unavailable)') is canned."
    )
    assert CANNED not in caplog.text
    assert [r.levelname for r in caplog.records if r.getMessage() == result["summary"]] == [
        "WARNING"
    ]
    assert "The analysis of 2026-11-16 06:30 UTC stays the last one." in caplog.messages


def test_a_canned_answer_is_kept_as_degraded_when_there_never_was_an_analysis(
    simulator: SimulatorControl, task: Any
) -> None:
    simulator.reset(settings=model(failure="unreachable"))
    for _ in range(2):
        gap_analysis.analyse_gaps(task, framework=None)
        kept = last(task)
        assert kept is not None
        assert kept.degraded
        assert kept.summary.startswith("DEGRADED")
        assert CANNED not in kept.summary
    simulator.reset(settings=model())
    gap_analysis.analyse_gaps(task, framework=None)
    kept = last(task)
    assert kept is not None
    assert not kept.degraded, "the first real one takes its place"


@pytest.mark.parametrize("answer", ["", " \n"])
def test_an_answer_without_text_is_no_analysis(
    simulator: SimulatorControl, task: Any, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    simulator.reset(settings=model(answer=answer))
    task.variables[VARIABLE] = write_analysis(EARLIER)

    gap_analysis.analyse_gaps(task, framework=None)

    assert last(task) == EARLIER
    result = task.pull("task")
    assert (result["outcome"], result["degraded"], result["kept"]) == ("empty", False, False)
    assert result["summary"] == "EMPTY: simulated-model answered without a text."
    assert result["summary"] in caplog.messages


def test_an_unreadable_variable_is_named_and_replaced(
    simulator: SimulatorControl, task: Any, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.reset(settings=model())
    task.variables[VARIABLE] = "{"
    gap_analysis.analyse_gaps(task, framework=None)
    assert any("comp_ai_gap_analysis_last is unreadable" in text for text in caplog.messages)
    assert last(task) is not None


def test_a_model_that_is_not_configured_fails_for_good_and_names_what_to_set(
    simulator: SimulatorControl, task: Any
) -> None:
    simulator.reset()
    with pytest.raises(NotConfiguredError) as failure:
        gap_analysis.analyse_gaps(task, framework=None)
    assert "COMP_AI_OLLAMA_URL and COMP_AI_OLLAMA_MODEL" in str(failure.value)
    assert not meaning_of(failure.value).transient
    assert task.xcoms == {}
    assert task.variables == {}


def test_a_model_that_is_unavailable_fails_and_may_be_tried_again(
    simulator: SimulatorControl, task: Any
) -> None:
    simulator.reset(settings=model(failure="unreachable", fallback_to_mock=False))
    with pytest.raises(ServerError) as failure:
        gap_analysis.analyse_gaps(task, framework=None)
    assert "AI model unavailable" in str(failure.value)
    assert meaning_of(failure.value).transient
    assert task.variables == {}


def test_a_web_page_is_no_analysis(simulator: SimulatorControl, task: Any) -> None:
    simulator.reset(settings=model())
    simulator.faults(Fault(kind="html", operation="analyseGaps", count=None))
    with pytest.raises(Exception, match="HTML instead of JSON"):
        gap_analysis.analyse_gaps(task, framework=None)
    assert task.variables == {}
