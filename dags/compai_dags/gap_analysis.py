"""The work of comp_ai_gap_analysis: ask the model of Comp-AI about the gaps, keep what it says.

Three answers look alike on the wire, and only one is an analysis: a model's text. A canned text
(`model_used` begins with "mock") is DEGRADED, a model that says nothing is EMPTY; neither takes the
place of an earlier analysis, and the canned text is shown nowhere.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from compai_client import GapAnalysis
from compai_dags.analysis_state import (
    SUMMARY_CHARACTERS,
    VARIABLE,
    LastAnalysis,
    read_analysis,
    write_analysis,
)
from compai_dags.listing import explain_misrouting
from compai_dags.task import Task

log = logging.getLogger(__name__)

FRAMEWORK = "COMP_AI_GAP_ANALYSIS_FRAMEWORK"


def analyse_gaps(task: Task, *, framework: str | None) -> None:
    """One call, which costs a run of the model; raises the client's errors.

    `framework` overrules the setting. Nothing is written in Comp-AI.
    """
    hint = (framework or "").strip() or task.settings.text(FRAMEWORK)
    with task.client() as client:
        analysis = explain_misrouting(client, lambda: client.analyse_gaps(framework=hint))
    outcome, summary = _judge(analysis)
    if outcome == "analysed":
        log.info("%s", _headline(analysis.model_used, hint))
        for line in summary.splitlines():
            log.info("%s", line)
    else:
        log.warning("%s", summary)
    kept = _keep(
        task,
        LastAnalysis(
            at=datetime.now(UTC),
            framework=hint,
            model=analysis.model_used,
            degraded=analysis.is_degraded,
            summary=summary,
        ),
        is_empty=outcome == "empty",
    )
    task.push(
        "return_value",
        {
            "outcome": outcome,
            "model": analysis.model_used,
            "framework_hint": hint,
            "degraded": analysis.is_degraded,
            "summary": summary[:SUMMARY_CHARACTERS],
            "kept": kept,
        },
    )


def _judge(analysis: GapAnalysis) -> tuple[str, str]:
    """What the answer is, and what may be shown of it."""
    if analysis.is_degraded:
        return "degraded", (
            "DEGRADED: no model answered, so there is no analysis; the text that Comp-AI sent "
            f"instead (model_used {analysis.model_used!r}) is canned."
        )
    if not analysis.summary.strip():
        return "empty", f"EMPTY: {analysis.model_used} answered without a text."
    return "analysed", analysis.summary.strip()


def _headline(model: str, hint: str | None) -> str:
    about = f"Gap analysis by {model}, over the gaps of every framework"
    if hint is None:
        return f"{about}."
    return (
        f"{about}: {hint!r} was only a hint to the model, Comp-AI does not filter the gaps by it."
    )


def _keep(task: Task, new: LastAnalysis, *, is_empty: bool) -> bool:
    """Whether it is the last one now: only an analysis takes the place of an analysis."""
    last, unreadable = read_analysis(task.read_variable(VARIABLE))
    if unreadable:
        log.warning("%s", unreadable)
    if last is not None and not last.degraded and (new.degraded or is_empty):
        log.info("The analysis of %s stays the last one.", f"{last.at:%Y-%m-%d %H:%M} UTC")
        return False
    if is_empty:
        return False
    task.write_variable(VARIABLE, write_analysis(new))
    return not new.degraded
