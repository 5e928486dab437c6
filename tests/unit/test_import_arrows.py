"""The import arrows of ARCHITECTURE.md, read from the source and enforced."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERYONE = {"__future__"}

# package folder -> the top-level third-party and project packages that it may import
MAY_IMPORT = {
    "compai_client": {"compai_client", "requests", "msgspec"},
    "dags/compai_dags": {"compai_dags", "compai_client", "requests", "msgspec"},
    "compai_kit/simulator": {"compai_kit", "jwt", "werkzeug"},
}
# The only module of compai_dags that knows Airflow; tracing is a dependency of Airflow itself.
ADAPTER = "dags/compai_dags/airflow_adapter.py"
# croniter is a dependency of Airflow itself.
SCHEDULE = "dags/compai_dags/schedule.py"
# So are these; a GitHub App signs with its own key.
GITHUB_KEY = "dags/compai_dags/checks/github_access.py"
GITHUB_TOKENS = "dags/compai_dags/checks/github_session.py"
# The only module of the simulator that is not in it: it steers one from outside.
CONTROL = "compai_kit/simulator/control.py"
INSIDE_AIRFLOW = "compai_kit/gate/inside"
# The only part of the kit that knows the DAGs' support.
AUDIT = "compai_kit/audit"
DAG_FILES = {"airflow", "compai_dags", "compai_client"}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parent.parts
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield node.lineno, name.removeprefix("dags.")


def is_stdlib(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names


def forbidden(path: Path, allowed: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in imported(path)
        if not is_stdlib(name) and name.split(".")[0] not in allowed | EVERYONE
    ]


def sources(folder: str) -> list[Path]:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder} holds no Python file: this test would pass for nothing"
    return files


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_package_imports_only_what_it_may(folder: str) -> None:
    found = []
    for path in sources(folder):
        extra = {
            ROOT / ADAPTER: {"airflow", "opentelemetry"},
            ROOT / SCHEDULE: {"croniter"},
            ROOT / GITHUB_KEY: {"cryptography"},
            ROOT / GITHUB_TOKENS: {"jwt"},
            ROOT / CONTROL: {"requests"},
        }.get(path, set())
        found += forbidden(path, MAY_IMPORT[folder] | extra)
    assert found == []


def test_dag_files_import_only_airflow_and_what_is_deployed_with_them() -> None:
    files = sorted((ROOT / "dags").glob("*.py"))
    assert files
    assert [line for path in files for line in forbidden(path, DAG_FILES)] == []


def test_simulator_never_sees_client_or_dag_code() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources("compai_kit/simulator")
        for line, name in imported(path)
        if name.split(".")[0] in {"compai_client", "compai_dags", "airflow"}
        or (name.startswith("compai_kit.") and name.split(".")[1] not in {"simulator", "contract"})
    ]
    assert found == []


def against_the_kits_arrows(path: Path) -> list[str]:
    audits = path.is_relative_to(ROOT / AUDIT)
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in imported(path)
        if name.split(".")[0] in {"airflow", "dags", *([] if audits else ["compai_dags"])}
        or name == f"compai_dags.{Path(ADAPTER).stem}"
    ]


def test_kit_imports_neither_airflow_nor_the_dags_support() -> None:
    """It judges them from outside; the bundle finds compai_dags by name, to copy it.

    The audit is the exception: it judges Comp-AI, by the rules that the DAGs themselves follow.
    """
    assert [line for path in sources("compai_kit") for line in against_the_kits_arrows(path)] == []


def test_audit_does_use_the_rules_of_the_dags() -> None:
    used = {name for path in sources(AUDIT) for _, name in imported(path)}
    assert {"compai_dags.standing", "compai_dags.stored", "compai_dags.listing"} <= used


def test_only_the_audit_may_use_the_rules_of_the_dags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    rules = "from compai_dags import standing\n"
    adapter = "from compai_dags.airflow_adapter import current_task\n"
    for folder, text in ((AUDIT, rules + adapter), ("compai_kit/gate", rules)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.py").write_text(text)
    assert against_the_kits_arrows(tmp_path / AUDIT / "x.py") == [
        "compai_kit/audit/x.py:2 imports compai_dags.airflow_adapter"
    ]
    assert against_the_kits_arrows(tmp_path / "compai_kit/gate/x.py") == [
        "compai_kit/gate/x.py:1 imports compai_dags"
    ]


def test_what_runs_inside_airflow_imports_only_itself_and_the_standard_library() -> None:
    own = INSIDE_AIRFLOW.replace("/", ".")
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(INSIDE_AIRFLOW)
        for line, name in imported(path)
        if not is_stdlib(name) and not name.startswith(own)
    ]
    assert found == []
    absolute = [path for path in sources(INSIDE_AIRFLOW) if own in path.read_text("utf-8")]
    assert absolute == [], "there it has another name: import relatively"


def test_an_import_against_the_arrows_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    wrong = tmp_path / "compai_client" / "_client.py"
    wrong.parent.mkdir()
    wrong.write_text("import json\nimport pytest\nfrom compai_kit import findings\n")
    assert forbidden(wrong, MAY_IMPORT["compai_client"]) == [
        "compai_client/_client.py:2 imports pytest",
        "compai_client/_client.py:3 imports compai_kit",
    ]
