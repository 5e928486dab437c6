"""GitHub as the service sees it.

Texts and failures are those that the service makes of GitHub's answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from compai_kit.simulator.settings import GitHubSettings, SettingsError
from compai_kit.simulator.text import trimmed
from compai_kit.simulator.upstreams import Collected, UpstreamError

EvidenceType = Literal["last_commit", "branch_protection"]
EVIDENCE_TYPES: tuple[EvidenceType, ...] = ("last_commit", "branch_protection")

# What GitHub may do wrong when it is asked for the repository, and what the service calls that.
FAILURES: Mapping[str, str] = {
    "missing": "repo API error",
    "forbidden": "repo API error",
    "error": "repo API error",
    "garbled": "parse repo response",
    "unreachable": "fetch repo",
}
PROTECTIONS = ("enabled", "absent", "unreadable", "garbled")
_KEYS = ("default_branch", "protection", "commit", "url", "failure")
_COMMIT_KEYS = ("sha", "author", "message", "url")


def check_repositories(settings: GitHubSettings) -> None:
    """Raises SettingsError for anything that `collect` would misread."""
    for name, repository in settings.repositories.items():
        where = f"settings.github.repositories[{name!r}]"
        if not isinstance(repository, Mapping):
            msg = f"{where}: expected an object"
            raise SettingsError(msg)
        _refuse_unknown(where, repository, _KEYS)
        _refuse_unknown(f"{where}.commit", repository.get("commit") or {}, _COMMIT_KEYS)
        for key, allowed in (("protection", PROTECTIONS), ("failure", (None, *FAILURES))):
            if key in repository and repository[key] not in allowed:
                msg = f"{where}.{key}: expected one of {', '.join(str(a) for a in allowed)}"
                raise SettingsError(msg)


def collect(
    settings: GitHubSettings, *, owner: str, repo: str, evidence_type: EvidenceType
) -> Collected:
    """Looks up the repository first, whatever was asked.

    That a branch is unprotected is evidence, not an error.
    """
    name = f"{trimmed(owner)}/{trimmed(repo)}"
    repository = _repository(settings, name)
    branch = repository.get("default_branch", "main") or "main"
    url = repository.get("url", f"{settings.web_url}/{name}")
    if evidence_type == "branch_protection":
        return Collected(_protection(repository.get("protection", "absent"), branch), url)
    commit = repository.get("commit")
    if commit is None:
        msg = "commit API error"
        raise UpstreamError(msg)
    return Collected(_last_commit(commit, branch), _commit_url(commit, url))


def _repository(settings: GitHubSettings, name: str) -> Mapping[str, Any]:
    if not settings.reachable:
        raise UpstreamError(FAILURES["unreachable"])
    repository = settings.repositories.get(name, {"failure": "missing"})
    failure = repository.get("failure")
    if failure is not None:
        raise UpstreamError(FAILURES[failure])
    return repository


def _protection(protection: str, branch: str) -> str:
    if protection == "garbled":
        msg = "parse branch protection"
        raise UpstreamError(msg)
    if protection == "enabled":
        return f"Branch protection enabled on default branch: {branch}"
    return f"Branch protection not configured or not accessible for branch: {branch}"


def _last_commit(commit: Mapping[str, Any], branch: str) -> str:
    sha, author = commit.get("sha", "unknown"), commit.get("author", "")
    return f"Default branch: {branch}. Last commit: {sha} by {author}. {commit.get('message', '')}"


def _commit_url(commit: Mapping[str, Any], repository_url: str | None) -> str | None:
    if "url" in commit:
        url: str | None = commit["url"]
        return url
    if "sha" in commit and repository_url is not None:
        return f"{repository_url}/commit/{commit['sha']}"
    return repository_url


def _refuse_unknown(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = set(given) - set(known)
    if unknown:
        msg = f"{where}: unknown key {sorted(unknown)[0]!r}; known are {', '.join(known)}"
        raise SettingsError(msg)
