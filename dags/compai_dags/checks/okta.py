"""`okta_mfa`: does everybody who can sign in to an Okta organisation have a second factor?

Reads users and their factors; `config.policy` also asserts that Okta's own applications ask for
two. Enrolment and enforcement are different facts, each with its assertion. Needs the Connection
`comp_ai_okta` and no other config.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from compai_dags.checks.base import CheckContext, InvalidConfigError, config_object
from compai_dags.checks.mfa import Member, Population, judge, phishing_resistant_required
from compai_dags.checks.okta_access import (
    CONNECTION_ID,
    LABELS,
    NEEDS,
    Factor,
    Okta,
    User,
    read_access,
)
from compai_dags.checks.outside import OutsideError
from compai_dags.outcomes import Observation, Outcome, Reason, not_configured
from compai_dags.proof import Assertion
from compai_dags.rows import Row

TYPE = "okta_mfa"
CAN_SIGN_IN = frozenset({"ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY"})
CANNOT = frozenset({"SUSPENDED", "DEPROVISIONED"})
NOT_YET = frozenset({"STAGED", "PROVISIONED"})
# "WebAuthn and Okta FastPass are phishing-resistant authenticators"; u2f is WebAuthn's forerunner,
# signed_nonce is FastPass.
# https://help.okta.com/oie/en-us/content/topics/identity-engine/authenticators/phishing-resistant-auth.htm
PHISHING_RESISTANT_FACTORS = frozenset({"webauthn", "u2f", "signed_nonce"})
# They count, with a warning: whoever holds the number or the mailbox has the factor.
WEAK = frozenset({"sms", "call", "email"})
STRONG = PHISHING_RESISTANT_FACTORS | {
    *("push", "token", "token:hardware", "token:hotp", "token:software:totp", "web"),
}
# Something that one knows, like the password.
NO_FACTOR = frozenset({"question"})
KEYS = ("federated", "max_users", "min_users", "policy", "require")
MAX_USERS = 1000
# One call for each user, in an organisation that allows few a minute.
TIME = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    factors: frozenset[str]
    is_resistant: bool
    trusts_elsewhere: bool
    apps: tuple[str, ...]
    max_users: int
    min_users: int

    @classmethod
    def read(cls, config: dict[str, Any]) -> _Wanted:
        federated = config.get("federated")
        if federated not in (None, "trust"):
            raise InvalidConfigError("config.federated can only be 'trust'")
        is_resistant = phishing_resistant_required(config)
        return cls(
            factors=PHISHING_RESISTANT_FACTORS if is_resistant else STRONG | WEAK,
            is_resistant=is_resistant,
            trusts_elsewhere=federated == "trust",
            apps=_apps(config.get("policy")),
            max_users=_whole(config, "max_users", MAX_USERS),
            min_users=_whole(config, "min_users", 1),
        )

    @property
    def expected(self) -> str:
        if self.is_resistant:
            return f"an ACTIVE factor of type {' or '.join(sorted(self.factors))}"
        return "an ACTIVE factor other than a security question"


def mfa(row: Row, context: CheckContext) -> Observation:
    wanted = _Wanted.read(config_object(row, optional=True, keys=KEYS))
    fields = context.connection(CONNECTION_ID)
    if fields is None:
        return not_configured(
            Reason.INTEGRATION,
            f"Not configured: the Connection {CONNECTION_ID} is missing. Its host is the address "
            f"of the organisation (https://example.okta.com), its password {NEEDS} (with extra "
            '{"scheme": "Bearer"}).',
        )
    access = read_access(fields)
    with Okta(access, context) as okta:
        found = _Found()
        found.read_users(okta, wanted, context)
        found.read_rules(okta, wanted)
        if found.trusted and not found.members and not found.failures and found.facts_hold:
            return Observation(
                outcome=Outcome.NOT_APPLICABLE,
                sentence=f"All enabled users of Okta {access.host} sign in through another "
                "identity provider, which config.federated trusts.",
            )
        observation = judge(
            Population(
                members=found.members,
                called="enabled users",
                place=f"Okta {access.host}",
                path="enabled users",
                expected=wanted.expected,
                assertions=tuple(found.facts),
                footnotes=tuple(found.footnotes()),
            ),
            row.exemptions,
            type=TYPE,
            source=f"okta:{access.host}",
            raw_sha256=okta.raw_sha256,
            now=context.now(),
        )
    if observation.outcome is Outcome.ERROR and found.failures:
        first = found.failures[0]
        return msgspec.structs.replace(observation, reason=first.reason, transient=first.transient)
    return observation


class _Found:
    """What there is to judge, what is only told, and what could not be read."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.facts: list[Assertion] = []
        self.failures: list[OutsideError] = []
        self._notes: list[str] = []
        self.trusted = 0
        self._gone = 0

    @property
    def facts_hold(self) -> bool:
        return all(fact.holds for fact in self.facts if fact.mandatory)

    def read_users(self, okta: Okta, wanted: _Wanted, context: CheckContext) -> None:
        """Raises OutsideError while nothing is known; later, the rest is unknown."""
        deadline = context.now() + TIME
        listed = okta.users(until=deadline)
        waiting = [user for user in listed if user.status in NOT_YET]
        if waiting:
            self._notes.append(
                f"{len(waiting)} more are staged or provisioned and not judged: they cannot sign "
                "in yet."
            )
        users = [user for user in listed if user.status not in CANNOT | NOT_YET]
        if len(users) > wanted.max_users:
            raise OutsideError(
                Reason.TRUNCATED,
                f"Okta has {len(users)} enabled users, config.max_users allows {wanted.max_users}",
            )
        for number, user in enumerate(users):
            try:
                if context.now() > deadline:
                    minutes = TIME.total_seconds() / 60
                    raise OutsideError(  # noqa: TRY301 - as any other call that did not work
                        Reason.TIMEOUT,
                        f"only {number} of {len(users)} users were read in {minutes:.0f} minutes",
                    )
                self._add(user, okta, wanted)
            except OutsideError as failure:
                # Whoever provably has no factor still makes the test fail.
                self.failures.append(failure)
                rest = [_unknown(user, str(failure)) for user in users[number:]]
                self.members.extend(rest)
                break
        self._count(wanted, len(listed))
        self._warn(wanted)

    def read_rules(self, okta: Okta, wanted: _Wanted) -> None:
        """Whether the rule that decides first asks for two factors."""
        for app in wanted.apps:
            mode = self._mode_of(app, okta)
            self.facts.append(
                Assertion(
                    path=f"first active sign-on rule of {LABELS[app]}, factorMode",
                    observed=mode or "unknown",
                    expected="2FA",
                    holds=None if mode is None else mode == "2FA",
                )
            )
            if mode == "2FA":
                self._notes.append(f"{LABELS[app]} asks for two factors.")

    def _mode_of(self, app: str, okta: Okta) -> str | None:
        if any(failure.transient for failure in self.failures):
            return None
        try:
            return okta.sign_on_rule(app).factor_mode
        except OutsideError as failure:
            self.failures.append(failure)
            said = str(failure)
            self._notes.append(f"{said[0].upper()}{said[1:]}.")
            return None

    def footnotes(self) -> list[str]:
        notes = {
            "{} more sign in through another identity provider, which config.federated"
            " trusts.": self.trusted,
            "{} left while the others were read.": self._gone,
        }
        return [note.format(number) for note, number in notes.items() if number] + self._notes

    def _add(self, user: User, okta: Okta, wanted: _Wanted) -> None:
        if user.status not in CAN_SIGN_IN:
            self.members.append(_unknown(user, f"have a status unknown here, {user.status}"))
            return
        factors = okta.factors(user.id)
        if factors is None:
            self._look_again(user, okta)
            return
        member = _member(user, factors, wanted)
        if not member.enrolled and user.signs_in_elsewhere:
            if wanted.trusts_elsewhere:
                self.trusted += 1
                return
            member = _unknown(user, "sign in through another identity provider")
        self.members.append(member)

    def _look_again(self, user: User, okta: Okta) -> None:
        """Deleted or suspended meanwhile, or hidden from the token?"""
        now = okta.user(user.id)
        if now is not None and now.status not in CANNOT:
            raise OutsideError(
                Reason.NOT_FOUND_OR_NO_ACCESS,
                "Okta shows users, but knows no factors of one of them (HTTP 404)",
            )
        self._gone += 1

    def _count(self, wanted: _Wanted, listed: int) -> None:
        """Okta has no count to compare with, and who administers some groups sees only those."""
        if wanted.min_users == 1:
            return
        enough = listed >= wanted.min_users
        if not enough:
            self.failures.append(OutsideError(Reason.PERMISSION, "few users"))
        self.facts.append(
            Assertion(
                path="users that the token is shown",
                observed=listed,
                expected=f"at least {wanted.min_users}",
                holds=True if enough else None,
                volatile=True,
            )
        )

    def _warn(self, wanted: _Wanted) -> None:
        weak = [member for member in self.members if WEAK.issuperset(member.factors)]
        weak = [member for member in weak if member.enrolled]
        if wanted.is_resistant:
            return
        self.facts.append(
            Assertion(
                path="enabled users with sms, call or email only",
                observed=len(weak),
                expected="0",
                holds=not weak,
                mandatory=False,
                volatile=True,
            )
        )
        if weak:
            email = sum(member.factors == ("email",) for member in weak)
            by_itself = f" ({email} with email only, which Okta can enrol by itself)"
            self._notes.append(
                f"Warning: {len(weak)} of them have sms, call or email only"
                f"{by_itself if email else ''}."
            )


