"""`comp_ai_control_tests` in a real Airflow: Okta and AWS, directly and as Comp-AI saw them."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from comp_ai_world import (
    TESTS_DAG,
    number_of_calls,
    seed_of,
    stored_tests,
    summary,
    trailer,
    typed_test,
)

from compai_kit.simulator.control import Fault, SimulatorControl

AWS_COUNTS = {"Users": 12, "Groups": 3, "Roles": 27, "MFADevicesInUse": 11}
VIA_COMP_AI: dict[str, Any] = {
    "okta": {"domain": "example-org.okta.com", "has_token": True, "groups": []},
    "aws": {"answers": True, "region": "eu-north-1", "summary": AWS_COUNTS},
}

OKTA_TOKEN = "simulated-secret-of-okta"
ENROLLED = [
    {"login": "ada@example.com", "factors": ["push"]},
    {"login": "bo@example.com", "factors": ["webauthn", "question"]},
]


@pytest.mark.scenario(TESTS_DAG, "an inventory of nothing, and one for MFA")
def test_an_empty_inventory_and_one_taken_for_mfa_never_pass(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    empty = typed_test(1, "okta_groups_snapshot")
    mistaken = typed_test(2, "okta_users_snapshot", name="MFA for all staff")
    simulator.reset(seed_of(empty, mistaken), VIA_COMP_AI)

    run = run_dag(TESTS_DAG)

    assert run.state == "failed"
    assert summary(run) == {"errors": 1, "not_configured": 1, "total": 2}
    rows = stored_tests(simulator)
    assert {row["last_result"] for row in rows.values()} == {"skipped"}
    assert rows[1]["last_details"].startswith("[error:ambiguous] Could not verify: Comp-AI sees 0")
    assert "give it the type okta_mfa or keycloak_mfa" in rows[2]["last_details"]
    assert number_of_calls(simulator, "collectOktaEvidence") == 1


@pytest.mark.scenario(TESTS_DAG, "root user of AWS without MFA")
def test_aws_without_mfa_fails(simulator: SimulatorControl, run_dag: Any) -> None:
    counts = AWS_COUNTS | {"AccountMFAEnabled": 0}
    settings = {"aws": {"answers": True, "region": "eu-north-1", "summary": counts}}
    simulator.reset(seed_of(typed_test(1, "aws_iam_summary")), settings)

    run = run_dag(TESTS_DAG)

    assert run.state == "success", "a finding is not a failure of the job"
    assert summary(run) == {"failed": 1, "total": 1}
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "fail"
    assert "AccountMFAEnabled is 0, expected 1" in row["last_details"]
    assert trailer(row)["outcome"] == "FAIL"


@pytest.mark.scenario(TESTS_DAG, "a dash for the MFA of AWS")
def test_a_dash_is_neither_pass_nor_fail(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(typed_test(1, "aws_iam_summary")), VIA_COMP_AI)

    run = run_dag(TESTS_DAG)

    assert run.state == "failed"
    assert summary(run) == {"errors": 1, "total": 1}
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "skipped"
    assert "does not tell AccountMFAEnabled" in row["last_details"]


def okta_of(people: list[dict[str, Any]], **over: Any) -> dict[str, Any]:
    return {"systems": {"okta": {"tokens": {OKTA_TOKEN: {}}, "users": people, **over}}}


def okta_connection(simulator: SimulatorControl) -> dict[str, Any]:
    host = f"{simulator.url}/systems/okta"
    return {"comp_ai_okta": {"conn_type": "http", "host": host, "password": OKTA_TOKEN}}


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "second factors in Okta, then one is gone")
def test_okta_is_read_factor_by_factor(simulator: SimulatorControl, run_dag: Any) -> None:
    """A pass with evidence; the next day somebody has only a question, and nothing is added."""
    test = typed_test(1, "okta_mfa", name="MFA for all staff")
    simulator.reset(seed_of(test, has_evidence=False), okta_of(ENROLLED))

    run = run_dag(TESTS_DAG, connections=okta_connection(simulator))

    assert run.state == "success"
    assert summary(run) == {"passed": 1, "total": 1}
    assert "All 2 enabled users of Okta" in stored_tests(simulator)[1]["last_details"]
    evidence = simulator.state()["evidence"]
    assert [row["type"] for row in evidence] == ["okta_mfa"]
    assert OKTA_TOKEN not in "\n".join(text for _, text in run.every_text())

    only_a_question = [{"factorType": "question", "status": "ACTIVE"}]
    simulator.faults(
        Fault(kind="wrong_shape", operation="okta", after=2, body=only_a_question, count=1)
    )
    run = run_dag(TESTS_DAG, connections=okta_connection(simulator))

    assert run.state == "success", "a finding is not a failure of the job"
    row = stored_tests(simulator)[1]
    assert row["last_result"] == "fail"
    assert "1 of 2 enabled users of Okta" in row["last_details"]
    assert "bo@example.com" not in row["last_details"], "logins are masked"
    assert simulator.state()["evidence"] == evidence


@pytest.mark.scenario(TESTS_DAG, "Okta's limit, and half an organisation unseen")
def test_okta_is_waited_for_and_never_half_seen(simulator: SimulatorControl, run_dag: Any) -> None:
    people = [{"login": f"u{n}@example.com", "factors": ["push"]} for n in range(12)]
    whole, cut = typed_test(1, "okta_mfa"), typed_test(2, "okta_mfa", config={"max_users": 5})
    settings = okta_of(people, page_size=5, limit={"calls": 10, "window_s": 3})
    simulator.reset(seed_of(whole, cut), settings)

    run = run_dag(TESTS_DAG, connections=okta_connection(simulator))

    assert run.state == "failed", "one test could not be verified"
    rows = stored_tests(simulator)
    assert rows[1]["last_result"] == "pass"
    assert "All 12 enabled users" in rows[1]["last_details"]
    assert rows[2]["last_details"].startswith("[error:truncated] Could not verify: Okta has 12")
    calls = [call for call in simulator.ledger() if call.operation == "okta"]
    times = [datetime.fromisoformat(call.at) for call in calls]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert max(waits).total_seconds() > 1, "the window was waited for"
    assert [call.status for call in calls if call.status == 429] == []
