"""The AI model behind the service.

What it says, how it fails, and the canned text that may stand in for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compai_kit.simulator.settings import ModelSettings, SettingsError
from compai_kit.simulator.upstreams import UpstreamError

# What the model may do wrong, and what the service calls that.
FAILURES: Mapping[str, str] = {
    "unreachable": "Ollama generate request",
    "error": "Ollama returned 500 Internal Server Error: {body}",
    "garbled": "parse Ollama response",
}
# Clients tell a canned text from a model's by the prefix `mock`.
MOCK = "mock-model (Ollama unavailable)"
CANNED = "No model answered; this text stands in for its summary of the gaps."


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` may be empty: the model answered and said nothing."""

    text: str
    model: str


def check_model(settings: ModelSettings) -> None:
    """Raises SettingsError for a failure that the model cannot have."""
    if settings.failure not in ("", *FAILURES):
        msg = f"settings.model.failure: expected empty or one of {', '.join(FAILURES)}"
        raise SettingsError(msg)


def generate(settings: ModelSettings) -> Answer:
    """Raises UpstreamError if the model fails and nothing may stand in for it."""
    if not settings.failure:
        return Answer(settings.answer, settings.name)
    if settings.fallback_to_mock:
        return Answer(CANNED, MOCK)
    raise UpstreamError(FAILURES[settings.failure].format(body=settings.failure_body))
