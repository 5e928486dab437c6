"""Whether every member of an identity provider has a second factor: one rule for all providers.

A member who provably has none makes the test FAIL, whatever else is not known. What is not known is
never counted as enrolled. Exceptions are those of the row, each with a reason and an end; a login
is shown masked, because details go into a database, and the id beside it finds the person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from compai_dags.checks.base import InvalidConfigError
from compai_dags.outcomes import Observation, Outcome, Reason, error, verdict_of
from compai_dags.proof import Assertion, Proof
from compai_dags.rows import Exemption

# Names in a sentence; how many more there are is said, too.
SHOWN = 20
PHISHING_RESISTANT = "phishing_resistant"


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody who can sign in.

    `factors` are those that qualify. `enrolled` None: not decidable at this provider, because
    `unknown`. `path` and `observed` are the assertion's; `observed` is small and names nobody.
    """

    id: str
    login: str
    enrolled: bool | None
    path: str
    observed: Any = None
    factors: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def shown(self) -> str:
        return f"{masked(self.login)} (id {self.id})"


@dataclass(frozen=True, kw_only=True)
class Population:
    """All who can sign in, and where: `members` "enabled users", `place` "Keycloak realm x".

    `assertions` are further facts about it: that the list is complete, what else was required.
    `footnotes` are sentences to be said at the end, whatever the verdict.
    """

    members: Sequence[Member]
    called: str
    place: str
    path: str
    expected: str
    assertions: tuple[Assertion, ...] = ()
    footnotes: tuple[str, ...] = ()


def phishing_resistant_required(config: dict[str, Any]) -> bool:
    """`require: phishing_resistant`, alone or in a list; raises InvalidConfigError for others."""
    required = config.get("require") or []
    names = [required] if isinstance(required, str) else required
    if not isinstance(names, list) or not set(map(str, names)) <= {PHISHING_RESISTANT}:
        raise InvalidConfigError(f"config.require can only be {PHISHING_RESISTANT!r}")
    return bool(names)


def judge(
    population: Population,
    exemptions: Iterable[Exemption],
    *,
    type: str,
    source: str,
    raw_sha256: str,
    now: datetime,
) -> Observation:
    """PASS, FAIL, NOT_APPLICABLE when all are exempt, else ERROR.

    An exception excuses a member, and none of the facts beside the members.
    """
    facts = [fact.holds for fact in population.assertions if fact.mandatory]
    if not population.members and False not in facts:
        return error(
            Reason.AMBIGUOUS,
            f"Could not verify: {population.place} has no {population.called}; nobody to judge is"
            " not a pass. Is it the right one?",
        )
    exempt = _Exempt(population.members, exemptions, now.date())
    judged = [member for member in population.members if member.id not in exempt.ids]
    assertions = (*population.assertions, *_assertions(population, judged, exempt))
    nothing_to_judge = not judged and all(facts)
    outcome = Outcome.NOT_APPLICABLE if nothing_to_judge else verdict_of(assertions)
    said = [_verdict(population, judged, outcome), *exempt.said(), *population.footnotes]
    sentence = " ".join(said)
    if outcome is Outcome.ERROR:
        return error(Reason.AMBIGUOUS, sentence)
    if outcome is Outcome.NOT_APPLICABLE:
        return Observation(outcome=outcome, sentence=sentence)
    return Observation(
        outcome=outcome,
        sentence=sentence,
        collected_at=now,
        proof=Proof(type=type, source=source, assertions=assertions, raw_sha256=raw_sha256),
    )


def masked(login: str) -> str:
    """The first and the last letter of a login, and the domain of an address."""
    name, at, domain = login.partition("@")
    last = name[-1] if len(name) > 3 else ""
    return f"{name[:1]}***{last}{at}{domain}"


def named(shown: Iterable[str]) -> str:
    """The first of these names, and how many more there are."""
    names = list(shown)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


