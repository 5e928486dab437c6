"""Settings: defaults, merging, and messages that name the key and never a secret."""

from __future__ import annotations

from typing import Any

import pytest

from compai_kit.simulator.settings import DEFAULTS, SettingsError, build_settings, merged
from compai_kit.simulator.upstreams import Collected, UpstreamError, aws, model, okta
from compai_kit.simulator.upstreams.check import check_upstreams
from compai_kit.simulator.upstreams.github import check_repositories, collect


def test_the_defaults_are_the_deployment_without_a_limit() -> None:
    settings = build_settings({})
    assert settings.rate_limit is None
    assert settings.github.configured is False
    assert (settings.keycloak.realm, settings.keycloak.token_life_s) == ("lianel", 300)
    assert settings.has_schema


def test_sections_are_merged_and_what_is_inside_is_replaced() -> None:
    first = merged(DEFAULTS, {"keycloak": {"clients": {"a": "x"}}, "static_tokens": ["t"]})
    second = merged(first, {"keycloak": {"token_life_s": 5}, "rate_limit": {"requests": 3}})
    settings = build_settings(second)
    assert settings.keycloak.clients == {"a": "x"}
    assert settings.keycloak.token_life_s == 5
    assert settings.static_tokens == ("t",)
    assert settings.rate_limit is not None
    assert (settings.rate_limit.requests, settings.rate_limit.window_s) == (3, 60)


