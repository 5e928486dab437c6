"""The simulator against the recordings: same seed, same requests in the same order, over HTTP.

Every setting of the recordings is a simulator of its own; those that shared a database share one
here. Writes of operations that are not simulated yet are applied as the index tells them, with the
rows that the recordings show later, so that every body is compared as a value.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

import compai_kit.simulator
from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.recordings import Recorded, load_recordings
from compai_kit.simulator.app import SimulatorApp, create_app
from compai_kit.simulator.routing import OPERATION_IDS
from compai_kit.simulator.seed import EMPTY_SEED
from compai_kit.simulator.server import serve
from compai_kit.simulator.state import Database
from compai_kit.simulator.tables import Evidence, RemediationTask

TESTS = Path(__file__).parents[1]
RECORDINGS = TESTS / "cassettes" / "live"
SEED = json.loads((TESTS / "data" / "recorded.seed.json").read_text())
# The date header of the first answer; `at_ms` counts from there.
STARTED_AT = datetime(2026, 11, 25, 0, 55, 6, 123456, tzinfo=UTC)
# How far a time that the live service chose may lie from the time at which it was asked.
CLOSE = timedelta(seconds=2)

SIMULATED = {
    "list_tests",
    "list_control_tests",
    "record_test_result",
    "list_gaps",
    "list_evidence",
    "collect_github_evidence",
    "list_remediation",
    "get_health",
}
BESIDES = {"routing", "keycloak_token", "keycloak_introspection", "keycloak_revocation"}
# Recorded calls of the simulated operations that are not compared, by name, with the reason.
EXCEPTIONS: dict[str, str] = {}

# What the recorded processes ran with, as far as the simulated operations can tell.
SETTINGS: dict[str, dict[str, Any]] = json.loads(
    (TESTS / "data" / "recorded.settings.json").read_text()
)
OWN_DATABASE = {"empty_database", "no_schema", "keycloak"}
SECRET = SETTINGS["keycloak"]["keycloak"]["clients"]["airflow"]


class Clock:
    now = STARTED_AT

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Process:
    """One served simulator, and a token of each kind from its own Keycloak."""

    app: SimulatorApp
    url: str
    tokens: dict[str, str] = field(default_factory=dict)

    def fetch_tokens(self, clock: Clock) -> None:
        clock.now = STARTED_AT - timedelta(hours=1)
        self.tokens["expired"] = self.token()
        clock.now = STARTED_AT
        self.tokens["revoked"] = self.token()
        form = {"token": self.tokens["revoked"], **client("airflow")}
        assert self.keycloak("revoke", form).status == 200
        self.tokens["valid"] = self.token()
        self.tokens["garbage"] = "garbage"

    def token(self) -> str:
        form = {"grant_type": "client_credentials", **client("airflow")}
        answer = self.keycloak("token", form)
        token: str = json.loads(answer.body)["access_token"]
        return token

    def keycloak(self, endpoint: str, form: Mapping[str, str]) -> HttpResponse:
        request = HttpRequest(
            method="POST",
            url_path=f"/auth/realms/lianel/protocol/openid-connect/{endpoint}",
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )
        return send(self.url, request)


@dataclass(frozen=True)
class Outcome:
    recorded: Recorded
    problems: list[str]


def client(client_id: str) -> dict[str, str]:
    return {"client_id": client_id, "client_secret": SECRET}


def send(url: str, request: HttpRequest) -> HttpResponse:
    """As it is: no header added, no address tidied."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    target = request.url_path + (f"?{request.query}" if request.query else "")
    try:
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"host": "comp-ai.test", **request.headers}.items():
            if name != "content-length":
                connection.putheader(name, value.encode("latin-1"))
        connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return HttpResponse(status=response.status, headers=headers, body=response.read())
    finally:
        connection.close()


