"""The sentences in which Comp-AI reports what it saw elsewhere, as recorded from a live service.

A text is read whole or not at all: what nobody has seen before means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from compai_client import EvidenceItem

_ENABLED = re.compile(r"Branch protection enabled on default branch: (\S.*)")
_SHARED = re.compile(r"Branch protection not configured or not accessible for branch: (\S.*)")
_COMMIT = re.compile(r"Default branch: .*?\. Last commit: (\S+) by .*?\. .*", re.DOTALL)
_SHA = re.compile(r"[0-9a-f]{7,64}")
_ORG = re.compile(r"Okta org: (.*)\. IdP integration for identity and access\.")
_USERS = re.compile(
    r"Okta users snapshot: ([0-9]+) users \(([0-9]+) active\)\. Sample logins: (.+)\."
)
_GROUPS = re.compile(r"Okta groups snapshot: ([0-9]+) groups\. Sample: (.+)\.")
_IAM = re.compile(r"AWS IAM summary: (\w+=(?:[0-9]+|—)(?:, \w+=(?:[0-9]+|—))*)\. Region: (\S+)\.")
# What Comp-AI writes in the place of something that it did not get.
_NOTHING = "—"


class Protection(NamedTuple):
    """`enabled` False is the sentence that "absent" and "not readable" share."""

    branch: str
    enabled: bool


class Commit(NamedTuple):
    """`sha` None: Comp-AI read the repository, but no commit of it."""

    sha: str | None


class OktaOrg(NamedTuple):
    """`name` None: Okta told none."""

    name: str | None


class OktaUsers(NamedTuple):
    """Counts of the first page. `has_samples` False: not one login was named."""

    total: int
    active: int
    has_samples: bool


class OktaGroups(NamedTuple):
    """As `OktaUsers`, of groups."""

    total: int
    has_samples: bool


class IamSummary(NamedTuple):
    """The counts of IAM's account summary by AWS's names; None where AWS told none."""

    counts: Mapping[str, int | None]
    region: str


def read_protection(text: str | None) -> Protection | None:
    for pattern, enabled in ((_ENABLED, True), (_SHARED, False)):
        if match := pattern.fullmatch(text or ""):
            return Protection(match[1], enabled)
    return None


def read_commit(text: str | None) -> Commit | None:
    match = _COMMIT.fullmatch(text or "")
    if match is None:
        return None
    return Commit(match[1] if _SHA.fullmatch(match[1]) else None)


def read_okta_org(text: str | None) -> OktaOrg | None:
    match = _ORG.fullmatch(text or "")
    if match is None:
        return None
    name = match[1].strip()
    return OktaOrg(None if name in ("", _NOTHING) else name)


def read_okta_users(text: str | None) -> OktaUsers | None:
    match = _USERS.fullmatch(text or "")
    if match is None or int(match[2]) > int(match[1]):
        return None
    return OktaUsers(int(match[1]), int(match[2]), match[3] != _NOTHING)


def read_okta_groups(text: str | None) -> OktaGroups | None:
    match = _GROUPS.fullmatch(text or "")
    return OktaGroups(int(match[1]), match[2] != _NOTHING) if match else None


def read_iam_summary(text: str | None) -> IamSummary | None:
    match = _IAM.fullmatch(text or "")
    if match is None:
        return None
    pairs = [pair.split("=") for pair in match[1].split(", ")]
    counts = {name: None if count == _NOTHING else int(count) for name, count in pairs}
    return IamSummary(counts, match[2]) if len(counts) == len(pairs) else None


def is_negative(item: EvidenceItem) -> bool:
    """A row in which Comp-AI says that it saw nothing good; an unknown text is not called so."""
    text = item.description
    match item.type:
        case "github_branch_protection":
            protection = read_protection(text)
            return protection is not None and not protection.enabled
        case "github_last_commit":
            commit = read_commit(text)
            return commit is not None and commit.sha is None
        case "okta_org_summary":
            organisation = read_okta_org(text)
            return organisation is not None and organisation.name is None
        case "okta_users_snapshot":
            users = read_okta_users(text)
            return users is not None and users.total == 0
        case "okta_groups_snapshot":
            groups = read_okta_groups(text)
            return groups is not None and groups.total == 0
        case "aws_iam_summary":
            summary = read_iam_summary(text)
            return summary is not None and not _is_root_guarded(summary)
    return False


def _is_root_guarded(summary: IamSummary) -> bool:
    """As far as the text tells: most tell nothing of access keys."""
    keys = summary.counts.get("AccountAccessKeysPresent")
    return summary.counts.get("AccountMFAEnabled") == 1 and not keys
