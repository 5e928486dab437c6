"""The Connection comp_ai in the forms in which people write it, as Airflow hands them over."""

from __future__ import annotations

import json

import pytest

from compai_client import SettingsError
from compai_dags.connection import ConnectionFields, connection_settings, secrets_of


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        # URI: https://host:3002/path
        pytest.param(
            {"conn_type": "https", "host": "h.example", "port": 3002, "schema": "path"},
            "https://h.example:3002/path",
            id="URI with port and path",
        ),
        pytest.param(
            {"conn_type": "https", "host": "h.example", "schema": ""},
            "https://h.example",
            id="URI without port",
        ),
        pytest.param(
            {"conn_type": "http", "host": "h.example", "schema": "a/b"},
            "http://h.example/a/b",
            id="URI with a deeper path",
        ),
        pytest.param(
            {"conn_type": "http", "host": "h.example", "port": 3002, "schema": "https"},
            "https://h.example:3002",
            id="URI as the HTTP hook has it: the path is the scheme",
        ),
        pytest.param(
            {"conn_type": "http", "host": "https://h.example", "schema": ""},
            "https://h.example",
            id="URI with an encoded address as host",
        ),
        # JSON
        pytest.param(
            {"conn_type": "http", "host": "https://h.example:8443/base"},
            "https://h.example:8443/base",
            id="JSON, whole address in host",
        ),
        pytest.param(
            {"conn_type": "generic", "host": "http://h.example", "port": 3002},
            "http://h.example:3002",
            id="JSON, scheme in host, port apart",
        ),
        pytest.param(
            {"host": "h.example", "port": 3002, "schema": "http"},
            "http://h.example:3002",
            id="JSON without conn_type",
        ),
        # UI form
        pytest.param(
            {"conn_type": "http", "host": "h.example", "schema": "https", "port": 443},
            "https://h.example:443",
            id="UI, schema is the scheme",
        ),
        pytest.param(
            {"conn_type": "http", "host": "https://h.example", "schema": "https"},
            "https://h.example",
            id="UI, scheme said twice",
        ),
        pytest.param(
            {"conn_type": "http", "host": "h.example"}, "http://h.example", id="UI, host alone"
        ),
    ],
)
def test_the_base_url(fields, base_url) -> None:
    assert connection_settings(ConnectionFields(**fields))["COMP_AI_BASE_URL"] == base_url


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"conn_type": "generic", "host": "h.example"}, "tells no scheme"),
        ({"conn_type": "postgres", "host": "h", "schema": "db"}, "tells no scheme"),
        ({"host": "https://h.example", "schema": "http"}, "one scheme in host and another"),
        ({"host": "https://h.example/base", "port": 1}, "put the port into host"),
        ({"host": "https://h", "extra": "{"}, "an extra that is not JSON"),
        ({"host": "https://h", "extra": "[]"}, "not a JSON object"),
        ({"host": "https://h", "extra": '{"realm": 3}'}, "whose realm is not a string"),
    ],
)
def test_what_is_malformed_is_named_without_its_value(fields, problem) -> None:
    with pytest.raises(SettingsError, match=problem) as raised:
        connection_settings(
            ConnectionFields(**{"conn_type": "http", "password": "s3cret"} | fields)
        )
    assert str(raised.value).startswith("Connection comp_ai ")
    assert "s3cret" not in str(raised.value)
    assert "h.example" not in str(raised.value)


def test_a_password_alone_is_a_token() -> None:
    assert connection_settings(ConnectionFields(password="a.b.c")) == {"COMP_AI_TOKEN": "a.b.c"}


def test_with_a_login_the_password_is_a_client_secret() -> None:
    fields = ConnectionFields(
        login="airflow",
        password="s3cret",
        extra='{"keycloak_url": "http://k/auth", "realm": "r", "api_prefix": "/x", "other": 1}',
    )
    assert connection_settings(fields) == {
        "COMP_AI_CLIENT_ID": "airflow",
        "COMP_AI_CLIENT_SECRET": "s3cret",
        "COMP_AI_KEYCLOAK_URL": "http://k/auth",
        "COMP_AI_KEYCLOAK_REALM": "r",
        "COMP_AI_API_PREFIX": "/x",
    }


def test_secrets_do_not_show_in_the_value() -> None:
    assert "s3cret" not in repr(ConnectionFields(login="s3cret", password="s3cret", extra="s3cret"))


@pytest.mark.parametrize("line_break", ["\n", "\\n"])
def test_each_line_of_a_key_is_a_secret(line_break) -> None:
    key = line_break.join(["begin", "first-line", "second-line", ""])
    fields = ConnectionFields(password="s3cret", extra=json.dumps({"private_key": key}))
    assert secrets_of(fields, "Connection x") == [
        "s3cret", key, "begin", "first-line", "second-line",
    ]  # fmt: skip
