"""The Airflow Connection comp_ai as settings, in the three forms in which people write it.

URI (`https://host:3002/path`, which Airflow stores as conn_type and schema), JSON with or without
`://` in host, and the form of the UI, where schema is the scheme as in HTTP connections.
"""

from __future__ import annotations

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
    extra = _extra(fields.extra)
    settings = {
        "COMP_AI_BASE_URL": _base_url(fields),
        "COMP_AI_API_PREFIX": extra.get("api_prefix"),
        "COMP_AI_KEYCLOAK_URL": extra.get("keycloak_url"),
        "COMP_AI_KEYCLOAK_REALM": extra.get("realm"),
        "COMP_AI_CLIENT_ID": fields.login,
    }
    # A password is a client secret as soon as anything else of a client is there.
    is_client = fields.login or extra.get("keycloak_url") or extra.get("realm")
    settings["COMP_AI_CLIENT_SECRET" if is_client else "COMP_AI_TOKEN"] = fields.password
    return {name: value for name, value in settings.items() if value}


def _base_url(fields: ConnectionFields) -> str | None:
    if not fields.host:
        return None
    schema = fields.schema or ""
    # In a URI the part behind the host is a path, in the UI's form the scheme.
    scheme_in_schema = schema.lower() in _SCHEMES
    path = "" if scheme_in_schema or not schema else "/" + schema.lstrip("/")
    if "://" in fields.host:
        address = fields.host
        if scheme_in_schema and not address.lower().startswith(f"{schema.lower()}://"):
            raise SettingsError(NAME, "has one scheme in host and another in schema")
        if fields.port is None:
            return address + path
        if path or "/" in address.split("://", 1)[1]:
            raise SettingsError(NAME, "has a path in host: put the port into host as well")
        return f"{address}:{fields.port}"
    scheme = schema.lower() if scheme_in_schema else (fields.conn_type or "").lower()
    if scheme not in _SCHEMES:
        raise SettingsError(
            NAME, "tells no scheme: write http:// or https:// in host, or pick it as schema"
        )
    port = f":{fields.port}" if fields.port is not None else ""
    return f"{scheme}://{fields.host}{port}{path}"


def _extra(text: str | None) -> dict[str, str]:
    if not text:
        return {}
    try:
        extra: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise SettingsError(NAME, "has an extra that is not JSON") from None
    if not isinstance(extra, dict):
        raise SettingsError(NAME, "has an extra that is not a JSON object")
    known = {key: extra[key] for key in ("keycloak_url", "realm", "api_prefix") if key in extra}
    for key, value in known.items():
        if not isinstance(value, str):
            raise SettingsError(NAME, f"has an extra whose {key} is not a string")
    return known
