"""The service's limiter.

A fixed window per caller, counted from the caller's first request; refusals do not extend it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from compai_kit.simulator.settings import RateLimitSettings


@dataclass(slots=True)
class _Window:
    started_at: datetime
    requests: int


class RateLimit:
    def __init__(self, settings: RateLimitSettings | None) -> None:
        self._settings = settings
        self._windows: dict[str, _Window] = {}

    def refuses(self, caller: str, now: datetime) -> bool:
        """Counts the request as well."""
        if self._settings is None:
            return False
        window = self._windows.get(caller)
        if window is None or now - window.started_at >= timedelta(seconds=self._settings.window_s):
            self._windows[caller] = _Window(now, 1)
            return False
        if window.requests >= self._settings.requests:
            return True
        window.requests += 1
        return False

    def use_up(self, caller: str, now: datetime) -> None:
        """As if somebody else of the same bucket had just sent all that a new window allows."""
        if self._settings is not None:
            self._windows[caller] = _Window(now, self._settings.requests)


def caller_key(headers: Mapping[str, str]) -> str:
    """Whoever sends neither header shares one bucket; an empty header is a bucket of its own."""
    if "x-real-ip" in headers:
        return headers["x-real-ip"].strip()
    if "x-forwarded-for" in headers:
        return headers["x-forwarded-for"].partition(",")[0].strip()
    return "unknown"
