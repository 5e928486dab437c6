"""`keycloak_mfa` on a real Keycloak: who is seen, what counts as a factor, what can go wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import requests
from real_keycloak import Check, Keycloak, Relay, TryRealm, user

from compai_dags.outcomes import Outcome, Reason
from compai_dags.rows import Exemption

ENROLLED = (
    user("kim", "password", "otp"),
    user("lee", "password", "webauthn"),
    user("ash", "webauthn-passwordless"),
    user("gone.away", "password", enabled=False),
)
MakeRealm = Callable[..., TryRealm]


@pytest.fixture(scope="module")
def enrolled(realm_with: MakeRealm) -> TryRealm:
    realm = realm_with()
    realm.add(*ENROLLED)
    return realm


@pytest.fixture(scope="module")
def crowd(realm_with: MakeRealm) -> TryRealm:
    """250 users, and tokens that live for two seconds; with one, `expires_in` can be 0."""
    people = (user(f"u{n:03}", "password", "otp") for n in range(250))
    return realm_with(*people, accessTokenLifespan=2)


def test_everybody_enrolled_is_a_pass(enrolled: TryRealm, check: Check) -> None:
    observed = check(enrolled.connection("viewer"))
    assert observed.outcome is Outcome.PASS, observed.sentence
    assert observed.sentence == (
        f"All 3 enabled users of Keycloak realm {enrolled.name} have a second factor."
    )
    assert observed.proof is not None
    host = enrolled.keycloak.url.split("/")[2]
    assert observed.proof.source == f"keycloak:{enrolled.name}@{host}"
    assert {fact.path: fact.observed for fact in observed.proof.assertions} == {
        # the disabled one counts here; the three service accounts do not
        "users/count": 4,
        "enabled users": 3,
        "enabled users with a second factor": {
            "users": 3,
            "otp": 1,
            "webauthn": 1,
            "webauthn-passwordless": 1,
        },
    }


def test_what_is_no_factor_and_who_is_unknown(realm_with: MakeRealm, check: Check) -> None:
    realm = realm_with()
    realm.add(
        *ENROLLED,
        user("only.password", "password"),
        user("was.asked", "password", requiredActions=["CONFIGURE_TOTP"]),
        user("has.codes", "password", "recovery-authn-codes"),
        user("brokered", broker="corporate"),
        user("has.both", "password", broker="corporate"),
    )
    observed = check(realm.connection("viewer"))
    assert observed.outcome is Outcome.FAIL
    lacking = ("only.password", "was.asked", "has.codes", "has.both")
    assert observed.sentence.startswith("4 of 8 enabled users")
    known, _, unknown = observed.sentence.partition("Unknown for 1 (sign in through corporate): ")
    assert all(realm.id_of(name) in known for name in lacking)
    assert realm.id_of("brokered") in unknown
    assert not any(name in observed.sentence for name in (*lacking, "brokered"))

    today = datetime.now(UTC).date()
    exempt = tuple(Exemption(object=name, reason="test", expires=today) for name in lacking)
    observed = check(realm.connection("viewer"), exemptions=exempt)
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)
    observed = check(realm.connection("viewer"), exemptions=exempt, federated="trust")
    assert observed.outcome is Outcome.PASS, observed.sentence


@pytest.mark.parametrize(
    ("client", "words"),
    [("querier", "may list a part of the users only"), ("nobody", "may not read")],
)
def test_a_client_that_may_not_see_everybody_is_never_a_pass(
    enrolled: TryRealm, check: Check, client: str, words: str
) -> None:
    observed = check(enrolled.connection(client))
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.PERMISSION)
    assert words in observed.sentence
    assert observed.sentence.endswith(
        "give its service account the role view-users of realm-management."
    )


def test_fine_grained_permissions_do_not_pass_a_part_for_all(
    realm_with: MakeRealm, check: Check
) -> None:
    """Keycloak then counts only whom the client may see: list and count agree."""
    realm = realm_with(adminPermissionsEnabled=True)
    realm.add(*ENROLLED, user("robin", "password"))
    clients = {row["clientId"]: row["id"] for row in realm.admin("GET", "/clients")}
    account = realm.admin("GET", f"/clients/{clients['querier']}/service-account-user")["id"]
    server = f"/clients/{clients['admin-permissions']}/authz/resource-server"
    policy = {"name": "querier", "type": "user", "users": [account], "logic": "POSITIVE"}
    policy_id = realm.admin("POST", f"{server}/policy/user", policy)["id"]
    realm.admin(
        "POST",
        f"{server}/permission/scope",
        {
            "name": "kim",
            "type": "scope",
            "resourceType": "Users",
            "scopes": ["view"],
            "resources": [realm.id_of("kim")],
            "policies": [policy_id],
        },
    )
    observed = check(realm.connection("querier"))
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.PERMISSION)
    assert "may list a part of the users only" in observed.sentence
    assert check(realm.connection("viewer")).outcome is Outcome.FAIL


def test_a_lightweight_token_is_enough(realm_with: MakeRealm, check: Check) -> None:
    """It names no roles; Keycloak tells them when it is asked."""
    realm = realm_with(user("kim", "password", "otp"))
    client = realm.admin("GET", "/clients?clientId=viewer")[0]
    client["attributes"]["client.use.lightweight.access.token.enabled"] = "true"
    realm.admin("PUT", f"/clients/{client['id']}", client)
    assert check(realm.connection("viewer")).outcome is Outcome.PASS


def test_a_client_of_the_realm_master_can_look(
    enrolled: TryRealm, keycloak: Keycloak, check: Check
) -> None:
    name = f"{enrolled.name}-viewer"
    client = {"clientId": name, "secret": enrolled.secret, "serviceAccountsEnabled": True}
    keycloak.admin("POST", "/master/clients", client | {"publicClient": False})
    client_id = keycloak.admin("GET", f"/master/clients?clientId={name}")[0]["id"]
    connection = enrolled.connection(name, token_realm="master")
    try:
        refused = check(connection)
        assert refused.reason is Reason.PERMISSION
        assert f"the role view-users of {enrolled.name}-realm" in refused.sentence

        account = keycloak.admin("GET", f"/master/clients/{client_id}/service-account-user")["id"]
        of_realm = keycloak.admin("GET", f"/master/clients?clientId={enrolled.name}-realm")[0]["id"]
        role = keycloak.admin("GET", f"/master/clients/{of_realm}/roles/view-users")
        keycloak.admin("POST", f"/master/users/{account}/role-mappings/clients/{of_realm}", [role])
        assert check(connection).outcome is Outcome.PASS
    finally:
        keycloak.admin("DELETE", f"/master/clients/{client_id}")


def test_nobody_but_service_accounts_is_not_a_pass(realm_with: MakeRealm, check: Check) -> None:
    observed = check(realm_with().connection("viewer"))
    assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AMBIGUOUS)


class TestManyUsers:
    def test_are_all_read_while_tokens_expire(self, crowd: TryRealm, check: Check) -> None:
        relay = Relay(crowd.keycloak.url)
        relay.at, relay.action = 100, lambda: time.sleep(2.1)
        with relay.running() as url:
            observed = check(crowd.connection("viewer", url=url))
        assert observed.outcome is Outcome.PASS, observed.sentence
        assert observed.sentence.startswith("All 250 enabled users")
        asked = [line for line in relay.requests if "/users?" in line]
        assert [line.split("first=")[1][:3] for line in asked] == ["0&m", "100", "200"]
        read = [line for line in relay.requests if "/credentials" in line]
        assert len(set(read)) == 250
        assert len(read) < 260, "only a call whose token had expired is repeated"
        tokens = sum(line.endswith("/token") for line in relay.requests)
        assert tokens >= 2

    def test_beyond_the_limit_are_not_judged_in_part(self, crowd: TryRealm, check: Check) -> None:
        observed = check(crowd.connection("viewer"), max_users=249)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.TRUNCATED)

    def test_one_of_them_without_is_found(self, crowd: TryRealm, check: Check) -> None:
        crowd.add(user("zoe", "password"))
        try:
            observed = check(crowd.connection("viewer"))
            assert observed.outcome is Outcome.FAIL
            assert observed.sentence.startswith("1 of 251 enabled users")
            assert crowd.id_of("zoe") in observed.sentence
        finally:
            crowd.admin("DELETE", f"/users/{crowd.id_of('zoe')}")


def test_a_token_that_is_revoked_in_mid_run_is_replaced(
    realm_with: MakeRealm, check: Check
) -> None:
    realm = realm_with(*(user(f"u{n}", "password", "otp") for n in range(20)))
    relay = Relay(realm.keycloak.url)

    def revoke() -> None:
        # Times of tokens are whole seconds: only what is older than this one is refused.
        time.sleep(1.2)
        realm.admin("PUT", "", {"realm": realm.name, "notBefore": int(time.time())})

    relay.at, relay.action = 12, revoke
    with relay.running() as url:
        observed = check(realm.connection("viewer", url=url))
    assert observed.outcome is Outcome.PASS, observed.sentence
    assert sum(line.endswith("/token") for line in relay.requests) == 2


def test_a_user_who_is_deleted_in_mid_run_is_not_judged(
    realm_with: MakeRealm, check: Check
) -> None:
    realm = realm_with(*(user(f"u{n}", "password", "otp") for n in range(20)))
    leaver = realm.id_of("u19")
    relay = Relay(realm.keycloak.url)
    relay.at, relay.action = 12, lambda: realm.admin("DELETE", f"/users/{leaver}")
    with relay.running() as url:
        observed = check(realm.connection("viewer", url=url))
    assert observed.outcome is Outcome.PASS, observed.sentence
    assert observed.sentence.startswith("All 19 enabled users")


@pytest.mark.stops_keycloak
def test_a_keycloak_that_stops_in_mid_run_is_an_error(crowd: TryRealm, check: Check) -> None:
    process = os.environ.get("COMPAI_KEYCLOAK_PID")
    if process is None:
        pytest.skip("nobody stops a Keycloak that with-keycloak has not started")
    relay = Relay(crowd.keycloak.url)

    def stop() -> None:
        os.kill(int(process), signal.SIGTERM)
        for _ in range(100):
            try:
                requests.get(f"{crowd.keycloak.url}/realms/master", timeout=5)
            except requests.RequestException:
                return
            time.sleep(0.1)

    relay.at, relay.action = 120, stop
    with relay.running() as url:
        observed = check(crowd.connection("viewer", url=url))
    assert len(relay.requests) >= 120
    assert observed.outcome is Outcome.ERROR, observed.sentence
    assert observed.reason in (Reason.TIMEOUT, Reason.UPSTREAM_5XX)
    assert observed.transient
