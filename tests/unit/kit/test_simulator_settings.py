"""Settings: defaults, merging, and messages that name the key and never a secret."""

from __future__ import annotations

from typing import Any

import pytest

from compai_kit.simulator.settings import DEFAULTS, SettingsError, build_settings, merged
from compai_kit.simulator.upstreams import Collected, UpstreamError
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
