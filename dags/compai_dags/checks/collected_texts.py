"""The sentences in which Comp-AI reports what it saw on GitHub, as recorded from a live service."""

from __future__ import annotations

import re
from typing import NamedTuple

from compai_client import EvidenceItem

_ENABLED = re.compile(r"Branch protection enabled on default branch: (\S.*)")
_SHARED = re.compile(r"Branch protection not configured or not accessible for branch: (\S.*)")
_COMMIT = re.compile(r"Default branch: .*?\. Last commit: (\S+) by .*?\. .*", re.DOTALL)
_SHA = re.compile(r"[0-9a-f]{7,64}")


class Protection(NamedTuple):
    """`enabled` False is the sentence that "absent" and "not readable" share."""

    branch: str
    enabled: bool


class Commit(NamedTuple):
    """`sha` None: Comp-AI read the repository, but no commit of it."""

    sha: str | None


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


def is_negative(item: EvidenceItem) -> bool:
    """A row in which Comp-AI says that it saw nothing good; an unknown text is not called so."""
    if item.type == "github_branch_protection":
        protection = read_protection(item.description)
        return protection is not None and not protection.enabled
    if item.type == "github_last_commit":
        commit = read_commit(item.description)
        return commit is not None and commit.sha is None
    return False
