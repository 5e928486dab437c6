"""Okta's Management API by the Connection comp_ai_okta: users, their factors, sign-on rules.

Okta limits calls per minute and says so in each answer. A tenth of what an endpoint allows is left
to others: https://developer.okta.com/docs/reference/rl-best-practices/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from compai_client import SettingsError
from compai_dags.checks.base import CheckContext, InvalidConfigError
from compai_dags.checks.outside import (
    WAIT_CAP_S,
    Answer,
    Outside,
    OutsideError,
    next_link,
    retry_after_s,
    words_of,
)
from compai_dags.connection import ConnectionFields, base_url_of, extra_of
from compai_dags.outcomes import Reason

CONNECTION_ID = "comp_ai_okta"
NAME = f"Connection {CONNECTION_ID}"
NEEDS = (
    "an API token of a Read-Only Administrator, or an access token with the scopes okta.users.read "
    "and, for config.policy, okta.apps.read and okta.policies.read"
)
SCHEMES = ("SSWS", "Bearer")
PAGE = 200
# A share of the calls that an endpoint allows in its window.
_LEFT_TO_OTHERS = 10
_TOKEN = re.compile(r"[!-~]+")
_ADMIN_CONSOLE = re.compile(r"[^.]+-admin\.(?:okta|oktapreview|okta-emea)\.com")
# Okta's own applications; only a super administrator is shown them for certain.
LABELS = {"okta_enduser": "Okta Dashboard", "saasure": "Okta Admin Console"}

T = TypeVar("T")


class Profile(msgspec.Struct, frozen=True):
    login: str


class Provider(msgspec.Struct, frozen=True):
    type: str


class Credentials(msgspec.Struct, frozen=True):
    provider: Provider | None = None


class User(msgspec.Struct, frozen=True):
    id: str
    status: str
    profile: Profile
    credentials: Credentials | None = None

    @property
    def signs_in_elsewhere(self) -> bool:
        provider = self.credentials.provider if self.credentials else None
        return provider is not None and provider.type in ("FEDERATION", "SOCIAL")


class Factor(msgspec.Struct, frozen=True, rename="camel"):
    factor_type: str
    status: str


class Link(msgspec.Struct, frozen=True):
    href: str


class Links(msgspec.Struct, frozen=True, rename="camel"):
    access_policy: Link | None = None


class App(msgspec.Struct, frozen=True):
    name: str
    links: Links = msgspec.field(name="_links", default=Links())


class Rule(msgspec.Struct, frozen=True):
    """`actions` is left as it is: each kind of verification has its own shape."""

    status: str
    actions: dict[str, Any]
    priority: int | None = None

    @property
    def factor_mode(self) -> str | None:
        """1FA or 2FA; None where the rule denies, or asks in a way that has no such mode."""
        value: Any = self.actions
        for key in ("appSignOn", "verificationMethod", "factorMode"):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) else None


@dataclass(frozen=True, kw_only=True)
class Access:
    base_url: str
    authorization: str = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc


def read_access(fields: ConnectionFields) -> Access:
    """Raises InvalidConfigError, which names the Connection and the part, never a value."""
    try:
        base_url = base_url_of(fields, NAME)
        scheme = extra_of(fields, NAME, ("scheme",)).get("scheme", SCHEMES[0])
    except SettingsError as problem:
        raise InvalidConfigError(str(problem)) from None
    if not base_url:
        raise InvalidConfigError(f"{NAME} lacks host (https://example.okta.com)")
    if _ADMIN_CONSOLE.fullmatch(urlsplit(base_url).hostname or ""):
        raise InvalidConfigError(
            f"{NAME} has the address of the Admin Console; that of the organisation has no '-admin'"
        )
    if not fields.password:
        raise InvalidConfigError(f"{NAME} lacks password: {NEEDS}")
    if not _TOKEN.fullmatch(fields.password):
        raise InvalidConfigError(f"{NAME} has a password with characters that no token has")
    known = {name.casefold(): name for name in SCHEMES}
    if scheme.casefold() not in known:
        raise InvalidConfigError(f"{NAME} has an extra whose scheme is not {' or '.join(SCHEMES)}")
    return Access(
        base_url=base_url.rstrip("/").removesuffix("/api/v1"),
        authorization=f"{known[scheme.casefold()]} {fields.password}",
    )


class Okta:
    """One organisation. Every method raises OutsideError."""

    def __init__(self, access: Access, context: CheckContext) -> None:
        self._access = access
        self._context = context
        self._resumes: dict[str, datetime] = {}
        self._outside = Outside(
            access.base_url,
            system="Okta",
            headers={"Authorization": access.authorization},
            must_wait=lambda answer: rate_limit_wait_s(answer, context.now()),
            sleep=context.sleep,
            now=context.now,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._outside.close()

    @property
    def raw_sha256(self) -> str:
        return self._outside.raw_sha256

    def users(self, *, until: datetime) -> list[User]:
        """All but the deprovisioned, whom Okta does not list; no page is read after `until`."""
        users: dict[str, User] = {}
        for answer in self._outside.pages("api/v1/users", params={"limit": PAGE}):
            for user in self._read(answer, list[User], "users"):
                _add(user, users)
            self._note("users", answer)
            if next_link(answer) is not None:
                self._pause("users")
                if self._context.now() > until:
                    raise OutsideError(
                        Reason.TIMEOUT, f"only {len(users)} users of Okta were listed in time"
                    )
        return list(users.values())

    def user(self, user_id: str) -> User | None:
        """None for a user who is gone."""
        answer = self._get("user", f"api/v1/users/{quote(user_id, safe='')}")
        return None if answer.status == 404 else self._read(answer, User, "a user")

    def factors(self, user_id: str) -> list[Factor] | None:
        """None where Okta knows no such user, which need not mean that there is none."""
        answer = self._get("factors", f"api/v1/users/{quote(user_id, safe='')}/factors")
        if answer.status == 404:
            return None
        return self._read(answer, list[Factor], "the factors of a user")

    def sign_on_rule(self, app_name: str) -> Rule:
        """The rule that decides first who is let into an application of Okta's own."""
        label = LABELS[app_name]
        query = {"filter": f'name eq "{app_name}"'}
        apps = self._read(self._get("apps", "api/v1/apps", query), list[App], "applications")
        shown = next((app for app in apps if app.name == app_name), None)
        if shown is None:
            raise OutsideError(
                Reason.PERMISSION,
                f"Okta does not show the application {label} to the token of {NAME}; a Super "
                "Administrator's would see it",
            )
        policy_id = _policy_id(shown, label)
        if not policy_id:
            raise OutsideError(
                Reason.NOT_FOUND_OR_NO_ACCESS,
                f"the application {label} has no authentication policy, as in a Classic Engine",
            )
        rules = [
            rule
            for answer in self._outside.pages(f"api/v1/policies/{quote(policy_id, safe='')}/rules")
            for rule in self._read(answer, list[Rule], "the rules of a policy")
            if rule.status != "INACTIVE"
        ]
        if not rules:
            raise OutsideError(
                Reason.NOT_FOUND_OR_NO_ACCESS,
                f"the authentication policy of {label} shows no active rule",
            )
        if any(rule.status != "ACTIVE" for rule in rules):
            raise OutsideError(
                Reason.MALFORMED, f"the policy of {label} has a rule with a status unknown here"
            )
        if any(rule.priority is None for rule in rules):
            # It may be the first; without it, the next one would decide.
            raise OutsideError(
                Reason.MALFORMED, f"the policy of {label} has an active rule without a priority"
            )
        return min(rules, key=lambda rule: rule.priority or 0)

    def _get(self, bucket: str, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        self._pause(bucket)
        answer = self._outside.get(path, params=params)
        self._note(bucket, answer)
        return answer

    def _note(self, bucket: str, answer: Answer) -> None:
        """Whether the next call of this kind has to wait for the next window."""
        limit, remaining = _number(answer, "Limit"), _number(answer, "Remaining")
        wait = _until_reset_s(answer, self._context.now())
        if limit is None or remaining is None or wait is None:
            return
        if remaining <= limit // _LEFT_TO_OTHERS:
            self._resumes[bucket] = self._context.now() + timedelta(seconds=min(wait, 86_400))

    def _pause(self, bucket: str) -> None:
        resumes = self._resumes.pop(bucket, None)
        if resumes is None:
            return
        wait = (resumes - self._context.now()).total_seconds()
        if wait > WAIT_CAP_S:
            raise OutsideError(
                Reason.RATE_LIMITED,
                f"Okta takes no more calls for {wait:.0f} s (rate limit)",
                transient=True,
            )
        if wait > 0:
            self._context.sleep(wait)

    def _read(self, answer: Answer, kind: type[T], what: str) -> T:
        if answer.status != 200:
            raise _refused(answer, what)
        try:
            return msgspec.convert(answer.body, kind)
        except msgspec.ValidationError as problem:
            raise OutsideError(
                Reason.MALFORMED, f"Okta describes {what} in another shape: {problem}"
            ) from None


def _add(user: User, users: dict[str, User]) -> None:
    """Pages can overlap while users come and go, but an id is of one person."""
    if user.id.strip() in ("", ".", ".."):
        # Asked for, it would be another address, and look like somebody who left meanwhile.
        raise OutsideError(Reason.MALFORMED, "Okta lists a user without an id")
    known = users.setdefault(user.id, user)
    if known.profile.login != user.profile.login:
        raise OutsideError(Reason.MALFORMED, f"Okta lists two users under the id {user.id[:40]}")
    users[user.id] = user


def _policy_id(app: App, label: str) -> str:
    """Empty where the application has no policy."""
    policy = app.links.access_policy
    try:
        return urlsplit(policy.href).path.rstrip("/").rpartition("/")[2] if policy else ""
    except ValueError:
        raise OutsideError(
            Reason.MALFORMED, f"Okta names a policy of {label} by what is no address"
        ) from None


def rate_limit_wait_s(answer: Answer, now: datetime) -> float | None:
    """What a rate-limited answer asks for; None: it is an answer, or does not say."""
    if answer.status != 429:
        return retry_after_s(answer, now)
    wait = _until_reset_s(answer, now)
    return retry_after_s(answer, now) if wait is None else wait


def _until_reset_s(answer: Answer, now: datetime) -> float | None:
    """Seconds until the window ends, by the clock of the server that set its end."""
    reset = _number(answer, "Reset")
    if reset is None:
        return None
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (ValueError, OverflowError):
        date = now
    if date.tzinfo is None:
        date = now
    return max(0.0, reset - date.timestamp()) + 1.0


def _number(answer: Answer, name: str) -> int | None:
    text = answer.headers.get(f"X-Rate-Limit-{name}", "")
    return int(text) if re.fullmatch("[0-9]{1,12}", text) else None


def _refused(answer: Answer, what: str) -> OutsideError:
    words = words_of(answer, key="errorSummary")
    said = f"HTTP {answer.status}{f': {words}' if words else ''}"
    match answer.status:
        case 401:
            return OutsideError(Reason.AUTH, f"Okta refuses the token of {NAME} ({said})")
        case 403:
            return OutsideError(
                Reason.PERMISSION,
                f"the token of {NAME} may not read {what} ({said}); it needs to be {NEEDS}",
            )
        case 404:
            return OutsideError(
                Reason.NOT_FOUND_OR_NO_ACCESS,
                f"Okta knows no {what} ({said}); is the host of {NAME} that of the organisation?",
            )
        case _:
            return OutsideError(Reason.MALFORMED, f"Okta answers for {what} with {said}")
