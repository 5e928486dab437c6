"""The template database: whole, per environment, and only for environments of ours."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from compai_kit.airflow_stack.template import (
    keep_as_template,
    start_from_template,
    template_for,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPAI_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def environment(folder: Path, identity: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "compai-environment").write_text(identity + "\n")
    return folder / "bin" / "python"


def test_each_environment_has_its_own(tmp_path: Path, cache: Path) -> None:
    one = template_for(environment(tmp_path / "one", "airflow-1"))
    two = template_for(environment(tmp_path / "two", "airflow-2"))

    assert one == cache / "databases" / "airflow-1.db"
    assert two == cache / "databases" / "airflow-2.db"


def test_a_foreign_interpreter_has_none() -> None:
    """Nobody knows when the Airflow of such an interpreter changes."""
    assert template_for(Path(sys.executable)) is None


def test_what_still_lies_in_the_write_ahead_log_is_kept(tmp_path: Path, cache: Path) -> None:
    database = tmp_path / "airflow.db"
    template = cache / "databases" / "airflow-1.db"
    with closing(sqlite3.connect(database)) as open_still:
        open_still.execute("PRAGMA journal_mode=WAL")
        open_still.execute("CREATE TABLE dag (dag_id TEXT)")
        open_still.execute("INSERT INTO dag VALUES ('kept')")
        open_still.commit()
        keep_as_template(database, template)

    start_from_template(template, tmp_path / "copy.db")

    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT dag_id FROM dag").fetchall() == [("kept",)]
    assert [path.name for path in template.parent.iterdir()] == ["airflow-1.db"]
