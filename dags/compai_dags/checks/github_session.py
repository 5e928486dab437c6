"""Calls to GitHub with a token that is good, and none while GitHub asks for a pause.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from compai_dags.checks.base import CheckContext
from compai_dags.checks.github_access import NAME, Access, App, load_private_key, read_as, said_by
from compai_dags.checks.outside import (
    WAIT_CAP_S,
    Answer,
    Outside,
    OutsideError,
    Tokens,
    seconds_until,
    words_of,
)
from compai_dags.outcomes import Reason

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# GitHub allows ten minutes, and tolerates no clock that is ahead of its own.
_JWT_LIFE = timedelta(minutes=9)
_CLOCK_SKEW = timedelta(seconds=60)
_RENEW_BEFORE = timedelta(seconds=60)
# "Otherwise, wait for at least one minute": GitHub may leave out how long.
_UNSAID_WAIT_S = 60.0


def open_github(access: Access, context: CheckContext) -> Outside:
    """A session for one evaluation; tokens of an App are kept in the context's memory."""
    limits = _Limits(access, context)
    credentials = access.credentials
    if isinstance(credentials, App):
        tokens: Tokens = _AppTokens(access.api_url, credentials, limits, context)
    else:
        tokens = _FixedToken(credentials, limits)
    return Outside(
        access.api_url,
        system="GitHub",
        headers=_HEADERS,
        tokens=tokens,
        must_wait=limits.wait_for,
        sleep=context.sleep,
        now=context.now,
    )


class _Limits:
    """How long GitHub asks to wait, and for all tests of the chunk: not before when."""

    def __init__(self, access: Access, context: CheckContext) -> None:
        self._now = context.now
        self._memory: dict[str, datetime] = context.memory.setdefault("github limits", {})
        self._key = access.api_url

    def wait_for(self, answer: Answer) -> float | None:
        wait = rate_limit_wait_s(answer, self._now())
        if wait is not None and wait > WAIT_CAP_S:
            self._memory[self._key] = self._now() + timedelta(seconds=min(wait, 86_400))
        return wait

    def keep(self) -> None:
        """Calls in spite of a limit can get an integration banned."""
        until = self._memory.get(self._key)
        if until is not None and self._now() < until:
            raise OutsideError(
                Reason.RATE_LIMITED,
                f"GitHub takes no more calls before {until:%H:%M} UTC (rate limit)",
                transient=True,
            )


def rate_limit_wait_s(answer: Answer, now: datetime) -> float | None:
    """What a rate-limited answer asks for; None: it is an answer.

    GitHub limits with 403 as well as with 429, and need not say for how long.
    """
    if answer.status == 503:
        return seconds_until(answer.headers.get("Retry-After", ""), now)
    if answer.status not in (403, 429):
        return None
    wait = seconds_until(answer.headers.get("Retry-After", ""), now)
    if wait is not None:
        return wait
    reset = answer.headers.get("X-RateLimit-Reset", "")
    if answer.headers.get("X-RateLimit-Remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - _of_the_server(answer, now).timestamp()) + 1.0
    words = words_of(answer).lower()
    if answer.status == 429 or "rate limit" in words or "abuse detection" in words:
        return _UNSAID_WAIT_S
    return None


def _of_the_server(answer: Answer, now: datetime) -> datetime:
    """The time by the clock that also set the end of the limit."""
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (ValueError, OverflowError):
        return now
    return date if date.tzinfo is not None else now


@dataclass(frozen=True)
class _FixedToken:
    token: str = field(repr=False)
    limits: _Limits

    def headers(self) -> Mapping[str, str]:
        self.limits.keep()
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> bool:
        return False


class _InstallationToken(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime


class _AppTokens:
    """Tokens of an App's installation, one for all tests of a chunk until it is about to end."""

    def __init__(self, api_url: str, app: App, limits: _Limits, context: CheckContext) -> None:
        self._app = app
        self._limits = limits
        self._now = context.now
        self._kept: dict[tuple[str, str, str], _InstallationToken] = context.memory.setdefault(
            "github tokens", {}
        )
        self._key = (api_url, app.app_id, app.installation_id)
        # Its answers are secrets, and no part of what a verdict rests on.
        self._open: Callable[[], Outside] = lambda: Outside(
            api_url,
            system="GitHub",
            headers={**_HEADERS, "Authorization": f"Bearer {self._signed()}"},
            must_wait=limits.wait_for,
            sleep=context.sleep,
            now=context.now,
        )

    def headers(self) -> Mapping[str, str]:
        self._limits.keep()
        kept = self._kept.get(self._key)
        if kept is None or kept.expires_at <= self._now() + _RENEW_BEFORE:
            kept = self._kept[self._key] = self._asked_for()
        return {"Authorization": f"Bearer {kept.token}"}

    def renew(self) -> bool:
        return self._kept.pop(self._key, None) is not None

    def _asked_for(self) -> _InstallationToken:
        with self._open() as github:
            answer = github.post(f"app/installations/{self._app.installation_id}/access_tokens")
        if answer.status == 201:
            token = read_as(answer, _InstallationToken, "a token of the App")
            if token.expires_at.tzinfo is None:
                raise OutsideError(Reason.MALFORMED, "GitHub gives a token without a time zone")
            return token
        reason = Reason.PERMISSION if answer.status == 403 else Reason.AUTH
        raise OutsideError(
            reason,
            f"GitHub gives the App of {NAME} no token ({said_by(answer)}): check app_id, "
            "installation_id, private_key and the clock of this machine",
        )

    def _signed(self) -> str:
        import jwt

        now = self._now()
        claims = {"iat": now - _CLOCK_SKEW, "exp": now + _JWT_LIFE, "iss": self._app.app_id}
        return jwt.encode(claims, load_private_key(self._app), algorithm="RS256")