def test_no_secret_is_in_the_representation() -> None:
    settings = build_settings(
        {"static_tokens": ["token-1"], "keycloak": {"clients": {"airflow": "secret-1"}}}
    )
    assert settings.secrets == ("token-1", "secret-1")
    assert "token-1" not in repr(settings)
    assert "secret-1" not in repr(settings)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"ratelimit": None}, "settings: unknown key 'ratelimit'; known are rate_limit, github,"),
        ({"github": True}, "settings.github: expected an object, got bool"),
        ({"github": {"token": "x"}}, "settings.github: unknown key 'token'"),
        (
            {"github": {"configured": 1}},
            "settings.github.configured: expected true or false, got a",
        ),
        (
            {"keycloak": {"token_life_s": "300"}},
            "settings.keycloak.token_life_s: expected a number",
        ),
        ({"keycloak": {"clients": {"a": 5}}}, "settings.keycloak.clients: every secret must be"),
        ({"static_tokens": "t"}, "settings.static_tokens: expected a list of strings"),
        ({"rate_limit": {"requests": 0}}, "settings.rate_limit.requests: expected a whole number"),
        ({"rate_limit": 5}, "settings.rate_limit: expected an object or null, got int"),
        ({"rate_limit": {"per": 1}}, "settings.rate_limit: unknown key 'per'"),
        ({"database": "broken"}, "settings.database: expected one of ready, no_schema"),
    ],
)
def test_what_would_test_nothing_is_refused(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_settings(raw)
    assert str(caught.value).startswith(message)


def github(**repository: Any) -> Any:
    settings = build_settings({"github": {"repositories": {"o/r": repository}}}).github
    check_repositories(settings)
    return settings


@pytest.mark.parametrize(
    ("repository", "message"),
    [
        ({"protected": True}, "settings.github.repositories['o/r']: unknown key 'protected'"),
        ({"protection": "on"}, "settings.github.repositories['o/r'].protection: expected one of"),
        ({"failure": "down"}, "settings.github.repositories['o/r'].failure: expected one of None,"),
        ({"commit": {"id": "x"}}, "settings.github.repositories['o/r'].commit: unknown key 'id'"),
    ],
)
def test_so_is_a_repository_that_would_be_misread(repository: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        github(**repository)
    assert str(caught.value).startswith(message)


COMMIT = {"sha": "0abc", "author": "Alex Example", "message": "Tidy"}


@pytest.mark.parametrize(
    ("repository", "description", "link"),
    [
        (
            {"commit": COMMIT},
            "Default branch: main. Last commit: 0abc by Alex Example. Tidy",
            "https://github.com/o/r/commit/0abc",
        ),
        (
            {"default_branch": "trunk", "commit": {}},
            "Default branch: trunk. Last commit: unknown by . ",
            "https://github.com/o/r",
        ),
        (
            {"default_branch": None, "url": None, "commit": {}},
            "Default branch: main. Last commit: unknown by . ",
            None,
        ),
        ({"commit": {"url": None}}, "Default branch: main. Last commit: unknown by . ", None),
    ],
)
def test_the_last_commit_is_described(
    repository: dict[str, Any], description: str, link: str | None
) -> None:
    found = collect(github(**repository), owner=" o ", repo=" r ", evidence_type="last_commit")
    assert found == Collected(description, link)


@pytest.mark.parametrize(
    ("repository", "description"),
    [
        ({"protection": "enabled"}, "Branch protection enabled on default branch: main"),
        ({}, "Branch protection not configured or not accessible for branch: main"),
        (
            {"protection": "unreadable", "default_branch": "trunk"},
            "Branch protection not configured or not accessible for branch: trunk",
        ),
    ],
)
def test_the_branch_protection_is_described(repository: dict[str, Any], description: str) -> None:
    found = collect(github(**repository), owner="o", repo="r", evidence_type="branch_protection")
    assert found == Collected(description, "https://github.com/o/r")


@pytest.mark.parametrize(
    ("repository", "detail"),
    [
        ({"failure": "missing"}, "repo API error"),
        ({"failure": "forbidden"}, "repo API error"),
        ({"failure": "garbled"}, "parse repo response"),
        ({"failure": "unreachable"}, "fetch repo"),
        ({"commit": None}, "commit API error"),
    ],
)
def test_what_github_does_wrong_has_a_name(repository: dict[str, Any], detail: str) -> None:
    with pytest.raises(UpstreamError, match=f"^{detail}$"):
        collect(github(**repository), owner="o", repo="r", evidence_type="last_commit")


def test_an_unknown_repository_is_missing_and_an_unreachable_github_is_not_asked() -> None:
    with pytest.raises(UpstreamError, match="repo API error"):
        collect(github(), owner="o", repo="other", evidence_type="branch_protection")
    with pytest.raises(UpstreamError, match="parse branch protection"):
        collect(
            github(protection="garbled"), owner="o", repo="r", evidence_type="branch_protection"
        )
    unreachable = build_settings({"github": {"reachable": False}}).github
    with pytest.raises(UpstreamError, match="fetch repo"):
        collect(unreachable, owner="o", repo="r", evidence_type="branch_protection")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"okta": {"users": {}}}, "settings.okta.users: expected a list, got an object"),
        ({"okta": {"failure": "x"}}, "settings.okta.failure: expected empty or one of denied,"),
        (
            {"okta": {"users": [{"login": "a"}]}},
            "settings.okta.users[0]: expected an object with login and status",
        ),
        ({"okta": {"groups": [1]}}, "settings.okta.groups: expected a list of names"),
        (
            {"aws": {"summary": {"Keys": 1}}},
            "settings.aws.summary.Keys: expected a number for one of Users,",
        ),
        ({"aws": {"summary": {"Users": "1"}}}, "settings.aws.summary.Users: expected a number for"),
        ({"model": {"failure": "silent"}}, "settings.model.failure: expected empty or one of"),
    ],
)
def test_so_is_an_upstream_that_would_be_misread(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_upstreams(build_settings(raw))
    assert str(caught.value).startswith(message)


def okta_settings(**section: Any) -> Any:
    return build_settings({"okta": {"domain": "org.okta.test", "has_token": True, **section}}).okta


@pytest.mark.parametrize(
    ("evidence_type", "description", "path"),
    [
        ("org_summary", "Okta org: Org. IdP integration for identity and access.", "org"),
        (
            "users_snapshot",
            "Okta users snapshot: 7 users (6 active). Sample logins: u0, u1, u2, u3, u4.",
            "admin/users",
        ),
        ("groups_snapshot", "Okta groups snapshot: 0 groups. Sample: —.", "admin/groups"),
    ],
)
def test_okta_is_described_with_counts_and_samples(
    evidence_type: Any, description: str, path: str
) -> None:
    users = [{"login": f"u{n}", "status": "SUSPENDED" if n == 6 else "ACTIVE"} for n in range(7)]
    found = okta.collect(okta_settings(organisation="Org", users=users), evidence_type)
    assert found == Collected(description, f"https://org.okta.test/{path}")


def test_okta_sees_one_page_of_users() -> None:
    users = [{"login": f"u{n}", "status": "ACTIVE"} for n in range(250)]
    found = okta.collect(okta_settings(users=users), "users_snapshot")
    assert found.description.startswith("Okta users snapshot: 200 users (200 active).")


@pytest.mark.parametrize(
    ("failure", "detail"),
    [("denied", "Okta users API error"), ("unreachable", "fetch Okta users")],
)
def test_what_okta_does_wrong_has_a_name(failure: str, detail: str) -> None:
    with pytest.raises(UpstreamError, match=f"^{detail}$"):
        okta.collect(okta_settings(failure=failure), "users_snapshot")


def test_okta_asks_for_what_is_missing() -> None:
    both = "Set OKTA_DOMAIN and OKTA_API_TOKEN to collect evidence from Okta"
    assert okta.missing(build_settings({}).okta) == both
    assert okta.missing(okta_settings(has_token=False)) == "Set OKTA_API_TOKEN"
    assert okta.missing(okta_settings()) is None


def test_aws_shows_a_dash_for_what_it_is_not_told() -> None:
    section = {"answers": True, "summary": {"Users": 12, "AccountMFAEnabled": 0}}
    found = aws.collect(build_settings({"aws": section}).aws)
    assert found.description == (
        "AWS IAM summary: Users=12, Groups=—, Roles=—, AccountMFAEnabled=0, MFADevicesInUse=—."
        " Region: default."
    )
    with pytest.raises(UpstreamError, match="GetAccountSummary API error"):
        aws.collect(build_settings({}).aws)


@pytest.mark.parametrize(
    ("section", "text", "name"),
    [
        ({"answer": "Do this.", "name": "m"}, "Do this.", "m"),
        ({"answer": "", "name": "m"}, "", "m"),
        ({"failure": "unreachable"}, model.CANNED, "mock-model (Ollama unavailable)"),
    ],
)
def test_the_model_or_a_canned_text_answers(section: dict[str, Any], text: str, name: str) -> None:
    assert model.generate(build_settings({"model": section}).model) == model.Answer(text, name)


@pytest.mark.parametrize(
    ("failure", "detail"),
    [
        ("unreachable", "Ollama generate request"),
        ("error", "Ollama returned 500 Internal Server Error: no memory"),
        ("garbled", "parse Ollama response"),
    ],
)
def test_without_the_canned_text_its_failure_has_a_name(failure: str, detail: str) -> None:
    section = {"failure": failure, "failure_body": "no memory", "fallback_to_mock": False}
    with pytest.raises(UpstreamError, match=f"^{detail}$"):
        model.generate(build_settings({"model": section}).model)
