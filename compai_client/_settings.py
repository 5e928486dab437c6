"""How the client behaves, as one frozen value, and the checks on addresses and secrets.

Nothing is stripped or repaired: a secret that was rewritten once cost a day of 401s.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from compai_client._errors import SettingsError


def _full_jitter(upper_s: float) -> float:
    return random.uniform(0, upper_s)  # noqa: S311 - spreads retries, guards nothing


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Tries, timeouts, waits and budget of one client; clock, sleep and jitter can be injected.

    The budget covers one call with all its tries and waits. Its default holds three full
    rate-limit windows of 60 s and still one try of any operation but the gap analysis. That one has
    room for one window and one try of its 150 s, so that no call pays for a slow AI model twice.
    """

    tries: int = 4
    connect_timeout_s: float = 5.0
    # None: each operation has its own, as the contract says.
    read_timeout_s: float | None = None
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 20.0
    retry_after_cap_s: float = 90.0
    budget_s: float = 250.0
    pool_size: int = 8
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float], float] = _full_jitter


_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


def check_text(setting: str, value: str) -> None:
    """Refuse what is empty, padded, or holds anything but printable ASCII."""
    if not isinstance(value, str):
        raise SettingsError(setting, "must be a string")
    if not value:
        raise SettingsError(setting, "is empty")
    if value != value.strip():
        raise SettingsError(
            setting,
            "begins or ends with white space (a newline at the end of a file?); it is not stripped",
        )
    if not value.isascii() or not value.isprintable():
        raise SettingsError(
            setting,
            "holds a character that is not printable ASCII (copied from a formatted document?)",
        )


def check_token(setting: str, value: str) -> None:
    """As `check_text`; a token must not hold a blank either."""
    check_text(setting, value)
    if " " in value:
        raise SettingsError(setting, "holds a blank; give the bare token without a scheme")


def check_url(setting: str, value: str) -> None:
    """Refuse what is not an absolute http(s) address without credentials, query and fragment."""
    check_text(setting, value)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise SettingsError(setting, "is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SettingsError(setting, "must be an absolute URL such as http://comp-ai.example:3002")
    if parts.username is not None or parts.password is not None:
        raise SettingsError(setting, "must not carry a user name or password")
    if _HOST.fullmatch(parts.hostname) is None and ":" not in parts.hostname:
        raise SettingsError(setting, "has no valid host name")
    if " " in value or "?" in value or "#" in value or "\\" in value:
        raise SettingsError(setting, "must hold neither blank, backslash, query nor fragment")


def check_prefix(setting: str, value: str) -> None:
    """Refuse a prefix that is neither empty nor an absolute path such as /api/v1."""
    if not isinstance(value, str):
        raise SettingsError(setting, "must be a string")
    if _PREFIX.fullmatch(value) is None:
        raise SettingsError(setting, "must be empty or an absolute path such as /api/v1")
