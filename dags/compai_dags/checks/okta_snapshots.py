"""Okta inventories through Comp-AI: the name of the organisation, and counts with a few samples.

They carry no word about second factors (`okta_mfa` reads those), and of users and groups only the
first page. So they pass as an inventory, and only where it is neither empty nor cut.
"""

from __future__ import annotations

import re

from compai_client import OktaEvidenceType
from compai_dags.checks.base import CheckContext, InvalidConfigError, config_object
from compai_dags.checks.collected_texts import read_okta_groups, read_okta_org, read_okta_users
from compai_dags.checks.collection import (
    Collected,
    Request,
    collect,
    passed,
    undecided,
    unparsable,
)
from compai_dags.outcomes import Observation, Reason
from compai_dags.rows import Row

# Comp-AI asks Okta for one page of this size and follows no link to the next.
PAGE = 200
_UNSEEN = "MFA not evaluated."
_MFA = re.compile(
    r"(?<![a-z0-9])(?:mfa|2fa|2sv|t?otp|fido ?2?|webauthn)(?![a-z0-9])"
    r"|fa[ck]tor[\s_-]*auth|(?:two|2|multi|second|zwei|två|fler)[\s_-]*fa[ck]tor"
    r"|one[\s_-]*time[\s_-]*(?:pass|code)|passkey|phishing[\s_-]*resist",
    re.IGNORECASE,
)


def org_summary(row: Row, context: CheckContext) -> Observation:
    """PASS where Okta told Comp-AI its name; ERROR where it did not."""
    collected = _collect(row, context, "org_summary")
    if isinstance(collected, Observation):
        return collected
    organisation = read_okta_org(collected.row.description)
    if organisation is None:
        return unparsable(collected)
    if organisation.name is None:
        return undecided(
            collected,
            Reason.AMBIGUOUS,
            f"Could not verify: Okta answered Comp-AI, but with no name of an organisation "
            f"(evidence {collected.row.id}).",
        )
    return passed(
        collected,
        f"Okta answers Comp-AI as organisation {organisation.name!r} "
        f"(evidence {collected.row.id}). {_UNSEEN}",
    )


def users_snapshot(row: Row, context: CheckContext) -> Observation:
    """PASS for some users, fewer than a page; else ERROR."""
    collected = _collect(row, context, "users_snapshot")
    if isinstance(collected, Observation):
        return collected
    users = read_okta_users(collected.row.description)
    if users is None:
        return unparsable(collected)
    active = f", {users.active} of them active"
    return _inventory(collected, users.total, "users", users.has_samples, active)


def groups_snapshot(row: Row, context: CheckContext) -> Observation:
    """PASS for some groups, fewer than a page; else ERROR."""
    collected = _collect(row, context, "groups_snapshot")
    if isinstance(collected, Observation):
        return collected
    groups = read_okta_groups(collected.row.description)
    if groups is None:
        return unparsable(collected)
    return _inventory(collected, groups.total, "groups", groups.has_samples)


def _inventory(
    collected: Collected, total: int, what: str, has_samples: bool, more: str = ""
) -> Observation:
    evidence = f"(evidence {collected.row.id})"
    if total == 0 or not has_samples:
        names = "" if total == 0 else " and names none of them"
        return undecided(
            collected,
            Reason.AMBIGUOUS,
            f"Could not verify: Comp-AI sees {total} {what}{names} {evidence}. Either Okta has "
            f"none, or Comp-AI's OKTA_API_TOKEN does not see them.",
        )
    if total >= PAGE:
        return undecided(
            collected,
            Reason.TRUNCATED,
            f"Could not verify: Comp-AI counts {total} {what}, as many as one page holds "
            f"{evidence}; there may be more that it did not look at.",
        )
    return passed(
        collected, f"Inventory collected: Okta lists {total} {what}{more} {evidence}. {_UNSEEN}"
    )


def _collect(
    row: Row, context: CheckContext, evidence_type: OktaEvidenceType
) -> Collected | Observation:
    _refuse_mfa(row)
    _refuse_control_about_mfa(row, context)
    return collect(
        Request(
            control_id=row.control_id,
            target="Okta",
            type=f"okta_{evidence_type}",
            # The domain is a setting of Comp-AI.
            source="okta:",
            call=lambda client: client.collect_okta_evidence(
                control_id=row.control_id, evidence_type=evidence_type
            ),
            can_pass=True,
        ),
        context,
    )


def _refuse_mfa(row: Row) -> None:
    """A green inventory would be read as "everybody has a second factor"."""
    required = config_object(row, optional=True, keys=("require",)).get("require")
    if required:
        raise InvalidConfigError(
            f"test type {row.kind} shows an inventory and nothing of config.require; okta_mfa or "
            "keycloak_mfa read second factors themselves"
        )
    if _MFA.search(row.name):
        raise InvalidConfigError(
            f"the test is named {row.name!r}, but its type {row.kind} carries no data on second "
            "factors; give it the type okta_mfa or keycloak_mfa"
        )


def _refuse_control_about_mfa(row: Row, context: CheckContext) -> None:
    """The list of tests does not name their controls. Raises the client's errors."""
    control = context.client.get_control(control_id=row.control_id)
    if _MFA.search(control.name):
        raise InvalidConfigError(
            f"the control is named {control.name[:200]!r}, but test type {row.kind} carries no "
            "data on second factors; give the test the type okta_mfa or keycloak_mfa"
        )
