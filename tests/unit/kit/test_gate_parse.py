"""An interpreter that cannot parse says nothing about the DAGs, and must not hold the gate up."""

import time
from pathlib import Path

import pytest

from compai_kit.gate.parse import ParseCouldNotRunError, parse_bundle


def _interpreter(folder: Path, script: str) -> Path:
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    return python


def test_interpreter_that_hangs_is_given_up(tmp_path: Path) -> None:
    python = _interpreter(tmp_path, "exec sleep 30")
    started = time.monotonic()
    with pytest.raises(ParseCouldNotRunError, match=r"python did not finish parsing in 1 s"):
        parse_bundle(tmp_path, python=python, timeout_s=0.6)
    assert time.monotonic() - started < 10


def test_interpreter_that_fails_says_its_last_line_without_secrets(tmp_path: Path) -> None:
    python = _interpreter(tmp_path, "echo first >&2; echo 'boom password=hunter22' >&2; exit 3")
    with pytest.raises(ParseCouldNotRunError) as raised:
        parse_bundle(tmp_path, python=python)
    assert str(raised.value) == f"{python} ended with 3 while parsing: boom password=***"


def test_interpreter_that_answers_nothing_is_not_taken_for_a_green_one(tmp_path: Path) -> None:
    python = _interpreter(tmp_path, "exit 0")
    with pytest.raises(ParseCouldNotRunError, match=r"ended with 0 while parsing: it said nothing"):
        parse_bundle(tmp_path, python=python)


def test_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParseCouldNotRunError, match="cannot be started: No such file"):
        parse_bundle(tmp_path, python=tmp_path / "nowhere")
