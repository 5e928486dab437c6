"""The bodies of GitHub's answers, in the shape of its published API description."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from compai_kit.simulator.systems.github_settings import (
    BRANCH,
    PROTECTION,
    REPOSITORY,
    RULE,
    RULESET,
    filled,
)

DOCS = "https://docs.github.com/rest"
# Addresses of a repository whose names differ from their path, or that have a part to fill in.
_PARTS = {
    "archive": "{archive_format}{/ref}",
    "assignees": "{/user}",
    "blobs": "git/blobs{/sha}",
    "branches": "{/branch}",
    "collaborators": "{/collaborator}",
    "comments": "{/number}",
    "commits": "{/sha}",
    "compare": "{base}...{head}",
    "contents": "{+path}",
    "contributors": "",
    "deployments": "",
    "downloads": "",
    "events": "",
    "forks": "",
    "git_commits": "git/commits{/sha}",
    "git_refs": "git/refs{/sha}",
    "git_tags": "git/tags{/sha}",
    "hooks": "",
    "issue_comment": "issues/comments{/number}",
    "issue_events": "issues/events{/number}",
    "issues": "{/number}",
    "keys": "{/key_id}",
    "labels": "{/name}",
    "languages": "",
    "merges": "",
    "milestones": "{/number}",
    "notifications": "{?since,all,participating}",
    "pulls": "{/number}",
    "releases": "{/id}",
    "stargazers": "",
    "statuses": "{sha}",
    "subscribers": "",
    "subscription": "",
    "tags": "",
    "teams": "",
    "trees": "git/trees{/sha}",
}


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository of the settings; `api` is the address of the API as the caller knows it."""

    name: str
    settings: Mapping[str, Any]
    api: str

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], api: str) -> Repo:
        return cls(name, filled(settings, REPOSITORY), api)

    @property
    def url(self) -> str:
        return f"{self.api}/repos/{self.name}"

    @property
    def web_url(self) -> str:
        return f"https://github.example/{self.name}"

    @property
    def branches(self) -> dict[str, dict[str, Any]]:
        given = self.settings["branches"]
        branches = {self.settings["default_branch"]: {}} if given is None else given
        return {name: filled(branch, BRANCH) for name, branch in branches.items()}

    @property
    def rulesets(self) -> list[dict[str, Any]]:
        return [filled(ruleset, RULESET) for ruleset in self.settings["rulesets"]]


def refusal(message: str, status: int) -> dict[str, Any]:
    return {"message": message, "documentation_url": DOCS, "status": str(status)}


def repository(repo: Repo) -> dict[str, Any]:
    owner, _, name = repo.name.partition("/")
    number = _number(repo.name)
    zero = (
        *("forks", "forks_count", "open_issues", "open_issues_count", "size", "network_count"),
        *("stargazers_count", "subscribers_count", "watchers", "watchers_count"),
    )
    on = ("has_issues", "has_projects", "has_wiki", "has_downloads")
    off = ("fork", "has_pages", "has_discussions", "disabled")
    return {
        "id": number,
        "node_id": f"R_{number}",
        "name": name,
        "full_name": repo.name,
        "owner": user(owner, repo.api, kind="Organization"),
        "private": repo.settings["private"],
        "visibility": "private" if repo.settings["private"] else "public",
        "html_url": repo.web_url,
        "url": repo.url,
        "description": None,
        "homepage": None,
        "language": None,
        "license": None,
        "mirror_url": None,
        "archived": repo.settings["archived"],
        "default_branch": repo.settings["default_branch"],
        "clone_url": f"{repo.web_url}.git",
        "git_url": f"git://github.example/{repo.name}.git",
        "ssh_url": f"git@github.example:{repo.name}.git",
        "svn_url": repo.web_url,
        "created_at": "2024-01-15T10:00:00Z",
        "updated_at": "2026-01-15T10:00:00Z",
        "pushed_at": "2026-01-15T10:00:00Z",
        **dict.fromkeys(zero, 0),
        **dict.fromkeys(on, True),
        **dict.fromkeys(off, False),
        **{f"{part}_url": f"{repo.url}/{rest or part}" for part, rest in _PARTS.items()},
    }


def branch(repo: Repo, name: str) -> dict[str, Any]:
    values = repo.branches[name]
    address = f"{repo.url}/branches/{quote(name, safe='')}"
    is_protected = values["protection"] is not None
    return {
        "name": name,
        "commit": commit(repo, name, values["committed_at"]),
        "_links": {"self": address, "html": f"{repo.web_url}/tree/{quote(name)}"},
        "protected": is_protected,
        "protection": {"enabled": is_protected},
        "protection_url": f"{address}/protection",
    }


