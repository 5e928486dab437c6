"""GitHub tests by GitHub's own fields; without the Connection comp_ai_github through Comp-AI.

`github_branch_protection`: a pull request with enough approvals is required on the branch.
`github_last_commit`: the branch's last commit is not too old.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from compai_dags.checks import github_via_comp_ai
from compai_dags.checks.base import CheckContext, config_object
from compai_dags.checks.github_access import CONNECTION_ID, read_access, read_as, refused
from compai_dags.checks.github_config import (
    COMMIT_KEYS,
    PROTECTION_KEYS,
    Repository,
    is_branch,
    read_branch,
    read_number,
    read_only_reachable,
    read_repository,
    read_requirements,
)
from compai_dags.checks.github_protection import NO_LAYER, Bypass, merged
from compai_dags.checks.github_reader import Reader
from compai_dags.checks.github_session import open_github
from compai_dags.checks.github_verdict import REQUIREMENTS, demands_on, judged
from compai_dags.checks.outside import Outside, OutsideError
from compai_dags.outcomes import Observation, Outcome, Reason, error, verdict_of
from compai_dags.proof import Assertion, Proof
from compai_dags.rows import Row

# The types of the tests, and of the evidence for them.
BRANCH_PROTECTION = "github_branch_protection"
LAST_COMMIT = "github_last_commit"

_MOST_APPROVALS = 10
_MOST_DAYS = 3_650
# A commit carries whatever date its author's clock had.
_CLOCK_SKEW = timedelta(days=1)


class _Repo(msgspec.Struct, frozen=True):
    default_branch: str
    archived: bool
    html_url: str


class _Person(msgspec.Struct, frozen=True):
    date: datetime | None = None


class _CommitData(msgspec.Struct, frozen=True):
    committer: _Person | None


class _Commit(msgspec.Struct, frozen=True):
    sha: str
    html_url: str
    commit: _CommitData


class _Head(msgspec.Struct, frozen=True):
    commit: _Commit


def branch_protection(row: Row, context: CheckContext) -> Observation:
    """PASS: a pull request with `min_approvals` is required; what was not read never passes."""
    fields = context.connection(CONNECTION_ID)
    if fields is None:
        return github_via_comp_ai.branch_protection(row, context)
    config = config_object(row, keys=PROTECTION_KEYS)
    repository, wanted = read_repository(config), read_branch(config)
    required = read_requirements(config, REQUIREMENTS)
    least = read_number(config, "min_approvals", default=1, low=1, high=_MOST_APPROVALS)
    with open_github(read_access(fields), context) as github:
        repo = _read_repo(github, repository)
        if repo.archived:
            return _archived(repository)
        branch = wanted or repo.default_branch
        reader = Reader(github, repository, branch)
        layers = reader.layers()
        facts = merged(layers)
        bypass: Bypass = NO_LAYER
        if facts.approvals >= least and not layers.not_in_plan:
            bypass = reader.bypass(layers, least)
        raw_sha256 = github.raw_sha256
    demands = demands_on(layers, facts, bypass, least=least, required=required)
    return judged(
        demands,
        place=f"branch {branch} of {repository}",
        layers=layers,
        seen_at=context.now(),
        proof=Proof(
            type=BRANCH_PROTECTION,
            source=f"github:{repository}@{branch}",
            assertions=tuple(demand.assertion for demand in demands),
            raw_sha256=raw_sha256,
            link_url=f"{repo.html_url}/tree/{quote(branch)}",
        ),
    )


def last_commit(row: Row, context: CheckContext) -> Observation:
    """PASS: a date was read, and it is at most `max_age_days` ago."""
    fields = context.connection(CONNECTION_ID)
    if fields is None:
        return github_via_comp_ai.last_commit(row, context)
    config = config_object(row, keys=COMMIT_KEYS)
    repository, wanted = read_repository(config), read_branch(config)
    only_reachable = read_only_reachable(config)
    most = read_number(config, "max_age_days", default=90, low=1, high=_MOST_DAYS)
    with open_github(read_access(fields), context) as github:
        repo = _read_repo(github, repository)
        if repo.archived:
            return _archived(repository)
        branch = wanted or repo.default_branch
        place = f"branch {branch} of {repository}"
        answer = github.get(f"repos/{repository}/branches/{quote(branch, safe='')}")
        if answer.status != 200:
            raise refused(answer, place)
        commit = read_as(answer, _Head, "a branch").commit
        raw_sha256 = github.raw_sha256
    date = commit.commit.committer.date if commit.commit.committer else None
    if date is None or date.tzinfo is None:
        raise OutsideError(Reason.MALFORMED, f"GitHub gives the last commit of {place} no date")
    now = context.now()
    if date > now + _CLOCK_SKEW:
        return error(
            Reason.AMBIGUOUS,
            f"Could not verify: the last commit of {place} has the date {date:%Y-%m-%d}, which is "
            "in the future, so its age is unknown.",
        )
    days = max(0, (now - date).days)
    assertion = Assertion(
        path="branch.commit.commit.committer.date",
        observed=f"{date:%Y-%m-%dT%H:%M:%SZ}",
        expected="a date" if only_reachable else f"at most {most} days ago",
        holds=only_reachable or now - date <= timedelta(days=most),
        volatile=True,
    )
    return Observation(
        outcome=verdict_of([assertion]),
        sentence=f"The last commit of {place} is {days} days old ({date:%Y-%m-%d}, "
        f"{commit.sha[:12]}){'' if only_reachable else f'; at most {most} days are allowed'}.",
        collected_at=now,
        proof=Proof(
            type=LAST_COMMIT,
            source=f"github:{repository}@{branch}",
            assertions=(assertion,),
            raw_sha256=raw_sha256,
            link_url=commit.html_url,
        ),
    )


def _read_repo(github: Outside, repository: Repository) -> _Repo:
    answer = github.get(f"repos/{repository}")
    if answer.status != 200:
        raise refused(answer, f"repository {repository}")
    repo = read_as(answer, _Repo, "a repository")
    if not is_branch(repo.default_branch):
        raise OutsideError(Reason.MALFORMED, f"GitHub names no default branch of {repository}")
    return repo


def _archived(repository: Repository) -> Observation:
    return Observation(
        outcome=Outcome.NOT_APPLICABLE,
        sentence=f"Repository {repository} is archived: nothing can be merged into it.",
    )
