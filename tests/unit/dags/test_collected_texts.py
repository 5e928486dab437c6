"""Comp-AI's sentences about GitHub, read from the recorded traffic of a live service."""

from __future__ import annotations

import pytest

from compai_dags.checks.collected_texts import read_commit, read_protection
from compai_kit.contract.recordings import load_recordings

SHA = "0123456789abcdef0123456789abcdef01234567"


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


def test_every_recorded_sentence_of_the_integration_is_known(pytestconfig) -> None:
    import json

    unknown = set()
    known = 0
    for recorded in load_recordings(pytestconfig.rootpath / "tests/cassettes/live"):
        if recorded.operation != "list_evidence" or recorded.response.status != 200:
            continue
        for row in json.loads(recorded.response.body or b"[]"):
            readers = {
                "github_branch_protection": read_protection,
                "github_last_commit": read_commit,
            }
            # The seeded row was written by hand.
            if row["type"] not in readers or row["created_by"] == "seed-import":
                continue
            known += 1
            if readers[row["type"]](row["description"]) is None:
                unknown.add(row["description"])
    assert known > 0
    assert unknown == set()
