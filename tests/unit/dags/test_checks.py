"""The registry, and tests that no program evaluates."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from compai_dags.checks import CHECKS, CheckContext, evaluate
from compai_dags.outcomes import Outcome, Reason


@pytest.fixture
def context(client, now) -> CheckContext:
    return CheckContext(client=client, now=lambda: now)


@pytest.mark.parametrize("test_type", ["sonarqube_gate", "okta", "github_branch_protection_v2"])
def test_a_type_without_a_check_is_not_configured(row, context, test_type) -> None:
    observed = evaluate(row(test_type), context)
    assert observed.outcome is Outcome.NOT_CONFIGURED
    assert observed.reason is Reason.UNKNOWN_TYPE
    assert {"aws_iam_summary", "github_branch_protection", "manual"} <= set(CHECKS)
    assert observed.sentence == (
        f"No check for test type '{test_type}'. Checks exist for: {', '.join(sorted(CHECKS))}."
    )


def test_the_generic_type_is_never_a_pass(row, context) -> None:
    observed = evaluate(row("integration"), context)
    assert observed.outcome is Outcome.NOT_CONFIGURED
    assert observed.reason is Reason.NO_CHECK


@pytest.mark.parametrize("test_type", ["manual", " Manual ", "MANUAL"])
def test_types_are_compared_without_case_and_space(row, context, test_type) -> None:
    assert evaluate(row(test_type), context).outcome is Outcome.MANUAL


def test_no_check_answers_pass_or_fail_for_a_bare_test(row, context, simulator) -> None:
    simulator.reset({"controls": [{"id": 3, "internal_id": "C-3", "name": "Control"}]})
    for test_type in CHECKS:
        observed = evaluate(row(test_type, config=None), context)
        assert observed.outcome in (Outcome.NOT_CONFIGURED, Outcome.MANUAL)


@pytest.mark.parametrize(
    ("test_type", "key", "meant"),
    [
        ("github_branch_protection", "min_aprovals", "min_approvals"),
        ("github_branch_protection", "minApprovals", "min_approvals"),
        ("github_branch_protection", "approvals", "min_approvals"),
        ("github_branch_protection", "Branch", "branch"),
        ("github_branch_protection", "requires", "require"),
        ("github_last_commit", "max_age", "max_age_days"),
        ("keycloak_mfa", "required", "require"),
        ("okta_mfa", "polices", "policy"),
        ("okta_mfa", "min-users", "min_users"),
        ("okta_users_snapshot", "require_mfa", "require"),
        ("aws_iam_summary", "evidence_refesh", "evidence_refresh"),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_misspelt_key_would_ask_for_nothing_so_it_is_refused(
    row, context, test_type, key, meant, as_text
) -> None:
    config = {"owner": "example-org", "repo": "demo-service", key: "strict"}
    tested = row(test_type, config=json.dumps(config) if as_text else config)
    observed = evaluate(tested, context)
    assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
    assert observed.sentence == (
        f"Not configured: config.{key} is no key of this test; it looks like config.{meant}."
    )


@pytest.mark.parametrize("key", ["note", "notes", "limit", "team", "repository", "ticket"])
def test_keys_that_are_like_none_of_a_check_are_left_alone(row, context, key) -> None:
    config = {"owner": "example-org", "repo": "demo-service", key: "see the wiki"}
    assert evaluate(row(config=config), context).reason is Reason.NO_EVIDENCE_YET


def test_a_requirement_that_a_check_does_not_have_is_refused(row, context) -> None:
    observed = evaluate(row("aws_iam_summary", config={"require": "no_keys"}), context)
    assert observed.sentence == ("Not configured: test type aws_iam_summary has no config.require.")


class TestExpiredAttestation:
    WORDS = "Seen by Kim.\n\nStep 1: fine.\n  Step 2: fine."

    @pytest.fixture
    def expiring(self, context) -> CheckContext:
        return CheckContext(client=context.client, now=context.now, post_attestation_expiry=True)

    @pytest.fixture
    def attested(self, row, theirs, now, simulator, seed):
        at = now - timedelta(days=100)
        test = {"id": 5, "control_id": 3, "name": "Rehearsal", "test_type": "manual"}
        test |= {"last_result": "pass", "last_details": self.WORDS, "last_run_at": at.isoformat()}
        simulator.reset(seed(test))
        return row("manual", config=None, stored=theirs("pass", self.WORDS, at))

    def test_is_said_once_with_the_persons_text(self, attested, expiring) -> None:
        observed = evaluate(attested, expiring)
        assert observed.reason is Reason.ATTESTATION_EXPIRED
        assert observed.sentence == (
            "Attested 2026-08-17, due since 2026-11-15. The attestation said:"
        )
        assert observed.quoted == self.WORDS

    def test_is_opted_into(self, attested, context) -> None:
        assert evaluate(attested, context).reason is None

    def test_needs_a_pass_that_is_old(self, row, theirs, ours, expiring, now) -> None:
        old = now - timedelta(days=400)
        for stored in (
            theirs("pass", at=now - timedelta(days=89)),
            theirs("fail", at=old),
            theirs("skipped", at=old),
            theirs("pass", "Scheduled run (Airflow); test_type=manual", at=old),
            ours(Outcome.NOT_APPLICABLE, at=old),
        ):
            assert evaluate(row("manual", stored=stored), expiring).reason is None

    def test_follows_the_tests_own_interval(self, attested, row, expiring) -> None:
        yearly = row("manual", config={"attest_every": 365}, stored=attested.stored)
        assert evaluate(yearly, expiring).reason is None
