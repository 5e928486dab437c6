"""`keycloak_mfa` in a real Airflow: second factors of a realm, by a client that sees everybody."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from comp_ai_world import TESTS_DAG, seed_of, stored_tests, summary, trailer, typed_test

from compai_kit.airflow_stack.runs import Run
from compai_kit.report.redact import SIMULATED_PREFIX
from compai_kit.simulator.control import SimulatorControl

REALM = "lianel"
ENROLLED = [
    {"username": "kim.larsen", "credentials": ["password", "otp"]},
    {"username": "ash", "credentials": ["password", "webauthn"]},
    {"username": "gone.away", "credentials": ["password"], "enabled": False},
]
WITHOUT = {
    "username": "robin.berg@example.org",
    "id": "7d0f5c11-0000-4000-8000-000000000001",
    "credentials": ["password"],
    "requiredActions": ["CONFIGURE_TOTP"],
}


@pytest.fixture
def judged(
    simulator: SimulatorControl, simulated_comp_ai: Any, run_dag: Any
) -> Callable[..., tuple[Run, str]]:
    """A run on one test of these users, by a client with this role; and the client's secret."""

    def run(users: list[dict[str, Any]], *, role: str) -> tuple[Run, str]:
        secret = SIMULATED_PREFIX + secrets.token_hex(12)
        clients = {"airflow": simulated_comp_ai.client_secret, "mfa-check": secret}
        admin = {"roles": {"mfa-check": [role]}, "users": users}
        simulator.reset(
            seed_of(typed_test(1, "keycloak_mfa"), has_evidence=False),
            {"keycloak": {"clients": clients}, "systems": {"keycloakAdmin": admin}},
        )
        connection = {
            "conn_type": "http",
            "host": f"{simulator.url}/auth",
            "login": "mfa-check",
            "password": secret,
            "extra": f'{{"realm": "{REALM}"}}',
        }
        return run_dag(TESTS_DAG, connections={"comp_ai_keycloak": connection}), secret

    return run


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "Keycloak: everybody has a second factor")
def test_all_enrolled_is_a_pass_with_evidence(
    simulator: SimulatorControl, judged: Callable[..., tuple[Run, str]]
) -> None:
    run, secret = judged(ENROLLED, role="view-users")

    assert run.state == "success"
    assert summary(run) == {"passed": 1, "total": 1}
    stored = stored_tests(simulator)[1]
    assert stored["last_result"] == "pass"
    assert stored["last_details"].startswith(
        "All 2 enabled users of Keycloak realm lianel have a second factor."
    )
    assert trailer(stored)["outcome"] == "PASS"
    (evidence,) = simulator.state()["evidence"]
    assert evidence["type"] == "keycloak_mfa"
    host = simulator.url.removeprefix("http://")
    assert evidence["source"] == f"keycloak:{REALM}@{host}"
    assert [where for where, text in run.every_text() if secret in text] == []


@pytest.mark.scenario(TESTS_DAG, "Keycloak: somebody has no second factor")
def test_one_without_is_a_fail_that_names_nobody_in_full(
    simulator: SimulatorControl, judged: Callable[..., tuple[Run, str]]
) -> None:
    run, _ = judged([*ENROLLED, WITHOUT], role="view-users")

    assert run.state == "success", "a finding is no broken run"
    assert summary(run) == {"failed": 1, "total": 1}
    stored = stored_tests(simulator)[1]
    assert stored["last_result"] == "fail"
    assert stored["last_details"].startswith(
        "1 of 3 enabled users of Keycloak realm lianel without a second factor:"
        f" r***g@example.org (id {WITHOUT['id']})."
        " 1 of them asked to set one up, which is not having one."
    )
    assert simulator.state()["evidence"] == []
    shown = [where for where, text in run.every_text() if "robin.berg" in text]
    assert shown == []


@pytest.mark.scenario(TESTS_DAG, "Keycloak: a client that sees a part of the users")
def test_a_partial_view_is_never_a_pass(
    simulator: SimulatorControl, judged: Callable[..., tuple[Run, str]]
) -> None:
    run, _ = judged([*ENROLLED, WITHOUT], role="query-users")

    assert run.state == "failed"
    assert summary(run) == {"errors": 1, "total": 1}
    stored = stored_tests(simulator)[1]
    assert stored["last_result"] == "skipped"
    assert stored["last_details"].startswith("[error:permission] Could not verify: the client")
    assert "give its service account the role view-users" in stored["last_details"]
    assert simulator.state()["evidence"] == []
