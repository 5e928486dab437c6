"""Gap analysis: the AI model is asked about the gaps, or says why it is not.

The framework is neither checked nor a filter; it is only a hint to the model.
"""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.rejections import BodyField, BodySpec
from compai_kit.simulator.state import DatabaseError
from compai_kit.simulator.upstreams import UpstreamError
from compai_kit.simulator.upstreams.model import generate

ANALYSIS_BODY = BodySpec("GapAnalysisRequest", (BodyField("framework", "string", required=False),))


def analyse_gaps(call: Call) -> HttpResponse:
    """Asks the model even when there is no gap, and writes nothing."""
    try:
        call.database.gaps()
    except DatabaseError:
        return error_answer(500, "Failed to list gaps")
    if not call.settings.model.configured:
        detail = "Set COMP_AI_OLLAMA_URL and COMP_AI_OLLAMA_MODEL for gap analysis"
        return error_answer(503, "AI model not configured", detail=detail)
    try:
        answer = generate(call.settings.model)
    except UpstreamError as error:
        return error_answer(503, "AI model unavailable", detail=str(error))
    return json_answer(200, {"summary": answer.text, "model_used": answer.model})


OPERATIONS = {"analyseGaps": Operation(handler=analyse_gaps, body=ANALYSIS_BODY)}
