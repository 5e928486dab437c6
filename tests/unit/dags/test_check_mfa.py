"""The one rule about second factors, for any identity provider."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from compai_dags.checks.base import InvalidConfigError
from compai_dags.checks.mfa import (
    Member,
    Population,
    judge,
    masked,
    phishing_resistant_required,
)
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.proof import Assertion, content_sha256
from compai_dags.rows import Exemption

NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)


def member(login: str, enrolled: bool | None = True, **over: Any) -> Member:
    factors = ("otp",) if enrolled else ()
    values: dict[str, Any] = {"id": f"id-{login}", "login": login, "path": f"users/id-{login}"}
    return Member(**(values | {"enrolled": enrolled, "factors": factors} | over))


def judged(*members: Member, exemptions: tuple[Exemption, ...] = (), **over: Any) -> Observation:
    population = Population(
        members=members,
        called="enabled users",
        place="Keycloak realm example",
        path="users",
        expected="otp",
        **over,
    )
    return judge(
        population, exemptions, type="x_mfa", source="x:example", raw_sha256="0" * 64, now=NOW
    )


def exempt(who: str | None, until: str = "2026-12-31", reason: str = "kiosk") -> Exemption:
    return Exemption(object=who, reason=reason, expires=date.fromisoformat(until))


def test_all_enrolled_is_a_pass_with_its_proof() -> None:
    observed = judged(member("kim"), member("lee", factors=("otp", "webauthn")))
    assert observed.outcome is Outcome.PASS
    assert observed.sentence == (
        "All 2 enabled users of Keycloak realm example have a second factor."
    )
    assert observed.collected_at == NOW
    assert observed.proof is not None
    enrolled = observed.proof.assertions[1]
    assert enrolled.observed == {"users": 2, "otp": 2, "webauthn": 1}


def test_one_without_is_a_fail_that_names_nobody_in_full() -> None:
    observed = judged(member("kim"), member("robin.lee@example.org", False, observed=["password"]))
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence == (
        "1 of 2 enabled users of Keycloak realm example without a second factor:"
        " r***e@example.org (id id-robin.lee@example.org)."
    )
    assert observed.proof is not None
    failed = [a for a in observed.proof.assertions if a.holds is False]
    assert failed == [
        Assertion(
            path="users/id-robin.lee@example.org",
            observed=["password"],
            expected="otp",
            holds=False,
        )
    ]


def test_nobody_is_not_a_pass() -> None:
    observed = judged()
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
    assert "has no enabled users; nobody to judge is not a pass" in observed.sentence


def test_an_unknown_member_is_not_counted_as_enrolled() -> None:
    observed = judged(member("kim"), member("robin", None, unknown="signs in elsewhere"))
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
    assert observed.sentence == (
        "Could not verify the 2 enabled users of Keycloak realm example."
        " Unknown for 1 (signs in elsewhere): r***n (id id-robin)."
    )


def test_a_proven_lack_outweighs_what_is_unknown_and_both_are_listed() -> None:
    observed = judged(
        member("kim"), member("robin", None, unknown="signs in elsewhere"), member("ash", False)
    )
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence == (
        "1 of 3 enabled users of Keycloak realm example without a second factor:"
        " a*** (id id-ash). Unknown for 1 (signs in elsewhere): r***n (id id-robin)."
    )


def test_twenty_names_and_a_count_of_the_rest() -> None:
    observed = judged(*(member(f"user{n:02}", False) for n in range(23)))
    assert observed.sentence.count("(id ") == 20
    assert observed.sentence.endswith("(id id-user19) and 3 more.")
    assert observed.proof is not None
    assert sum(a.holds is False for a in observed.proof.assertions) == 23


@pytest.mark.parametrize("who", ["ROBIN", "id-robin", " robin "])
def test_an_exception_excuses_by_login_or_id_and_is_told(who: str) -> None:
    observed = judged(member("kim"), member("robin", False), exemptions=(exempt(who),))
    assert observed.outcome is Outcome.PASS
    assert observed.sentence == (
        "All 1 enabled users of Keycloak realm example have a second factor."
        " Exempt: r***n (id id-robin) until 2026-12-31: kiosk."
    )
    assert observed.proof is not None
    excused = observed.proof.assertions[-1]
    assert (excused.path, excused.holds, excused.mandatory) == ("users/id-robin", False, False)


def test_an_exception_holds_on_its_last_day_and_not_after_it() -> None:
    lacking = member("kim"), member("robin", False)
    assert judged(*lacking, exemptions=(exempt("robin", "2026-11-25"),)).outcome is Outcome.PASS
    observed = judged(*lacking, exemptions=(exempt("robin", "2026-11-24"),))
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence.endswith(
        "Exceptions that have expired and no longer count: r***n (id id-robin) on 2026-11-24."
    )


def test_a_later_exception_outweighs_an_expired_one() -> None:
    both = (exempt("robin", "2026-01-01"), exempt("robin", "2026-12-01"))
    observed = judged(member("kim"), member("robin", False), exemptions=both)
    assert observed.outcome is Outcome.PASS


def test_an_exception_for_nobody_is_told_and_changes_nothing() -> None:
    observed = judged(member("robin", False), exemptions=(exempt("somebody"),))
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence.endswith("Exceptions for nobody who is here: s***y.")


def test_an_exception_for_the_whole_test_is_none_for_a_member() -> None:
    assert judged(member("robin", False), exemptions=(exempt(None),)).outcome is Outcome.FAIL


def test_when_all_are_exempt_the_test_does_not_apply() -> None:
    observed = judged(member("robin", False), exemptions=(exempt("robin"),))
    assert (observed.outcome, observed.collected_at) == (Outcome.NOT_APPLICABLE, None)
    assert observed.sentence.startswith("All enabled users of Keycloak realm example are exempt.")


@pytest.mark.parametrize(
    ("holds", "outcome"), [(False, Outcome.FAIL), (None, Outcome.ERROR), (True, "all clear")]
)
def test_exceptions_for_everybody_excuse_no_fact_beside_the_members(
    holds: bool | None, outcome: object
) -> None:
    fact = Assertion(path="sign-on rule", observed="1FA", expected="2FA", holds=holds)
    observed = judged(member("kim", False), exemptions=(exempt("kim"),), assertions=(fact,))
    assert observed.outcome is (Outcome.NOT_APPLICABLE if holds else outcome)
    assert "Exempt: k*** (id id-kim) until 2026-12-31: kiosk." in observed.sentence
    assert ("sign-on rule: 1FA, expected 2FA." in observed.sentence) is (holds is not True)


def test_a_false_fact_fails_also_where_nobody_is_left_to_judge() -> None:
    fact = Assertion(path="sign-on rule", observed="1FA", expected="2FA", holds=False)
    observed = judged(assertions=(fact,))
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence == "sign-on rule: 1FA, expected 2FA."


def test_facts_beside_the_members_decide_as_well() -> None:
    fact = Assertion(path="policy", observed="1FA", expected="2FA", holds=False)
    observed = judged(member("kim"), assertions=(fact,))
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence == "policy: 1FA, expected 2FA."
    unknown = judged(member("kim"), assertions=(replace_holds(fact, None),))
    assert unknown.outcome is Outcome.ERROR


def replace_holds(fact: Assertion, holds: bool | None) -> Assertion:
    return Assertion(path=fact.path, observed=fact.observed, expected=fact.expected, holds=holds)


def test_a_new_colleague_with_a_factor_is_no_new_evidence_an_exception_is() -> None:
    def content(*members: Member, **over: Any) -> str:
        proof = judged(*members, **over).proof
        assert proof is not None
        return content_sha256(proof)

    kim, lee = member("kim"), member("lee")
    assert content(kim) == content(kim, lee)
    assert content(kim) != content(kim, replace(lee, enrolled=False), exemptions=(exempt("lee"),))


@pytest.mark.parametrize(
    ("login", "shown"),
    [("kim", "k***"), ("robin", "r***n"), ("robin@example.org", "r***n@example.org"), ("", "***")],
)
def test_masked(login: str, shown: str) -> None:
    assert masked(login) == shown


@pytest.mark.parametrize("value", ["phishing_resistant", ["phishing_resistant"]])
def test_phishing_resistance_can_be_required(value: Any) -> None:
    assert phishing_resistant_required({"require": value})
    assert not phishing_resistant_required({})


@pytest.mark.parametrize("value", ["sms", ["phishing_resistant", "x"], {"a": 1}, 5])
def test_other_requirements_are_refused_by_name(value: Any) -> None:
    with pytest.raises(
        InvalidConfigError, match=r"config\.require can only be 'phishing_resistant'"
    ):
        phishing_resistant_required({"require": value})
