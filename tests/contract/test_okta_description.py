"""Every answer that the simulated Okta can give, held against Okta's published description."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import SimulatorControl, SimulatorControlError
from compai_kit.simulator.server import serve
from compai_kit.simulator.systems.okta import STATUSES
from compai_kit.simulator.systems.okta_answers import PROVIDERS, policy_id

DATA = Path(__file__).parents[1] / "data"
DESCRIPTION: dict[str, Any] = json.loads((DATA / "okta_api.json").read_text("utf-8"))
USERS = "/api/v1/users"
USER = "/api/v1/users/{id}"
FACTORS = "/api/v1/users/{userId}/factors"
APPS = "/api/v1/apps"
RULES = "/api/v1/policies/{policyId}/rules"
PATHS = {
    USERS: USERS,
    USER: f"{USERS}/00uAda",
    FACTORS: f"{USERS}/00uAda/factors",
    APPS: APPS,
    RULES: f"/api/v1/policies/{policy_id('okta_enduser')}/rules",
}
TOKEN = "simulated-secret-of-okta"
NOBODY = "simulated-secret-without-a-role"
PEOPLE = [
    {"login": "ada@example.com", "id": "00uAda", "factors": list(PROVIDERS)},
    *(
        {
            "login": f"{status.lower()}@example.com",
            "status": status,
            "factors": [{"type": "push", "status": "PENDING_ACTIVATION"}],
        }
        for status in STATUSES
    ),
    {"login": "guest@example.com", "provider": "FEDERATION"},
    {"login": "left@example.com", "id": "00uLeft", "gone": True},
]
POLICIES = {
    "okta_enduser": [
        {"name": "Everybody", "priority": 0, "factorMode": "2FA"},
        {"name": "A chain", "priority": 1, "type": "AUTH_METHOD_CHAIN"},
        {"name": "Nobody from there", "priority": 2, "access": "DENY", "status": "INACTIVE"},
        {"name": "Catch-all Rule", "priority": 99, "factorMode": "1FA"},
    ],
    "saasure": [],
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorControl]:
    with serve(create_app({})) as running, SimulatorControl(running.url) as control:
        yield control


@pytest.fixture
def okta(simulator) -> Callable[..., None]:
    def start(**over: Any) -> None:
        everything = ["users", "apps", "policies", "super_admin"]
        settings = {
            "tokens": {TOKEN: {"permissions": everything}, NOBODY: {"permissions": []}},
            "users": PEOPLE,
            "policies": POLICIES,
            **over,
        }
        simulator.reset(None, {"systems": {"okta": settings}})

    start()
    return start


@pytest.fixture
def call(simulator) -> Callable[..., requests.Response]:
    def send(path: str, authorization: str = f"SSWS {TOKEN}", **more: Any) -> requests.Response:
        return requests.request(
            more.pop("method", "GET"),
            f"{simulator.url}/systems/okta{path}",
            headers={"Authorization": authorization},
            timeout=5,
            **more,
        )

    return send


def problems_of(operation: str, status: int, body: Any) -> list[str]:
    """What the description refuses of this answer, and fields on top that it does not know."""
    schema = DESCRIPTION["operations"][operation]["responses"][str(status)]
    strict = {"unevaluatedProperties": False}
    strict |= {**schema, "items": {**schema["items"], **strict}} if "items" in schema else schema
    validator = jsonschema_rs.Draft202012Validator(
        {**strict, "$defs": DESCRIPTION["$defs"]}, validate_formats=True
    )
    return [
        f"/{'/'.join(map(str, error.instance_path))}: {error.message[:300]}"
        for error in validator.iter_errors(body)
    ]


def conform(operation: str, response: requests.Response) -> None:
    assert response.headers["Content-Type"].startswith("application/json")
    assert problems_of(operation, response.status_code, response.json()) == []


def test_the_description_says_where_it_comes_from() -> None:
    source = DESCRIPTION["source"]
    assert source["module"] == "github.com/okta/okta-sdk-golang/v6"
    assert source["version"] == "v6.0.0"
    assert source["api_version"] == "2025.08.0"
    assert source["license"] == "Apache-2.0"
    assert len(source["sha256_of_file"]) == 64


def test_nothing_is_missing_of_the_description_and_nothing_left_over() -> None:
    spec = importlib.util.spec_from_file_location("extract", DATA / "extract_okta_api.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert tuple(DESCRIPTION["source"][key] for key in ("module", "version")) == (
        script.MODULE,
        script.VERSION,
    )
    assert set(DESCRIPTION["operations"]) == set(script.OPERATIONS) == set(PATHS)
    named = set(script._references([DESCRIPTION["operations"], DESCRIPTION["$defs"]]))
    assert named == set(DESCRIPTION["$defs"])


def test_the_simulator_knows_every_status_and_factor_of_the_description() -> None:
    assert set(STATUSES) == set(DESCRIPTION["$defs"]["UserStatus"]["enum"])
    assert set(PROVIDERS) == set(DESCRIPTION["$defs"]["UserFactorType"]["enum"])


class TestAnswers:
    def test_users_of_every_status_but_the_deprovisioned(self, okta, call) -> None:
        response = call(USERS)
        conform(USERS, response)
        listed = {user["status"] for user in response.json()}
        assert listed == set(STATUSES) - {"DEPROVISIONED"}

    @pytest.mark.parametrize("operation", list(PATHS))
    def test_what_is_there(self, okta, call, operation) -> None:
        response = call(PATHS[operation])
        assert response.status_code == 200
        assert response.json()
        conform(operation, response)

    def test_a_factor_of_every_type(self, okta, call) -> None:
        kinds = [factor["factorType"] for factor in call(PATHS[FACTORS]).json()]
        assert kinds == list(PROVIDERS)

    @pytest.mark.parametrize(
        ("operation", "path"),
        [
            (USER, f"{USERS}/00uNobody"),
            (USER, f"{USERS}/00uLeft"),
            (FACTORS, f"{USERS}/00uLeft/factors"),
            (RULES, "/api/v1/policies/rstNone/rules"),
        ],
    )
    def test_what_is_not_there(self, okta, call, operation, path) -> None:
        response = call(path)
        assert (response.status_code, response.json()["errorCode"]) == (404, "E0000007")
        conform(operation, response)

    @pytest.mark.parametrize("operation", list(PATHS))
    @pytest.mark.parametrize(
        "authorization", ["", f"Bearer {TOKEN}", "SSWS simulated-secret-unknown"]
    )
    def test_a_wrong_token(self, okta, call, operation, authorization) -> None:
        response = call(PATHS[operation], authorization)
        assert (response.status_code, response.json()["errorCode"]) == (401, "E0000011")
        conform(operation, response)

    @pytest.mark.parametrize("operation", list(PATHS))
    def test_a_token_without_a_role(self, okta, call, operation) -> None:
        response = call(PATHS[operation], f"SSWS {NOBODY}")
        assert (response.status_code, response.json()["errorCode"]) == (403, "E0000006")
        conform(operation, response)

    @pytest.mark.parametrize("operation", list(PATHS))
    def test_the_limit(self, okta, call, operation) -> None:
        okta(limit={"calls": 1, "window_s": 30})
        first, second = call(PATHS[operation]), call(PATHS[operation])
        assert (first.status_code, first.headers["x-rate-limit-remaining"]) == (200, "0")
        assert (second.status_code, second.json()["errorCode"]) == (429, "E0000047")
        assert second.headers["x-rate-limit-limit"] == "1"
        assert "retry-after" not in second.headers
        left = int(second.headers["x-rate-limit-reset"]) - datetime.now(UTC).timestamp()
        assert 25 < left <= 30
        conform(operation, second)

    def test_users_come_in_pages_with_links(self, okta, call) -> None:
        okta(page_size=4)
        path, seen = f"{USERS}?limit=200", []
        while path:
            response = call(path)
            conform(USERS, response)
            seen.append(len(response.json()))
            path = response.links.get("next", {}).get("url", "").partition("/systems/okta")[2]
        assert seen == [4, 4, 2]

    def test_only_a_super_administrator_is_shown_the_admin_console(self, okta, call) -> None:
        asked = {"filter": 'name eq "saasure"'}
        assert [app["label"] for app in call(APPS, params=asked).json()] == ["Okta Admin Console"]
        okta(tokens={TOKEN: {}})
        response = call(APPS, params=asked)
        assert (response.status_code, response.json()) == (200, [])

    def test_an_application_without_a_policy(self, okta, call) -> None:
        okta(policies={"okta_enduser": None})
        response = call(APPS, params={"filter": 'name eq "okta_enduser"'})
        conform(APPS, response)
        assert "accessPolicy" not in response.json()[0]["_links"]

    @pytest.mark.parametrize(
        ("path", "method", "status"),
        [(f"{USERS}?search=x", "GET", 501), (USERS, "POST", 405), (f"{APPS}?filter=x", "GET", 400)],
    )
    def test_what_no_check_asks_is_refused(self, okta, call, path, method, status) -> None:
        assert call(path, method=method).status_code == status


@pytest.mark.parametrize(
    ("operation", "spoil", "problem"),
    [
        (USERS, lambda body: body[0].update(status="ALIVE"), '/0/status: "ALIVE"'),
        (USERS, lambda body: body[0].update(mfa=True), "/0: Unevaluated properties"),
        (USERS, lambda body: body[0].update(id=7), "/0/id: 7 is not of type"),
        (FACTORS, lambda body: body[0].update(factorType="fax"), '/0/factorType: "fax"'),
        (FACTORS, lambda body: body[0].pop("factorType"), '/0: "factorType" is a required'),
        (FACTORS, lambda body: body[-1].update(provider="OKTA"), '/12/provider: "OKTA"'),
        (FACTORS, lambda body: body[0].update(status="ON"), '/0/status: "ON"'),
        (
            RULES,
            lambda body: body[0]["actions"]["appSignOn"]["verificationMethod"].update(
                factorMode="3FA"
            ),
            '/0/actions/appSignOn/verificationMethod/factorMode: "3FA"',
        ),
        (APPS, lambda body: body[0]["_links"]["accessPolicy"].pop("href"), "/0/_links/accessPol"),
    ],
)
def test_a_wrong_answer_would_be_found(okta, call, operation, spoil, problem) -> None:
    body = call(PATHS[operation]).json()
    assert problems_of(operation, 200, body) == []
    spoil(body)
    assert any(found.startswith(problem) for found in problems_of(operation, 200, body))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"user": []}, "settings.systems.okta: unknown key 'user'"),
        ({"tokens": {"x": {"scheme": "Basic"}}}, r"tokens\[0\].scheme: expected one of SSWS"),
        ({"tokens": {"x": {"permissions": ["all"]}}}, r"tokens\[0\].permissions: expected one of"),
        ({"users": [{"status": "ACTIVE"}]}, r"users\[0\]: expected a login"),
        ({"users": [{"login": "a", "status": "ON"}]}, r"users\[0\].status: expected one of"),
        ({"users": [{"login": "a", "factors": ["fax"]}]}, r"users\[0\].factors: expected one"),
        ({"users": ["a"]}, r"users\[0\]: expected an object"),
        ({"policies": {"x": [{"name": "a"}]}}, r"\[0\]: expected a name and a priority"),
        ({"limit": {"per_minute": 1}}, "limit: unknown key 'per_minute'"),
    ],
)
def test_settings_that_would_be_misread_are_refused(simulator, settings, problem) -> None:
    with pytest.raises(SimulatorControlError, match=problem):
        simulator.reset(None, {"systems": {"okta": settings}})


def test_the_ledger_has_the_calls_and_not_the_token(simulator, okta, call) -> None:
    call(USERS)
    entries = simulator.ledger()
    assert [entry.operation for entry in entries] == ["okta"]
    assert TOKEN not in str([entry.as_json() for entry in entries])