def rebuilt(recorded: Recorded, process: Process) -> HttpRequest:
    """The request with what the recordings had to leave out: token, client secret, huge body."""
    headers = dict(recorded.request.headers)
    if recorded.token in ("valid", "garbage", "expired", "revoked", "malformed"):
        token = process.tokens.get(recorded.token, process.tokens["valid"])
        value = headers.get("authorization", "").replace("<token>", token)
        odd = "<token with non-ASCII characters>"
        headers["authorization"] = value.replace(odd, f"{token}é")
    elif recorded.token == "basic":
        credentials = base64.b64encode(f"airflow:{SECRET}".encode()).decode()
        headers["authorization"] = f"Basic {credentials}"
    body = recorded.request.body
    shortened = re.search(rb"\.\.\. \[shortened in this recording, (\d+) bytes were sent\]", body)
    if shortened:
        body = b'{"pad":"' + b"x" * (int(shortened[1]) - 10) + b'"}'
    if headers.get("content-type") == "application/x-www-form-urlencoded" and b"client" in body:
        body = rebuilt_form(recorded, process)
    return replace(recorded.request, headers=headers, body=body)


def rebuilt_form(recorded: Recorded, process: Process) -> bytes:
    """Which token and whether the secret was wrong is told by the scenario only."""
    form = {name: values[0] for name, values in parse_qs(recorded.request.body.decode()).items()}
    if form.get("client_secret") == "<client_secret>":
        form["client_secret"] = "no" if "wrong" in recorded.scenario else SECRET
    if form.get("token") == "<token>":
        kinds = ("garbage", "expired", "revoked")
        kind = next((kind for kind in kinds if kind in recorded.scenario), "valid")
        form["token"] = process.tokens[kind]
    return urlencode(form).encode()


HEADERS = (
    "content-type",
    "retry-after",
    "allow",
    "vary",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "cache-control",
    "pragma",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "content-security-policy",
    "x-robots-tag",
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{3}|\d{6}|\d{9}))?Z")
PLACEHOLDERS = {"<subject>", "<id>", "<token>"}


def compare(recorded: Recorded, got: HttpResponse) -> list[str]:
    problems = []
    expected = recorded.response
    if got.status != expected.status:
        problems.append(f"status {got.status}, recorded {expected.status}")
    for name in HEADERS:
        if got.headers.get(name) != expected.headers.get(name):
            seen, wanted = got.headers.get(name), expected.headers.get(name)
            problems.append(f"{name} {seen!r}, recorded {wanted!r}")
    if problems:
        return problems
    content_type = expected.headers.get("content-type", "")
    if not expected.body or not content_type.startswith("application/json"):
        wanted_text, text = expected.body.decode(), got.body.decode()
        if content_type.startswith("text/plain"):
            prefix = wanted_text.partition(": ")[0]
            same = text.startswith(prefix)
        else:
            same = text == wanted_text
        return [] if same else [f"{text!r}, recorded {wanted_text!r}"]
    return list(different(json.loads(expected.body), json.loads(got.body), ""))


def different(expected: Any, got: Any, where: str) -> Iterator[str]:
    """JSON as values. Placeholders and times that the service chose are compared by form."""
    if type(expected) is not type(got):
        yield f"{where}: {got!r}, recorded {expected!r}"
    elif isinstance(expected, dict):
        if list(expected) != list(got):
            yield f"{where}: fields {list(got)}, recorded {list(expected)}"
        for name in expected.keys() & got.keys():
            yield from different(expected[name], got[name], f"{where}/{name}")
    elif isinstance(expected, list):
        if len(expected) != len(got):
            yield f"{where}: {len(got)} items, recorded {len(expected)}"
        for index, (left, right) in enumerate(zip(expected, got, strict=False)):
            yield from different(left, right, f"{where}/{index}")
    elif expected in PLACEHOLDERS:
        if not got:
            yield f"{where}: empty, recorded {expected}"
    elif where in ("/exp", "/iat"):
        # The introspected token was made by a call that was not recorded.
        if abs(got - expected) > 300:
            yield f"{where}: {got}, recorded {expected}"
    elif where == "/iss":
        if urlsplit(got).path != urlsplit(expected).path:
            yield f"{where}: {got}, recorded {expected}"
    elif expected != got and not both_chosen(expected, got):
        yield f"{where}: {got!r}, recorded {expected!r}"