def commit(repo: Repo, branch_name: str, committed_at: str | None) -> dict[str, Any]:
    sha = hashlib.sha1(f"{repo.name} {branch_name}".encode(), usedforsecurity=False).hexdigest()
    tree = hashlib.sha1(sha.encode(), usedforsecurity=False).hexdigest()
    person = {"name": "Alex Example", "email": "alex@example.org"}
    if committed_at is not None:
        person["date"] = committed_at
    url = f"{repo.url}/commits/{sha}"
    return {
        "sha": sha,
        "node_id": f"C_{sha[:8]}",
        "url": url,
        "html_url": f"{repo.web_url}/commit/{sha}",
        "comments_url": f"{url}/comments",
        "commit": {
            "url": f"{repo.url}/git/commits/{sha}",
            "author": person,
            "committer": person,
            "message": "Tidy",
            "tree": {"sha": tree, "url": f"{repo.url}/git/trees/{tree}"},
            "comment_count": 0,
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "payload": None,
                "signature": None,
                "verified_at": None,
            },
        },
        "author": user("alex-example", repo.api),
        "committer": user("alex-example", repo.api),
        "parents": [],
    }


def protection(repo: Repo, name: str) -> dict[str, Any]:
    values = filled(repo.branches[name]["protection"], PROTECTION)
    url = f"{repo.url}/branches/{quote(name, safe='')}/protection"
    body: dict[str, Any] = {
        "url": url,
        "required_signatures": {"url": f"{url}/required_signatures", "enabled": False},
        "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": values["enforce_admins"]},
        "allow_force_pushes": {"enabled": values["allow_force_pushes"]},
        "allow_deletions": {"enabled": values["allow_deletions"]},
    }
    for part in ("required_linear_history", "block_creations", "required_conversation_resolution"):
        body[part] = {"enabled": False}
    if values["approvals"] is not None:
        body["required_pull_request_reviews"] = _reviews(repo, url, values)
    if values["status_checks"]:
        body["required_status_checks"] = {
            "url": f"{url}/required_status_checks",
            "strict": False,
            "contexts": values["status_checks"],
            "contexts_url": f"{url}/required_status_checks/contexts",
            "checks": [{"context": name, "app_id": None} for name in values["status_checks"]],
        }
    return body


def _reviews(repo: Repo, url: str, values: Mapping[str, Any]) -> dict[str, Any]:
    body = {
        "url": f"{url}/required_pull_request_reviews",
        "dismiss_stale_reviews": False,
        "require_code_owner_reviews": values["code_owners"],
        "require_last_push_approval": False,
        "required_approving_review_count": values["approvals"],
    }
    if values["bypass"] is not None:
        body["bypass_pull_request_allowances"] = {
            "users": [user(login, repo.api) for login in values["bypass"]],
            "teams": [],
            "apps": [],
        }
    return body


def rules(repo: Repo, branch_name: str) -> list[dict[str, Any]]:
    """The active rules of a branch, which need not exist."""
    return [
        {
            **_rule(filled(rule, RULE)),
            "ruleset_source_type": ruleset["source_type"],
            "ruleset_source": _source(repo, ruleset),
            "ruleset_id": ruleset["id"],
        }
        for ruleset in repo.rulesets
        if ruleset["enforcement"] == "active"
        and (ruleset["branches"] is None or branch_name in ruleset["branches"])
        for rule in ruleset["rules"]
    ]


def ruleset(repo: Repo, values: Mapping[str, Any], *, shows_bypass: bool) -> dict[str, Any]:
    branches = values["branches"]
    included = ["~ALL"] if branches is None else [f"refs/heads/{name}" for name in branches]
    body = {
        "id": values["id"],
        "node_id": f"RRS_{values['id']}",
        "name": values["name"],
        "target": "branch",
        "source_type": values["source_type"],
        "source": _source(repo, values),
        "enforcement": values["enforcement"],
        "current_user_can_bypass": "never",
        "conditions": {"ref_name": {"include": included, "exclude": []}},
        "rules": [_rule(filled(rule, RULE)) for rule in values["rules"]],
        "created_at": "2026-01-15T10:00:00Z",
        "updated_at": "2026-01-15T10:00:00Z",
        "_links": {
            "self": {"href": f"{repo.url}/rulesets/{values['id']}"},
            "html": {"href": f"{repo.web_url}/rules/{values['id']}"},
        },
    }
    if shows_bypass:
        body["bypass_actors"] = values["bypass_actors"]
    return body


def _source(repo: Repo, values: Mapping[str, Any]) -> str:
    return repo.name if values["source_type"] == "Repository" else repo.name.partition("/")[0]


def _rule(values: Mapping[str, Any]) -> dict[str, Any]:
    match values["type"]:
        case "pull_request":
            parameters: dict[str, Any] = {
                "required_approving_review_count": values["approvals"],
                "require_code_owner_review": values["code_owners"],
                "dismiss_stale_reviews_on_push": False,
                "require_last_push_approval": False,
                "required_review_thread_resolution": False,
                "allowed_merge_methods": ["squash"],
            }
        case "required_status_checks":
            parameters = {
                "strict_required_status_checks_policy": False,
                "required_status_checks": [{"context": name} for name in values["checks"]],
            }
        case kind:
            return {"type": kind}
    return {"type": values["type"], "parameters": parameters}


def user(login: str, api: str, *, kind: str = "User") -> dict[str, Any]:
    url = f"{api}/users/{login}"
    return {
        "login": login,
        "id": _number(login),
        "node_id": f"U_{_number(login)}",
        "avatar_url": f"https://avatars.github.example/{login}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"https://github.example/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": kind,
        "site_admin": False,
    }


def _number(name: str) -> int:
    """Always the same for the same name."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:7], 16)
