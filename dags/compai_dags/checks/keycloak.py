"""`keycloak_mfa`: does everybody who can sign in to a Keycloak realm have a second factor?

Who signs in through another identity provider is asked for a factor there, if at all: unknown,
unless `config.federated` is `trust`. Needs the Connection `comp_ai_keycloak` and no other config.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from compai_dags.checks.base import CheckContext, InvalidConfigError, config_object
from compai_dags.checks.keycloak_access import CONNECTION_ID, Realm, User, read_access
from compai_dags.checks.mfa import Member, Population, judge, phishing_resistant_required
from compai_dags.checks.outside import OutsideError
from compai_dags.outcomes import Observation, Outcome, Reason, not_configured
from compai_dags.proof import Assertion
from compai_dags.rows import Row

TYPE = "keycloak_mfa"
# A password is no second factor, recovery codes are a way around one, and a required action
# (CONFIGURE_TOTP) is only a request to set one up.
PHISHING_RESISTANT_FACTORS = ("webauthn", "webauthn-passwordless")
FACTORS = ("otp", *PHISHING_RESISTANT_FACTORS)
CONFIGURE = frozenset({"CONFIGURE_TOTP", "webauthn-register", "webauthn-register-passwordless"})
KEYS = ("federated", "max_users", "require")
MAX_USERS = 5000
# One or two calls for each user: a slow Keycloak must not keep the other tests waiting for ever.
TIME = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    factors: tuple[str, ...]
    trusts_brokers: bool
    max_users: int

    @classmethod
    def read(cls, config: dict[str, Any]) -> _Wanted:
        federated = config.get("federated")
        if federated not in (None, "trust"):
            raise InvalidConfigError("config.federated can only be 'trust'")
        max_users = config.get("max_users", MAX_USERS)
        if not isinstance(max_users, int) or isinstance(max_users, bool) or max_users < 1:
            raise InvalidConfigError("config.max_users must be a whole number of at least 1")
        resistant = phishing_resistant_required(config)
        return cls(
            factors=PHISHING_RESISTANT_FACTORS if resistant else FACTORS,
            trusts_brokers=federated == "trust",
            max_users=max_users,
        )


def mfa(row: Row, context: CheckContext) -> Observation:
    wanted = _Wanted.read(config_object(row, optional=True, keys=KEYS))
    fields = context.connection(CONNECTION_ID)
    if fields is None:
        return not_configured(
            Reason.INTEGRATION,
            f"Not configured: the Connection {CONNECTION_ID} is missing. It holds the address of"
            " Keycloak, login and password of a client whose service account has the roles"
            ' view-users and query-users of realm-management, and extra {"realm": …}.',
        )
    access = read_access(fields)
    with Realm(access, context) as realm:
        deadline = context.now() + TIME
        users = realm.users(wanted.max_users, until=deadline)
        enabled = [user for user in users.values() if user.enabled]
        found = _Found.read(realm, enabled, wanted, context, deadline)
        if found.gone and realm.count() > len(users) - found.gone:
            raise OutsideError(
                Reason.AMBIGUOUS,
                f"{found.gone} of the listed users of Keycloak realm {access.realm} are not found,"
                " but its count has not dropped",
                transient=True,
            )
        if found.trusted and not found.members:
            return Observation(
                outcome=Outcome.NOT_APPLICABLE,
                sentence=f"All enabled users of Keycloak realm {access.realm} sign in through"
                " another identity provider, which config.federated trusts.",
            )
        complete = Assertion(
            path="users/count",
            observed=len(users),
            expected="as many users as are listed",
            holds=True,
            volatile=True,
        )
        return judge(
            Population(
                members=found.members,
                called="enabled users",
                place=f"Keycloak realm {access.realm}",
                path="enabled users",
                expected=f"a credential of type {' or '.join(wanted.factors)}",
                assertions=(complete,),
                footnotes=tuple(found.footnotes()),
            ),
            row.exemptions,
            type=TYPE,
            source=access.source,
            raw_sha256=realm.raw_sha256,
            now=context.now(),
        )


class _Found:
    """What there is to judge, and what is only told."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.trusted = 0
        self.gone = 0
        self.asked = 0

    @classmethod
    def read(
        cls,
        realm: Realm,
        users: list[User],
        wanted: _Wanted,
        context: CheckContext,
        deadline: datetime,
    ) -> _Found:
        found = cls()
        for number, user in enumerate(users):
            if context.now() > deadline:
                minutes = TIME.total_seconds() / 60
                raise OutsideError(
                    Reason.TIMEOUT,
                    f"only {number} of {len(users)} users were read in {minutes:.0f} minutes",
                )
            found._add(user, realm, wanted)
        return found

    def _add(self, user: User, realm: Realm, wanted: _Wanted) -> None:
        credentials = realm.credentials(user)
        if credentials is None:
            self.gone += 1
            return
        kinds = sorted({credential.type for credential in credentials})
        factors = tuple(kind for kind in kinds if kind in wanted.factors)
        unknown = ""
        if "password" not in kinds:
            identities = realm.identities(user)
            if identities is None:
                self.gone += 1
                return
            if identities and wanted.trusts_brokers:
                self.trusted += 1
                return
            aliases = sorted({identity.identity_provider for identity in identities})
            unknown = f"sign in through {', '.join(aliases)}" if aliases else ""
        pending = sorted(CONFIGURE & set(user.required_actions))
        if pending and not factors and not unknown:
            self.asked += 1
        self.members.append(
            Member(
                id=user.id,
                login=user.username,
                enrolled=None if unknown else bool(factors),
                factors=factors,
                unknown=unknown,
                path=f"users/{user.id}/credentials",
                observed=[*kinds, *(f"required action {action}" for action in pending)],
            )
        )

    def footnotes(self) -> list[str]:
        notes = {
            "{} of them asked to set one up, which is not having one.": self.asked,
            "{} more sign in through another identity provider, which config.federated"
            " trusts.": self.trusted,
            "{} left while the others were read.": self.gone,
        }
        return [note.format(number) for note, number in notes.items() if number]