def both_chosen(expected: object, got: object) -> bool:
    """Two times that were chosen during the recording: same number of digits, close together."""
    left, right = TIME.fullmatch(str(expected)), TIME.fullmatch(str(got))
    if left is None or right is None or len(left[1] or "") != len(right[1] or ""):
        return False
    chosen = datetime.fromisoformat(left[0])
    return chosen >= STARTED_AT and abs(datetime.fromisoformat(right[0]) - chosen) < CLOSE


class LaterWrites:
    """Applies the writes of operations that are not simulated, from `effect` and what is shown."""

    def __init__(self, recordings: list[Recorded]) -> None:
        self.evidence: dict[int, dict[str, Any]] = {}
        self.external_ids: dict[int, str | None] = {}
        for recorded in recordings:
            if recorded.cassette != "final_state.yaml":
                continue
            if recorded.operation == "list_evidence":
                rows = json.loads(recorded.response.body)
                self.evidence |= {row["id"]: row for row in rows}
            elif recorded.operation == "list_controls":
                rows = json.loads(recorded.response.body)
                self.external_ids |= {row["id"]: row["external_id"] for row in rows}

    def apply(self, recorded: Recorded, database: Database) -> None:
        for table, effect in (recorded.effect or {}).items():
            if table == "evidence":
                ids = [database.use_id("evidence") for _ in range(effect["ids"])]
                for new_id in ids[: effect.get("inserted", 0)]:
                    row = dict(self.evidence[new_id])
                    row["collected_at"] = datetime.fromisoformat(row["collected_at"])
                    database.put(Evidence(**row))
            elif table == "remediation_tasks" and "inserted" not in effect and "ids" in effect:
                database.use_id("remediation_tasks")
            elif table == "remediation_tasks":
                database.put(task(json.loads(recorded.response.body)))
            elif table == "controls":
                self.update_controls(database)
        database.drain_journal()

    def update_controls(self, database: Database) -> None:
        """To the end state at once: no simulated operation shows an external id in between."""
        for row in list(database.controls.values()):
            database.put(replace(row, external_id=self.external_ids[row.id]))


def task(shown: dict[str, Any]) -> RemediationTask:
    due_date = shown["due_date"]
    # One task was due in the year 12345 for a moment; the next call changed that.
    in_range = due_date is not None and len(due_date) == len("DD/MM/YYYY")
    times = {name: datetime.fromisoformat(shown[name]) for name in ("created_at", "updated_at")}
    day = datetime.strptime(due_date, "%d/%m/%Y").replace(tzinfo=UTC) if in_range else None
    return RemediationTask(**(shown | times | {"due_date": day and day.date()}))


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    recordings = load_recordings(RECORDINGS)
    later = LaterWrites(recordings)
    clock = Clock()
    with ExitStack() as stack:
        processes = started(stack, clock)
        for process in processes.values():
            process.fetch_tokens(clock)
        return list(replayed(recordings, processes, later, clock))


def started(stack: ExitStack, clock: Clock) -> dict[str, Process]:
    processes = {}
    for name, settings in SETTINGS.items():
        seed = EMPTY_SEED if name in OWN_DATABASE else SEED
        app = create_app(seed, settings, clock=clock)
        if name not in OWN_DATABASE and name != "main":
            app.service.database = processes["main"].app.service.database
        processes[name] = Process(app, stack.enter_context(serve(app)).url)
    return processes