def _member(user: User, factors: list[Factor], wanted: _Wanted) -> Member:
    active = sorted({factor.factor_type for factor in factors if factor.status == "ACTIVE"})
    qualifying = tuple(kind for kind in active if kind in wanted.factors)
    strange = sorted(set(active) - STRONG - WEAK - NO_FACTOR)
    unknown = f"have a factor unknown here, {', '.join(strange)}" if strange else ""
    return Member(
        id=user.id,
        login=user.profile.login,
        enrolled=True if qualifying else (None if unknown else False),
        factors=qualifying,
        unknown=unknown,
        path=_path(user),
        observed=sorted({f"{factor.factor_type} {factor.status}" for factor in factors}),
    )


def _unknown(user: User, why: str) -> Member:
    return Member(
        id=user.id, login=user.profile.login, enrolled=None, unknown=why, path=_path(user)
    )


def _path(user: User) -> str:
    return f"users/{user.id}/factors"


def _apps(policy: Any) -> tuple[str, ...]:
    if policy in (None, False):
        return ()
    if policy is True:
        return tuple(LABELS)
    names = [policy] if isinstance(policy, str) else policy
    if isinstance(names, list) and names and all(name in LABELS for name in map(str, names)):
        return tuple(dict.fromkeys(names))
    raise InvalidConfigError(f"config.policy must be true, or of {', '.join(LABELS)}")


def _whole(config: dict[str, Any], key: str, default: int) -> int:
    value = config.get(key, default)
    if type(value) is not int or value < 1:
        raise InvalidConfigError(f"config.{key} must be a whole number of at least 1")
    return value
