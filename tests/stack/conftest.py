"""Fixtures of the tests that boot a real Airflow with a bundle of their own."""

from pathlib import Path

import pytest

from compai_kit.airflow_stack.environments import ensure_environment
from compai_kit.airflow_stack.processes import ProcessStack
from compai_kit.bundle import build_bundle

DAG_IDS = frozenset({"stack_probe", "stack_probe_fails", "stack_probe_waits"})


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stack: boots a real Airflow (about ten seconds each)")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "dags"
    build_bundle(out, dags=Path(__file__).parent / "dags")
    return out


class StackFactory:
    """Makes stacks of the test bundle; what a test does not care about is filled in."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle

    def __call__(self, version: str = "3.3.2", **options: object) -> ProcessStack:
        chosen = {"expected_dag_ids": DAG_IDS, "env": {}, **options}
        bundle = chosen.pop("bundle", self._bundle)
        return ProcessStack(bundle, python=ensure_environment(version), version=version, **chosen)


@pytest.fixture(scope="session")
def new_stack(bundle: Path) -> StackFactory:
    return StackFactory(bundle)
