"""Comp-AI's sentences about other systems, read from the recorded traffic of a live service."""

from __future__ import annotations

import msgspec
import pytest

from compai_client import EvidenceItem
from compai_dags.checks.collected_texts import (
    is_negative,
    read_commit,
    read_iam_summary,
    read_okta_groups,
    read_okta_org,
    read_okta_users,
    read_protection,
)
from compai_kit.contract.recordings import load_recordings

SHA = "0123456789abcdef0123456789abcdef01234567"
IAM = "AWS IAM summary: Users=12, Groups=3, Roles=27, AccountMFAEnabled={}, MFADevicesInUse=11. "
READERS = {
    "github_branch_protection": read_protection,
    "github_last_commit": read_commit,
    "okta_org_summary": read_okta_org,
    "okta_users_snapshot": read_okta_users,
    "okta_groups_snapshot": read_okta_groups,
    "aws_iam_summary": read_iam_summary,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Branch protection enabled on default branch: main", ("main", True)),
        ("Branch protection enabled on default branch: feature/x y", ("feature/x y", True)),
        (
            "Branch protection not configured or not accessible for branch: main",
            ("main", False),
        ),
        ("Branch protection not enabled on default branch: main", None),
        ("branch protection enabled on default branch: main", None),
        ("Branch protection enabled on default branch: ", None),
        ("Branch protection enabled on default branch: main\nbut not for admins", None),
        ("0 groups", None),
        ("", None),
        (None, None),
    ],
)
def test_protection(text, expected) -> None:
    assert read_protection(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Default branch: main. Last commit: {SHA} by Alex Example. Tidy up", (SHA,)),
        (f"Default branch: v1.2. Last commit: {SHA} by A. B. Two\nlines", (SHA,)),
        ("Default branch: main. Last commit: unknown by . ", (None,)),
        ("Last commit: unknown", None),
        ("", None),
        (None, None),
    ],
)
def test_commit(text, expected) -> None:
    assert read_commit(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Okta org: Example Org. IdP integration for identity and access.", ("Example Org",)),
        ("Okta org: Ex. Org AB. IdP integration for identity and access.", ("Ex. Org AB",)),
        ("Okta org: . IdP integration for identity and access.", (None,)),
        ("Okta org: —. IdP integration for identity and access.", (None,)),
        ("Okta org: Example Org.", None),
        ("Okta org: Example Org. IdP integration for identity and access. MFA on.", None),
        ("", None),
        (None, None),
    ],
)
def test_okta_org(text, expected) -> None:
    assert read_okta_org(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Okta users snapshot: 2 users (1 active). Sample logins: ada@example.com, bo@a.com.",
            (2, 1, True),
        ),
        ("Okta users snapshot: 0 users (0 active). Sample logins: —.", (0, 0, False)),
        ("Okta users snapshot: 3 users (1 active). Sample logins: —.", (3, 1, False)),
        ("Okta users snapshot: 1 users (2 active). Sample logins: a@example.com.", None),
        ("Okta users snapshot: many users (1 active). Sample logins: a@example.com.", None),
        ("Okta users snapshot: 2 users (1 active). Sample logins: .", None),
        ("Okta users snapshot: 2 users (1 active).", None),
        ("", None),
        (None, None),
    ],
)
def test_okta_users(text, expected) -> None:
    assert read_okta_users(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Okta groups snapshot: 0 groups. Sample: —.", (0, False)),
        ("Okta groups snapshot: 2 groups. Sample: Everyone, R. and D..", (2, True)),
        ("Okta groups snapshot: 2 groups. Sample: —.", (2, False)),
        ("Okta groups snapshot: -1 groups. Sample: a.", None),
        ("0 groups", None),
        ("", None),
        (None, None),
    ],
)
def test_okta_groups(text, expected) -> None:
    assert read_okta_groups(text) == expected


