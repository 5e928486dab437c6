"""Every answer that the simulated GitHub can give, held against GitHub's published description."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from openapi_schema_validator import OAS30Validator

from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import SimulatorControl
from compai_kit.simulator.server import serve

DATA = Path(__file__).parents[1] / "data"
PINNED = DATA / "github_api.json"
DESCRIPTION: dict[str, Any] = json.loads(PINNED.read_text("utf-8"))
# What GitHub answers, but its description of these operations leaves out. Each has its source.
BEYOND = {
    # docs.github.com/rest/authentication: wrong tokens, every operation
    401: "Bad credentials",
    # docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api: a token that may not
    403: "Resource not accessible",
    # docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
    429: "secondary rate limit",
    # docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api: moved
    301: "Moved Permanently",
}
REPO = "/repos/{owner}/{repo}"
RULES = f"{REPO}/rules/branches/{{branch}}"
BRANCH = f"{REPO}/branches/{{branch}}"
PROTECTION = f"{BRANCH}/protection"
RULESET = f"{REPO}/rulesets/{{ruleset_id}}"
TOKENS = "/app/installations/{installation_id}/access_tokens"
TOKEN = "simulated-secret-of-github"
WEAK = {
    kind: f"simulated-secret-weak-{kind}" for kind in ("fine_grained", "classic", "installation")
}
LOCKED = {
    "approvals": 2,
    "code_owners": True,
    "status_checks": ["build"],
    "bypass": ["alex-example"],
}
RULES_OF_ALL_KINDS = [
    {"type": "pull_request", "approvals": 1, "code_owners": True},
    {"type": "required_status_checks", "checks": ["build"]},
    {"type": "non_fast_forward"},
    {"type": "deletion"},
]
REPOSITORIES = {
    "example-org/demo": {
        "branches": {"main": {"protection": LOCKED}, "open": {}, "bare": {"protection": {}}},
        "rulesets": [
            {
                "id": 7,
                "rules": RULES_OF_ALL_KINDS,
                "bypass_actors": [
                    {"actor_id": 5, "actor_type": "Team", "bypass_mode": "exempt"},
                    {"actor_id": None, "actor_type": "DeployKey", "bypass_mode": "always"},
                ],
            },
            {"id": 8, "source_type": "Organization", "rules": RULES_OF_ALL_KINDS},
        ],
    },
    "example-org/old": {"archived": True, "private": True},
    "example-org/free": {"needs_plan": True},
    "example-org/gone": {"moved_to": "example-org/new"},
    "example-org/sso": {"needs_sso": True},
}


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorControl]:
    with serve(create_app({})) as running, SimulatorControl(running.url) as control:
        yield control


@pytest.fixture
def github(simulator, key) -> Callable[..., None]:
    def start(**over: Any) -> None:
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        settings = {
            "tokens": {
                TOKEN: {"permissions": ["metadata", "contents", "administration:write"]},
                **{
                    value: {"kind": kind, "permissions": ["metadata"]}
                    for kind, value in WEAK.items()
                },
            },
            "app": {
                "id": "12",
                "public_key": pem.decode(),
                "installations": {"34": {}, "35": {"suspended": True}},
            },
            "repositories": REPOSITORIES,
            **over,
        }
        simulator.reset(None, {"systems": {"github": settings}})

    start()
    return start


@pytest.fixture
def call(simulator) -> Callable[..., requests.Response]:
    def send(path: str, token: str | None = TOKEN, method: str = "GET") -> requests.Response:
        return requests.request(
            method,
            f"{simulator.url}/systems/github{path}",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=5,
            allow_redirects=False,
        )

    return send


def conform(operation: str, response: requests.Response, method: str = "get") -> None:
    """Fails unless the description, or `BEYOND` with the error body, allows this answer."""
    assert response.headers["Content-Type"].startswith("application/json")
    described = DESCRIPTION["paths"][operation][method]["responses"]
    part = described.get(str(response.status_code))
    if part is None:
        assert response.status_code in BEYOND, f"{operation} answers {response.status_code}"
        part = DESCRIPTION["components"]["responses"]["not_found"]
    if "$ref" in part:
        part = DESCRIPTION["components"]["responses"][part["$ref"].rsplit("/", 1)[1]]
    schema = part["content"]["application/json"]["schema"]
    assert problems_of(schema, response.json()) == []


def problems_of(schema: dict[str, Any], body: Any) -> list[str]:
    """What the schema refuses, and names of fields on top that it does not know."""
    validator = OAS30Validator({**schema, "components": DESCRIPTION["components"]})
    problems = [
        f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for error in validator.iter_errors(body)
    ]
    if "$ref" in schema and isinstance(body, dict):
        named = DESCRIPTION["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        problems += [f"/{name}: unknown" for name in set(body) - set(named["properties"])]
    return problems


def test_the_description_says_where_it_comes_from() -> None:
    source = DESCRIPTION["source"]
    assert source["package"] == "@octokit/openapi"
    assert source["version"] == "23.0.2"
    assert len(source["sha256_of_package"]) == 64
    assert source["license"].startswith("MIT License")


def test_the_description_is_what_the_script_cuts_out() -> None:
    """Cutting again changes nothing: no component is missing, none is left over."""
    spec = importlib.util.spec_from_file_location("extract", DATA / "extract_github_api.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    pinned = {key: value for key, value in DESCRIPTION.items() if key != "source"}
    assert script.extract(pinned) == pinned
    named = {(method, path) for path, item in pinned["paths"].items() for method in item}
    assert named == set(script.OPERATIONS)


@pytest.mark.parametrize(
    ("operation", "path", "status"),
    [
        (REPO, "/repos/example-org/demo", 200),
        (REPO, "/repos/Example-Org/Demo", 200),
        (REPO, "/repos/example-org/old", 200),
        (REPO, "/repos/example-org/none", 404),
        (REPO, "/repos/example-org/gone", 301),
        (REPO, "/repos/example-org/sso", 403),
        (RULES, "/repos/example-org/demo/rules/branches/main", 200),
        (RULES, "/repos/example-org/demo/rules/branches/no-such%2Fbranch", 200),
        (RULES, "/repos/example-org/free/rules/branches/main", 403),
        (BRANCH, "/repos/example-org/demo/branches/main", 200),
        (BRANCH, "/repos/example-org/demo/branches/open", 200),
        (BRANCH, "/repos/example-org/demo/branches/no-such", 404),
        (PROTECTION, "/repos/example-org/demo/branches/main/protection", 200),
        (PROTECTION, "/repos/example-org/demo/branches/bare/protection", 200),
        (PROTECTION, "/repos/example-org/demo/branches/open/protection", 404),
        (PROTECTION, "/repos/example-org/demo/branches/no-such/protection", 404),
        (PROTECTION, "/repos/example-org/free/branches/main/protection", 403),
        (RULESET, "/repos/example-org/demo/rulesets/7", 200),
        (RULESET, "/repos/example-org/demo/rulesets/8", 200),
        (RULESET, "/repos/example-org/demo/rulesets/9", 404),
    ],
)
@pytest.mark.parametrize("layout", ["", "/api/v3"])
def test_an_answer_is_as_described(github, call, operation, path, status, layout) -> None:
    response = call(layout + path)
    assert response.status_code == status
    conform(operation, response)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda body: body.pop("default_branch"), "/: 'default_branch' is a required property"),
        (lambda body: body.update(archived="no"), "/archived: 'no' is not of type 'boolean'"),
        (lambda body: body["owner"].update(id="7"), "/owner/id: '7' is not of type 'integer'"),
        (lambda body: body.update(is_protected=True), "/is_protected: unknown"),
    ],
)
def test_a_wrong_answer_would_be_found(github, call, spoil, problem) -> None:
    body = call("/repos/example-org/demo").json()
    spoil(body)
    [found] = problems_of({"$ref": "#/components/schemas/full-repository"}, body)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        ("fine_grained", 403, "Resource not accessible by personal access token"),
        ("installation", 403, "Resource not accessible by integration"),
        ("classic", 404, "Not Found"),
    ],
)
@pytest.mark.parametrize("operation", [BRANCH, PROTECTION])
def test_a_token_that_may_not_read_is_refused_in_its_own_words(
    github, call, operation, kind, status, message
) -> None:
    path = operation.format(owner="example-org", repo="demo", branch="main")
    response = call(path, WEAK[kind])
    assert (response.status_code, response.json()["message"]) == (status, message)
    conform(operation, response)


@pytest.mark.parametrize("token", [None, "simulated-secret-unknown"])
@pytest.mark.parametrize("operation", [REPO, RULES, BRANCH, PROTECTION, RULESET])
def test_a_wrong_token_is_a_401(github, call, operation, token) -> None:
    path = operation.format(owner="example-org", repo="demo", branch="main", ruleset_id=7)
    response = call(path, token)
    assert (response.status_code, response.json()["message"]) == (401, BEYOND[401])
    conform(operation, response)


@pytest.mark.parametrize("may_write", [True, False])
def test_who_may_bypass_is_shown_only_to_those_who_may_change_it(github, call, may_write) -> None:
    permission = "administration:write" if may_write else "administration"
    github(tokens={TOKEN: {"permissions": ["metadata", permission]}})
    response = call("/repos/example-org/demo/rulesets/7")
    conform(RULESET, response)
    assert ("bypass_actors" in response.json()) is may_write


def test_rules_come_in_pages(github, call) -> None:
    github(page_size=3)
    path, seen = "/repos/example-org/demo/rules/branches/main?per_page=100", []
    for _ in range(3):
        response = call(path)
        conform(RULES, response)
        seen.append(len(response.json()))
        path = response.links.get("next", {}).get("url", "").partition("/systems/github")[2]
    assert (seen, path) == ([3, 3, 2], "")


@pytest.mark.parametrize("operation", [REPO, RULES, BRANCH, PROTECTION, RULESET])
def test_the_primary_limit(github, call, operation) -> None:
    github(limit={"calls": 1, "reset_in_s": 3600})
    path = operation.format(owner="example-org", repo="demo", branch="main", ruleset_id=7)
    first, second = call(path), call(path)
    assert (first.status_code, first.headers["x-ratelimit-remaining"]) == (200, "0")
    assert second.status_code == 403
    assert second.json()["message"].startswith("API rate limit exceeded")
    assert int(second.headers["x-ratelimit-reset"]) > 0
    conform(operation, second)


@pytest.mark.parametrize(("status", "retry_after"), [(403, None), (403, 5), (429, None), (429, 5)])
def test_the_secondary_limit(github, call, status, retry_after) -> None:
    github(secondary_limit={"status": status, "retry_after": retry_after})
    response = call("/repos/example-org/demo")
    assert response.status_code == status
    assert response.headers.get("retry-after") == (str(retry_after) if retry_after else None)
    conform(REPO, response)
    assert call("/repos/example-org/demo").status_code == 200


def test_who_does_not_say_who_it_is_is_refused(github, simulator) -> None:
    response = requests.get(
        f"{simulator.url}/systems/github/repos/example-org/demo",
        headers={"User-Agent": "", "Authorization": f"Bearer {TOKEN}"},
        timeout=5,
    )
    assert response.status_code == 403


class TestApp:
    @pytest.fixture
    def ask(self, github, call, key, simulator):
        def send(installation: str = "34", *, signed_by: Any = None, **claims: Any):
            now = int(simulator_now(simulator))
            values = {"iat": now - 60, "exp": now + 500, "iss": "12"}
            values |= {
                name: now + value if name != "iss" else value for name, value in claims.items()
            }
            token = jwt.encode(values, signed_by or key, algorithm="RS256")
            return call(f"/app/installations/{installation}/access_tokens", token, "POST")

        return send

    def test_gets_a_token_that_works(self, ask, call, simulator) -> None:
        response = ask()
        assert response.status_code == 201
        conform(TOKENS, response, "post")
        assert call("/repos/example-org/demo", response.json()["token"]).status_code == 200
        ledger = str([entry.as_json() for entry in simulator.ledger()])
        assert response.json()["token"] not in ledger

    @pytest.mark.parametrize(
        ("claims", "message"),
        [
            ({"iat": 30}, "'Issued at' claim"),
            ({"exp": -1}, "'Expiration time' claim ('exp') must be a numeric value"),
            ({"exp": 700}, "'Expiration time' claim ('exp') is too far in the future"),
            ({"iss": "13"}, "Integration must generate a public key"),
        ],
    )
    def test_a_wrong_claim_is_named(self, ask, claims, message) -> None:
        response = ask(**claims)
        assert response.status_code == 401
        assert response.json()["message"].startswith(message)
        conform(TOKENS, response, "post")

    def test_another_key_is_refused(self, ask) -> None:
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        response = ask(signed_by=other)
        assert response.status_code == 401
        conform(TOKENS, response, "post")

    @pytest.mark.parametrize(("installation", "status"), [("35", 403), ("36", 404)])
    def test_an_installation_that_is_not_there(self, ask, installation, status) -> None:
        response = ask(installation)
        assert response.status_code == status
        conform(TOKENS, response, "post")


def simulator_now(simulator: SimulatorControl) -> float:
    response = requests.get(f"{simulator.url}/health", timeout=5)
    return parsedate_to_datetime(response.headers["Date"]).timestamp()
