"""The configuration that a simulated Comp-AI runs with, as plain values; nothing is read from the
environment.

Sections are merged over the defaults one level deep. Unknown keys are refused, because a misspelt
setting would test nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The deployment's own numbers: 60 requests a minute, tokens of 300 s, realm `lianel`.
DEFAULTS: Mapping[str, Any] = {
    "rate_limit": None,
    "github": {
        "configured": False,
        "reachable": True,
        "web_url": "https://github.com",
        "repositories": {},
    },
    "okta": {
        "domain": "",
        "has_token": False,
        "failure": "",
        "organisation": "Simulated organisation",
        "users": [],
        "groups": [],
    },
    "aws": {"answers": False, "region": "", "summary": {}},
    "model": {
        "configured": False,
        "name": "simulated-model",
        "answer": "Simulated answer of the model.",
        "failure": "",
        "failure_body": "",
        "fallback_to_mock": True,
    },
    "keycloak": {
        "realm": "lianel",
        "clients": {"airflow": "simulator-only"},
        "token_life_s": 300,
        "reachable_by_service": True,
    },
    # What the systems answer that checks read themselves, each by the name in `systems`.
    "systems": {},
    "static_tokens": [],
    "database": "ready",
}
DEFAULT_RATE_LIMIT = {"requests": 60, "window_s": 60}
DATABASES = ("ready", "no_schema")


class SettingsError(ValueError):
    """The settings cannot be used; the message names the key, never a secret."""


@dataclass(frozen=True, slots=True)
class RateLimitSettings:
    requests: int
    window_s: int


@dataclass(frozen=True, slots=True)
class GitHubSettings:
    configured: bool
    reachable: bool
    web_url: str
    repositories: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class OktaSettings:
    """`failure` empty: Okta answers."""

    domain: str
    has_token: bool
    failure: str
    organisation: str
    users: list[Any]
    groups: list[Any]


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """`answers` false covers missing credentials, a refusal and an outage: nobody can tell them
    apart.
    """

    answers: bool
    region: str
    summary: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`failure` empty: the model answers."""

    configured: bool
    name: str
    answer: str
    failure: str
    failure_body: str
    fallback_to_mock: bool


@dataclass(frozen=True, slots=True)
class KeycloakSettings:
    realm: str
    clients: Mapping[str, str] = field(repr=False)
    token_life_s: float
    reachable_by_service: bool


@dataclass(frozen=True, slots=True)
class Settings:
    rate_limit: RateLimitSettings | None
    github: GitHubSettings
    okta: OktaSettings
    aws: AwsSettings
    model: ModelSettings
    keycloak: KeycloakSettings
    systems: Mapping[str, Mapping[str, Any]]
    static_tokens: tuple[str, ...] = field(repr=False)
    has_schema: bool

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never reach the ledger."""
        return (*self.static_tokens, *self.keycloak.clients.values())


def merged(base: Mapping[str, Any], over: Mapping[str, Any] | None) -> dict[str, Any]:
    """`over` wins; the sections are merged key by key, everything below is replaced whole."""
    result = dict(base)
    for key, value in (over or {}).items():
        old = base.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[key] = {**old, **value} if both and isinstance(old, Mapping) else value
    return result


def build_settings(raw: Mapping[str, Any]) -> Settings:
    """`raw` as in a settings file, already merged over the defaults or not."""
    values = merged(DEFAULTS, raw)
    _refuse_unknown("settings", values, DEFAULTS)
    keycloak = _section(values, "keycloak")
    if not all(isinstance(secret, str) for secret in keycloak["clients"].values()):
        msg = "settings.keycloak.clients: every secret must be a string"
        raise SettingsError(msg)
    if values["database"] not in DATABASES:
        msg = f"settings.database: expected one of {', '.join(DATABASES)}"
        raise SettingsError(msg)
    return Settings(
        rate_limit=_rate_limit(values["rate_limit"]),
        github=GitHubSettings(**_section(values, "github")),
        okta=OktaSettings(**_section(values, "okta")),
        aws=AwsSettings(**_section(values, "aws")),
        model=ModelSettings(**_section(values, "model")),
        keycloak=KeycloakSettings(**keycloak),
        systems=_systems(values["systems"]),
        static_tokens=tuple(_strings(values["static_tokens"], "settings.static_tokens")),
        has_schema=values["database"] == "ready",
    )


def _systems(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        msg = f"settings.systems: expected an object, got {type(value).__name__}"
        raise SettingsError(msg)
    return value


def _section(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = values[name]
    if not isinstance(section, Mapping):
        msg = f"settings.{name}: expected an object, got {type(section).__name__}"
        raise SettingsError(msg)
    where = f"settings.{name}"
    _refuse_unknown(where, section, DEFAULTS[name])
    for key, default in DEFAULTS[name].items():
        if _name(section[key]) != _name(default):
            msg = f"{where}.{key}: expected {_name(default)}, got {_name(section[key])}"
            raise SettingsError(msg)
    return dict(section)


def _name(value: object) -> str:
    """The JSON name of a value's type."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
    }
    return names.get(type(value), "an object" if isinstance(value, Mapping) else "something else")


def _rate_limit(value: Any) -> RateLimitSettings | None:
    if value is None:
        return None
    where = "settings.rate_limit"
    if not isinstance(value, Mapping):
        msg = f"{where}: expected an object or null, got {type(value).__name__}"
        raise SettingsError(msg)
    _refuse_unknown(where, value, DEFAULT_RATE_LIMIT)
    limit = {**DEFAULT_RATE_LIMIT, **value}
    for key, number in limit.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            msg = f"{where}.{key}: expected a whole number of at least 1"
            raise SettingsError(msg)
    return RateLimitSettings(**limit)


def _strings(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        msg = f"{where}: expected a list of strings"
        raise SettingsError(msg)
    return value


def _refuse_unknown(where: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = set(given) - set(known)
    if unknown:
        msg = f"{where}: unknown key {sorted(unknown)[0]!r}; known are {', '.join(known)}"
        raise SettingsError(msg)
