"""The Connection comp_ai_github: addresses, tokens of people and of Apps, and rate limits."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from compai_dags.checks import CheckContext, evaluate
from compai_dags.checks.base import InvalidConfigError
from compai_dags.checks.github_access import API, App, read_access
from compai_dags.checks.github_session import rate_limit_wait_s
from compai_dags.checks.github_verdict import REQUIREMENTS
from compai_dags.checks.outside import Answer
from compai_dags.connection import ConnectionFields, secrets_of
from compai_dags.outcomes import Outcome, Reason
from compai_kit.simulator.control import Fault

TOKEN = "simulated-secret-of-github"
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def pem(key) -> str:
    return key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, OPEN).decode()


@pytest.fixture(scope="module")
def public_pem(key) -> str:
    public = key.public_key()
    return public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def fields(**over: Any) -> ConnectionFields:
    return ConnectionFields(**({"conn_type": "http", "password": TOKEN} | over))


def refusal_of(given: ConnectionFields) -> str:
    with pytest.raises(InvalidConfigError) as caught:
        read_access(given)
    text = str(caught.value)
    assert text.startswith("Connection comp_ai_github ")
    for secret in secrets_of(replace(given, extra=None), "the Connection"):
        assert secret not in text
    return text


class TestAddress:
    @pytest.mark.parametrize(
        ("given", "url"),
        [
            ({}, API),
            ({"host": ""}, API),
            ({"host": "github.com"}, API),
            ({"host": "https://github.com"}, API),
            ({"host": "https://github.com/"}, API),
            ({"host": "https://www.github.com"}, API),
            ({"host": "http://github.com"}, API),
            ({"host": "GitHub.com"}, API),
            ({"host": "api.github.com", "schema": "https"}, API),
            ({"host": "https://api.github.com/"}, API),
            ({"conn_type": "github"}, API),
            ({"conn_type": "generic", "host": "github.com"}, API),
            ({"host": "https://ghe.example"}, "https://ghe.example/api/v3"),
            ({"host": "https://ghe.example/"}, "https://ghe.example/api/v3"),
            ({"host": "https://ghe.example/api/v3"}, "https://ghe.example/api/v3"),
            ({"host": "https://ghe.example/api/v3/"}, "https://ghe.example/api/v3"),
            ({"host": "https://ghe.example:8443"}, "https://ghe.example:8443/api/v3"),
            ({"host": "https://ghe.example/github/api/v3"}, "https://ghe.example/github/api/v3"),
            ({"conn_type": "github", "host": "ghe.example"}, "https://ghe.example/api/v3"),
            ({"host": "ghe.example", "schema": "https"}, "https://ghe.example/api/v3"),
            (
                {"conn_type": "https", "host": "ghe.example", "schema": "api/v3"},
                "https://ghe.example/api/v3",
            ),
            (
                {"conn_type": "https", "host": "ghe.example", "port": 8443},
                "https://ghe.example:8443/api/v3",
            ),
            ({"host": "http://ghe.internal"}, "http://ghe.internal/api/v3"),
            ({"host": "http://[::1]:8080"}, "http://[::1]:8080/api/v3"),
            ({"host": "https://acme.ghe.com"}, "https://api.acme.ghe.com"),
            ({"host": "https://api.acme.ghe.com"}, "https://api.acme.ghe.com"),
        ],
    )
    def test_is_that_of_the_api(self, given, url) -> None:
        assert read_access(fields(**given)).api_url == url

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"host": "https://ghe.example?a=1"}, "has a host that is no address"),
            ({"host": "https://ghe.example#a"}, "has a host that is no address"),
            ({"host": "https://someone:else@ghe.example"}, "has a host that is no address"),
            ({"host": "https://ghe .example"}, "has a host that is no address"),
            ({"host": "https://ghe.example\n"}, "has a host that is no address"),
            ({"host": "https://"}, "has a host that is no address"),
            ({"host": "ftp://ghe.example"}, "has a host that is no address"),
            ({"host": "https://ghe.example:port"}, "has a host whose port is not a number"),
            ({"host": "https://ghe.example", "schema": "http"}, "has one scheme in host and"),
        ],
    )
    def test_that_is_none_is_refused(self, given, said) -> None:
        assert said in refusal_of(fields(**given))


class TestCredentials:
    @pytest.mark.parametrize(
        ("token", "said"),
        [
            (None, "has neither a password (a token) nor app_id, installation_id, private_key"),
            ("", "has neither a password"),
            (f"{TOKEN}\n", "has a password with a blank, a line break"),
            (f" {TOKEN}", "has a password with a blank"),
            (f"Bearer {TOKEN}", "has a password with a blank"),
            (f"{TOKEN}é", "a character that is not ASCII"),
        ],
    )
    def test_a_token_is_refused_by_name(self, token, said) -> None:
        assert said in refusal_of(fields(password=token))

    def test_a_token_is_shown_nowhere(self) -> None:
        assert TOKEN not in repr(read_access(fields()))

    @pytest.mark.parametrize("written", ["as it is", "escaped", "numbers"])
    def test_of_an_app(self, pem, written) -> None:
        extra: dict[str, Any] = {"app_id": "12", "installation_id": "34", "private_key": pem}
        if written == "escaped":
            extra["private_key"] = pem.replace("\n", "\\n")
        if written == "numbers":
            extra |= {"app_id": 12, "installation_id": 34}
        access = read_access(fields(password=None, extra=json.dumps(extra)))
        assert access.credentials == App(app_id="12", installation_id="34", private_key=pem)
        assert "PRIVATE KEY" not in repr(access)

    def test_a_client_id_does_as_an_app_id(self, pem) -> None:
        extra = {"app_id": "Iv23abc.Def", "installation_id": "34", "private_key": pem}
        access = read_access(fields(password=None, extra=json.dumps(extra)))
        assert isinstance(access.credentials, App)

    @pytest.mark.parametrize(
        ("over", "said"),
        [
            ({"app_id": ""}, "lacks app_id in its extra"),
            ({"app_id": None}, "lacks app_id in its extra"),
            ({"installation_id": None, "private_key": None}, "lacks installation_id, private_key"),
            ({"app_id": "a b"}, "whose app_id is neither a number nor a client id"),
            ({"installation_id": "3/4"}, "whose installation_id is not a number"),
            ({"installation_id": 3.5}, "whose installation_id is not a string"),
            ({"private_key": "hidden-text-of-a-key"}, "whose private_key is not an RSA key in PEM"),
            ({"private_key": "pkcs8 of another kind"}, "whose private_key is not an RSA key"),
            ({"private_key": "with a passphrase"}, "whose private_key is not an RSA key"),
        ],
    )
    def test_of_an_app_are_refused_by_name(self, key, pem, over, said) -> None:
        special = {
            "pkcs8 of another kind": lambda: ec.generate_private_key(ec.SECP256R1()).private_bytes(
                PEM, PKCS8, OPEN
            ),
            "with a passphrase": lambda: key.private_bytes(
                PEM, PKCS8, serialization.BestAvailableEncryption(b"other")
            ),
        }
        if over.get("private_key") in special:
            over = {"private_key": special[over["private_key"]]().decode()}
        extra = {"app_id": "12", "installation_id": "34", "private_key": pem} | over
        extra = {name: value for name, value in extra.items() if value is not None}
        text = refusal_of(fields(password=None, extra=json.dumps(extra)))
        assert said in text
        assert "PRIVATE" not in text
        assert "hidden-text" not in text

    def test_of_both_kinds_are_one_too_many(self, pem) -> None:
        extra = json.dumps({"app_id": "12", "installation_id": "34", "private_key": pem})
        assert refusal_of(fields(extra=extra)) == (
            "Connection comp_ai_github has a password (a token) and app_id, installation_id, "
            "private_key in its extra: give one of both"
        )

    @pytest.mark.parametrize("extra", ["{", "[]", '"text"'])
    def test_an_extra_that_is_no_object_is_refused(self, extra) -> None:
        assert "has an extra that is not" in refusal_of(fields(extra=extra))

    def test_other_keys_of_the_extra_belong_to_others(self) -> None:
        assert read_access(fields(extra='{"timeout": 5}')).credentials == TOKEN


class TestDocument:
    """docs/github.md: what it shows is accepted, and what is accepted is shown."""

    TEXT = (Path(__file__).parents[3] / "docs" / "github.md").read_text("utf-8")

    def test_its_connections_work(self, pem) -> None:
        examples = [
            json.loads(text) for text in re.findall(r"```json\n(.*?)```", self.TEXT, re.DOTALL)
        ]
        token, app = examples
        assert read_access(ConnectionFields(**token | {"password": TOKEN})).api_url == API
        extra = json.dumps(app.pop("extra") | {"private_key": pem})
        access = read_access(ConnectionFields(**app, extra=extra))
        assert access.api_url == "https://github.example.org/api/v3"
        assert isinstance(access.credentials, App)

    def test_its_keys_are_those_of_the_config(self) -> None:
        assert "any of " + ", ".join(f"`{name}`" for name in REQUIREMENTS) in self.TEXT


class Clock:
    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def world(simulator, client, clock, waits, public_pem) -> Callable[..., CheckContext]:
    """GitHub with one protected repository, and the context of a chunk that may read it."""

    def start(given: ConnectionFields | None = None, **settings: Any) -> CheckContext:
        github = {
            "tokens": {TOKEN: {}},
            "app": {"id": "12", "public_key": public_pem, "installations": {"34": {}}},
            "repositories": {
                "example-org/demo-service": {"branches": {"main": {"protection": {"approvals": 1}}}}
            },
            **settings,
        }
        simulator.reset(None, {"systems": {"github": github}})
        found = replace(given or fields(), host=f"{simulator.url}/systems/github")
        return CheckContext(
            client=client,
            now=clock,
            connection={"comp_ai_github": found}.get,
            sleep=waits.append,
        )

    return start


@pytest.fixture
def app(pem) -> ConnectionFields:
    extra = {"app_id": "12", "installation_id": "34", "private_key": pem}
    return fields(password=None, extra=json.dumps(extra))


def tokens_asked_for(simulator) -> int:
    return sum(entry.path.endswith("/access_tokens") for entry in simulator.ledger())


class TestCalls:
    def test_say_what_they_want_and_who_they_are(self, row, world, simulator) -> None:
        assert evaluate(row(), world()).outcome is Outcome.PASS
        for entry in simulator.ledger():
            assert entry.headers["accept"] == "application/vnd.github+json"
            assert entry.headers["x-github-api-version"] == "2022-11-28"
            assert entry.headers["user-agent"].startswith("compai-kit/")

    @pytest.mark.parametrize("path", ["", "/api/v3"])
    def test_go_to_either_layout(self, row, world, simulator, path) -> None:
        context = world()
        host = f"{simulator.url}/systems/github{path}"
        context = replace(context, connection=lambda _: replace(fields(), host=host))
        assert evaluate(row(), context).outcome is Outcome.PASS
        assert simulator.ledger()[0].path == (
            f"/systems/github{path}/repos/example-org/demo-service"
        )

    def test_four_of_them_decide(self, row, world, simulator) -> None:
        evaluate(row(), world())
        assert len(simulator.ledger()) == 4

    def test_a_wrong_connection_is_not_configured(self, row, world, simulator) -> None:
        context = replace(world(), connection=lambda _: fields(password=None))
        observed = evaluate(row(), context)
        assert (observed.outcome, observed.reason) == (Outcome.NOT_CONFIGURED, Reason.CONFIG)
        assert observed.sentence.startswith(
            "Not configured: Connection comp_ai_github has neither a password"
        )
        assert simulator.ledger() == []

    def test_no_secret_is_told(self, row, world, app, pem, simulator, caplog) -> None:
        told = []
        for given in (fields(), app):
            context = world(given)
            told.append(str(evaluate(row(), context)))
            simulator.faults(Fault(kind="status", operation="github", status=401, count=None))
            told.append(str(evaluate(row(), replace(context, memory={}))))
        told += [record.getMessage() for record in caplog.records]
        told.append(str([entry.as_json() for entry in simulator.ledger()]))
        for secret in (TOKEN, "simulated-secret-installation", *pem.splitlines()[1:-1]):
            assert not [text for text in told if secret in text]


class TestTokensOfAnApp:
    def test_one_serves_all_tests_of_a_chunk(self, row, world, app, simulator) -> None:
        context = world(app)
        for _ in range(3):
            assert evaluate(row(), context).outcome is Outcome.PASS
        assert tokens_asked_for(simulator) == 1

    def test_another_chunk_asks_for_its_own(self, row, world, app, simulator) -> None:
        context = world(app)
        evaluate(row(), context)
        evaluate(row(), replace(context, memory={}))
        assert tokens_asked_for(simulator) == 2

    def test_is_renewed_before_it_ends(self, row, world, app, simulator, public_pem) -> None:
        """One that is good for less than a minute is not begun with."""
        about = {"id": "12", "public_key": public_pem, "installations": {"34": {}}}
        context = world(app, app={**about, "token_life_s": 50})
        assert evaluate(row(), context).outcome is Outcome.PASS
        assert tokens_asked_for(simulator) == len(simulator.ledger()) / 2 == 4

    def test_is_renewed_when_it_is_refused_in_the_middle(self, row, world, app, simulator) -> None:
        context = world(app)
        simulator.faults(Fault(kind="status", operation="github", after=3, status=401))
        assert evaluate(row(), context).outcome is Outcome.PASS
        assert tokens_asked_for(simulator) == 2

    def test_that_is_refused_twice_is_an_error(self, row, world, app, simulator) -> None:
        context = world(app)
        simulator.faults(
            Fault(kind="status", operation="github", after=2, status=401),
            Fault(kind="status", operation="github", after=1, status=401),
        )
        observed = evaluate(row(), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AUTH)

    def test_a_clock_that_is_a_little_ahead_does_no_harm(self, row, world, app, clock) -> None:
        clock.moment += timedelta(seconds=50)
        assert evaluate(row(), world(app)).outcome is Outcome.PASS

    def test_a_clock_that_is_far_off_is_named(self, row, world, app, clock) -> None:
        clock.moment += timedelta(minutes=5)
        observed = evaluate(row(), world(app))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.AUTH)
        assert "'Issued at' claim" in observed.sentence
        assert "the clock of this machine" in observed.sentence

    @pytest.mark.parametrize(
        ("settings", "reason", "said"),
        [
            ({"app": None}, Reason.AUTH, "HTTP 401: A JSON web token could not be decoded"),
            ({"installations": {}}, Reason.AUTH, "HTTP 404: Not Found"),
            (
                {"installations": {"34": {"suspended": True}}},
                Reason.PERMISSION,
                "HTTP 403: This installation has been suspended",
            ),
            ({"id": "13"}, Reason.AUTH, "HTTP 401: Integration must generate a public key"),
        ],
    )
    def test_without_one_it_is_an_error(
        self, row, world, app, public_pem, settings, reason, said
    ) -> None:
        whole = {"id": "12", "public_key": public_pem, "installations": {"34": {}}}
        observed = evaluate(row(), world(app, app=settings.get("app", whole | settings)))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, reason)
        assert observed.sentence == (
            f"Could not verify: GitHub gives the App of Connection comp_ai_github no token ({said})"
            ": check app_id, installation_id, private_key and the clock of this machine."
        )

    @pytest.mark.parametrize(
        "body",
        [
            {"token": TOKEN},
            {"token": 5, "expires_at": "2999-01-01T00:00:00Z"},
            {"token": TOKEN, "expires_at": "2999-01-01T00:00:00"},
            [],
        ],
    )
    def test_one_in_another_shape_is_an_error(self, row, world, app, simulator, body) -> None:
        context = world(app)
        simulator.faults(Fault(kind="status", operation="github", status=201, body=body))
        observed = evaluate(row(), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.MALFORMED)
        assert TOKEN not in observed.sentence


class TestRateLimits:
    @pytest.mark.parametrize("status", [403, 429])
    @pytest.mark.parametrize(("retry_after", "wait"), [(None, 60.0), (7, 7.0)])
    def test_the_secondary_is_waited_for(
        self, row, world, simulator, waits, status, retry_after, wait
    ) -> None:
        context = world(secondary_limit={"after": 2, "status": status, "retry_after": retry_after})
        assert evaluate(row(), context).outcome is Outcome.PASS
        assert waits == [wait]
        assert len(simulator.ledger()) == 5

    def test_that_does_not_end_is_an_error_for_a_later_try(
        self, row, world, simulator, waits
    ) -> None:
        observed = evaluate(row(), world(secondary_limit={"count": 99}))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.RATE_LIMITED)
        assert observed.transient
        assert (waits, len(simulator.ledger())) == ([60.0, 60.0], 3)

    def test_the_primary_is_waited_for_when_it_ends_soon(
        self, row, world, simulator, waits, clock
    ) -> None:
        simulated = datetime.now(UTC)
        context = world(limit={"calls": 2, "reset_in_s": 20})
        clock.moment = simulated + timedelta(hours=5)
        observed = evaluate(row(), context)
        assert observed.reason is Reason.RATE_LIMITED
        assert len(waits) == 2
        assert all(15 < wait <= 22 for wait in waits), "by GitHub's clock, not by ours"

    def test_the_primary_that_ends_in_an_hour_is_no_sleep_of_an_hour(
        self, row, world, simulator, waits
    ) -> None:
        observed = evaluate(row(), world(limit={"calls": 2, "reset_in_s": 3600}))
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.RATE_LIMITED)
        assert observed.transient
        assert observed.sentence.startswith(
            "Could not verify: GET /repos/example-org/demo-service/branches/main of GitHub: "
            "HTTP 403 after 1 try, asks to wait 36"
        )
        assert (waits, len(simulator.ledger())) == ([], 3)

    @pytest.mark.parametrize("who", ["a person", "an App"])
    def test_no_other_test_of_the_chunk_calls_before_that(
        self, row, world, app, simulator, clock, who
    ) -> None:
        given = app if who == "an App" else fields()
        context = world(given, limit={"calls": 2, "reset_in_s": 3600})
        evaluate(row(), context)
        calls = len(simulator.ledger())
        observed = evaluate(row(), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.RATE_LIMITED)
        assert observed.transient
        assert "GitHub takes no more calls before " in observed.sentence
        assert len(simulator.ledger()) == calls
        clock.moment += timedelta(minutes=61)
        evaluate(row(), context)
        assert len(simulator.ledger()) > calls

    def test_a_limit_on_tokens_counts_as_well(self, row, world, app, simulator) -> None:
        context = world(app)
        simulator.faults(
            Fault(
                kind="status",
                operation="github",
                status=429,
                headers={"retry-after": "3600"},
                body={"message": "secondary rate limit"},
            )
        )
        observed = evaluate(row(), context)
        assert (observed.outcome, observed.reason) == (Outcome.ERROR, Reason.RATE_LIMITED)


NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
RESET = str(int(NOW.timestamp()) + 30)
USED_UP = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait"),
    [
        (403, {}, "Resource not accessible by integration", None),
        (403, {"x-ratelimit-remaining": "5", "x-ratelimit-reset": RESET}, "Forbidden", None),
        (403, {"x-ratelimit-remaining": "0"}, "Forbidden", None),
        (403, USED_UP, "API rate limit exceeded", 31.0),
        (429, USED_UP, "", 31.0),
        (403, USED_UP | {"retry-after": "9"}, "", 9.0),
        (403, USED_UP | {"date": "Wed, 25 Nov 2026 06:59:50 GMT"}, "", 41.0),
        (403, USED_UP | {"date": "Wed, 25 Nov 2026 08:00:00 GMT"}, "", 1.0),
        (403, USED_UP | {"date": "no date"}, "", 31.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, "Forbidden", None),
        (403, {}, "You have exceeded a secondary rate limit. Please wait", 60.0),
        (403, {"retry-after": "120"}, "You have exceeded a secondary rate limit.", 120.0),
        (403, {}, "You have triggered an abuse detection mechanism", 60.0),
        (429, {}, "", 60.0),
        (503, {"retry-after": "5"}, "", 5.0),
        (503, {}, "", None),
        (200, USED_UP, "", None),
        (404, USED_UP, "Not Found", None),
    ],
)
def test_what_a_limited_answer_asks_for(status, headers, message, wait) -> None:
    names = {
        "retry-after": "Retry-After",
        "x-ratelimit-remaining": "X-RateLimit-Remaining",
        "x-ratelimit-reset": "X-RateLimit-Reset",
        "date": "Date",
    }
    answer = Answer(
        status=status,
        headers={names[name]: value for name, value in headers.items()},
        body={"message": message},
        url=API,
    )
    assert rate_limit_wait_s(answer, NOW) == wait


def test_logs_of_libraries_hold_no_token(row, world, app, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    evaluate(row(), world(app))
    assert caplog.records
    assert not [r for r in caplog.records if "simulated-secret" in r.getMessage()]
