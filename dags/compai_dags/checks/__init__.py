"""The registry: which check evaluates which test type. A type without a check is never a pass."""

from __future__ import annotations

from collections.abc import Mapping

from compai_dags.checks import (
    aws,
    github,
    http_probe,
    keycloak,
    manual,
    okta,
    okta_snapshots,
)
from compai_dags.checks.base import Check, CheckContext, InvalidConfigError, config_object
from compai_dags.checks.outside import OutsideError
from compai_dags.outcomes import Observation, Reason, error, not_configured
from compai_dags.rows import Row

__all__ = ["CHECKS", "Check", "CheckContext", "asks_somebody", "check_for", "evaluate"]

CHECKS: Mapping[str, Check] = {
    "aws_iam_summary": aws.iam_summary,
    "github_branch_protection": github.branch_protection,
    "github_last_commit": github.last_commit,
    "http_probe": http_probe.evaluate,
    "keycloak_mfa": keycloak.mfa,
    "manual": manual.evaluate,
    "okta_groups_snapshot": okta_snapshots.groups_snapshot,
    "okta_mfa": okta.mfa,
    "okta_org_summary": okta_snapshots.org_summary,
    "okta_users_snapshot": okta_snapshots.users_snapshot,
}

# Comp-AI's default type, a label without a meaning: installations use it for MFA, SIEM, alerting.
# Only a `url` in the config says what it asserts.
GENERIC_TYPE = "integration"


def check_for(row: Row) -> Check | None:
    """The check that evaluates this test; None: nothing here can tell whether it passes."""
    return http_probe.evaluate if _is_probe(row) else CHECKS.get(row.kind)


def asks_somebody(row: Row) -> bool:
    """Whether evaluating takes time, because its check asks another system."""
    return check_for(row) not in (None, manual.evaluate)


def evaluate(row: Row, context: CheckContext) -> Observation:
    """Evaluate one test by its type; raises the client's errors."""
    check = check_for(row)
    if check is None:
        return _without_check(row)
    try:
        return check(row, context)
    except InvalidConfigError as invalid:
        return not_configured(Reason.CONFIG, f"Not configured: {invalid}.")
    except OutsideError as failure:
        return error(failure.reason, f"Could not verify: {failure}.", transient=failure.transient)


def _is_probe(row: Row) -> bool:
    if row.kind != GENERIC_TYPE:
        return False
    try:
        return config_object(row).get("url") is not None
    except InvalidConfigError:
        return False  # it has no check, whatever its config was meant to be


def _without_check(row: Row) -> Observation:
    supported = f"Checks exist for: {', '.join(sorted(CHECKS))}."
    if row.kind == GENERIC_TYPE:
        return not_configured(
            Reason.NO_CHECK,
            "No check can tell what a test of type 'integration' asserts, unless its config has a "
            f"url to probe. {supported}",
        )
    return not_configured(
        Reason.UNKNOWN_TYPE, f"No check for test type {row.test_type.strip()!r}. {supported}"
    )