def replayed(
    recordings: list[Recorded], processes: dict[str, Process], later: LaterWrites, clock: Clock
) -> Iterator[Outcome]:
    for recorded in recordings:
        clock.now = STARTED_AT + timedelta(milliseconds=recorded.at_ms)
        process = processes.get(recorded.setting)
        known = recorded.operation in SIMULATED | BESIDES
        if process is None or not (known or recorded.setting.startswith("limit_")):
            if recorded.writes:
                later.apply(recorded, processes["main"].app.service.database)
            continue
        use_up_the_limit(recorded, process)
        got = send(process.url, rebuilt(recorded, process))
        # The limiter answers before any operation is asked for.
        if known or recorded.response.status == 429:
            problems = [] if recorded.name in EXCEPTIONS else compare(recorded, got)
            yield Outcome(recorded, problems)


def use_up_the_limit(recorded: Recorded, process: Process) -> None:
    before = recorded.preceded_by or {"count": 0}
    for _ in range(before["count"]):
        headers = {name.lower(): value for name, value in before["headers"].items()}
        send(process.url, HttpRequest(method="GET", url_path=before["path"], headers=headers))


def report(outcomes: list[Outcome], what: str) -> list[str]:
    good = [outcome for outcome in outcomes if not outcome.problems]
    # The figure is for whoever runs pytest with -rP.
    print(f"{what}: reproduced {len(good)} of {len(outcomes)}")  # noqa: T201  # as above
    return [
        f"{outcome.recorded.name} ({outcome.recorded.scenario}): {problem}"
        for outcome in outcomes
        for problem in outcome.problems
    ]


def test_the_comparison_is_not_blind() -> None:
    row = {
        "id": 1,
        "at": "2026-11-25T00:55:16.123456Z",
        "old": "2026-10-01T08:00:00Z",
        "by": "<id>",
    }
    same = row | {"at": "2026-11-25T00:55:17.999999Z", "by": "me"}
    assert list(different([row], [same], "")) == []
    for wrong in (
        {"id": 1.0},
        {"id": True},
        {"id": None},
        {"at": "2026-11-25T00:55:16.123Z"},
        {"at": "2026-11-25T00:55:19.123456Z"},
        {"at": "2026-11-25 00:55:16.123456"},
        {"old": "2026-10-01T08:00:01Z"},
        {"by": ""},
        {"extra": 1},
    ):
        assert list(different([row], [same | wrong], "")) != [], wrong
    assert list(different([row], [], "")) != []
    assert list(different([row], [{"at": 1}], "")) != []


def test_every_recorded_call_of_the_simulated_operations_is_reproduced(
    outcomes: list[Outcome],
) -> None:
    own = [
        o for o in outcomes if o.recorded.operation in SIMULATED and o.recorded.setting == "main"
    ]
    problems = report(own, "setting main")
    assert problems == []
    assert len(own) == 270
    assert EXCEPTIONS == {}


def test_so_are_the_calls_under_every_other_setting(outcomes: list[Outcome]) -> None:
    other = [o for o in outcomes if o.recorded.setting not in ("main", "keycloak")]
    problems = report(other, "other settings")
    assert problems == []
    assert len(other) > 100


def test_unknown_paths_wrong_methods_and_keycloak_are_as_recorded(outcomes: list[Outcome]) -> None:
    besides = [o for o in outcomes if o.recorded.operation in BESIDES]
    problems = report(besides, "routing and Keycloak")
    assert problems == []
    assert len(besides) > 70


def test_the_route_table_names_the_operations_as_the_recordings_do() -> None:
    recorded = {r.operation_id for r in load_recordings(RECORDINGS) if r.operation not in BESIDES}
    assert recorded == OPERATION_IDS


def test_no_recorded_body_lies_in_the_package() -> None:
    """Fixed error strings do; an answer has to come from the state."""
    assert compai_kit.simulator.__file__ is not None
    package = Path(compai_kit.simulator.__file__).parent
    source = "".join(file.read_text() for file in package.rglob("*.py"))
    bodies = {r.response.body.decode() for r in load_recordings(RECORDINGS)}
    assert [body for body in bodies if len(body) > 60 and body in source] == []
