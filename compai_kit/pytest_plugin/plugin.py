"""The entry point: options, markers and fixture names, nothing else.

Loading it must cost nothing and change nothing, because every pytest run of an environment that
has the kit loads it. So this module, `options` and `fixtures` import neither Airflow nor simulator
nor requests; the recorder is made only when an option asks for it.
"""

import pytest

from compai_kit.pytest_plugin.fixtures import (
    _compai_evidence,
    airflow_stack,
    airflow_with,
    run_dag,
    simulated_comp_ai,
    simulator,
)
from compai_kit.pytest_plugin.options import PluginSettings, add_options

__all__ = [
    "_compai_evidence",
    "airflow_stack",
    "airflow_with",
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_setup",
    "run_dag",
    "simulated_comp_ai",
    "simulator",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the group "compai"."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; start recording when a report, a gate or a choice asks for it."""
    config.addinivalue_line(
        "markers",
        "scenario(dag_id, name): this test runs the DAG through a scenario; the gate's verdict"
        " lists it under this name",
    )
    config.addinivalue_line(
        "markers",
        "requires_docker(compose=False): this test needs a Docker engine (and Compose); without"
        " one it is skipped, or fails with --require docker",
    )
    config.addinivalue_line(
        "markers",
        "requires_keycloak: this test needs the Keycloak that COMPAI_KEYCLOAK_URL names; without"
        " one it is skipped, or fails with --require keycloak",
    )
    settings = PluginSettings.from_config(config)
    if settings.wants_recorder:
        from compai_kit.pytest_plugin.recorder import Recorder

        Recorder.start(config, settings)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide about tests that need Docker or a real Keycloak."""
    docker = item.get_closest_marker("requires_docker")
    keycloak = item.get_closest_marker("requires_keycloak")
    if docker is not None or keycloak is not None:
        from compai_kit.pytest_plugin import requirements

        if docker is not None:
            requirements.apply_docker_requirement(item, docker)
        if keycloak is not None:
            requirements.apply_keycloak_requirement(item)
