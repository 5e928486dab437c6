"""GitHub's REST API as far as checks read it, also at the address of an Enterprise server.

`settings.systems.github` has tokens with their permissions, an App, repositories with branches,
classic protection and rulesets, and the two rate limits; see `github_settings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qs, unquote

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer, text_answer
from compai_kit.simulator.systems import System, SystemCall
from compai_kit.simulator.systems.github_answers import (
    Repo,
    branch,
    protection,
    refusal,
    repository,
    rules,
    ruleset,
)
from compai_kit.simulator.systems.github_settings import (
    LIMIT,
    SECONDARY_LIMIT,
    TOP,
    check,
    filled,
    secrets,
)
from compai_kit.simulator.systems.github_tokens import Token, new_token, token_of

# An Enterprise server has the same API under this path.
ENTERPRISE = "/api/v3"
_INSTALLATION = re.compile(r"/app/installations/(\d+)/access_tokens")
_REPO = r"/repos/(?P<repo>[^/]+/[^/]+)"
_MUST_UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."
_NEEDS_SSO = (
    "Resource protected by organization SAML enforcement. You must grant your Personal Access "
    "token access to this organization."
)


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = json_answer(status, refusal(message, status), headers)


def answer(call: SystemCall) -> HttpResponse:
    if not call.request.headers.get("user-agent"):
        return text_answer(403, "Request forbidden by administrative rules.")
    path, api = call.path, call.base_url
    if path.startswith(f"{ENTERPRISE}/"):
        path, api = path.removeprefix(ENTERPRISE), api + ENTERPRISE
    installation = _INSTALLATION.fullmatch(path)
    if installation is not None and call.request.method == "POST":
        return new_token(call, installation[1])
    headers = _limit_headers(call)
    try:
        _keep_limits(call, headers)
        answered = _read(call, path, api)
    except _RefusedError as refused:
        answered = refused.answer
    return HttpResponse(
        status=answered.status, headers={**headers, **answered.headers}, body=answered.body
    )


def _read(call: SystemCall, path: str, api: str) -> HttpResponse:
    token = token_of(call)
    if token is None:
        raise _RefusedError(401, "Bad credentials")
    if call.request.method == "GET":
        for pattern, handler in _ROUTES.items():
            if match := re.fullmatch(pattern, path):
                repo = _repo(call, token, match["repo"], api)
                return handler(call, token, repo, unquote(match.groupdict().get("name", "")))
    raise _RefusedError(404, "Not Found")


def _repo(call: SystemCall, token: Token, name: str, api: str) -> Repo:
    """By its name in any case, as GitHub finds it."""
    known = {key.casefold(): key for key in call.settings.get("repositories", {})}
    key = known.get(unquote(name).casefold())
    if key is None or not token.may("metadata"):
        raise _RefusedError(404, "Not Found")
    repo = Repo.of(key, call.settings["repositories"][key], api)
    if repo.settings["moved_to"] is not None:
        location = {"location": f"{api}/repositories/{repository(repo)['id']}"}
        raise _RefusedError(301, "Moved Permanently", location)
    if repo.settings["needs_sso"]:
        raise _RefusedError(403, _NEEDS_SSO)
    return repo


def _get_repository(call: SystemCall, token: Token, repo: Repo, name: str) -> HttpResponse:
    del call, token, name
    return json_answer(200, repository(repo))


def _get_rules(call: SystemCall, token: Token, repo: Repo, name: str) -> HttpResponse:
    del token
    _needs_plan(repo)
    query = {key: values[-1] for key, values in parse_qs(call.request.query).items()}
    largest = min(100, filled(call.settings, TOP)["page_size"])
    size = max(1, min(largest, int(query.get("per_page", 30))))
    page, found = int(query.get("page", 1)), rules(repo, name)
    headers = {}
    if len(found) > page * size:
        here = f"{call.base_url}{call.path}"
        headers["link"] = f'<{here}?per_page={size}&page={page + 1}>; rel="next"'
    return json_answer(200, found[(page - 1) * size : page * size], headers)


def _get_branch(call: SystemCall, token: Token, repo: Repo, name: str) -> HttpResponse:
    del call
    _needs(token, "contents")
    _needs_branch(repo, name)
    return json_answer(200, branch(repo, name))


def _get_protection(call: SystemCall, token: Token, repo: Repo, name: str) -> HttpResponse:
    del call
    _needs_plan(repo)
    _needs(token, "administration")
    _needs_branch(repo, name)
    if repo.branches[name]["protection"] is None:
        raise _RefusedError(404, "Branch not protected")
    return json_answer(200, protection(repo, name))


def _get_ruleset(call: SystemCall, token: Token, repo: Repo, name: str) -> HttpResponse:
    del call
    for values in repo.rulesets:
        if str(values["id"]) == name:
            shows = token.may("administration:write")
            return json_answer(200, ruleset(repo, values, shows_bypass=shows))
    raise _RefusedError(404, "Not Found")


def _needs(token: Token, permission: str) -> None:
    if token.may(permission):
        return
    if token.kind == "classic":
        raise _RefusedError(404, "Not Found")
    by = "integration" if token.kind == "installation" else "personal access token"
    raise _RefusedError(403, f"Resource not accessible by {by}")


def _needs_plan(repo: Repo) -> None:
    if repo.settings["needs_plan"]:
        raise _RefusedError(403, _MUST_UPGRADE)


def _needs_branch(repo: Repo, name: str) -> None:
    if name not in repo.branches:
        raise _RefusedError(404, "Branch not found")


def _limit_headers(call: SystemCall) -> dict[str, str]:
    """Counts this call; without a limit there are none of these headers, as on many servers."""
    if call.settings.get("limit") is None:
        return {}
    limit = filled(call.settings["limit"], LIMIT)
    window = call.memory.get("window")
    if window is None or window["reset"] <= call.now:
        reset = call.now + timedelta(seconds=limit["reset_in_s"])
        window = call.memory["window"] = {"reset": reset, "used": 0}
    window["used"] += 1
    return {
        "x-ratelimit-limit": str(limit["calls"]),
        "x-ratelimit-remaining": str(max(0, limit["calls"] - window["used"])),
        "x-ratelimit-used": str(min(limit["calls"], window["used"])),
        "x-ratelimit-reset": str(int(window["reset"].timestamp())),
        "x-ratelimit-resource": "core",
    }


def _keep_limits(call: SystemCall, headers: Mapping[str, str]) -> None:
    if headers and call.memory["window"]["used"] > int(headers["x-ratelimit-limit"]):
        raise _RefusedError(403, "API rate limit exceeded for user ID 1.")
    if call.settings.get("secondary_limit") is None:
        return
    limit = filled(call.settings["secondary_limit"], SECONDARY_LIMIT)
    call.memory["calls"] = call.memory.get("calls", 0) + 1
    if limit["after"] < call.memory["calls"] <= limit["after"] + limit["count"]:
        wait = limit["retry_after"]
        raise _RefusedError(
            limit["status"],
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try "
            "again.",
            {} if wait is None else {"retry-after": str(wait)},
        )


_Handler = Callable[[SystemCall, Token, Repo, str], HttpResponse]
_ROUTES: Mapping[str, _Handler] = {
    _REPO: _get_repository,
    rf"{_REPO}/rules/branches/(?P<name>[^/]+)": _get_rules,
    rf"{_REPO}/branches/(?P<name>[^/]+)": _get_branch,
    rf"{_REPO}/branches/(?P<name>[^/]+)/protection": _get_protection,
    rf"{_REPO}/rulesets/(?P<name>\d+)": _get_ruleset,
}

GITHUB = System(
    name="github", prefix="/systems/github", check=check, answer=answer, secrets=secrets
)
