"""Keycloak's admin API as a client with few roles reads it: users of a realm, all of them or none.

A list that may be a part is no list. With `query-users` alone Keycloak answers 200 and `[]`, and
under fine-grained permissions list and count both hold only whom the client may see (both seen on
26.4.7). So the client must have `view-users` by Keycloak's own word, and the list must be as long
as the count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from compai_client import ClientCredentials, ClientSettings, SettingsError, TokenError, TokenSource
from compai_dags.checks.base import CheckContext, InvalidConfigError
from compai_dags.checks.outside import Answer, Outside, OutsideError, words_of
from compai_dags.connection import ConnectionFields, base_url_of, extra_of
from compai_dags.outcomes import Reason

CONNECTION_ID = "comp_ai_keycloak"
NAME = f"Connection {CONNECTION_ID}"
PAGE = 100
# How often a list is read again because users came or went meanwhile.
LISTINGS = 3
# Either shows every user; realm-admin and admin of the realm master hold both.
SEES_ALL = frozenset({"view-users", "manage-users"})
_MASTER = "master"
_GIVE_ROLE = "give its service account the role view-users"

T = TypeVar("T")


class User(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    username: str
    enabled: bool
    required_actions: list[str] = []


class Credential(msgspec.Struct, frozen=True):
    type: str


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """A link to another identity provider, by its alias."""

    identity_provider: str


@dataclass(frozen=True, kw_only=True)
class Access:
    """The realm that is examined, and the client that may look; the client's realm may differ."""

    base_url: str
    realm: str
    token_realm: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def source(self) -> str:
        return f"keycloak:{self.realm}@{urlsplit(self.base_url).netloc}"

    @property
    def management_client(self) -> str:
        """Whose roles these are: the realm master has a client for each realm, itself included."""
        return f"{self.realm}-realm" if self.token_realm == _MASTER else "realm-management"

    @property
    def credentials(self) -> ClientCredentials:
        return ClientCredentials(
            keycloak_url=self.base_url,
            realm=self.token_realm,
            client_id=self.client_id,
            client_secret=self.client_secret,
        )


def read_access(fields: ConnectionFields) -> Access:
    """Raises InvalidConfigError, which names what is missing or malformed, never its value."""
    try:
        extra = extra_of(fields, NAME, ("realm", "token_realm"))
        base_url = base_url_of(fields, NAME)
    except SettingsError as problem:
        raise InvalidConfigError(str(problem)) from None
    given = {
        "host (the address of Keycloak, with /auth where it is served under it)": base_url,
        "login (the client id)": fields.login,
        "password (the client secret)": fields.password,
        'extra {"realm": …} (the realm that is examined)': extra.get("realm"),
    }
    missing = [name for name, value in given.items() if not value]
    if missing or not (base_url and fields.login and fields.password):
        raise InvalidConfigError(f"{NAME} lacks {', '.join(missing)}")
    access = Access(
        base_url=base_url,
        realm=extra["realm"],
        token_realm=extra.get("token_realm") or extra["realm"],
        client_id=fields.login,
        client_secret=fields.password,
    )
    try:
        access.credentials  # noqa: B018 - it checks each part
    except SettingsError as problem:
        raise InvalidConfigError(f"{NAME}: {problem}") from None
    return access


