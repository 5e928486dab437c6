"""`okta_mfa` against the simulated Okta: what passes, what fails, what cannot be known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from compai_dags.checks import CheckContext, evaluate
from compai_dags.checks.okta import (
    CAN_SIGN_IN,
    MAX_USERS,
    PHISHING_RESISTANT_FACTORS,
    STRONG,
    WEAK,
)
from compai_dags.checks.okta_access import NEEDS
from compai_dags.connection import ConnectionFields
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.rows import Exemption, Row
from compai_kit.simulator.control import Fault, SimulatorControl
from compai_kit.simulator.systems.okta_answers import PROVIDERS, user_id

TOKEN = "-".join(["simulated", "token", "of", "okta"])
ADA: dict[str, Any] = {"login": "ada@example.com", "factors": ["push"]}
BO: dict[str, Any] = {"login": "bo@example.com", "factors": ["webauthn", "question"]}
BARE: dict[str, Any] = {"login": "robin@example.com"}
GUEST: dict[str, Any] = {"login": "guest@example.com", "provider": "FEDERATION"}
ALL = ("users", "apps", "policies", "super_admin")
TWO = [
    {"name": "Everybody", "priority": 1, "factorMode": "2FA"},
    {"name": "Catch-all Rule", "priority": 99, "factorMode": "1FA"},
]
DESCRIPTION = Path(__file__).parents[2] / "data" / "okta_api.json"


class World:
    """An organisation of the simulator, and the check on it."""

    def __init__(self, simulator: SimulatorControl, check: Callable[..., Observation]) -> None:
        self.simulator = simulator
        self.check = check

    def people(self, *people: dict[str, Any], **okta: Any) -> None:
        settings = {
            "tokens": {TOKEN: {"permissions": okta.pop("permissions", ALL)}},
            "users": list(people),
            **okta,
        }
        self.simulator.reset(settings={"systems": {"okta": settings}})

    def calls(self) -> list[str]:
        return [
            f"{call.path.removeprefix('/systems/okta/api/v1/')}?{call.query}".rstrip("?")
            for call in self.simulator.ledger()
            if call.operation == "okta"
        ]


def fields(url: str, **over: Any) -> ConnectionFields:
    given: dict[str, Any] = {"host": f"{url}/systems/okta", "password": TOKEN}
    return ConnectionFields(conn_type="http", **(given | over))


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def context(simulator, client, now, slept) -> Callable[..., CheckContext]:
    def build(**over: Any) -> CheckContext:
        connection = over.pop("connection", fields(simulator.url))
        values: dict[str, Any] = {"now": lambda: now, "sleep": slept.append} | over
        return CheckContext(client=client, connection=lambda _: connection, **values)

    return build


@pytest.fixture
def okta(simulator, row: Callable[..., Row], context) -> World:
    def check(
        config: Any = None, exemptions: tuple[Exemption, ...] = (), **over: Any
    ) -> Observation:
        tested = row("okta_mfa", config=config, exemptions=exemptions)
        return evaluate(tested, context(**over))

    return World(simulator, check)


def is_error(observed: Observation, reason: Reason) -> bool:
    assert observed.collected_at is None
    assert observed.proof is None
    return (observed.outcome, observed.reason) == (Outcome.ERROR, reason)


class TestConnection:
    def test_without_one_nothing_is_asked(self, okta) -> None:
        observed = okta.check(connection=None)
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.INTEGRATION)
        for words in ("comp_ai_okta is missing", "https://example.okta.com", NEEDS, '"Bearer"'):
            assert words in observed.sentence

    def test_the_scopes_that_it_names_are_those_of_oktas_description(self) -> None:
        operations = json.loads(DESCRIPTION.read_text("utf-8"))["operations"].values()
        scopes = {scope for operation in operations for scope in operation["scopes"]}
        assert scopes == {word.strip(",") for word in NEEDS.split() if word.startswith("okta.")}

    @pytest.mark.parametrize(
        ("over", "said"),
        [
            ({"host": None}, "lacks host"),
            ({"password": None}, "lacks password: an API token"),
            ({"password": "abc\n"}, "has a password with characters that no token has"),
            ({"password": "a b"}, "has a password with characters that no token has"),
            ({"password": "tökën"}, "has a password with characters that no token has"),
            ({"extra": '{"scheme": "Basic"}'}, "scheme is not SSWS or Bearer"),
            ({"extra": "{"}, "has an extra that is not JSON"),
            ({"host": "example.okta.com", "conn_type": "okta"}, "tells no scheme"),
            (
                {"host": "https://example-admin.okta.com"},
                "has the address of the Admin Console",
            ),
        ],
    )
    def test_one_that_cannot_be_used_is_named(self, okta, simulator, over, said) -> None:
        given = {"host": f"{simulator.url}/systems/okta", "password": TOKEN} | over
        conn_type = given.pop("conn_type", "http")
        observed = okta.check(connection=ConnectionFields(conn_type=conn_type, **given))
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert observed.sentence.startswith("Not configured: Connection comp_ai_okta ")
        assert said in observed.sentence
        assert TOKEN not in observed.sentence
        assert okta.calls() == []

    @pytest.mark.parametrize("path", ["/systems/okta/", "/systems/okta/api/v1"])
    def test_an_address_may_end_in_the_path_of_the_api(self, okta, simulator, path) -> None:
        okta.people(ADA)
        observed = okta.check(connection=fields(simulator.url, host=f"{simulator.url}{path}"))
        assert observed.outcome is Outcome.PASS

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
    def test_an_access_token_is_sent_as_one(self, okta, simulator, scheme) -> None:
        okta.people(ADA, tokens={TOKEN: {"scheme": "Bearer"}})
        extra = f'{{"scheme": "{scheme}"}}'
        assert okta.check(connection=fields(simulator.url, extra=extra)).outcome is Outcome.PASS
        assert is_error(okta.check(), Reason.AUTH)


class TestConfig:
    @pytest.mark.parametrize(
        ("config", "said"),
        [
            ([], "config is a JSON array"),
            ({"require": "strong"}, "config.require can only be 'phishing_resistant'"),
            ({"federated": True}, "config.federated can only be 'trust'"),
            ({"policy": "salesforce"}, "config.policy must be true, or of okta_enduser, saasure"),
            ({"policy": []}, "config.policy must be true"),
            ({"policy": 1}, "config.policy must be true"),
            ({"max_users": 0}, "config.max_users must be a whole number of at least 1"),
            ({"max_users": True}, "config.max_users must be a whole number"),
            ({"min_users": "5"}, "config.min_users must be a whole number"),
        ],
    )
    def test_that_cannot_be_used_is_named(self, okta, config, said) -> None:
        observed = okta.check(config)
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert said in observed.sentence
        assert okta.calls() == []


class TestVerdict:
    def test_everybody_has_a_factor(self, okta, now, simulator) -> None:
        okta.people(ADA, BO)
        observed = okta.check()
        host = simulator.url.removeprefix("http://")
        assert observed.outcome is Outcome.PASS
        assert observed.sentence == f"All 2 enabled users of Okta {host} have a second factor."
        assert observed.collected_at == now
        proof = observed.proof
        assert proof is not None
        assert (proof.type, proof.source) == ("okta_mfa", f"okta:{host}")
        assert len(proof.raw_sha256) == 64
        assert all(assertion.holds for assertion in proof.assertions)
        assert "example.com" not in msgspec.json.encode(proof.assertions).decode()
        assert okta.calls() == [
            "users?limit=200",
            f"users/{user_id(ADA)}/factors",
            f"users/{user_id(BO)}/factors",
        ]

    def test_somebody_has_none(self, okta, now) -> None:
        okta.people(ADA, BARE)
        observed = okta.check()
        assert observed.outcome is Outcome.FAIL
        assert observed.collected_at == now
        assert "1 of 2 enabled users of Okta" in observed.sentence
        assert f"r***n@example.com (id {user_id(BARE)})" in observed.sentence
        assert "robin" not in observed.sentence

    @pytest.mark.parametrize(
        "factors",
        [
            ["question"],
            [{"type": "push", "status": "PENDING_ACTIVATION"}],
            [{"type": "webauthn", "status": "INACTIVE"}],
            [{"type": "sms", "status": "EXPIRED"}, "question"],
            [{"type": "push", "status": "ENROLLED"}],
        ],
    )
    def test_what_is_no_active_second_factor(self, okta, factors) -> None:
        okta.people(BARE | {"factors": factors})
        observed = okta.check()
        assert observed.outcome is Outcome.FAIL
        [failing] = [fact for fact in observed.proof.assertions if fact.holds is False]
        assert failing.path == f"users/{user_id(BARE)}/factors"
        assert len(failing.observed) == len(factors)

    @pytest.mark.parametrize("kind", sorted(set(PROVIDERS) - {"question"}))
    def test_each_other_type_counts(self, okta, kind) -> None:
        okta.people(BARE | {"factors": [kind]})
        assert okta.check().outcome is Outcome.PASS

    def test_every_type_of_the_description_is_judged(self) -> None:
        assert STRONG | WEAK | {"question"} == set(PROVIDERS)
        assert STRONG.isdisjoint(WEAK)

    @pytest.mark.parametrize("kind", sorted(set(PROVIDERS) - {"question"}))
    @pytest.mark.parametrize("require", ["phishing_resistant", ["phishing_resistant"]])
    def test_phishing_resistance_where_it_is_required(self, okta, kind, require) -> None:
        okta.people(BO | {"factors": [kind]})
        observed = okta.check({"require": require})
        passes = kind in PHISHING_RESISTANT_FACTORS
        assert passes is (kind in ("webauthn", "u2f", "signed_nonce"))
        assert observed.outcome is (Outcome.PASS if passes else Outcome.FAIL)

    def test_a_weak_factor_is_a_warning(self, okta) -> None:
        okta.people(ADA, BARE | {"factors": ["sms"]}, BO | {"factors": ["email", "question"]})
        observed = okta.check()
        assert observed.outcome is Outcome.PASS
        assert observed.sentence.endswith(
            "Warning: 2 of them have sms, call or email only (1 with email only, which Okta can "
            "enrol by itself)."
        )
        [warning] = [fact for fact in observed.proof.assertions if fact.holds is False]
        assert not warning.mandatory

    def test_a_strong_one_beside_a_weak_one_is_none(self, okta) -> None:
        okta.people(ADA | {"factors": ["sms", "push"]})
        assert "Warning" not in okta.check().sentence

    def test_logins_are_capped_at_20(self, okta) -> None:
        okta.people(*({"login": f"u{number}@example.com"} for number in range(30)))
        observed = okta.check()
        assert observed.outcome is Outcome.FAIL
        assert observed.sentence.count("@example.com") == 20
        assert "and 10 more" in observed.sentence

    def test_the_same_content_is_the_same_evidence(self, okta) -> None:
        from compai_dags.proof import content_sha256

        okta.people(ADA)
        before = okta.check().proof
        okta.people(ADA, BO)
        assert content_sha256(okta.check().proof) == content_sha256(before)


class TestPopulation:
    @pytest.mark.parametrize("status", ["ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY"])
    def test_who_can_sign_in(self, okta, status) -> None:
        okta.people(ADA, BARE | {"status": status})
        assert okta.check().outcome is Outcome.FAIL

    @pytest.mark.parametrize("status", ["SUSPENDED", "DEPROVISIONED"])
    def test_who_cannot(self, okta, status) -> None:
        okta.people(ADA, BARE | {"status": status})
        observed = okta.check()
        assert observed.outcome is Outcome.PASS
        assert "All 1 enabled users" in observed.sentence
        assert len(okta.calls()) == 2

    @pytest.mark.parametrize("status", ["STAGED", "PROVISIONED"])
    def test_who_cannot_yet_is_told(self, okta, status) -> None:
        okta.people(ADA, BARE | {"status": status})
        observed = okta.check()
        assert observed.outcome is Outcome.PASS
        assert "1 more are staged or provisioned and not judged" in observed.sentence

    @pytest.mark.parametrize("people", [(), (BARE | {"status": "STAGED"},)])
    def test_nobody_is_never_a_pass(self, okta, people) -> None:
        okta.people(*people)
        observed = okta.check()
        assert is_error(observed, Reason.AMBIGUOUS)
        assert "nobody to judge is not a pass" in observed.sentence

    @pytest.mark.parametrize("size", [1, 3, 200])
    def test_all_pages_are_read(self, okta, size) -> None:
        okta.people(ADA, BO, ADA | {"login": "kim@example.com"}, BARE, page_size=size)
        observed = okta.check()
        assert observed.outcome is Outcome.FAIL, "the one without is on the last page"
        assert "1 of 4" in observed.sentence

    def test_450_users(self, okta) -> None:
        okta.people(*({"login": f"u{n}@example.com", "factors": ["push"]} for n in range(450)))
        assert "All 450 enabled users" in okta.check().sentence
        assert len(okta.calls()) == 3 + 450

    def test_more_than_allowed_are_not_judged(self, okta) -> None:
        okta.people(ADA, BO, BARE)
        observed = okta.check({"max_users": 2})
        assert is_error(observed, Reason.TRUNCATED)
        assert "has 3 enabled users, config.max_users allows 2" in observed.sentence
        assert okta.calls() == ["users?limit=200"]

    def test_too_many_pages(self, okta) -> None:
        okta.people(*({"login": f"u{n}@example.com"} for n in range(101)), page_size=1)
        assert is_error(okta.check(), Reason.TRUNCATED)

    @pytest.mark.parametrize("link", ["https://elsewhere.example/api/v1/users", "//evil.example"])
    def test_a_next_page_elsewhere_is_not_followed(self, okta, simulator, link) -> None:
        okta.people(ADA)
        simulator.faults(
            Fault(
                kind="status",
                operation="okta",
                status=200,
                body=[],
                headers={"link": f'<{link}>; rel="next"'},
            )
        )
        observed = okta.check()
        assert is_error(observed, Reason.MALFORMED)
        assert "another host" in observed.sentence

    def test_fewer_than_there_must_be_is_a_partial_view(self, okta) -> None:
        """Okta has no count to compare with: somebody has to say how many there are at least."""
        okta.people(ADA, BARE, tokens={TOKEN: {"hidden_users": [BARE["login"]]}})
        assert okta.check().outcome is Outcome.PASS, "nothing in the answer tells"
        observed = okta.check({"min_users": 2})
        assert is_error(observed, Reason.PERMISSION)
        assert "users that the token is shown: 1, expected at least 2" in observed.sentence

    def test_as_many_as_there_must_be(self, okta) -> None:
        okta.people(ADA, BO)
        assert okta.check({"min_users": 2}).outcome is Outcome.PASS


class TestChanges:
    @pytest.mark.parametrize("change", [{"gone": True}, {"becomes": "SUSPENDED"}])
    def test_somebody_leaves_meanwhile(self, okta, change) -> None:
        okta.people(ADA, BARE | change)
        observed = okta.check()
        assert observed.outcome is Outcome.PASS
        assert "All 1 enabled users" in observed.sentence
        assert "1 left while the others were read." in observed.sentence

    def test_all_leave(self, okta) -> None:
        okta.people(BARE | {"gone": True})
        assert is_error(okta.check(), Reason.AMBIGUOUS)

    def test_a_404_for_somebody_who_is_there_is_no_pass(self, okta) -> None:
        okta.people(ADA, BARE | {"becomes": "LOCKED_OUT"})
        observed = okta.check()
        assert is_error(observed, Reason.NOT_FOUND_OR_NO_ACCESS)
        assert "knows no factors of one of them (HTTP 404)" in observed.sentence


class TestElsewhere:
    @pytest.mark.parametrize("provider", ["FEDERATION", "SOCIAL"])
    def test_who_signs_in_elsewhere_is_not_known(self, okta, provider) -> None:
        okta.people(ADA, GUEST | {"provider": provider})
        observed = okta.check()
        assert is_error(observed, Reason.AMBIGUOUS)
        assert "sign in through another identity provider" in observed.sentence

    @pytest.mark.parametrize("provider", ["ACTIVE_DIRECTORY", "LDAP", "IMPORT"])
    def test_a_directory_is_not_elsewhere(self, okta, provider) -> None:
        okta.people(ADA, GUEST | {"provider": provider})
        assert okta.check().outcome is Outcome.FAIL

    def test_with_a_factor_of_okta_it_counts(self, okta) -> None:
        okta.people(GUEST | {"factors": ["push"]})
        assert okta.check().outcome is Outcome.PASS

    def test_unless_that_is_trusted(self, okta) -> None:
        okta.people(ADA, GUEST)
        observed = okta.check({"federated": "trust"})
        assert observed.outcome is Outcome.PASS
        assert "1 more sign in through another identity provider" in observed.sentence

    def test_only_trusted_ones_are_not_applicable(self, okta) -> None:
        okta.people(GUEST)
        assert okta.check({"federated": "trust"}).outcome is Outcome.NOT_APPLICABLE

    @pytest.mark.parametrize(
        ("mode", "outcome"), [("1FA", Outcome.FAIL), ("2FA", Outcome.NOT_APPLICABLE)]
    )
    def test_trust_excuses_no_sign_on_rule_that_was_asked_for(self, okta, mode, outcome) -> None:
        rule = {"name": "All", "priority": 1, "factorMode": mode}
        okta.people(GUEST, policies={"okta_enduser": [rule]})
        config = {"federated": "trust", "policy": "okta_enduser"}
        assert okta.check(config).outcome is outcome


class TestExemptions:
    @pytest.fixture
    def exempt(self, now) -> Callable[..., Exemption]:
        def build(name: str | None, days: int = 10) -> Exemption:
            until: date = (now + timedelta(days=days)).date()
            return Exemption(reason="Break glass account", expires=until, object=name)

        return build

    @pytest.mark.parametrize("name", ["robin@example.com", "ROBIN@example.com", user_id(BARE)])
    def test_of_a_login_or_an_id_hold_and_are_told(self, okta, exempt, name) -> None:
        okta.people(ADA, BARE)
        observed = okta.check(None, (exempt(name),))
        assert observed.outcome is Outcome.PASS
        assert "Exempt: r***n@example.com" in observed.sentence
        assert "until 2026-12-05: Break glass account" in observed.sentence

    def test_that_have_expired_do_not(self, okta, exempt) -> None:
        okta.people(ADA, BARE)
        observed = okta.check(None, (exempt(BARE["login"], -1),))
        assert observed.outcome is Outcome.FAIL
        assert "have expired and no longer count" in observed.sentence

    def test_the_config_excludes_nobody(self, okta) -> None:
        okta.people(ADA, BARE)
        config = {"exclude": [BARE["login"]], "exemptions": [BARE["login"]]}
        assert okta.check(config).outcome is Outcome.FAIL

    def test_of_all_are_not_applicable(self, okta, exempt) -> None:
        okta.people(BARE)
        assert okta.check(None, (exempt(BARE["login"]),)).outcome is Outcome.NOT_APPLICABLE


class TestPolicy:
    def test_enrolment_and_enforcement_are_two_assertions(self, okta) -> None:
        okta.people(ADA, policies={"okta_enduser": TWO, "saasure": TWO})
        observed = okta.check({"policy": True})
        assert observed.outcome is Outcome.PASS
        assert "Okta Dashboard asks for two factors." in observed.sentence
        assert "Okta Admin Console asks for two factors." in observed.sentence
        facts = {fact.path: fact.observed for fact in observed.proof.assertions}
        assert facts["first active sign-on rule of Okta Dashboard, factorMode"] == "2FA"
        assert facts["enabled users with a second factor"] == {"users": 1, "push": 1}

    def test_without_the_setting_nothing_is_asked(self, okta) -> None:
        okta.people(ADA, permissions=["users"])
        assert okta.check({"policy": False}).outcome is Outcome.PASS
        assert len(okta.calls()) == 2

    @pytest.mark.parametrize(
        "rules",
        [
            [{"name": "All", "priority": 0, "factorMode": "1FA"}, *TWO],
            [{"name": "All", "priority": 1, "factorMode": "2FA", "status": "INACTIVE"}, TWO[1]],
            [TWO[1]],
        ],
    )
    def test_a_first_rule_with_one_factor_fails(self, okta, rules) -> None:
        okta.people(ADA, policies={"okta_enduser": list(reversed(rules))})
        observed = okta.check({"policy": "okta_enduser"})
        assert observed.outcome is Outcome.FAIL
        assert "Okta Dashboard, factorMode: 1FA, expected 2FA." in observed.sentence
        assert "without a second factor" not in observed.sentence

    @pytest.mark.parametrize(
        "first",
        [
            {"name": "Chain", "priority": 0, "type": "AUTH_METHOD_CHAIN"},
            {"name": "Nobody from there", "priority": 0, "access": "DENY"},
        ],
    )
    def test_a_first_rule_without_a_mode_is_not_known(self, okta, first) -> None:
        okta.people(ADA, policies={"okta_enduser": [first, *TWO]})
        observed = okta.check({"policy": ["okta_enduser"]})
        assert is_error(observed, Reason.AMBIGUOUS)
        assert "factorMode: unknown, expected 2FA" in observed.sentence

    @pytest.mark.parametrize("priority", [{}, {"priority": None}])
    def test_a_rule_without_a_place_may_be_the_first(self, okta, simulator, priority) -> None:
        """Left out, it would leave the decision to a rule that asks for more."""
        okta.people(ADA, policies={"okta_enduser": TWO})
        simulator.faults(shown_rules({"status": "ACTIVE", **mode("1FA"), **priority}))
        observed = okta.check({"policy": "okta_enduser"})
        assert is_error(observed, Reason.MALFORMED)
        assert "The policy of Okta Dashboard has an active rule without a priority" in (
            observed.sentence
        )

    @pytest.mark.parametrize("status", ["", "active", "PENDING"])
    def test_a_rule_whose_status_nobody_knows_may_be_active(self, okta, simulator, status) -> None:
        okta.people(ADA, policies={"okta_enduser": TWO})
        simulator.faults(shown_rules({"status": status, "priority": 1, **mode("1FA")}))
        observed = okta.check({"policy": "okta_enduser"})
        assert is_error(observed, Reason.MALFORMED)
        assert "The policy of Okta Dashboard has a rule with a status unknown here" in (
            observed.sentence
        )

    def test_an_inactive_rule_needs_no_place(self, okta, simulator) -> None:
        okta.people(ADA, policies={"okta_enduser": TWO})
        simulator.faults(shown_rules({"status": "INACTIVE", **mode("1FA")}))
        assert okta.check({"policy": "okta_enduser"}).outcome is Outcome.PASS

    def test_a_policy_whose_address_is_none(self, okta, simulator) -> None:
        okta.people(ADA, policies={"okta_enduser": TWO})
        links = {"accessPolicy": {"href": "http://["}}
        body = [{"name": "okta_enduser", "_links": links}]
        simulator.faults(Fault(kind="wrong_shape", operation="okta", body=body, after=2))
        observed = okta.check({"policy": "okta_enduser"})
        assert is_error(observed, Reason.MALFORMED)
        assert "names a policy of Okta Dashboard by what is no address" in observed.sentence

    @pytest.mark.parametrize(
        ("okta_settings", "reason", "said"),
        [
            (
                {"permissions": ["users", "apps", "policies"]},
                Reason.PERMISSION,
                "Okta does not show the application Okta Admin Console",
            ),
            ({"permissions": ["users"]}, Reason.PERMISSION, "may not read applications"),
            ({"permissions": ["users", "apps", "super_admin"]}, Reason.PERMISSION, "the rules of"),
            ({"policies": {"saasure": None}}, Reason.NOT_FOUND_OR_NO_ACCESS, "as in a Classic"),
            ({"policies": {"saasure": []}}, Reason.NOT_FOUND_OR_NO_ACCESS, "no active rule"),
        ],
    )
    def test_what_is_not_shown_is_an_error_that_says_so(
        self, okta, okta_settings, reason, said
    ) -> None:
        okta.people(ADA, **{"policies": {"saasure": TWO}, **okta_settings})
        observed = okta.check({"policy": "saasure"})
        assert is_error(observed, reason)
        assert said in observed.sentence

    def test_it_says_who_would_see_it(self, okta) -> None:
        okta.people(ADA, policies={"saasure": TWO}, permissions=["users", "apps", "policies"])
        assert "a Super Administrator's would see it" in okta.check({"policy": "saasure"}).sentence

    def test_whoever_has_no_factor_fails_all_the_same(self, okta) -> None:
        okta.people(BARE, permissions=["users"])
        observed = okta.check({"policy": True})
        assert observed.outcome is Outcome.FAIL
        assert "may not read applications" in observed.sentence


class TestLimits:
    def test_okta_is_asked_no_more_often_than_it_allows(self, okta, slept) -> None:
        people = ({"login": f"u{n}@example.com", "factors": ["push"]} for n in range(6))
        okta.people(*people, limit={"calls": 6, "window_s": 40})
        observed = okta.check()
        assert observed.outcome is Outcome.PASS
        assert slept == [], "a tenth of 6 is less than one call"
        assert len(okta.calls()) == 7

    def test_it_waits_before_the_window_is_used_up(self, okta, slept) -> None:
        people = ({"login": f"u{n}@example.com", "factors": ["push"]} for n in range(20))
        okta.people(*people, limit={"calls": 20, "window_s": 40})
        assert okta.check().outcome is Outcome.PASS
        assert len(slept) == 2, "before the last two of 20: two calls are left to others"
        assert all(35 < wait <= 41 for wait in slept)
        assert [call.status for call in okta.simulator.ledger() if call.status == 429] == []

    def test_429_waits_until_the_reset_and_goes_on(self, okta, slept, simulator) -> None:
        okta.people(ADA, BO)
        simulator.faults(limited(reset_in_s=30, after=1))
        assert okta.check().outcome is Outcome.PASS
        assert len(slept) == 1
        assert 28 < slept[0] <= 31
        assert len(okta.calls()) == 4

    def test_429_for_ever_is_an_error(self, okta, simulator, slept) -> None:
        okta.people(ADA)
        simulator.faults(limited(reset_in_s=30, count=None))
        observed = okta.check()
        assert is_error(observed, Reason.RATE_LIMITED)
        assert observed.transient
        assert len(okta.calls()) == 3

    def test_a_wait_that_is_too_long_is_not_taken(self, okta, simulator, slept) -> None:
        okta.people(ADA)
        simulator.faults(limited(reset_in_s=600))
        observed = okta.check()
        assert is_error(observed, Reason.RATE_LIMITED)
        assert "asks to wait 60" in observed.sentence
        assert slept == []

    def test_nor_before_the_window_is_used_up(self, okta, slept) -> None:
        people = ({"login": f"u{n}@example.com", "factors": ["push"]} for n in range(20))
        okta.people(*people, limit={"calls": 10, "window_s": 3600})
        observed = okta.check()
        assert is_error(observed, Reason.RATE_LIMITED)
        assert "Okta takes no more calls for 3" in observed.sentence
        assert slept == []

    def test_too_many_at_once_is_a_short_wait(self, okta, simulator, slept) -> None:
        """The concurrent limit says 0 of 0, and a reset that is only an estimate."""
        okta.people(ADA)
        simulator.faults(limited(reset_in_s=0))
        assert okta.check().outcome is Outcome.PASS
        assert slept == [1.0]

    @pytest.mark.parametrize(
        "date", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +9999999999999"]
    )
    def test_a_clock_that_cannot_be_read_is_replaced_by_ours(
        self, okta, simulator, slept, date
    ) -> None:
        okta.people(ADA)
        fault = limited(reset_in_s=0)
        odd = dataclasses.replace(fault, headers={**fault.headers, "date": date})
        simulator.faults(odd)
        observed = okta.check()
        assert is_error(observed, Reason.RATE_LIMITED) or observed.outcome is Outcome.PASS

    def test_a_window_that_never_ends(self, okta, simulator) -> None:
        okta.people(ADA)
        headers = {
            "x-rate-limit-limit": "100",
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": "9" * 12,
        }
        body = [{"factorType": "push", "status": "ACTIVE"}]
        user = {"id": "00u1", "status": "ACTIVE", "profile": {"login": "x@example.com"}}
        simulator.faults(
            Fault(kind="status", operation="okta", status=200, body=[user, user | {"id": "00u2"}]),
            Fault(kind="status", operation="okta", status=200, body=body, headers=headers),
        )
        observed = okta.check()
        assert is_error(observed, Reason.RATE_LIMITED)
        assert "Okta takes no more calls for 86400 s" in observed.sentence

    def test_a_limit_that_says_nothing_is_waited_for_all_the_same(
        self, okta, simulator, slept
    ) -> None:
        okta.people(ADA)
        simulator.faults(Fault(kind="status", operation="okta", status=429, body={}))
        assert okta.check().outcome is Outcome.PASS
        assert len(slept) == 1

    def test_a_limit_in_the_middle_keeps_what_is_proven(self, okta, simulator) -> None:
        okta.people(BARE, ADA, BO)
        simulator.faults(limited(reset_in_s=600, after=2, count=None))
        observed = okta.check()
        assert observed.outcome is Outcome.FAIL
        assert "1 of 3" in observed.sentence
        assert "Unknown for 2 (GET " in observed.sentence

    def test_and_proves_nothing_of_the_rest(self, okta, simulator) -> None:
        okta.people(ADA, BO)
        simulator.faults(limited(reset_in_s=600, after=2, count=None))
        observed = okta.check({"policy": True})
        assert is_error(observed, Reason.RATE_LIMITED)
        assert observed.transient
        assert "Unknown for 1 (GET " in observed.sentence

    def test_it_ends_after_a_while(self, okta, now) -> None:
        ticks = iter(range(10_000))
        okta.people(ADA, BO, BARE)
        observed = okta.check(now=lambda: now + timedelta(minutes=4 * next(ticks)))
        assert is_error(observed, Reason.TIMEOUT)
        assert "of 3 users were read in 15 minutes" in observed.sentence

    def test_so_does_a_list_that_takes_too_long(self, okta, now) -> None:
        ticks = iter(range(10_000))
        okta.people(*(ADA | {"login": f"ada{n}@example.org"} for n in range(201)))
        observed = okta.check(now=lambda: now + timedelta(minutes=16 * next(ticks)))
        assert is_error(observed, Reason.TIMEOUT)
        assert "only 200 users of Okta were listed in time" in observed.sentence


class TestRefusals:
    def test_a_wrong_token(self, okta) -> None:
        okta.people(ADA, tokens={})
        observed = okta.check()
        assert is_error(observed, Reason.AUTH)
        assert "Okta refuses the token of Connection comp_ai_okta" in observed.sentence
        assert "Invalid token provided" in observed.sentence
        assert TOKEN not in observed.sentence

    def test_a_token_without_a_role(self, okta) -> None:
        okta.people(ADA, permissions=[])
        observed = okta.check()
        assert is_error(observed, Reason.PERMISSION)
        assert "may not read users" in observed.sentence
        assert "Read-Only Administrator" in observed.sentence
        assert "okta.users.read" in observed.sentence

    def test_another_address(self, okta, simulator) -> None:
        okta.people(ADA)
        elsewhere = fields(simulator.url, host=f"{simulator.url}/systems/okta/portal")
        observed = okta.check(connection=elsewhere)
        assert is_error(observed, Reason.NOT_FOUND_OR_NO_ACCESS)
        assert "is the host of Connection comp_ai_okta that of the organisation?" in (
            observed.sentence
        )

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ({"kind": "html"}, Reason.MALFORMED),
            ({"kind": "status", "status": 302}, Reason.MALFORMED),
            ({"kind": "status", "status": 400, "body": {}}, Reason.MALFORMED),
            ({"kind": "status", "status": 500, "body": {}}, Reason.UPSTREAM_5XX),
            ({"kind": "status", "status": 503, "body": {}}, Reason.UPSTREAM_5XX),
            ({"kind": "reset"}, Reason.TIMEOUT),
            ({"kind": "wrong_shape", "body": {"users": []}}, Reason.MALFORMED),
            ({"kind": "wrong_shape", "body": [{"id": "00u1"}]}, Reason.MALFORMED),
        ],
    )
    @pytest.mark.parametrize("after", [0, 1])
    def test_answers_that_say_nothing(self, okta, simulator, fault, reason, after) -> None:
        okta.people(ADA, BO)
        simulator.faults(Fault(operation="okta", count=None, after=after, **fault))
        assert is_error(okta.check(), reason)

    def test_a_status_that_nobody_knows_is_no_pass(self, okta, simulator) -> None:
        okta.people(ADA)
        strange = {"id": "00u1", "status": "DORMANT", "profile": {"login": "x@example.com"}}
        simulator.faults(Fault(kind="wrong_shape", operation="okta", body=[strange]))
        observed = okta.check()
        assert is_error(observed, Reason.AMBIGUOUS)
        assert "a status unknown here, DORMANT" in observed.sentence

    @pytest.mark.parametrize("number", ["", ".", ".."])
    def test_an_id_that_is_none_is_nobody_who_left(self, okta, simulator, number) -> None:
        okta.people(ADA, BARE)
        kim = {"status": "ACTIVE", "profile": {"login": "kim@example.com"}, "id": number}
        ada = {"status": "ACTIVE", "profile": {"login": ADA["login"]}, "id": user_id(ADA)}
        simulator.faults(Fault(kind="wrong_shape", operation="okta", body=[ada, kim]))
        observed = okta.check()
        assert is_error(observed, Reason.MALFORMED)
        assert "Okta lists a user without an id" in observed.sentence

    def test_two_people_under_one_id_are_not_one(self, okta, simulator) -> None:
        """Whoever came second would be judged by the factors of the first."""
        okta.people(ADA)
        user = {"id": "00u1", "status": "ACTIVE", "profile": {"login": "x@example.com"}}
        other = user | {"profile": {"login": "y@example.com"}}
        simulator.faults(Fault(kind="wrong_shape", operation="okta", body=[user, other]))
        observed = okta.check()
        assert is_error(observed, Reason.MALFORMED)
        assert "Okta lists two users under the id 00u1" in observed.sentence

    def test_a_factor_that_nobody_knows_is_neither_pass_nor_fail(self, okta, simulator) -> None:
        okta.people(ADA)
        strange = [{"factorType": "telepathy", "status": "ACTIVE"}]
        simulator.faults(Fault(kind="wrong_shape", operation="okta", body=strange, after=1))
        observed = okta.check()
        assert is_error(observed, Reason.AMBIGUOUS)
        assert "a factor unknown here, telepathy" in observed.sentence


def mode(factor_mode: str) -> dict[str, Any]:
    return {"actions": {"appSignOn": {"verificationMethod": {"factorMode": factor_mode}}}}


def shown_rules(first: dict[str, Any]) -> Fault:
    """After the users, the factors of one and the application: this rule, and one that asks."""
    body = [first, {"status": "ACTIVE", "priority": 99, **mode("2FA")}]
    return Fault(kind="wrong_shape", operation="okta", body=body, after=3)


def limited(*, reset_in_s: int, **over: Any) -> Fault:
    """Okta's 429, its end told by a clock that is not ours."""
    from datetime import UTC, datetime

    reset = int((datetime.now(UTC) + timedelta(seconds=reset_in_s)).timestamp())
    return Fault(
        kind="status",
        operation="okta",
        status=429,
        body={"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit."},
        headers={
            "x-rate-limit-limit": "0",
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(reset),
        },
        **over,
    )


def test_the_document_says_what_the_check_does(pytestconfig) -> None:
    text = (pytestconfig.rootpath / "docs/okta-aws.md").read_text("utf-8")
    source = json.loads(DESCRIPTION.read_text("utf-8"))["source"]
    for words in (
        f"| `max_users` | {MAX_USERS} |",
        f"| {', '.join(sorted(CAN_SIGN_IN, key=text.index))} | judged |",
        f"ACTIVE {', '.join(f'`{kind}`' for kind in ('sms', 'call'))} or `email` only",
        f"API, {source['api_version']}, as the Go module `{source['module']}` {source['version']}",
        *(f"`{scope}`" for scope in NEEDS.replace(",", "").split() if scope.startswith("okta.")),
        *(f"`{kind}`" for kind in PHISHING_RESISTANT_FACTORS | WEAK),
    ):
        assert words in text
