"""docs/simulator.md: its example runs and prints what it says, and its tables are complete."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from compai_kit.simulator import admin
from compai_kit.simulator.faults import Fault, FaultKind
from compai_kit.simulator.ledger import LedgerEntry
from compai_kit.simulator.operations import OPERATIONS
from compai_kit.simulator.seed import EMPTY_SEED
from compai_kit.simulator.settings import DEFAULTS
from compai_kit.simulator.systems.github_settings import TOP
from compai_kit.simulator.systems.registry import SYSTEMS, check_systems

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_column(title: str) -> set[str]:
    """All names in back-quotes in the first cells of a section's tables."""
    cells = re.findall(r"^\| (`.*?) \|", section(title), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python"), "docs/simulator.md", "exec"), {})  # noqa: S102  # our own example
    assert capsys.readouterr().out == block("text")


def test_every_kind_and_field_of_a_fault_is_explained() -> None:
    names = {field.name for field in fields(Fault)} | set(get_args(FaultKind))
    assert first_column("Faults") == names


def test_every_table_of_a_seed_is_named() -> None:
    assert first_column("Seed") == set(EMPTY_SEED)


def test_every_setting_is_named() -> None:
    assert first_column("Settings") == set(DEFAULTS)
    for section_of_settings in DEFAULTS.values():
        if isinstance(section_of_settings, dict):
            named = {key for key in section_of_settings if f"`{key}`" in section("Settings")}
            # `realm` is told by its default.
            assert named | {"realm"} >= set(section_of_settings)


def test_every_other_system_is_named_with_its_address() -> None:
    assert first_column("Other systems") == set(SYSTEMS)
    for system in SYSTEMS.values():
        assert f"`{system.prefix}`" in section("Other systems")
    for key in TOP:
        assert f"`{key}`" in section("Other systems")


def test_the_example_of_another_system_is_accepted() -> None:
    check_systems(json.loads(block("json"))["systems"])


def test_every_field_of_the_ledger_is_named() -> None:
    assert first_column("Ledger") == {field.name for field in fields(LedgerEntry)}


def test_every_admin_call_is_named() -> None:
    calls = {f"{method} {admin.PREFIX}{name}" for method, name in admin._ROUTES}
    assert first_column("Admin API") == calls


def test_the_number_of_operations_is_right() -> None:
    assert f"It answers {len(OPERATIONS)} operations" in TEXT
