"""The registry, and tests that no program evaluates."""

from __future__ import annotations

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


def test_no_check_answers_pass_or_fail_for_a_bare_test(row, context) -> None:
    for test_type in CHECKS:
        observed = evaluate(row(test_type, config=None), context)
        assert observed.outcome in (Outcome.NOT_CONFIGURED, Outcome.MANUAL)


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
