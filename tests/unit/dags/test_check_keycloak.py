"""`keycloak_mfa` against the simulated Keycloak: what passes, what fails, what cannot be known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from compai_dags.checks import CheckContext, evaluate
from compai_dags.connection import ConnectionFields
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.rows import Exemption, Row
from compai_kit.simulator.control import Fault, SimulatorControl

SECRET = "-".join(["secret", "of", "the", "tests"])
PEOPLE: list[dict[str, Any]] = [
    {"username": "kim", "credentials": ["password", "otp"]},
    {"username": "lee", "credentials": ["password", "webauthn"]},
    {"username": "ash", "credentials": ["webauthn-passwordless"]},
    {"username": "gone.away", "credentials": ["password"], "enabled": False},
]
ONLY_PASSWORD = {"username": "robin", "credentials": ["password"]}
BROKERED = {"username": "corporate.one", "identityProviders": ["corporate"]}
ADMIN = "keycloakAdmin"
INTROSPECTION = "keycloakIntrospection"


class World:
    """A realm of the simulator, and the check on it."""

    def __init__(self, simulator: SimulatorControl, check: Callable[..., Observation]) -> None:
        self.simulator = simulator
        self.check = check

    def realm(self, *people: dict[str, Any], roles: tuple[str, ...] = ("view-users",)) -> None:
        self.reset({"users": list(people), "roles": {"checker": list(roles)}})

    def reset(self, admin: dict[str, Any], **keycloak: Any) -> None:
        settings = {
            "keycloak": {"realm": "staff", "clients": {"checker": SECRET}, **keycloak},
            "systems": {ADMIN: admin},
        }
        self.simulator.reset(settings=settings)

    def calls(self, operation: str = ADMIN) -> list[str]:
        return [
            f"{call.path.removeprefix('/auth/admin/realms/staff/')}?{call.query}".rstrip("?")
            for call in self.simulator.ledger()
            if call.operation == operation
        ]


def fields(url: str, **over: Any) -> ConnectionFields:
    extra = over.pop("extra", {"realm": "staff"})
    given = {"host": f"{url}/auth", "login": "checker", "password": SECRET}
    return ConnectionFields(
        conn_type="http", extra=msgspec.json.encode(extra).decode(), **(given | over)
    )


@pytest.fixture
def context(simulator, client, now) -> Callable[..., CheckContext]:
    def build(**over: Any) -> CheckContext:
        connection = over.pop("connection", fields(simulator.url))
        values: dict[str, Any] = {"now": lambda: now, "sleep": lambda _: None} | over
        return CheckContext(client=client, connection=lambda _: connection, **values)

    return build


@pytest.fixture
def world(simulator, row: Callable[..., Row], context) -> World:
    def check(
        config: Any = None, exemptions: tuple[Exemption, ...] = (), **over: Any
    ) -> Observation:
        tested = row("keycloak_mfa", config=config, exemptions=exemptions)
        return evaluate(tested, context(**over))

    return World(simulator, check)


def test_everybody_enrolled_is_a_pass_with_proof(world: World) -> None:
    world.realm(*PEOPLE)
    observed = world.check()
    assert observed.outcome is Outcome.PASS
    assert observed.sentence == "All 3 enabled users of Keycloak realm staff have a second factor."
    proof = observed.proof
    assert proof is not None
    host = world.simulator.url.removeprefix("http://")
    assert (proof.type, proof.source) == ("keycloak_mfa", f"keycloak:staff@{host}")
    assert len(proof.raw_sha256) == 64
    seen = {fact.path: fact.observed for fact in proof.assertions}
    assert seen == {
        "users/count": 4,
        "enabled users": 3,
        "enabled users with a second factor": {
            "users": 3,
            "otp": 1,
            "webauthn": 1,
            "webauthn-passwordless": 1,
        },
    }


def test_one_without_a_factor_is_a_fail_that_names_id_and_masked_login(world: World) -> None:
    world.realm(*PEOPLE, ONLY_PASSWORD | {"id": "00000000-1111"})
    observed = world.check()
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence == (
        "1 of 4 enabled users of Keycloak realm staff without a second factor:"
        " r***n (id 00000000-1111)."
    )
    assert observed.proof is not None
    failing = [fact for fact in observed.proof.assertions if fact.holds is False]
    assert [(fact.path, fact.observed, fact.expected) for fact in failing] == [
        (
            "users/00000000-1111/credentials",
            ["password"],
            "a credential of type otp or webauthn or webauthn-passwordless",
        )
    ]


@pytest.mark.parametrize(
    "lacking",
    [
        ONLY_PASSWORD | {"requiredActions": ["CONFIGURE_TOTP"]},
        {"username": "robin", "credentials": ["password", "recovery-authn-codes"]},
        {"username": "robin", "credentials": []},
    ],
    ids=["asked to set one up", "recovery codes alone", "nothing at all"],
)
def test_what_is_no_factor(world: World, lacking: dict[str, Any]) -> None:
    world.realm(*PEOPLE, lacking)
    assert world.check().outcome is Outcome.FAIL


def test_a_pending_action_is_told(world: World) -> None:
    world.realm(ONLY_PASSWORD | {"requiredActions": ["CONFIGURE_TOTP", "VERIFY_EMAIL"]})
    observed = world.check()
    assert observed.sentence.endswith("1 of them asked to set one up, which is not having one.")
    assert observed.proof is not None
    assert observed.proof.assertions[-1].observed == ["password", "required action CONFIGURE_TOTP"]


class TestBrokerUsers:
    def test_are_unknown_and_never_enrolled(self, world: World) -> None:
        world.realm(*PEOPLE, BROKERED | {"credentials": ["otp"]})
        observed = world.check()
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
        assert "Unknown for 1 (sign in through corporate): c***e (id " in observed.sentence

    def test_do_not_hide_who_provably_has_none(self, world: World) -> None:
        world.realm(*PEOPLE, BROKERED, ONLY_PASSWORD)
        observed = world.check()
        assert observed.outcome is Outcome.FAIL
        assert "r***n" in observed.sentence
        assert "Unknown for 1 (sign in through corporate)" in observed.sentence

    def test_with_a_password_are_judged_like_anybody(self, world: World) -> None:
        world.realm(*PEOPLE, BROKERED | {"credentials": ["password"]})
        assert world.check().outcome is Outcome.FAIL

    def test_can_be_trusted(self, world: World) -> None:
        world.realm(*PEOPLE, BROKERED)
        observed = world.check({"federated": "trust"})
        assert observed.outcome is Outcome.PASS
        assert observed.sentence.endswith(
            "1 more sign in through another identity provider, which config.federated trusts."
        )

    def test_alone_and_trusted_do_not_make_a_pass(self, world: World) -> None:
        world.realm(BROKERED)
        observed = world.check({"federated": "trust"})
        assert (observed.outcome, observed.proof) == (Outcome.NOT_APPLICABLE, None)


def test_nobody_enabled_is_not_a_pass(world: World) -> None:
    world.realm({"username": "kim", "credentials": ["otp"], "enabled": False})
    observed = world.check()
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
    assert "Keycloak realm staff has no enabled users" in observed.sentence


def test_phishing_resistance_can_be_required(world: World) -> None:
    world.realm(*PEOPLE)
    observed = world.check({"require": ["phishing_resistant"]})
    assert observed.outcome is Outcome.FAIL
    assert observed.sentence.startswith("1 of 3 enabled users")
    assert "k***" in observed.sentence


def test_an_exception_is_honoured_and_told(world: World, now) -> None:
    world.realm(*PEOPLE, ONLY_PASSWORD)
    until = now.date() + timedelta(days=1)
    excuse = Exemption(object="robin", reason="break-glass account", expires=until)
    observed = world.check(exemptions=(excuse,))
    assert observed.outcome is Outcome.PASS
    assert observed.sentence.endswith(f"until {until}: break-glass account.")
    expired = Exemption(object="robin", reason="break-glass", expires=date(2026, 1, 1))
    assert world.check(exemptions=(expired,)).outcome is Outcome.FAIL


class TestPartialView:
    """A list that may be a part of the users is never a pass, whoever is on it."""

    def refused(self, world: World) -> str:
        observed = world.check()
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.PERMISSION)
        assert not observed.transient
        return observed.sentence

    def test_with_query_users_alone(self, world: World) -> None:
        world.realm(*PEOPLE, roles=("query-users",))
        assert self.refused(world) == (
            "Could not verify: the client checker of Keycloak realm staff may list a part of the"
            " users only: give its service account the role view-users of realm-management."
        )

    def test_when_keycloak_does_not_tell_the_roles(self, world: World) -> None:
        world.realm(*PEOPLE)
        for silent in ({}, {"resource_access": []}, {"resource_access": {"account": {}}}):
            told = {"active": True, **silent}
            world.simulator.faults(Fault(kind="wrong_shape", operation=INTROSPECTION, body=told))
            assert "may list a part of the users only" in self.refused(world)

    def test_without_any_role(self, world: World) -> None:
        world.realm(*PEOPLE, roles=())
        assert "may not read /auth/admin/realms/staff/users/count" in self.refused(world)

    def test_by_fine_grained_permissions_that_hide_people_from_the_count_too(
        self, world: World, now
    ) -> None:
        roles, visible = {"checker": ["query-users"]}, {"checker": ["robin"]}
        world.reset({"users": [*PEOPLE, ONLY_PASSWORD], "roles": roles, "visible": visible})
        excuse = Exemption(object="robin", reason="all that is seen", expires=now.date())
        observed = world.check(exemptions=(excuse,))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.PERMISSION)

    def test_when_the_list_is_shorter_than_the_count(self, world: World) -> None:
        world.realm(*PEOPLE)
        world.simulator.faults(Fault(kind="wrong_shape", operation=ADMIN, body=[], after=1))
        assert "lists 0 of 4 users: give its service account" in self.refused(world)

    def test_when_credentials_are_refused(self, world: World) -> None:
        world.realm(*PEOPLE)
        denied = {"error": "HTTP 403 Forbidden"}
        world.simulator.faults(
            Fault(kind="status", operation=ADMIN, status=403, body=denied, after=3)
        )
        assert "/credentials" in self.refused(world)


class TestManyUsers:
    def crowd(self, number: int) -> list[dict[str, Any]]:
        return [{"username": f"u{n:04}", "credentials": ["otp"]} for n in range(number)]

    def test_are_read_page_by_page(self, world: World) -> None:
        world.realm(*self.crowd(200))
        observed = world.check()
        assert observed.sentence.startswith("All 200 enabled users")
        lists = [call for call in world.calls() if call.startswith("users?")]
        assert lists == [f"users?first={n}&max=100&briefRepresentation=true" for n in (0, 100, 200)]

    def test_beyond_the_limit_are_not_judged_in_part(self, world: World) -> None:
        world.realm(*self.crowd(3))
        observed = world.check({"max_users": 2})
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.TRUNCATED)
        assert observed.sentence == (
            "Could not verify: Keycloak has more than 2 users; config.max_users raises the limit."
        )
        assert world.check({"max_users": 3}).outcome is Outcome.PASS

    def test_whose_pages_never_end_are_cut_off(self, world: World) -> None:
        world.realm(*self.crowd(2))
        page = [{"id": f"{n}", "username": f"u{n}", "enabled": True} for n in range(100)]
        world.simulator.faults(
            Fault(kind="wrong_shape", operation=ADMIN, body=page, after=1, count=None)
        )
        observed = world.check({"max_users": 250})
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.TRUNCATED)

    def test_take_no_longer_than_the_time_that_there_is(self, world: World, now) -> None:
        world.realm(*self.crowd(5))
        times = (now + timedelta(minutes=4 * n) for n in range(100))
        observed = world.check(now=lambda: next(times))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.TIMEOUT)
        assert "of 5 users were read in 15 minutes" in observed.sentence

    def test_nor_does_their_list(self, world: World, now) -> None:
        world.realm(*self.crowd(5))
        times = (now + timedelta(minutes=16 * n) for n in range(100))
        observed = world.check(now=lambda: next(times))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.TIMEOUT)
        assert "only 0 users of Keycloak were listed in time" in observed.sentence


class TestUsersWhoComeAndGo:
    """Calls in order: count, page, count, then one for each user."""

    def test_a_list_during_which_the_count_changed_is_read_again(self, world: World) -> None:
        world.realm(*PEOPLE)
        world.simulator.faults(Fault(kind="wrong_shape", operation=ADMIN, body=5))
        assert world.check().outcome is Outcome.PASS
        assert [call for call in world.calls() if "/" not in call or "count" in call] == [
            "users/count",
            "users?first=0&max=100&briefRepresentation=true",
            "users/count",
            "users?first=0&max=100&briefRepresentation=true",
            "users/count",
        ]

    def test_a_count_that_never_rests_is_not_a_pass(self, world: World) -> None:
        world.realm(*PEOPLE)
        # A call that one fault takes is not let through by the next: these are calls 2, 4 and 6.
        counts = [
            Fault(kind="wrong_shape", operation=ADMIN, body=10 + n, after=n) for n in (2, 3, 4)
        ]
        world.simulator.faults(*counts)
        observed = world.check()
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
        assert "came or went each time that they were listed" in observed.sentence
        assert observed.transient

    def test_a_user_who_is_on_two_pages_is_one(self, world: World) -> None:
        names = [f"u{n:03}" for n in range(101)]
        world.realm(*({"username": u, "id": u, "credentials": ["otp"]} for u in names))
        page = [{"id": user, "username": user, "enabled": True} for user in names[99:]]
        world.simulator.faults(Fault(kind="wrong_shape", operation=ADMIN, body=page, after=2))
        assert world.check().sentence.startswith("All 101 enabled users")
        assert len(world.calls()) == 3 + 1 + 2 * 101, "each once, the identities as well"

    def test_somebody_who_left_is_not_judged_when_the_count_confirms_it(self, world: World) -> None:
        world.realm(*PEOPLE)
        left = {"error": "User not found"}
        world.simulator.faults(
            Fault(kind="status", operation=ADMIN, status=404, body=left, after=3),
            # ash left; then kim and lee are read, and the count
            Fault(kind="wrong_shape", operation=ADMIN, body=3, after=5),
        )
        observed = world.check()
        assert observed.outcome is Outcome.PASS, observed.sentence
        assert observed.sentence.endswith("1 left while the others were read.")

    def test_a_404_that_the_count_contradicts_is_not_a_pass(self, world: World) -> None:
        world.realm(*PEOPLE, ONLY_PASSWORD)
        left = {"error": "User not found"}
        world.simulator.faults(
            Fault(kind="status", operation=ADMIN, status=404, body=left, after=3, count=None)
        )
        observed = world.check()
        assert observed.outcome is Outcome.ERROR


class TestTokens:
    def test_that_expire_are_renewed_in_time(self, world: World) -> None:
        world.reset({"users": PEOPLE, "roles": {"checker": ["view-users"]}}, token_life_s=1)
        world.simulator.faults(
            *(Fault(kind="slow", operation=ADMIN, delay_s=0.4) for _ in range(4))
        )
        assert world.check().outcome is Outcome.PASS
        assert len(world.calls("keycloakToken")) > 2

    def test_that_are_refused_in_mid_run_are_replaced_once(self, world: World) -> None:
        world.realm(*PEOPLE)
        world.simulator.faults(Fault(kind="token_expiry", operation=ADMIN, after=4))
        assert world.check().outcome is Outcome.PASS

    def test_that_end_before_keycloak_is_asked_for_the_roles_are_replaced(
        self, world: World
    ) -> None:
        world.realm(*PEOPLE)
        dead = Fault(kind="wrong_shape", operation=INTROSPECTION, body={"active": False})
        world.simulator.faults(dead)
        assert world.check().outcome is Outcome.PASS
        world.simulator.faults(dataclasses.replace(dead, count=None))
        observed = world.check()
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AUTH)
        assert "calls a token inactive that it has just issued" in observed.sentence

    def test_that_are_refused_when_fresh_end_the_check(self, world: World) -> None:
        world.realm(*PEOPLE)
        refused = {"error": "HTTP 401 Unauthorized"}
        world.simulator.faults(
            Fault(kind="status", operation=ADMIN, status=401, body=refused, count=None)
        )
        observed = world.check()
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AUTH)
        assert len(world.calls()) == 2
        assert "(HTTP 401 Unauthorized), also with a fresh token" in observed.sentence

    @pytest.mark.parametrize(
        ("over", "reason", "words"),
        [
            ({"password": "x"}, Reason.AUTH, 'refuses the client "checker": correct client_secret'),
            ({"login": "other"}, Reason.AUTH, 'no enabled client "other": correct client_id'),
            (
                {"extra": {"realm": "nope"}},
                Reason.NOT_FOUND_OR_NO_ACCESS,
                'Keycloak has no realm "nope"',
            ),
        ],
    )
    def test_that_cannot_be_had(self, world: World, over: Any, reason: Any, words: str) -> None:
        world.realm(*PEOPLE)
        observed = world.check(connection=fields(world.simulator.url, **over))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, reason)
        assert words in observed.sentence
        assert observed.sentence.startswith("Could not verify: Connection comp_ai_keycloak: ")
        assert SECRET not in observed.sentence
        assert not observed.fatal, "the tests of other systems go on"

    def test_of_another_realm_look_at_the_examined_one(self, world: World) -> None:
        world.realm(*PEOPLE)
        elsewhere = fields(world.simulator.url, extra={"realm": "nope", "token_realm": "staff"})
        observed = world.check(connection=elsewhere)
        assert observed.reason is Reason.NOT_FOUND_OR_NO_ACCESS
        assert "(Realm not found.); correct the address (with /auth?)" in observed.sentence


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(kind="status", operation=ADMIN, status=503, count=None), Reason.UPSTREAM_5XX),
        (Fault(kind="status", operation=ADMIN, status=429, count=None), Reason.RATE_LIMITED),
        (Fault(kind="reset", operation=ADMIN, count=None, after=4), Reason.TIMEOUT),
        (Fault(kind="html", operation=ADMIN, count=None), Reason.MALFORMED),
        (Fault(kind="redirect", operation=ADMIN, count=None), Reason.MALFORMED),
        (Fault(kind="truncate", operation=ADMIN, after=1), Reason.MALFORMED),
        (Fault(kind="wrong_shape", operation=ADMIN, body="4"), Reason.MALFORMED),
        (Fault(kind="wrong_shape", operation=ADMIN, body=[{"id": "x"}], after=1), Reason.MALFORMED),
        (Fault(kind="wrong_shape", operation=ADMIN, body={}, after=3), Reason.MALFORMED),
        (Fault(kind="status", operation=INTROSPECTION, status=503, count=None),
         Reason.UPSTREAM_5XX),
        (Fault(kind="wrong_shape", operation=INTROSPECTION, body=[]), Reason.MALFORMED),
        (Fault(kind="html", operation=INTROSPECTION), Reason.MALFORMED),
        (Fault(kind="status", operation=INTROSPECTION, status=403), Reason.PERMISSION),
        (Fault(kind="status", operation="keycloakToken", status=503, count=None),
         Reason.UPSTREAM_5XX),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_never_a_verdict(
    world: World, fault: Fault, reason: Reason
) -> None:
    world.realm(*PEOPLE)
    world.simulator.faults(fault)
    observed = world.check()
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, reason), observed.sentence


class TestNotConfigured:
    def refusal(self, observed: Observation) -> str:
        assert observed.outcome is Outcome.NOT_CONFIGURED
        return observed.sentence

    def test_without_the_connection(self, world: World) -> None:
        assert self.refusal(world.check(connection=None)) == (
            "Not configured: the Connection comp_ai_keycloak is missing. It holds the address of"
            " Keycloak, login and password of a client whose service account has the roles"
            ' view-users and query-users of realm-management, and extra {"realm": …}.'
        )

    @pytest.mark.parametrize(
        ("over", "words"),
        [
            ({"host": None}, "lacks host (the address of Keycloak, with /auth where"),
            ({"login": None}, "lacks login (the client id)"),
            ({"password": None}, "lacks password (the client secret)"),
            ({"extra": {}}, 'lacks extra {"realm": …} (the realm that is examined)'),
            ({"extra": {"realm": 5}}, "has an extra whose realm is not a string"),
            ({"password": "x\n"}, "client_secret begins or ends with white space"),
            ({"host": "http://a b"}, "keycloak_url has no valid host name"),
        ],
    )
    def test_with_half_a_connection(self, world: World, over: Any, words: str) -> None:
        said = self.refusal(world.check(connection=fields(world.simulator.url, **over)))
        assert said.startswith("Not configured: Connection comp_ai_keycloak")
        assert words in said

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"federated": "yes"}, "config.federated can only be 'trust'"),
            ({"max_users": True}, "config.max_users must be a whole number of at least 1"),
            ({"max_users": 0}, "config.max_users must be a whole number of at least 1"),
            ({"require": "sms"}, "config.require can only be 'phishing_resistant'"),
            ([], "config is a JSON array, not an object"),
        ],
    )
    def test_with_a_config_that_would_be_misread(
        self, world: World, config: Any, words: str
    ) -> None:
        assert words in self.refusal(world.check(config))