class TestIamSummary:
    def test_counts_and_region(self) -> None:
        summary = read_iam_summary(IAM.format(1) + "Region: eu-north-1.")
        assert summary is not None
        assert summary.region == "eu-north-1"
        assert summary.counts == {
            "Users": 12,
            "Groups": 3,
            "Roles": 27,
            "AccountMFAEnabled": 1,
            "MFADevicesInUse": 11,
        }

    def test_a_dash_is_a_count_that_is_not_known(self) -> None:
        summary = read_iam_summary(IAM.format("—") + "Region: default.")
        assert summary is not None
        assert summary.counts["AccountMFAEnabled"] is None

    @pytest.mark.parametrize(
        "text",
        [
            IAM.format("yes") + "Region: default.",
            IAM.format(1),
            IAM.format("1, AccountMFAEnabled=0") + "Region: default.",
            "AWS IAM summary: . Region: default.",
            "Four users, nine roles, every console user has a second factor.",
            "",
            None,
        ],
    )
    def test_other_texts_are_none(self, text) -> None:
        assert read_iam_summary(text) is None


@pytest.mark.parametrize(
    ("row_type", "text", "negative"),
    [
        ("github_branch_protection", "Branch protection enabled on default branch: m", False),
        (
            "github_branch_protection",
            "Branch protection not configured or not accessible for branch: m",
            True,
        ),
        ("github_last_commit", f"Default branch: main. Last commit: {SHA} by A. Tidy", False),
        ("github_last_commit", "Default branch: main. Last commit: unknown by . ", True),
        (
            "okta_org_summary",
            "Okta org: Example Org. IdP integration for identity and access.",
            False,
        ),
        ("okta_org_summary", "Okta org: . IdP integration for identity and access.", True),
        (
            "okta_users_snapshot",
            "Okta users snapshot: 1 users (0 active). Sample logins: a@example.com.",
            False,
        ),
        (
            "okta_users_snapshot",
            "Okta users snapshot: 0 users (0 active). Sample logins: —.",
            True,
        ),
        ("okta_groups_snapshot", "Okta groups snapshot: 1 groups. Sample: Everyone.", False),
        ("okta_groups_snapshot", "Okta groups snapshot: 0 groups. Sample: —.", True),
        ("aws_iam_summary", IAM.format(1) + "Region: default.", False),
        ("aws_iam_summary", IAM.format(0) + "Region: default.", True),
        ("aws_iam_summary", IAM.format("—") + "Region: default.", True),
        (
            "aws_iam_summary",
            IAM.format("1, AccountAccessKeysPresent=1") + "Region: default.",
            True,
        ),
        # What a person wrote, and what nobody knows, is not called bad.
        ("aws_iam_summary", "Four users, every console user has a second factor.", False),
        ("document", "Okta groups snapshot: 0 groups. Sample: —.", False),
    ],
)
def test_negative_rows(row_type, text, negative) -> None:
    item = msgspec.convert(
        {
            "id": 1,
            "control_id": 3,
            "type": row_type,
            "collected_at": "2026-11-25T00:00:00Z",
            "description": text,
        }
        | dict.fromkeys(
            ("source", "link_url", "created_by", "file_path", "file_name", "content_type")
        )
        | {"extracted_text": None},
        EvidenceItem,
    )
    assert is_negative(item) is negative


def test_every_recorded_sentence_of_the_integrations_is_known(pytestconfig) -> None:
    import json

    unknown = set()
    known = dict.fromkeys(READERS, 0)
    for recorded in load_recordings(pytestconfig.rootpath / "tests/cassettes/live"):
        if recorded.operation != "list_evidence" or recorded.response.status != 200:
            continue
        for row in json.loads(recorded.response.body or b"[]"):
            # The seeded rows were written by hand.
            if row["type"] not in READERS or row["created_by"] == "seed-import":
                continue
            known[row["type"]] += 1
            if READERS[row["type"]](row["description"]) is None:
                unknown.add(row["description"])
    assert all(known.values()), known
    assert unknown == set()
