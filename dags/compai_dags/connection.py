"""Airflow Connections in the three forms in which people write them; comp_ai as settings.

URI (`https://host:3002/path`, which Airflow stores as conn_type and schema), JSON with or without
`://` in host, and the form of the UI, where schema is the scheme as in HTTP connections.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec

from compai_client import SettingsError

NAME = "Connection comp_ai"
_SCHEMES = ("http", "https")


@dataclass(frozen=True, kw_only=True)
class ConnectionFields:
    """What Airflow keeps of a Connection; `extra` is JSON text or nothing."""

    conn_type: str | None = None
    host: str | None = None
    schema: str | None = None
    port: int | None = None
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    extra: str | None = field(default=None, repr=False)


def connection_settings(fields: ConnectionFields) -> dict[str, str]:
    """The settings that the Connection holds, by the names that variables would have."""
    extra = extra_of(fields, NAME, ("keycloak_url", "realm", "api_prefix"))
    settings = {
        "COMP_AI_BASE_URL": base_url_of(fields, NAME),
        "COMP_AI_API_PREFIX": extra.get("api_prefix"),
        "COMP_AI_KEYCLOAK_URL": extra.get("keycloak_url"),
        "COMP_AI_KEYCLOAK_REALM": extra.get("realm"),
        "COMP_AI_CLIENT_ID": fields.login,
    }
    # A password is a client secret as soon as anything else of a client is there.
    is_client = fields.login or extra.get("keycloak_url") or extra.get("realm")
    settings["COMP_AI_CLIENT_SECRET" if is_client else "COMP_AI_TOKEN"] = fields.password
    return {name: value for name, value in settings.items() if value}


def base_url_of(fields: ConnectionFields, name: str) -> str | None:
    """Scheme, host, port and path, in any of the three forms; None without a host.

    `name` is how a SettingsError calls the Connection: "Connection comp_ai_github".
    """
    if not fields.host:
        return None
    schema = fields.schema or ""
    # In a URI the part behind the host is a path, in the UI's form the scheme.
    scheme_in_schema = schema.lower() in _SCHEMES
    path = "" if scheme_in_schema or not schema else "/" + schema.lstrip("/")
    if "://" in fields.host:
        address = fields.host
        if scheme_in_schema and not address.lower().startswith(f"{schema.lower()}://"):
            raise SettingsError(name, "has one scheme in host and another in schema")
        if fields.port is None:
            return address + path
        if path or "/" in address.split("://", 1)[1]:
            raise SettingsError(name, "has a path in host: put the port into host as well")
        return f"{address}:{fields.port}"
    scheme = schema.lower() if scheme_in_schema else (fields.conn_type or "").lower()
    if scheme not in _SCHEMES:
        raise SettingsError(
            name, "tells no scheme: write http:// or https:// in host, or pick it as schema"
        )
    port = f":{fields.port}" if fields.port is not None else ""
    return f"{scheme}://{fields.host}{port}{path}"


def extra_of(fields: ConnectionFields, name: str, keys: Collection[str]) -> dict[str, str]:
    """Those of `keys` that the extra holds; other keys belong to others."""
    if not fields.extra:
        return {}
    try:
        extra: Any = msgspec.json.decode(fields.extra)
    except msgspec.DecodeError:
        raise SettingsError(name, "has an extra that is not JSON") from None
    if not isinstance(extra, dict):
        raise SettingsError(name, "has an extra that is not a JSON object")
    known = {key: extra[key] for key in keys if key in extra}
    for key, value in known.items():
        if not isinstance(value, str):
            raise SettingsError(name, f"has an extra whose {key} is not a string")
    return known


def secrets_of(fields: ConnectionFields, name: str) -> list[str]:
    """What must never be seen: the password, and the text of an extra that holds a key."""
    private_key = extra_of(fields, name, ("private_key",)).get("private_key", "")
    # In a form of one line people write line breaks as backslash and n.
    lines = private_key.replace("\\n", "\n").split("\n")
    return [secret for secret in (fields.password, private_key, *lines) if secret]
