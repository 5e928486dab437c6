"""Odd and wrong answers of GitHub, Okta, Keycloak and probed addresses: no wrong verdict, no crash.

One answer of a known world is changed. Where the world is bad, or what was changed is what the
verdict rests on (`DECIDES`, written from the systems' documentation, not from the checks), nobody
gets a pass; nothing odd crashes a check, makes it wait, or lets it tell a secret.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compai_dags.checks import CheckContext, evaluate
from compai_dags.connection import ConnectionFields
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.web import Web
from compai_dags.web_guard import Allowed

EXAMPLES = int(os.environ.get("COMPAI_FUZZ_EXAMPLES") or 15)
pytestmark = pytest.mark.slow

DEADLINE_S = 20.0
LONGEST_SENTENCE = 20_000
NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
SECRET = "-".join(["secret", "of", "odd", "systems"])
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # `tox -e fuzz` names a seed, which this would overrule.
    derandomize="COMPAI_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


# What belongs to one connection only.
_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding", "server"}


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    def other(self, body: bytes, **headers: str) -> Said:
        named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        return replace(self, body=body, headers=self.headers | named)


@dataclass
class Front:
    """`odd` is what becomes of the answer to `at` (method and path with query)."""

    behind: str
    url: str = ""
    said: dict[str, Said] = field(default_factory=dict)
    at: str = ""
    odd: Callable[[Said], Said] = lambda said: said
    calls: int = 0

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Said:
        key = f"{method} {path}"
        self.calls += 1
        if key not in self.said:
            got = requests.request(
                method, self.behind + path, headers=headers, data=body, allow_redirects=False,
                timeout=10,
            )  # fmt: skip
            kept = {k.lower(): v for k, v in got.headers.items() if k.lower() not in _HOP}
            self.said[key] = Said(got.status_code, kept, got.content)
        said = self.said[key]
        return self.odd(said) if key == self.at else said


@contextmanager
def in_front_of(behind: str) -> Iterator[Front]:
    front = Front(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece: else each answer waits for an acknowledgement

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = front.answer(self.command, self.path, dict(self.headers), body)
            self.send_response_only(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = handle_any  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # a caller that hangs up on an answer that it does not want

    with Server(("127.0.0.1", 0), Handler) as server:
        front.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield front
        server.shutdown()


def pointers(value: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Of every value but the root."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*here, key)
        yield from pointers(inner, (*here, key))


_LOST = object()


def without(body: bytes, pointer: tuple[str | int, ...]) -> bytes:
    return changed(body, pointer, _LOST)


def changed(body: bytes, pointer: tuple[str | int, ...], value: Any) -> bytes:
    whole = deepcopy(json.loads(body))
    *way, last = pointer
    inner = whole
    for key in way:
        inner = inner[key]
    if value is _LOST:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(whole).encode()


@dataclass(frozen=True)
class World:
    test_type: str
    systems: dict[str, Any]
    good: bool
    config: dict[str, Any] | None = None
    keycloak: dict[str, Any] | None = None


REPO = {"owner": "example-org", "repo": "demo-service"}
STRICT = [*("enforce_admins", "no_force_push", "no_deletion", "status_checks", "code_owners")]
READS = {SECRET: {"kind": "fine_grained",
                  "permissions": ["metadata", "contents", "administration:write"]}}  # fmt: skip


def github(good: bool, repository: dict[str, Any], **config: Any) -> World:
    seen = {"tokens": READS, "repositories": {"example-org/demo-service": repository}}
    test_type = config.pop("test_type", "github_branch_protection")
    return World(test_type, {"github": seen}, good, {**REPO, **config})


def classic(approvals: int) -> dict[str, Any]:
    held = {"approvals": approvals, "enforce_admins": True, "status_checks": ["build"],
            "allow_force_pushes": False, "allow_deletions": False,
            "code_owners": True}  # fmt: skip
    return {"branches": {"main": {"protection": held}}}


def ruled(approvals: int) -> dict[str, Any]:
    rules = [{"type": "deletion"}, {"type": "pull_request", "approvals": approvals}]
    return {"rulesets": [{"id": 7, "rules": rules}]}


KIM = {"username": "kim", "credentials": ["password", "otp"]}
LEE = {"username": "lee", "credentials": ["password", "webauthn"]}
ROBIN = {"username": "robin", "credentials": ["password"]}


def keycloak(good: bool, *users: dict[str, Any]) -> World:
    admin = {"users": list(users), "roles": {"checker": ["view-users"]}}
    clients = {"realm": "staff", "clients": {"checker": SECRET}}
    return World("keycloak_mfa", {"keycloakAdmin": admin}, good, keycloak=clients)


ADA = {"login": "ada@example.com", "factors": ["push"]}
BO = {"login": "bo@example.com", "factors": ["webauthn", "question"]}
RULES = [{"name": "All", "priority": 1, "factorMode": "2FA"},
         {"name": "Catch-all", "priority": 99, "factorMode": "1FA"}]  # fmt: skip
WEAK_FIRST = [{"name": "Guests", "priority": 1, "factorMode": "1FA"},
              {"name": "Catch-all", "priority": 99, "factorMode": "2FA"}]  # fmt: skip


def okta(good: bool, *users: dict[str, Any], rules: Any = RULES) -> World:
    seen = {
        "tokens": {SECRET: {"permissions": ["users", "apps", "policies", "super_admin"]}},
        "users": list(users),
        "policies": {"okta_enduser": rules},
    }
    return World("okta_mfa", {"okta": seen}, good, {"policy": "okta_enduser"})


HEALTH = {"status": "green", "at": "2026-11-25T06:48:00Z", "extra": {"nodes": 3}}


def probe(good: bool, **over: Any) -> World:
    asked = {"json": {"/status": "green"}, "max_age": {"/at": "1h"}}
    return World("http_probe", {"web": {"/page": {"body": HEALTH | over}}}, good, asked)


WORLDS = {
    "github classic": github(True, classic(1), require=STRICT),
    "github classic, no approvals": github(False, classic(0)),
    "github ruleset": github(True, ruled(1), require=["enforce_admins", "no_deletion"]),
    "github ruleset, no approvals": github(False, ruled(0)),
    "github, nothing": github(False, {}),
    "github commit": github(True, {}, test_type="github_last_commit", max_age_days=3650),
    "keycloak": keycloak(True, KIM, LEE),
    "keycloak, one without": keycloak(False, KIM, ROBIN),
    "okta": okta(True, ADA, BO),
    "okta, one without": okta(False, ADA, {"login": "robin@example.com"}),
    "okta, weak rule first": okta(False, ADA, rules=WEAK_FIRST),
    "probe": probe(True),
    "probe, red": probe(False, status="red"),
}
# Of the good worlds: what their pass rests on, as "call: place in the answer".
DECIDES = {
    "github classic": [
        r"/demo-service: archived",
        r"/branches/main: protected",
        r"/protection: (required_pull_request_reviews|enforce_admins|allow_force_pushes"
        r"|allow_deletions)",
        r"/protection: required_pull_request_reviews\.(required_approving_review_count"
        r"|require_code_owner_reviews)",
        r"/protection: (enforce_admins|allow_force_pushes|allow_deletions)\.enabled",
        r"/protection: required_status_checks",
    ],
    "github ruleset": [
        r"/demo-service: archived",
        r"/rules/branches/main\S*: \d",
        r"/rules/branches/main\S*: \d\.type",
        r"/rules/branches/main\S*: 1\.(parameters|parameters\.required_approving_review_count)",
        r"/rulesets/7: bypass_actors",
    ],
    "github commit": [
        r"/demo-service: archived",
        r"/branches/main: commit(\.commit(\.committer(\.date)?)?)?",
    ],
    "keycloak": [
        r"/introspect: (active|resource_access(\.realm-management(\.roles)?)?)",
        r"/users\?\S*: \d(\.(id|username|enabled))?",
        r"/credentials: 1(\.type)?",
    ],
    "okta": [
        r"/users\?\S*: \d\.(id|status|profile|profile\.login)",
        r"/factors: 0(\.(factorType|status))?",
        r"/apps\S*: 0(\.(name|_links|_links\.accessPolicy(\.href)?))?",
        r"/rules\S*: 0(\.(status|priority|actions\S*))?",
    ],
    "probe": [r"/page: (status|at)"],
}
# Of /rules: what stands in `actions` beside the mode decides nothing here.
BESIDE = {
    "okta": [
        r"/rules\S*: 0\.actions\.appSignOn\.(access|verificationMethod\.(?!factorMode)\S+)",
        r"/rules\S*: 0",  # then it is not the first any more, and the next one says 1FA: a FAIL
    ],
}


@pytest.fixture(scope="module")
def front(simulator_process: Any) -> Iterator[Front]:
    with in_front_of(simulator_process.url) as front:
        yield front


@dataclass
class Play:
    """One world with its answers; `look` evaluates the test in it."""

    front: Front
    world: World
    client: Any
    row: Callable[..., Any]
    caplog: pytest.LogCaptureFixture

    def context(self, waits: list[float]) -> CheckContext:
        host = self.front.url
        fields = {
            "comp_ai_github": {"host": f"{host}/systems/github", "password": SECRET},
            "comp_ai_okta": {"host": f"{host}/systems/okta", "password": SECRET},
            "comp_ai_keycloak": {
                "host": f"{host}/auth",
                "login": "checker",
                "password": SECRET,
                "extra": '{"realm": "staff"}',
            },
        }
        known = {name: ConnectionFields(conn_type="http", **of) for name, of in fields.items()}
        return CheckContext(
            client=self.client,
            now=lambda: NOW,
            connection=known.get,
            sleep=waits.append,
            web=Web(Allowed.parse("127.0.0.1")),
        )

    def look(self, at: str = "", odd: Callable[[Said], Said] = lambda said: said) -> Observation:
        self.caplog.clear()
        self.front.at, self.front.odd, self.front.calls = at, odd, 0
        config = self.world.config
        if self.world.test_type == "http_probe":
            config = {"url": f"{self.front.url}/systems/web/page", **(config or {})}
        waits: list[float] = []
        began = time.monotonic()
        seen = evaluate(self.row(self.world.test_type, config=config), self.context(waits))
        assert time.monotonic() - began < DEADLINE_S
        assert all(0 <= wait <= 90 for wait in waits)
        assert sum(waits) <= 240
        assert self.front.calls <= 60
        assert seen.reason is not Reason.BUG
        assert len(seen.sentence) <= LONGEST_SENTENCE
        assert SECRET not in seen.sentence
        assert SECRET not in self.caplog.text
        if seen.proof is not None:
            assert SECRET not in msgspec.json.encode(seen.proof).decode()
        return seen


@pytest.fixture
def play(front: Front, simulator: Any, client: Any, row: Any, caplog: Any) -> Any:
    # What urllib3 tells of addresses is no word of ours.
    logging.getLogger("urllib3").setLevel(logging.INFO)

    def play(name: str) -> Play:
        world = WORLDS[name]
        over: dict[str, Any] = {"systems": world.systems}
        if world.keycloak:
            over["keycloak"] = world.keycloak
        simulator.reset(None, over)
        front.said.clear()
        played = Play(front, world, client, row, caplog)
        seen = played.look()
        assert (seen.outcome is Outcome.PASS) is world.good, seen.sentence
        return played

    return play


def places(front: Front) -> list[tuple[str, tuple[str | int, ...]]]:
    """Every value of every JSON answer that was good, but of the answers with tokens."""
    found = []
    for key, said in front.said.items():
        if said.status == 200 and not key.endswith("/token"):
            found += [(key, pointer) for pointer in pointers(json.loads(said.body))]
    return found


def name_of(key: str, pointer: tuple[str | int, ...]) -> str:
    return f"{key}: {'.'.join(map(str, pointer))}"


def decides(world: str, place: str) -> bool:
    def among(patterns: list[str]) -> bool:
        return any(re.search(f"{pattern}$", place) for pattern in patterns)

    return among(DECIDES.get(world, [])) and not among(BESIDE.get(world, []))


# Of the wrong type wherever something decides; none of them says more than the answer did.
ODD_VALUES: list[Any] = [None, "", " ", "\u202eevil\x00", [], {}, [None], {"": None}, "x" * 10_000,
                         "true", "2FA?", -1, -(2**63), 0, 1e308]  # fmt: skip


@pytest.mark.parametrize("world", DECIDES)
def test_a_pattern_that_meets_nothing_would_prove_nothing(play: Any, world: str) -> None:
    played = play(world)
    names = [name_of(*place) for place in places(played.front)]
    for pattern in DECIDES[world]:
        assert any(re.search(f"{pattern}$", name) for name in names), (pattern, names)


@pytest.mark.parametrize("world", DECIDES)
def test_no_pass_without_what_it_rests_on(play: Any, world: str) -> None:
    played = play(world)
    passed = []
    for key, pointer in places(played.front):
        if not decides(world, name_of(key, pointer)):
            continue
        lost = lambda said, p=pointer: said.other(without(said.body, p))  # noqa: E731
        null = lambda said, p=pointer: said.other(changed(said.body, p, None))  # noqa: E731
        for how, odd in (("lost", lost), ("null", null)):
            if played.look(key, odd).outcome is Outcome.PASS:
                passed.append((how, name_of(key, pointer)))
    assert passed == []


@pytest.mark.parametrize("world", [name for name, world in WORLDS.items() if not world.good])
def test_no_loss_makes_a_bad_world_good(play: Any, world: str) -> None:
    played = play(world)
    passed = []
    for key, pointer in places(played.front):
        if isinstance(pointer[-1], int):
            continue  # a list without the one who lacks a factor is another world
        lost = lambda said, p=pointer: said.other(without(said.body, p))  # noqa: E731
        null = lambda said, p=pointer: said.other(changed(said.body, p, None))  # noqa: E731
        for how, odd in (("lost", lost), ("null", null)):
            if played.look(key, odd).outcome is Outcome.PASS:
                passed.append((how, name_of(key, pointer)))
    assert not passed, "\n".join(map(str, passed))


def is_another_world(place: str, value: Any) -> bool:
    """Where an odd value says something that a check cannot tell from the truth."""
    # The rule with the lowest number is the first.
    moves_a_rule = place.endswith(".priority") and isinstance(value, int | float)
    # Okta has no count: whoever is listed and then unknown may have left meanwhile.
    leaves = bool(re.search(r"okta/api/v1/users\?.*\.id$", place)) and isinstance(value, str)
    return moves_a_rule or (leaves and value.strip() != "")


@pytest.mark.parametrize("world", WORLDS)
def test_odd_values(play: Any, world: str) -> None:
    played = play(world)
    found = places(played.front)

    @fuzzed
    @given(st.sampled_from(found), st.sampled_from(ODD_VALUES))
    def odd(place: tuple[str, tuple[str | int, ...]], value: Any) -> None:
        key, pointer = place
        seen = played.look(key, lambda said: said.other(changed(said.body, pointer, value)))
        if not played.world.good and not is_another_world(name_of(*place), value):
            assert seen.outcome is not Outcome.PASS, (place, value, seen.sentence)

    odd()


RAW: list[bytes] = [
    b"", b"null", b"true", b"0", b'""', b"[", b"{", b"[] x", b"NaN", b"Infinity", b"1e999",
    b'"\\ud800"', b"\xff\xfe[]", b"\xef\xbb\xbf", b'{"error":"x"}', b'{"message":"Server Error"}',
    b"<html><title>Sign in</title></html>", b"[" * 100_000, b"[" * 3000 + b"]" * 3000,
    b'{"a":' * 3000 + b"1" + b"}" * 3000, b"[[]]", b"[null]", b"[{}]", b"9" * 5000, b"\x1f\x8b\x08",
]  # fmt: skip
HEADERS: list[dict[str, str]] = [
    {"link": '<http://[>; rel="next"'}, {"link": '<http://[::1>; rel="next"'},
    {"link": "<>; rel=next"}, {"link": ";;,,<"}, {"link": '<http://a:99999/>; rel="next"'},
    {"link": '<file:///etc/passwd>; rel="next"'}, {"link": '<?page=2>; rel="next"'},
    {"date": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, {"date": ""}, {"date": "x"},
    {"date": "Mon, 01 Jan 2026 00:00:00 +99999999999999999999"},
    {"retry-after": "9" * 400}, {"retry-after": "-1"}, {"retry-after": "nan"},
    {"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, {"retry-after": "\xb2"},
    *({"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
      for reset in ("999999999999", "0", "-1", "9" * 13)),
    *({"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
      for reset in ("999999999999", "9" * 400, "\xb2", "x")),
    {"content-encoding": "gzip"}, {"content-type": "text/html"}, {"content-type": ""},
    {"location": "http://["},
]  # fmt: skip


def says_nothing_here(world: str, key: str, body: bytes) -> bool:
    """Where another body leaves the verdict as it is, and why."""
    # The status alone says that there is no classic protection; the rules decide.
    is_refusal = key.endswith("/protection") and world not in (
        "github classic",
        "github classic, no approvals",
    )
    # A Keycloak with users of an LDAP lists more than it counts; all that are listed are judged.
    counts_none = key.endswith("/users/count") and body == b"0"
    # One is without a factor, whatever the answers about others, or about rules, are.
    is_proven = world in ("okta, one without", "okta, weak rule first")
    return is_refusal or counts_none or is_proven


STATUSES = [200, 200, 200, 201, 204, 301, 304, 400, 401, 403, 404, 418, 429, 500, 502, 503, 599]


@pytest.mark.parametrize("world", WORLDS)
def test_odd_answers(play: Any, world: str) -> None:
    played = play(world)
    keys = [key for key in played.front.said if not key.endswith("/token")]
    bodies = st.none() | st.sampled_from(RAW) | st.binary(max_size=50)

    @fuzzed
    @given(
        st.sampled_from(keys),
        bodies,
        st.sampled_from([{}, *HEADERS]),
        st.sampled_from(HEADERS),
        st.sampled_from(STATUSES),
    )
    def odd(
        key: str, body: bytes | None, one: dict[str, str], two: dict[str, str], status: int
    ) -> None:
        def answer(said: Said) -> Said:
            other = said.body if body is None or status in (204, 304) else body
            other = b"" if status in (204, 304) else other
            return replace(said, status=status, body=other, headers=said.headers | one | two)

        seen = played.look(key, answer)
        if not played.world.good:
            assert seen.outcome is not Outcome.PASS, seen.sentence

    odd()


@pytest.mark.parametrize("world", WORLDS)
def test_each_odd_header_and_each_odd_body(play: Any, world: str) -> None:
    played = play(world)
    crashed = []
    keys = [key for key in played.front.said if not key.endswith("/token")]
    many: Iterator[tuple[str, Any]] = itertools.product(keys, [*HEADERS, *RAW])
    for key, what in many:
        for status in (200, 429) if isinstance(what, dict) else (200,):

            def answer(said: Said, what: Any = what, status: int = status) -> Said:
                if isinstance(what, dict):
                    return replace(said, status=status, headers=said.headers | what)
                return replace(said, body=what)

            try:
                seen = played.look(key, answer)
            except Exception as crash:  # noqa: BLE001 - each of them is told, with its input
                crashed.append((key, str(what)[:60], status, repr(crash)[:150]))
                continue
            if not played.world.good and seen.outcome is Outcome.PASS:
                crashed.append((key, str(what)[:60], status, "a bad world passes"))
            is_verdict = seen.outcome in (Outcome.PASS, Outcome.FAIL)
            if isinstance(what, bytes) and is_verdict and not says_nothing_here(world, key, what):
                crashed.append((key, str(what)[:60], status, seen.outcome.value))
    assert not crashed, "\n".join(map(str, crashed))
