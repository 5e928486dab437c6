"""What the scenarios share."""

import json
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parents[1] / "data" / "recorded.seed.json"


@pytest.fixture
def recorded_seed() -> dict[str, Any]:
    """The data of the Comp-AI that was recorded, as it was before the first call."""
    seed: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return seed
