"""Okta as the service sees it: the name of the organisation, and counts with a few samples.

None of it says anything about second factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from compai_kit.simulator.settings import OktaSettings, SettingsError
from compai_kit.simulator.upstreams import Collected, UpstreamError

EvidenceType = Literal["org_summary", "users_snapshot", "groups_snapshot"]
EVIDENCE_TYPES: tuple[EvidenceType, ...] = ("org_summary", "users_snapshot", "groups_snapshot")
WHAT: Mapping[EvidenceType, str] = {
    "org_summary": "Okta org",
    "users_snapshot": "Okta users",
    "groups_snapshot": "Okta groups",
}
# What Okta may do wrong, and what the service calls that.
FAILURES: Mapping[str, str] = {
    "denied": "{what} API error",
    "error": "{what} API error",
    "unreachable": "fetch {what}",
}
# The service asks for one page and names a few of what it finds there.
PAGE = 200
SAMPLES = 5


def check_okta(settings: OktaSettings) -> None:
    """Raises SettingsError for anything that `collect` would misread."""
    if settings.failure not in ("", *FAILURES):
        msg = f"settings.okta.failure: expected empty or one of {', '.join(FAILURES)}"
        raise SettingsError(msg)
    for index, user in enumerate(settings.users):
        if not isinstance(user, Mapping) or set(user) != {"login", "status"}:
            msg = f"settings.okta.users[{index}]: expected an object with login and status"
            raise SettingsError(msg)
    if not all(isinstance(group, str) for group in settings.groups):
        msg = "settings.okta.groups: expected a list of names"
        raise SettingsError(msg)


def missing(settings: OktaSettings) -> str | None:
    """What the service asks for before it could call Okta."""
    if not settings.domain:
        return "Set OKTA_DOMAIN and OKTA_API_TOKEN to collect evidence from Okta"
    return None if settings.has_token else "Set OKTA_API_TOKEN"


def collect(settings: OktaSettings, evidence_type: EvidenceType) -> Collected:
    if settings.failure:
        raise UpstreamError(FAILURES[settings.failure].format(what=WHAT[evidence_type]))
    site = f"https://{settings.domain}"
    match evidence_type:
        case "org_summary":
            name = settings.organisation
            text = f"Okta org: {name}. IdP integration for identity and access."
            return Collected(text, f"{site}/org")
        case "users_snapshot":
            return Collected(_users(settings.users[:PAGE]), f"{site}/admin/users")
        case "groups_snapshot":
            return Collected(_groups(settings.groups[:PAGE]), f"{site}/admin/groups")


def _users(users: list[Mapping[str, Any]]) -> str:
    active = sum(user["status"] == "ACTIVE" for user in users)
    samples = _samples([user["login"] for user in users])
    return f"Okta users snapshot: {len(users)} users ({active} active). Sample logins: {samples}."


def _groups(groups: list[str]) -> str:
    return f"Okta groups snapshot: {len(groups)} groups. Sample: {_samples(groups)}."


def _samples(names: list[str]) -> str:
    return ", ".join(names[:SAMPLES]) or "—"
