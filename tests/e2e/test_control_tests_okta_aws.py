"""`comp_ai_control_tests` in a real Airflow: Okta and AWS, directly and as Comp-AI saw them."""

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

from compai_kit.simulator.control import SimulatorControl

AWS_COUNTS = {"Users": 12, "Groups": 3, "Roles": 27, "MFADevicesInUse": 11}
VIA_COMP_AI: dict[str, Any] = {
    "okta": {"domain": "example-org.okta.com", "has_token": True, "groups": []},
    "aws": {"answers": True, "region": "eu-north-1", "summary": AWS_COUNTS},
}


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
