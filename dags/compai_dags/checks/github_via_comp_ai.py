"""GitHub tests through Comp-AI's own integration, for installations without direct access.

Comp-AI answers 201 whatever it found; the truth is in the text of the row that it wrote. What the
text does not tell is not passed.
"""

from __future__ import annotations

from compai_client import GitHubEvidenceType
from compai_dags.checks.base import CheckContext, config_object
from compai_dags.checks.collected_texts import read_commit, read_protection
from compai_dags.checks.collection import Request, collect, passed, undecided, unparsable
from compai_dags.checks.github_config import (
    COMMIT_KEYS,
    PROTECTION_KEYS,
    Repository,
    read_names,
    read_only_reachable,
    read_repository,
)
from compai_dags.outcomes import Observation, Reason
from compai_dags.rows import Row

_DIRECT = "The Connection comp_ai_github would decide it: it reads GitHub's own fields"


def branch_protection(row: Row, context: CheckContext) -> Observation:
    """PASS on "enabled"; the sentence for "absent" and "not readable" is the same: ERROR."""
    config = config_object(row, keys=PROTECTION_KEYS)
    repository = read_repository(config)
    unseen = _unseen_requirements(config)
    collected = collect(
        _request(row, repository, "branch_protection", can_pass=not unseen), context
    )
    if isinstance(collected, Observation):
        return collected
    protection = read_protection(collected.row.description)
    if protection is None:
        return unparsable(collected)
    branch, wanted = protection.branch, config.get("branch")
    if not protection.enabled:
        return undecided(
            collected,
            Reason.AMBIGUOUS,
            f"Could not verify: for branch {branch} of {repository} Comp-AI reports "
            "protection as 'not configured or not accessible', one sentence for both. Either "
            "protect the branch, or give Comp-AI's GITHUB_TOKEN admin read access to the "
            f"repository. {_DIRECT}.",
        )
    if wanted and wanted != branch:
        return undecided(
            collected,
            Reason.AMBIGUOUS,
            f"Could not verify: Comp-AI examines the default branch {branch} of {repository} only, "
            f"the test asks for branch {wanted}. {_DIRECT}.",
        )
    if unseen:
        return undecided(
            collected,
            Reason.AMBIGUOUS,
            f"Could not verify: branch {branch} of {repository} is protected, but Comp-AI does not "
            f"tell about {', '.join(unseen)}, which the test requires. {_DIRECT}.",
        )
    return passed(
        collected,
        f"Branch protection is enabled on the default branch {branch} of {repository} "
        f"(evidence {collected.row.id}). Warning: required approvals were not examined.",
    )


def last_commit(row: Row, context: CheckContext) -> Observation:
    """Comp-AI's text has no date: it shows "reachable" at most, and passes where that is asked."""
    config = config_object(row, keys=COMMIT_KEYS)
    repository = read_repository(config)
    suffices = read_only_reachable(config)
    collected = collect(_request(row, repository, "last_commit", can_pass=suffices), context)
    if isinstance(collected, Observation):
        return collected
    commit = read_commit(collected.row.description)
    if commit is None:
        return unparsable(collected)
    if commit.sha is None:
        return undecided(
            collected,
            Reason.NOT_FOUND_OR_NO_ACCESS,
            f"Could not verify: Comp-AI read {repository}, but no commit of it "
            f"(evidence {collected.row.id} says 'unknown').",
        )
    if not suffices:
        return undecided(
            collected,
            Reason.AMBIGUOUS,
            f"Could not verify the age of the last commit of {repository}: Comp-AI's evidence "
            f"names commit {commit.sha[:12]}, but not its date. {_DIRECT}; or set "
            'config.require to "reachable" if that is what the control asks for.',
        )
    return passed(
        collected,
        f"{repository} is reachable; its last commit is {commit.sha[:12]} "
        f"(evidence {collected.row.id}). The age of the commit was not examined.",
    )


def _request(
    row: Row, repository: Repository, evidence_type: GitHubEvidenceType, *, can_pass: bool
) -> Request:
    return Request(
        control_id=row.control_id,
        target=str(repository),
        type=f"github_{evidence_type}",
        source=f"github:{repository}",
        call=lambda client: client.collect_github_evidence(
            control_id=row.control_id,
            owner=repository.owner,
            repo=repository.name,
            evidence_type=evidence_type,
        ),
        can_pass=can_pass,
    )


def _unseen_requirements(config: dict[str, object]) -> list[str]:
    """What the test requires beyond "protected"; Comp-AI's text tells none of it."""
    approvals = ["min_approvals"] if config.get("min_approvals") else []
    return sorted(read_names(config)) + approvals
