"""The Connection comp_ai_github: where GitHub's REST API is, by whose leave, and what it refuses.

The password is a personal access token; or the extra holds `app_id`, `installation_id` and
`private_key` of a GitHub App.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from compai_client import SettingsError
from compai_dags.checks.base import InvalidConfigError
from compai_dags.checks.outside import Answer, OutsideError, words_of
from compai_dags.connection import ConnectionFields, base_url_of, extra_of
from compai_dags.outcomes import Reason

CONNECTION_ID = "comp_ai_github"
NAME = f"Connection {CONNECTION_ID}"
API = "https://api.github.com"
_GITHUB_COM = frozenset({"github.com", "www.github.com", "api.github.com"})
# Enterprise Cloud with data residency has its API beside the web pages, not under a path.
_CLOUD = ".ghe.com"
_APP_KEYS = ("app_id", "installation_id", "private_key")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class App:
    """A GitHub App as it is installed in one organisation."""

    app_id: str
    installation_id: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Access:
    api_url: str
    credentials: str | App = field(repr=False)


def read_access(fields: ConnectionFields) -> Access:
    """Raises InvalidConfigError, which names the Connection and the key, never a value."""
    try:
        return Access(api_url=_api_url(fields), credentials=_credentials(fields))
    except SettingsError as problem:
        raise InvalidConfigError(str(problem)) from None


def read_as(answer: Answer, kind: type[T], what: str) -> T:
    """The body in the shape that GitHub documents; raises OutsideError."""
    try:
        return msgspec.convert(answer.body, kind)
    except msgspec.ValidationError as problem:
        raise OutsideError(
            Reason.MALFORMED, f"GitHub describes {what} in another shape: {problem}"
        ) from None


def said_by(answer: Answer) -> str:
    """ "HTTP 403: Resource not accessible by integration"."""
    words = words_of(answer)
    return f"HTTP {answer.status}{f': {words}' if words else ''}"


def refused(answer: Answer, what: str) -> OutsideError:
    """Why `what` could not be read, and what would help."""
    said = said_by(answer)
    match answer.status:
        case 401:
            return OutsideError(Reason.AUTH, f"GitHub refuses the token of {NAME} ({said})")
        case 403:
            return OutsideError(
                Reason.PERMISSION, f"the token of {NAME} may not read {what} ({said})"
            )
        case 404:
            return OutsideError(
                Reason.NOT_FOUND_OR_NO_ACCESS,
                f"GitHub knows no {what}, or does not show it to the token of {NAME} ({said})",
            )
        case 301 | 302 | 307 | 308:
            return OutsideError(
                Reason.NOT_FOUND_OR_NO_ACCESS,
                f"GitHub has moved {what} ({said}): name its new place in the test's config",
            )
        case 410 | 451:
            return OutsideError(Reason.NOT_FOUND_OR_NO_ACCESS, f"GitHub has closed {what} ({said})")
        case _:
            return OutsideError(Reason.MALFORMED, f"GitHub answers for {what} with {said}")


def _api_url(fields: ConnectionFields) -> str:
    if not fields.host:
        return API
    if "://" not in fields.host and (fields.conn_type or "").lower() not in ("http", "https"):
        # Airflow's own type for GitHub says nothing about a scheme.
        fields = replace(fields, conn_type="https")
    url = base_url_of(fields, NAME) or API
    parts = urlsplit(url)
    try:
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise SettingsError(NAME, "has a host whose port is not a number") from None
    usable = parts.scheme in ("http", "https") and host and host.isascii()
    if not usable or re.search(r"\s", url) or parts.query or parts.fragment or "@" in parts.netloc:
        raise SettingsError(
            NAME, "has a host that is no address, such as github.example.org: name and port only"
        )
    if host in _GITHUB_COM:
        return API
    if host.endswith(_CLOUD):
        return f"https://{host if host.startswith('api.') else f'api.{host}'}"
    path = parts.path.rstrip("/") or "/api/v3"
    return f"{parts.scheme}://{parts.netloc}{path}"


def _credentials(fields: ConnectionFields) -> str | App:
    extra = _app_extra(fields)
    if fields.password and extra:
        raise SettingsError(
            NAME, f"has a password (a token) and {', '.join(extra)} in its extra: give one of both"
        )
    if not extra:
        return _token(fields.password or "")
    missing = [key for key in _APP_KEYS if not extra.get(key)]
    if missing:
        raise SettingsError(NAME, f"lacks {', '.join(missing)} in its extra")
    if not re.fullmatch(r"[\w.-]+", extra["app_id"], re.ASCII):
        raise SettingsError(NAME, "has an extra whose app_id is neither a number nor a client id")
    if not re.fullmatch(r"[0-9]+", extra["installation_id"]):
        raise SettingsError(NAME, "has an extra whose installation_id is not a number")
    app = App(
        app_id=extra["app_id"],
        installation_id=extra["installation_id"],
        private_key=extra["private_key"].replace("\\n", "\n"),
    )
    load_private_key(app)
    return app


def _app_extra(fields: ConnectionFields) -> dict[str, str]:
    """Ids may be written as numbers, which is what GitHub shows."""
    extra_of(fields, NAME, ())
    given: dict[str, Any] = msgspec.json.decode(fields.extra) if fields.extra else {}
    texts = {key: str(value) if type(value) is int else value for key, value in given.items()}
    return extra_of(
        replace(fields, extra=msgspec.json.encode(texts).decode("utf-8")), NAME, _APP_KEYS
    )


def _token(token: str) -> str:
    if not token:
        raise SettingsError(
            NAME, f"has neither a password (a token) nor {', '.join(_APP_KEYS)} in its extra"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(
            NAME, "has a password with a blank, a line break or a character that is not ASCII"
        )
    return token


def load_private_key(app: App) -> Any:
    """The key as `cryptography` holds it; raises SettingsError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    problem = SettingsError(
        NAME, "has an extra whose private_key is not an RSA key in PEM without a passphrase"
    )
    try:
        key = load_pem_private_key(app.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Their texts may quote a part of the key.
        raise problem from None
    if not isinstance(key, RSAPrivateKey):
        raise problem
    return key
