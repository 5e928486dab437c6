"""Addresses, tokens and secrets are refused by name, are never repaired, and never shown."""

import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from compai_client import ClientCredentials, CompAI, SettingsError, StaticToken

CREDENTIALS = {
    "keycloak_url": "http://keycloak.example:8080/auth",
    "realm": "lianel",
    "client_id": "airflow",
    "client_secret": "a-secret",
}

BAD_TEXT: dict[str, tuple[Any, str]] = {
    "empty": ("", "is empty"),
    "newline at the end": ("the-value\n", "begins or ends with white space"),
    "blank before": (" the-value", "begins or ends with white space"),
    "no-break space": ("the-value\u00a0", "begins or ends with white space"),
    "ellipsis": ("the-va…lue", "not printable ASCII"),
    "letter": ("the-välue", "not printable ASCII"),
    "control character": ("the-va\x00lue", "not printable ASCII"),
    "newline inside": ("the-\nvalue", "not printable ASCII"),
    "nothing": (None, "must be a string"),
    "number": (7, "must be a string"),
}
SETTERS: dict[str, Callable[[Any], object]] = {
    "token": lambda value: StaticToken(value),
    "realm": lambda value: ClientCredentials(**(CREDENTIALS | {"realm": value})),
    "client_id": lambda value: ClientCredentials(**(CREDENTIALS | {"client_id": value})),
    "client_secret": lambda value: ClientCredentials(**(CREDENTIALS | {"client_secret": value})),
    "keycloak_url": lambda value: ClientCredentials(**(CREDENTIALS | {"keycloak_url": value})),
    "base_url": lambda value: CompAI(value, auth=StaticToken("a.b.c")),
}


@pytest.mark.parametrize("setting", SETTERS)
@pytest.mark.parametrize(("value", "problem"), BAD_TEXT.values(), ids=BAD_TEXT)
def test_bad_text_is_refused_by_name(setting: str, value: Any, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as caught:
        SETTERS[setting](value)
    assert caught.value.setting == setting
    assert str(caught.value).startswith(f"{setting} ")
    if isinstance(value, str) and value:
        assert value.strip() not in str(caught.value)


def test_a_token_with_its_scheme_is_refused() -> None:
    with pytest.raises(SettingsError, match="holds a blank; give the bare token") as caught:
        StaticToken("Bearer one.two.three")
    assert "one.two" not in str(caught.value)


def test_a_secret_may_hold_what_form_encoding_carries() -> None:
    ClientCredentials(**(CREDENTIALS | {"client_secret": "yz .-~!&=+%"}))


BAD_URLS = {
    "no scheme": ("marker.example:3002", "absolute URL"),
    "another scheme": ("ftp://comp-ai.example", "absolute URL"),
    "no host": ("http:///marker-path", "absolute URL"),
    "path only": ("/api/v1", "absolute URL"),
    "port is no number": ("http://comp-ai.example:port", "not a valid URL"),
    "port too large": ("http://comp-ai.example:70000", "not a valid URL"),
    "port zero": ("http://comp-ai.example:0", "absolute URL"),
    "brackets": ("http://[1", "not a valid URL"),
    "credentials": ("http://user:hunter2@comp-ai.example", "user name or password"),
    "query": ("http://comp-ai.example?x=1", "neither blank"),
    "fragment": ("http://comp-ai.example/#x", "neither blank"),
    "blank": ("http://comp-ai.example/a b", "neither blank"),
    "backslash": ("http://comp-ai.example/a\\b", "neither blank"),
    "empty label": ("http://comp..ai", "host name"),
    "long label": (f"http://{'a' * 64}.example", "host name"),
}


@pytest.mark.parametrize("setting", ["base_url", "keycloak_url"])
@pytest.mark.parametrize(("value", "problem"), BAD_URLS.values(), ids=BAD_URLS)
def test_bad_url_is_refused_by_name(setting: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as caught:
        SETTERS[setting](value)
    assert caught.value.setting == setting
    assert value not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "http://comp-ai:3002",
        "https://www.example.org/",
        "http://lianel_comp-ai:3002",
        "http://127.0.0.1:1",
        "http://[::1]:3002",
        "https://gateway.example/compliance",
    ],
)
def test_good_urls(value: str) -> None:
    CompAI(value, auth=StaticToken("a.b.c")).close()


@pytest.mark.parametrize("prefix", ["", "/api/v1", "/api/v1/", "/api/v1/comp-ai"])
def test_good_prefixes(prefix: str) -> None:
    CompAI("http://comp-ai:3002", auth=StaticToken("a.b.c"), api_prefix=prefix).close()


@pytest.mark.parametrize(
    "prefix", ["api/v1", "/api//v1", "/api v1", " /api/v1", "/api/v1\n", "/a?b", "/ä", "//x", None]
)
def test_bad_prefix_is_refused_by_name(prefix: Any) -> None:
    with pytest.raises(SettingsError, match=r"^api_prefix must be"):
        CompAI("http://comp-ai:3002", auth=StaticToken("a.b.c"), api_prefix=prefix)


def test_secrets_are_not_shown() -> None:
    credentials = ClientCredentials(**CREDENTIALS)
    client = CompAI("http://comp-ai:3002", auth=credentials)
    for shown in (repr(StaticToken("one.two.three")), repr(credentials), repr(client)):
        assert "one.two" not in shown
        assert "a-secret" not in shown


def test_a_settings_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(SettingsError("token", "is empty")))  # noqa: S301 - our own
    assert (str(error), error.setting) == ("token is empty", "token")


def test_a_token_that_is_no_jwt_only_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "compai_client"):
        CompAI("http://comp-ai:3002", auth=StaticToken("one.two.three")).close()
        assert caplog.messages == []
        CompAI("http://comp-ai:3002", auth=StaticToken("opaque-value")).close()
    [message] = caplog.messages
    assert "not a JWT" in message
    assert "opaque" not in message
