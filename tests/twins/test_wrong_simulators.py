"""Wrong twins of the simulator: the scenarios that rely on what it leaves out must find it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

SIMULATORS = Path(__file__).parent / "simulators.py"
ONE_VERSION = ("--airflow-version", "3.3.2")


@pytest.mark.parametrize(
    ("twin", "because"),
    [
        # The answer tells on it, and the DAG does not take such an answer for "recorded".
        (
            "StoresPassWhateverIsPosted",
            {"plain run": "assert 'failed' == 'success'"},
        ),
        # The DAG cannot know; only what is stored tells.
        (
            "LiesAboutResults",
            {
                "plain run": "assert 'pass' == 'skipped'",
                "401 in mid-run": "Extra items in the left set",
            },
        ),
        (
            "HasNoGuards",
            {
                "more tests than the rate limit allows": "429 is really met",
                "401 in mid-run": "the dead token is really refused, once",
                "test moved to another control": "stored under a foreign control",
            },
        ),
    ],
)
def test_each_wrong_simulator_is_found(
    gate: Callable[..., Any], twin: str, because: Mapping[str, str]
) -> None:
    scenarios = [option for name in because for option in ("--scenario", name)]

    judged = gate("--simulator", f"{SIMULATORS}:{twin}", *scenarios, *ONE_VERSION)

    assert judged.code == 1, judged.printed
    assert judged.failed == set(because), judged.printed
    for scenario, reason in because.items():
        assert reason in judged.reason(scenario), scenario