class _Bearer:
    """The client's token for each call, renewed before it expires and once after a 401."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token = ""

    def token(self) -> str:
        try:
            self._token = self._source.current()
        except TokenError as failure:
            raise _without_token(failure) from None
        return self._token

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}

    def renew(self) -> bool:
        try:
            self._token = self._source.replace(self._token)
        except TokenError as failure:
            raise _without_token(failure) from None
        return True


class Realm:
    """The users of one realm. Every method raises OutsideError."""

    def __init__(self, access: Access, context: CheckContext) -> None:
        self._access = access
        self._context = context
        self._source = TokenSource(
            access.credentials, settings=ClientSettings(sleep=context.sleep, now=context.now)
        )
        self._bearer = _Bearer(self._source)
        options: dict[str, Any] = {"sleep": context.sleep, "now": context.now}
        self._admin = Outside(access.base_url, system="Keycloak", tokens=self._bearer, **options)
        # What it says differs each time, so it is no part of what the verdict rests on.
        self._tokens = Outside(access.base_url, system="Keycloak", **options)
        self._users = f"admin/realms/{quote(access.realm, safe='')}/users"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.__exit__(kind, error, trace)
        self._admin.close()
        self._tokens.close()

    @property
    def raw_sha256(self) -> str:
        return self._admin.raw_sha256

    def count(self) -> int:
        return self._read(self._admin.get(f"{self._users}/count"), int)

    def users(self, limit: int, *, until: datetime) -> dict[str, User]:
        """All users by id, disabled ones too; as many as the count says.

        Raises OutsideError(permission) for a partial view, (truncated) beyond `limit`, (timeout)
        after `until`.
        """
        before = self.count()
        self._must_see_all()
        for _ in range(LISTINGS):
            if before > limit:
                raise _too_many(limit)
            users = {user.id: user for page in self._pages(limit, until) for user in page}
            after = self.count()
            if after == before:
                break
            before = after
        else:
            raise OutsideError(
                Reason.AMBIGUOUS,
                f"users of Keycloak realm {self._access.realm} came or went each time that they"
                " were listed",
                transient=True,
            )
        if len(users) < after:
            raise self._no_permission(f"lists {len(users)} of {after} users")
        return users

    def credentials(self, user: User) -> list[Credential] | None:
        """None for a user who is gone."""
        return self._of(user, "credentials", list[Credential])

    def identities(self, user: User) -> list[Identity] | None:
        """None for a user who is gone."""
        return self._of(user, "federated-identity", list[Identity])

    def _pages(self, limit: int, until: datetime) -> Iterator[list[User]]:
        for first in range(0, limit + PAGE, PAGE):
            if self._context.now() > until:
                raise OutsideError(
                    Reason.TIMEOUT, f"only {first} users of Keycloak were listed in time"
                )
            asked = {"first": first, "max": PAGE, "briefRepresentation": "true"}
            page = self._read(self._admin.get(self._users, params=asked), list[User])
            yield page
            if len(page) < PAGE:
                return
        raise _too_many(limit)

    def _of(self, user: User, what: str, kind: type[T]) -> T | None:
        answer = self._admin.get(f"{self._users}/{quote(user.id, safe='')}/{what}")
        if answer.status == 404 and words_of(answer, key="error") == "User not found":
            return None
        return self._read(answer, kind)

    def _must_see_all(self) -> None:
        """By introspection: lightweight tokens do not hold the roles themselves."""
        token = self._bearer.token()
        said = self._introspected(token)
        if said.get("active") is False:
            # It may have expired on the way.
            self._bearer.renew()
            said = self._introspected(self._bearer.token())
        if said.get("active") is not True:
            raise OutsideError(
                Reason.AUTH, "Keycloak calls a token inactive that it has just issued"
            )
        access = said.get("resource_access")
        ours = access.get(self._access.management_client) if isinstance(access, dict) else None
        roles = ours.get("roles") if isinstance(ours, dict) else None
        if not isinstance(roles, list) or SEES_ALL.isdisjoint(map(str, roles)):
            raise self._no_permission("may list a part of the users only")

    def _introspected(self, token: str) -> dict[str, Any]:
        realm = quote(self._access.token_realm, safe="")
        answer = self._tokens.post(
            f"realms/{realm}/protocol/openid-connect/token/introspect",
            data={
                "token": token,
                "client_id": self._access.client_id,
                "client_secret": self._access.client_secret,
            },
        )
        return self._read(answer, dict[str, Any])

    def _read(self, answer: Answer, kind: type[T]) -> T:
        if answer.status != 200:
            raise self._refused(answer)
        try:
            return msgspec.convert(answer.body, kind)
        except msgspec.ValidationError as problem:
            raise OutsideError(
                Reason.MALFORMED,
                f"Keycloak answers {urlsplit(answer.url).path} in another shape: {problem}",
            ) from None

    def _refused(self, answer: Answer) -> OutsideError:
        path, said = urlsplit(answer.url).path, words_of(answer, key="error")
        seen = f"Keycloak answers {path} with HTTP {answer.status}{f' ({said})' if said else ''}"
        match answer.status:
            case 401:
                return OutsideError(Reason.AUTH, f"{seen}, also with a fresh token")
            case 403:
                return self._no_permission(f"may not read {path}")
            case 404:
                return OutsideError(
                    Reason.NOT_FOUND_OR_NO_ACCESS,
                    f"{seen}; correct the address (with /auth?) or the realm in {NAME}",
                )
            case _:
                return OutsideError(Reason.MALFORMED, seen)

    def _no_permission(self, fact: str) -> OutsideError:
        access = self._access
        return OutsideError(
            Reason.PERMISSION,
            f"the client {access.client_id} of Keycloak realm {access.token_realm} {fact}:"
            f" {_GIVE_ROLE} of {access.management_client}",
        )


def _too_many(limit: int) -> OutsideError:
    return OutsideError(
        Reason.TRUNCATED,
        f"Keycloak has more than {limit} users; config.max_users raises the limit",
    )


def _without_token(failure: TokenError) -> OutsideError:
    match failure.status:
        case None:
            reason = Reason.TIMEOUT
        case 404:
            reason = Reason.NOT_FOUND_OR_NO_ACCESS
        case 429:
            reason = Reason.RATE_LIMITED
        case status if status >= 500:
            reason = Reason.UPSTREAM_5XX
        case _:
            reason = Reason.AUTH
    return OutsideError(reason, f"{NAME}: {failure}", transient=not failure.permanent)
