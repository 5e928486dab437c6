"""Settings of the DAGs: environment, else Airflow Variable, else the Connection comp_ai.

Pure: the three places come in as lookups. Base URL with prefix, and the credentials, are groups;
each is taken whole from one place, so that a token never meets the host of another installation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeVar, cast, get_args

import msgspec

from compai_client import Auth, ClientCredentials, SettingsError, StaticToken
from compai_dags.connection import ConnectionFields, connection_settings

BASE = ("COMP_AI_BASE_URL", "COMP_AI_API_PREFIX")
TOKEN = "COMP_AI_TOKEN"  # noqa: S105 - the name of a setting
SECRET = "COMP_AI_CLIENT_SECRET"  # noqa: S105 - the name of a setting
CLIENT = ("COMP_AI_KEYCLOAK_URL", "COMP_AI_KEYCLOAK_REALM", "COMP_AI_CLIENT_ID", SECRET)
DEFAULT_PREFIX = "/api/v1"

# What the client calls the values that these settings become.
_CLIENT_NAMES = {
    "base_url": "COMP_AI_BASE_URL",
    "api_prefix": "COMP_AI_API_PREFIX",
    "token": TOKEN,
    "keycloak_url": "COMP_AI_KEYCLOAK_URL",
    "realm": "COMP_AI_KEYCLOAK_REALM",
    "client_id": "COMP_AI_CLIENT_ID",
    "client_secret": SECRET,
}
_WEB_ADDRESS = re.compile(r"https?://[!-.0-~]+(/[!-~]*)?")
_STORAGE_ADDRESS = re.compile(
    r"""(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<place>[!"$-.0->@-~]*)(/[!"$->@-~]*)?"""
)
_COUNT = re.compile(r"[0-9]{1,9}")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
_SLACK_ID = re.compile(r"[UWS][A-Z0-9]{2,}")
_SWITCH = {"1": True, "true": True, "0": False, "false": False}

AlertsMode = Literal["daily", "changes"]
T = TypeVar("T")


class Origin(StrEnum):
    ENVIRONMENT = "the environment"
    VARIABLE = "an Airflow Variable"
    CONNECTION = "the Connection comp_ai"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where settings may be. A lookup that fails must raise: an error is not "unset"."""

    environment: Mapping[str, str]
    variable: Callable[[str], str | None]
    connection: Callable[[], ConnectionFields | None]


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach Comp-AI."""

    base_url: str
    api_prefix: str
    auth: Auth
    origins: Mapping[str, Origin] = field(repr=False)


class Settings:
    """Reads settings on demand; `origins` are lines for the log, without values."""

    def __init__(self, places: Places) -> None:
        self.origins: list[str] = []
        self._places = places
        self._from_connection: dict[str, str] | None = None

    def access(self) -> Access:
        """Base URL and credentials; raises a `SettingsError` that names what is wrong."""
        base, base_origin = self._group(BASE)
        if BASE[0] not in base:
            raise SettingsError(
                BASE[0],
                f"is missing in {base_origin}, where {BASE[1]} is set: the two come from one place",
            )
        credentials, origin = self._group((TOKEN, *CLIENT))
        origins = dict.fromkeys(base, base_origin) | dict.fromkeys(credentials, origin)
        return Access(
            base_url=base[BASE[0]],
            api_prefix=base.get(BASE[1], DEFAULT_PREFIX),
            auth=self._auth(credentials, origin),
            origins=origins,
        )

    def _auth(self, credentials: Mapping[str, str], origin: Origin) -> Auth:
        if TOKEN in credentials and SECRET in credentials:
            raise SettingsError(
                f"{TOKEN} and {SECRET}", f"are both set in {origin}: remove one of them"
            )
        origins = dict.fromkeys(credentials, origin)
        if TOKEN in credentials:
            token = credentials[TOKEN]
            return named_as_settings(lambda: StaticToken(token), origins)
        missing = [name for name in CLIENT if name not in credentials]
        if missing:
            raise SettingsError(
                " and ".join(missing),
                f"missing in {origin}, where {', '.join(credentials)} is set: "
                "credentials come whole from one place",
            )
        url, realm, client_id, secret = (credentials[name] for name in CLIENT)
        return named_as_settings(
            lambda: ClientCredentials(
                keycloak_url=url, realm=realm, client_id=client_id, client_secret=secret
            ),
            origins,
        )

    def text(self, name: str) -> str | None:
        """A setting of its own, from the environment or a Variable; None when unset."""
        for origin, lookup in self._lookups()[:2]:
            value = lookup(name)
            if value:
                self.origins.append(f"{name} from {origin}")
                _check_text(name, value, origin)
                return value
        return None

    def json_text(self, name: str) -> str | None:
        """Like `text`, but as it was written: JSON may have several lines."""
        for origin, lookup in self._lookups()[:2]:
            value = lookup(name)
            if value and value.strip():
                self.origins.append(f"{name} from {origin}")
                return value
        return None

    def from_environment(self, name: str) -> str | None:
        """A setting that Airflow itself reads while it parses: no Variable can hold it."""
        value = self._places.environment.get(name)
        if value:
            self.origins.append(f"{name} from {Origin.ENVIRONMENT}")
        return value or None

    def switch(self, name: str) -> bool:
        value = self.text(name)
        if value is None:
            return False
        if value.lower() not in _SWITCH:
            raise SettingsError(name, "must be 1 or 0")
        return _SWITCH[value.lower()]

    def count(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not _COUNT.fullmatch(value):
            raise SettingsError(name, "must be a whole number, 0 or more")
        return int(value)

    def seconds(self, name: str, default: float) -> float:
        value = self.text(name)
        if value is None:
            return default
        if not _SECONDS.fullmatch(value):
            raise SettingsError(name, "must be a number of seconds, 0 or more")
        return float(value)

    def is_exactly(self, name: str, only: str) -> bool:
        """True for the one value that the setting can have; anything else is a mistake."""
        value = self.text(name)
        if value not in (None, only):
            raise SettingsError(name, f"can only be {only!r} or unset")
        return value == only

    def alerts_mode(self) -> AlertsMode:
        value = self.text("COMP_AI_ALERTS_MODE") or "daily"
        if value not in get_args(AlertsMode):
            raise SettingsError(
                "COMP_AI_ALERTS_MODE", f"must be one of: {', '.join(get_args(AlertsMode))}"
            )
        return cast(AlertsMode, value)

    def web_address(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not _WEB_ADDRESS.fullmatch(value):
            raise SettingsError(name, "must be an absolute http(s) address in ASCII without blanks")
        return value

    def object_storage(self, name: str) -> str | None:
        """The address of a folder in an object storage that Airflow can write to."""
        value = self.text(name)
        if value is None:
            return None
        match = _STORAGE_ADDRESS.fullmatch(value)
        if match is None or match["scheme"] in ("http", "https"):
            raise SettingsError(
                name,
                "must be the address of a folder that can be written to, such as s3://bucket/path "
                "or file:///path, in ASCII without blanks, ? and #",
            )
        if match["scheme"] == "file" and match["place"]:
            raise SettingsError(name, "must have three slashes and a whole path: file:///path")
        if match["scheme"] != "file" and not match["place"]:
            raise SettingsError(name, "names no bucket")
        if ":" in match["place"].rpartition("@")[0]:
            raise SettingsError(
                name,
                "holds a password: name an Airflow Connection instead, s3://conn_id@bucket/path",
            )
        return value

    def slack_owners(self) -> dict[str, str]:
        """Assignee to Slack id: the only source of mentions."""
        name = "COMP_AI_SLACK_OWNERS"
        value = self.text(name)
        if value is None:
            return {}
        try:
            owners = msgspec.json.decode(value, type=dict[str, str])
        except msgspec.DecodeError:
            raise SettingsError(name, "must be a JSON object of strings") from None
        wrong = [owner for owner, slack_id in owners.items() if not _SLACK_ID.fullmatch(slack_id)]
        if wrong:
            raise SettingsError(name, f"holds no Slack member id for {len(wrong)} of its names")
        return owners

    def _group(self, names: tuple[str, ...]) -> tuple[dict[str, str], Origin]:
        for origin, lookup in self._lookups():
            values = {name: value for name in names if (value := lookup(name))}
            if values:
                self.origins += [f"{name} from {origin}" for name in values]
                return values, origin
        what = "credentials" if TOKEN in names else "the address of Comp-AI"
        raise SettingsError(
            f"{TOKEN} (or {', '.join(CLIENT)})" if TOKEN in names else names[0],
            f"is not set: no {what} in {Origin.ENVIRONMENT}, in {Origin.VARIABLE} or in "
            f"{Origin.CONNECTION}",
        )

    def _lookups(self) -> tuple[tuple[Origin, Callable[[str], str | None]], ...]:
        return (
            (Origin.ENVIRONMENT, self._places.environment.get),
            (Origin.VARIABLE, self._places.variable),
            (Origin.CONNECTION, self._in_connection),
        )

    def _in_connection(self, name: str) -> str | None:
        if self._from_connection is None:
            fields = self._places.connection()
            self._from_connection = connection_settings(fields) if fields else {}
        return self._from_connection.get(name)


def named_as_settings(build: Callable[[], T], origins: Mapping[str, Origin]) -> T:
    """Build a value of the client; its complaints name our setting and where it came from."""
    try:
        return build()
    except SettingsError as wrong:
        name = _CLIENT_NAMES.get(wrong.setting, wrong.setting)
        origin = f" from {origins[name]}" if name in origins else ""
        problem = str(wrong).removeprefix(wrong.setting).strip()
        raise SettingsError(name + origin, problem) from None


def _check_text(name: str, value: str, origin: Origin) -> None:
    if value != value.strip():
        raise SettingsError(
            f"{name} from {origin}", "begins or ends with white space; it is not stripped"
        )
    if not value.isprintable():
        raise SettingsError(f"{name} from {origin}", "holds a character that cannot be printed")
