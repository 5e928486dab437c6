"""AWS through Comp-AI: the counts of IAM's account summary, which are about the root user's MFA.

FAIL for a root user without MFA or with access keys; a count that AWS or Comp-AI leaves out is not
known. https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
"""

from __future__ import annotations

import msgspec

from compai_dags.checks.base import CheckContext, InvalidConfigError, config_object
from compai_dags.checks.collected_texts import IamSummary, read_iam_summary
from compai_dags.checks.collection import (
    Request,
    collect,
    failed,
    passed,
    undecided,
    unparsable,
)
from compai_dags.outcomes import Observation, Reason
from compai_dags.rows import Row

MFA = "AccountMFAEnabled"
KEYS = "AccountAccessKeysPresent"


def iam_summary(row: Row, context: CheckContext) -> Observation:
    if config_object(row, optional=True, keys=("require",)).get("require"):
        raise InvalidConfigError(f"test type {row.kind} has no config.require")
    collected = collect(
        Request(
            control_id=row.control_id,
            target="AWS IAM",
            type="aws_iam_summary",
            # The region is a setting of Comp-AI.
            source="aws:iam:",
            call=lambda client: client.collect_aws_evidence(
                control_id=row.control_id, evidence_type="iam_summary"
            ),
            can_pass=True,
        ),
        context,
    )
    if isinstance(collected, Observation):
        return _with_hint(collected)
    summary = read_iam_summary(collected.row.description)
    if summary is None:
        return unparsable(collected)
    where = f"(evidence {collected.row.id}, region {summary.region})"
    wrong = _wrong(summary)
    if wrong:
        return failed(
            collected,
            f"The root user of the AWS account is not guarded {where}: {' and '.join(wrong)}. "
            "A member account whose root credentials are managed centrally has no MFA of its own; "
            "it needs an exception with a reason (COMP_AI_TEST_OVERRIDES).",
        )
    if summary.counts.get(MFA) is None:
        return undecided(
            collected,
            Reason.AMBIGUOUS,
            f"Could not verify: Comp-AI's summary of IAM does not tell {MFA} {where}.",
        )
    if summary.counts.get(KEYS) is None:
        said = f"has MFA {where}. Access keys: not evaluated."
    else:
        said = f"has MFA and no access keys {where}."
    users = summary.counts.get("Users")
    others = "the other users" if users is None else f"the other {users} users"
    return passed(
        collected,
        f"The root user of the AWS account {said} MFA of {others}: not evaluated.",
    )


def _with_hint(observation: Observation) -> Observation:
    if observation.reason is not Reason.UPSTREAM_5XX:
        return observation
    hint = " Comp-AI answers the same where it has no credentials for AWS at all."
    return msgspec.structs.replace(observation, sentence=observation.sentence + hint)


def _wrong(summary: IamSummary) -> list[str]:
    expected = {MFA: 1, KEYS: 0}
    return [
        f"{name} is {seen}, expected {wanted}"
        for name, wanted in expected.items()
        if (seen := summary.counts.get(name)) is not None and seen != wanted
    ]
