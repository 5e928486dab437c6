"""The last gap analysis as an Airflow Variable: what is written is what is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from compai_dags.analysis_state import (
    SUMMARY_CHARACTERS,
    VARIABLE,
    LastAnalysis,
    read_analysis,
    write_analysis,
)

AT = datetime(2026, 11, 23, 6, 31, tzinfo=UTC)


def analysis(**over: Any) -> LastAnalysis:
    values: dict[str, Any] = {
        "at": AT,
        "framework": "soc2",
        "model": "simulated-model",
        "degraded": False,
        "summary": "Three controls lack evidence.",
    }
    return LastAnalysis(**(values | over))


@pytest.mark.parametrize("last", [analysis(), analysis(framework=None), analysis(degraded=True)])
def test_what_is_written_is_what_is_read(last: LastAnalysis) -> None:
    assert read_analysis(write_analysis(last)) == (last, None)


def test_the_variable_is_json_with_a_version() -> None:
    assert msgspec.json.decode(write_analysis(analysis())) == {
        "version": 1,
        "at": "2026-11-23T06:31:00Z",
        "framework": "soc2",
        "model": "simulated-model",
        "degraded": False,
        "summary": "Three controls lack evidence.",
    }


def test_a_long_summary_is_cut_and_says_so() -> None:
    last, _ = read_analysis(write_analysis(analysis(summary="é" * 2_001)))
    assert last is not None
    assert len(last.summary) == SUMMARY_CHARACTERS == 2_000
    assert last.summary.endswith("é…")


def test_a_summary_of_exactly_the_limit_is_whole() -> None:
    last, _ = read_analysis(write_analysis(analysis(summary="é" * 2_000)))
    assert last is not None
    assert last.summary == "é" * 2_000


@pytest.mark.parametrize("text", [None, ""])
def test_no_variable_is_no_analysis(text: str | None) -> None:
    assert read_analysis(text) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"version": 2, "at": "2026-11-23T06:31:00Z"}',
        # A time without a zone is nobody's time.
        write_analysis(analysis()).replace("00Z", "00"),
        write_analysis(analysis()).replace('"version":1', '"version":2'),
        write_analysis(analysis()).replace('"degraded":false', '"degraded":"no"'),
    ],
)
def test_an_unreadable_variable_is_no_analysis_and_is_named(text: str) -> None:
    last, problem = read_analysis(text)
    assert last is None
    assert problem is not None
    assert problem.startswith(f"Variable {VARIABLE} is unreadable: ")
