"""Environments: which lock, which folder, built once, and what is said when they cannot be."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compai_kit.airflow_stack import environments, locks
from compai_kit.airflow_stack.environments import (
    SUPPORTED,
    cache_folder,
    ensure_environment,
    identity_of,
)
from compai_kit.airflow_stack.errors import EnvironmentBuildError
from compai_kit.airflow_stack.locks import lock_file

PIN = r"[a-z0-9][a-z0-9.-]*==[0-9][a-z0-9.]*( ; .+)?"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPAI_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks with nothing in them: an environment without packages needs no index."""
    folder = tmp_path / "locks"
    folder.mkdir()
    for version in SUPPORTED:
        (folder / f"airflow-{version}.txt").touch()
    monkeypatch.setattr(locks, "_PACKAGED", folder)
    return folder


@pytest.mark.parametrize("version", SUPPORTED)
def test_lock_pins_everything_and_names_no_place(version: str) -> None:
    import re

    lines = lock_file(version).read_text().splitlines()

    assert f"apache-airflow=={version}" in lines
    assert [line for line in lines if not re.fullmatch(PIN, line)] == []


@pytest.mark.parametrize("version", SUPPORTED)
def test_lock_holds_nothing_of_the_kit(version: str) -> None:
    names = {line.partition("==")[0] for line in lock_file(version).read_text().splitlines()}

    assert names.isdisjoint({"compai-kit", "pytest", "werkzeug", "vcrpy", "schemathesis"})


def test_an_unsupported_version_is_refused_with_the_supported_ones(cache: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"no lock for Airflow 2\.10\.5; there is one"):
        ensure_environment("2.10.5")


def test_cache_folder_follows_the_variable(cache: Path) -> None:
    assert cache_folder() == cache


def test_built_once_and_found_again(cache: Path, small_locks: Path) -> None:
    heard: list[str] = []

    first = ensure_environment("3.3.2", on_build=heard.append)
    second = ensure_environment("3.3.2", on_build=heard.append)

    assert first == second
    assert first.is_relative_to(cache)
    assert len(heard) == 1
    found = subprocess.run(
        [first, "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(part) for part in sys.version_info[:2]]


def test_the_kit_is_not_in_it(cache: Path, small_locks: Path) -> None:
    python = ensure_environment("3.3.2")

    looked_for = "import importlib.util as u; print([u.find_spec('compai_kit'), u.find_spec('uv')])"
    found = subprocess.run(
        [python, "-c", looked_for], capture_output=True, text=True, check=True, cwd=cache, env={}
    )
    assert found.stdout.strip() == "[None, None]"


def test_another_lock_gives_another_environment(cache: Path, small_locks: Path) -> None:
    before = ensure_environment("3.3.2")
    (small_locks / "airflow-3.3.2.txt").write_text("# changed\n")

    assert ensure_environment("3.3.2") != before


def test_callers_at_once_build_it_once(cache: Path, small_locks: Path) -> None:
    heard: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(ensure_environment, "3.3.2", on_build=heard.append) for _ in range(4)
        ]
        assert len({future.result() for future in futures}) == 1

    assert len(heard) == 1


def test_an_interrupted_build_is_not_taken_for_an_environment(
    cache: Path, small_locks: Path
) -> None:
    python = ensure_environment("3.3.2")
    folder = python.parent.parent
    (folder / "compai-environment").unlink()
    (folder / "half-installed").touch()

    assert ensure_environment("3.3.2") == python
    assert not (folder / "half-installed").exists()


def test_an_environment_whose_interpreter_went_away_is_built_again(
    cache: Path, small_locks: Path
) -> None:
    python = ensure_environment("3.3.2")
    python.unlink()
    python.symlink_to("/no/such/python")

    assert ensure_environment("3.3.2").exists()


def test_identity_tells_ours_from_foreign(cache: Path, small_locks: Path) -> None:
    python = ensure_environment("3.3.2")

    assert identity_of(python) == python.parent.parent.name
    assert identity_of(Path(sys.executable)) is None


def test_a_failed_build_gives_uvs_last_lines_and_leaves_nothing(
    cache: Path, small_locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_locks / "airflow-3.3.2.txt").write_text("no-such-package==1.0\n")
    monkeypatch.setenv("UV_OFFLINE", "1")

    with pytest.raises(EnvironmentBuildError) as caught:
        ensure_environment("3.3.2")

    text = str(caught.value)
    assert text.startswith("no environment for Airflow 3.3.2 on Python 3.")
    assert "no-such-package" in text
    assert "--airflow-python PATH" in text
    assert [path.suffix for path in (cache / "environments").iterdir()] == [".lock"]


def test_a_build_that_hangs_is_given_up(
    cache: Path, small_locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_BUILD_TIMEOUT_S", 0.001)

    with pytest.raises(EnvironmentBuildError, match=r"uv venv did not end within 0\.001 s"):
        ensure_environment("3.3.2")
