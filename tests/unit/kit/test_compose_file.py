"""What docker-compose.test.yaml and its Dockerfiles promise, read from the files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from compai_kit.airflow_stack.compose_values import ComposeValues, Reach
from compai_kit.pytest_plugin.world import STACK_ENVIRONMENT

ROOT = Path(__file__).parents[3]
COMPOSE_FILE = ROOT / "docker-compose.test.yaml"
AIRFLOW = {
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    document = yaml.safe_load(COMPOSE_FILE.read_text())
    found: dict[str, Any] = document["services"]
    return found


def test_the_deployed_shape_is_complete(services: dict[str, Any]) -> None:
    assert set(services) == {*AIRFLOW, "airflow-init", "postgres", "simulator"}


def test_nothing_of_the_host_is_mounted_and_no_name_or_port_is_fixed(
    services: dict[str, Any],
) -> None:
    for name, service in services.items():
        assert "volumes" not in service, name
        assert "container_name" not in service, name
        for port in service.get("ports", []):
            assert port == "${COMPAI_STACK_PUBLISH_ON:?}::8080", name


def test_health_is_asked_over_http_every_second(services: dict[str, Any]) -> None:
    checks = {name: s["healthcheck"] for name, s in services.items() if "healthcheck" in s}
    assert set(checks) == {"postgres", "simulator", "airflow-apiserver", "airflow-scheduler"}
    for name, check in checks.items():
        assert check["interval"] == "1s", name
        assert name == "postgres" or "urllib" in " ".join(check["test"]), name


def test_every_container_ends_quickly(services: dict[str, Any]) -> None:
    assert {service["stop_grace_period"] for service in services.values()} == {"1s"}


def test_image_names_are_variables(services: dict[str, Any]) -> None:
    names = {service["image"].partition(":-")[0] for service in services.values()}
    assert names == {"${AIRFLOW_IMAGE", "${POSTGRES_IMAGE", "${SIMULATOR_IMAGE"}
    assert services["airflow-init"]["build"]["args"] == {
        "BASE_IMAGE": "${BASE_IMAGE:-apache/airflow:3.3.2}"
    }


def test_no_secret_is_written_in_the_file(services: dict[str, Any]) -> None:
    environment = services["airflow-scheduler"]["environment"]
    secrets = [
        value
        for name, value in [*environment.items(), *services["postgres"]["environment"].items()]
        if re.search(r"_(SECRET|KEY|SECRET_KEY|PASSWORD|CONN)$", name)
    ]
    assert len(secrets) == 5
    assert all("${COMPAI_STACK_" in value for value in secrets)


def test_tasks_are_as_impatient_as_in_the_gate(services: dict[str, Any]) -> None:
    environment = services["airflow-scheduler"]["environment"]
    assert STACK_ENVIRONMENT.items() <= environment.items()


def test_each_variable_of_the_file_is_given(tmp_path: Path) -> None:
    wanted = set(re.findall(r"\$\{(COMPAI_STACK_\w+)", COMPOSE_FILE.read_text()))
    callers = {"COMPAI_STACK_REALM", "COMPAI_STACK_CLIENT_ID", "COMPAI_STACK_CLIENT_SECRET"}
    values = ComposeValues(
        project="p",
        reach=Reach(publish_on="127.0.0.1", host="127.0.0.1"),
        bundle=tmp_path,
        simulator_context=tmp_path,
        dockerfiles=tmp_path,
    )
    assert set(values.as_variables()) == wanted - callers


def test_the_deployed_image_adds_the_bundle_and_nothing_else() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        "ARG BASE_IMAGE=apache/airflow:3.3.2",
        "FROM ${BASE_IMAGE}",
        "COPY --chown=50000:0 . /opt/airflow/dags/",
    ]


@pytest.mark.parametrize("file", sorted(ROOT.glob("docker/**/*Dockerfile")), ids=str)
def test_no_dockerfile_pulls_its_own_syntax(file: Path) -> None:
    assert "syntax=" not in file.read_text()
