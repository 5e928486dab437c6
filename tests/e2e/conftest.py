"""What the scenarios share."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harm import harm_of

RECORDED = Path(__file__).parents[1] / "data" / "recorded.seed.json"


@pytest.fixture
def recorded_seed() -> dict[str, Any]:
    """The data of the Comp-AI that was recorded, as it was before the first call."""
    seed: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return seed


@pytest.fixture(autouse=True)
def _no_harm(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every scenario ends with this judgement; its own assertions come first."""
    if "simulator" not in request.fixturenames:
        yield
        return
    simulator = request.getfixturevalue("simulator")
    evidence = request.getfixturevalue("_compai_evidence")
    yield
    # An Airflow of its own has ended by now, and its XComs with it.
    runs = () if "airflow_with" in request.fixturenames else evidence.runs
    assert harm_of(simulator.ledger(), simulator.state(), runs) == []
