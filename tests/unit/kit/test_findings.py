"""The table of finding codes."""

import re
from pathlib import Path

import pytest

import compai_kit
from compai_kit.findings import CODES, make_finding

_TEXTS = {"where": "w", "expected": "e", "seen": "s", "fix": "f", "reproduce": "r"}


def test_title_comes_from_the_table() -> None:
    assert make_finding("CK201", **_TEXTS).title == "DAG file does not import"


def test_unknown_code_is_refused() -> None:
    with pytest.raises(KeyError, match="CK999"):
        make_finding("CK999", **_TEXTS)


def test_every_code_used_in_the_kit_is_in_the_table() -> None:
    root = Path(compai_kit.__file__).parent
    used = {
        code
        for module in root.rglob("*.py")
        if module.name != "findings.py"
        for code in re.findall(r"[\"'](CK\d{3})[\"']", module.read_text(encoding="utf-8"))
    }
    assert used - set(CODES) == set()
    assert set(CODES) - used == set(), (
        "a code that nothing reports any more: keep its number unused"
    )


def test_every_code_is_explained_in_more_than_its_title() -> None:
    assert [code for code, entry in CODES.items() if len(entry.explanation) < 100] == []
