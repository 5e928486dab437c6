"""Each incident of docs/incidents.md names tests that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INCIDENTS = ROOT / "docs" / "incidents.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")


def rows() -> list[str]:
    """The rows of all tables, without their heads."""
    lines = INCIDENTS.read_text(encoding="utf-8").splitlines()
    tables = [line for line in lines if line.startswith("|")]
    rules = {n for n, line in enumerate(tables) if set(line) <= {"|", "-"}}
    return [line for n, line in enumerate(tables) if n not in rules and n + 1 not in rules]


def names_in(file: Path) -> Iterator[str]:
    """Functions, and methods as Class::method."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (
                f"{node.name}::{item.name}"
                for item in node.body
                if isinstance(item, ast.FunctionDef)
            )


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_incident_names_tests_that_exist(row: str) -> None:
    named = TEST.findall(row)
    assert named, "an incident without a test"
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file() or name not in set(names_in(ROOT / path))
    ]
    assert missing == []


def test_the_incidents_are_all_there() -> None:
    assert len(rows()) >= 45