class _Exempt:
    """Who is excused by an exception that holds today; what it says is said in the result."""

    def __init__(
        self, members: Iterable[Member], exemptions: Iterable[Exemption], today: date
    ) -> None:
        by_name = {name: member for member in members for name in _names_of(member)}
        self.ids: dict[str, Exemption] = {}
        self.members: list[Member] = []
        self._ended: list[str] = []
        self._nobody: list[str] = []
        for exemption in exemptions:
            # One without an object covers the whole test, which is not for a check to decide.
            if exemption.object is None:
                continue
            member = by_name.get(exemption.object.strip().casefold())
            if member is None:
                self._nobody.append(masked(exemption.object))
            elif exemption.expires < today:
                self._ended.append(f"{member.shown} on {exemption.expires}")
            elif member.id not in self.ids:
                self.ids[member.id] = exemption
                self.members.append(member)

    def said(self) -> Iterator[str]:
        if self.members:
            names = named(
                f"{member.shown} until {self.ids[member.id].expires}:"
                f" {' '.join(self.ids[member.id].reason.split())[:200]}"
                for member in self.members
            )
            yield f"Exempt: {names}."
        if self._ended:
            yield f"Exceptions that have expired and no longer count: {named(self._ended)}."
        if self._nobody:
            yield f"Exceptions for nobody who is here: {named(self._nobody)}."


def _names_of(member: Member) -> tuple[str, str]:
    return member.id.casefold(), member.login.casefold()


def _assertions(
    population: Population, judged: Sequence[Member], exempt: _Exempt
) -> Iterator[Assertion]:
    # Numbers change with every new colleague, which is not worth new evidence.
    yield Assertion(
        path=population.path,
        observed=len(judged),
        expected=f"at least one of the {population.called}",
        holds=bool(judged),
        # All are exempt: then only the facts beside them decide.
        mandatory=bool(judged),
        volatile=True,
    )
    enrolled = [member for member in judged if member.enrolled]
    if enrolled:
        kinds = Counter(kind for member in enrolled for kind in member.factors)
        yield Assertion(
            path=f"{population.path} with a second factor",
            observed={"users": len(enrolled), **dict(sorted(kinds.items()))},
            expected=population.expected,
            holds=True,
            volatile=True,
        )
    for member in judged:
        if not member.enrolled:
            yield _one(member, population.expected)
    for member in exempt.members:
        excused = _one(member, population.expected)
        yield Assertion(
            path=excused.path,
            observed=excused.observed,
            expected=excused.expected,
            holds=excused.holds,
            mandatory=False,
        )


def _one(member: Member, expected: str) -> Assertion:
    return Assertion(
        path=member.path, observed=member.observed, expected=expected, holds=member.enrolled
    )


def _verdict(population: Population, judged: Sequence[Member], outcome: Outcome) -> str:
    number, called, place = len(judged), population.called, population.place
    match outcome:
        case Outcome.PASS:
            return f"All {number} {called} of {place} have a second factor."
        case Outcome.NOT_APPLICABLE:
            return f"All {called} of {place} are exempt."
        case Outcome.FAIL:
            parts = [*_without(judged, called, place), *_facts(population, False)]
        case _:
            parts = [f"Could not verify {f'the {number} {called} of ' if number else ''}{place}."]
    return " ".join([*parts, *_unknown(judged), *_facts(population, None)])


def _without(judged: Sequence[Member], called: str, place: str) -> Iterator[str]:
    without = [member.shown for member in judged if member.enrolled is False]
    if without:
        yield (
            f"{len(without)} of {len(judged)} {called} of {place} without a second factor:"
            f" {named(without)}."
        )


def _facts(population: Population, holds: bool | None) -> Iterator[str]:
    """What the mandatory facts beside the members say."""
    for fact in population.assertions:
        if fact.mandatory and fact.holds is holds:
            yield f"{fact.path}: {fact.observed}, expected {fact.expected}."


def _unknown(judged: Sequence[Member]) -> Iterator[str]:
    """Who could not be judged, by the reason why."""
    reasons: dict[str, list[str]] = {}
    for member in judged:
        if member.enrolled is None:
            reasons.setdefault(member.unknown, []).append(member.shown)
    for why, names in reasons.items():
        yield f"Unknown for {len(names)} ({why}): {named(names)}."
