"""What a stack's processes are told, and what of the host can never reach them."""

from pathlib import Path

import pytest

from compai_kit.airflow_stack.configuration import (
    StackLayout,
    StackSecrets,
    component_environment,
)

LAYOUT = StackLayout(
    home=Path("/tmp/home"),
    bundle=Path("/b"),
    logs=Path("/tmp/home/logs"),
    port=23456,
    execution_port=23457,
)


def environment(
    *,
    host: dict[str, str] | None = None,
    extra: dict[str, str] | None = None,
    version: str = "3.3.2",
) -> dict[str, str]:
    return component_environment(
        LAYOUT,
        python=Path("/cache/airflow/bin/python"),
        version=version,
        keys=StackSecrets(),
        host=host or {},
        extra=extra or {},
    )


@pytest.mark.parametrize(
    "name",
    [
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW_CONN_COMP_AI",
        "AIRFLOW_VAR_X",
        "AIRFLOW_HOME",
        "COMP_AI_TOKEN",
        "SLACK_WEBHOOK_URL",
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "HOME",
        "TMPDIR",
        "HTTP_PROXY",
        "https_proxy",
        "NETRC",
    ],
)
def test_host_variable_stays_out(name: str) -> None:
    assert "of the host" not in environment(host={name: "of the host"}).values()


def test_certificates_locale_and_path_of_the_host_come_along() -> None:
    told = environment(host={"SSL_CERT_FILE": "/ca.pem", "LANG": "C.UTF-8", "PATH": "/usr/bin"})

    assert told["SSL_CERT_FILE"] == "/ca.pem"
    assert told["LANG"] == "C.UTF-8"
    assert told["PATH"] == "/cache/airflow/bin:/usr/bin"


def test_the_callers_own_variables_win() -> None:
    told = environment(
        host={"COMP_AI_BASE_URL": "http://elsewhere"},
        extra={"COMP_AI_BASE_URL": "http://127.0.0.1:1", "AIRFLOW__CORE__PARALLELISM": "2"},
    )

    assert told["COMP_AI_BASE_URL"] == "http://127.0.0.1:1"
    assert told["AIRFLOW__CORE__PARALLELISM"] == "2"


def test_schedules_start_nothing_and_nothing_is_paused() -> None:
    told = environment()

    assert told["AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE"] == "False"
    assert told["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"


def test_inflation_check_only_where_airflow_has_it() -> None:
    option = "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL"

    assert environment(version="3.3.2")[option] == "error"
    assert environment(version="3.2.0")[option] == "error"
    assert option not in environment(version="3.1.3")


def test_only_loopback_is_named() -> None:
    told = environment()

    assert told["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert LAYOUT.url == "http://127.0.0.1:23456"
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:23457/execution/"


def test_every_boot_has_secrets_of_its_own_that_no_repr_shows() -> None:
    one, two = StackSecrets(), StackSecrets()

    assert one.password != two.password
    assert one.jwt_secret != two.jwt_secret
    assert repr(one) == "StackSecrets()"
