"""The client against recorded traffic: every exchange that one of its methods can send is played.

Each is replayed in both ways, by vcrpy and by the adapter over the same file; bodies compare as
values, the network is blocked. What no typed method can send (HEAD, arrays for objects, text where
a number belongs) is counted, so that nothing gets lost.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import msgspec
import pytest
from vcr import VCR  # type: ignore[import-untyped]  # vcrpy has no types
from vcr.errors import (  # type: ignore[import-untyped]  # as above
    CannotOverwriteExistingCassetteException,
)
from vcr.serialize import deserialize  # type: ignore[import-untyped]  # as above

from compai_client import (
    CallError,
    ClientCredentials,
    ClientSettings,
    CompAI,
    NotConfiguredError,
    PartlyCreatedError,
    RateLimitedError,
    RejectedError,
    ScanDocument,
    ServerError,
    StaticToken,
    TokenError,
    UnauthorizedError,
)
from compai_client._operations import OPERATIONS
from compai_kit.contract.recordings import Recorded, load_recordings
from compai_kit.contract.replay import MATCH_ON, ReplayAdapter

pytestmark = pytest.mark.block_network

CASSETTES = Path(__file__).parents[1] / "cassettes" / "live"
SERVICE = "http://comp-ai.test:3002"
NEVER = {operation.id for operation in OPERATIONS if operation.retry == "never"}
RETRIED = {408, 425, 429, 500, 502, 503, 504}

Sent = tuple[str, dict[str, Any]]


class OneExchange:
    """A vcrpy persister whose cassettes are named `file.yaml#index`: one exchange of a file."""

    _files: ClassVar[dict[str, Any]] = {}

    @classmethod
    def load_cassette(cls, name: str, serializer: Any) -> Any:
        file, _, index = Path(name).name.partition("#")
        if file not in cls._files:
            text = (CASSETTES / file).read_text(encoding="utf-8")
            cls._files[file] = deserialize(text, serializer)
        requests, responses, *_ = cls._files[file]
        # A copy, because replaying removes headers from the response that it is given.
        response = {**responses[int(index)], "headers": dict(responses[int(index)]["headers"])}
        return [requests[int(index)]], [response]

    @staticmethod
    def save_cassette(name: str, *_: Any) -> None:
        raise AssertionError(f"{name}: a replay must not record")


@dataclass(frozen=True)
class Replay:
    """One exchange that is being replayed; `options` are what a client needs for it."""

    plays: Callable[[], int]
    options: Mapping[str, Any]

    def client(self, **options: Any) -> CompAI:
        settings = ClientSettings(sleep=lambda _: None)
        given = {"auth": StaticToken("<token>"), "settings": settings, **self.options, **options}
        return CompAI(SERVICE, **given)


Way = Callable[[Recorded], AbstractContextManager[Replay]]


def one_exchange() -> VCR:
    player = VCR(record_mode="none", match_on=MATCH_ON, serializer="yaml")
    player.register_persister(OneExchange)
    return player


@contextmanager
def by_vcrpy(recorded: Recorded) -> Iterator[Replay]:
    with one_exchange().use_cassette(recorded.name, allow_playback_repeats=True) as cassette:
        yield Replay(lambda: cassette.play_count, {})


@contextmanager
def by_the_adapter(recorded: Recorded) -> Iterator[Replay]:
    adapter = ReplayAdapter(recorded.name, player=one_exchange(), repeats=True)
    yield Replay(lambda: adapter.plays, {"adapter": adapter})


@pytest.fixture(params=[by_vcrpy, by_the_adapter], ids=["vcrpy", "adapter"])
def replay(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


# --- which method sends a recorded request ---------------------------------------------------


def integer(text: str) -> int | None:
    """The number that the client would write in just this way, else None."""
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]*", text) else None


# Operations that read: their path up to an id, and what may stand in the query, as number or text.
READS: dict[str, tuple[bool, set[str], type]] = {
    "list_tests": (False, {"control_id"}, int),
    "list_control_tests": (True, set(), int),
    "list_controls": (False, {"category"}, str),
    "get_control": (True, set(), int),
    "list_gaps": (False, set(), int),
    "list_requirements": (False, {"framework"}, str),
    "list_frameworks": (False, set(), int),
    "list_evidence": (False, {"control_id", "limit", "offset"}, int),
    "list_remediation": (False, {"control_id"}, int),
    "get_control_remediation": (True, set(), int),
    "get_health": (False, set(), int),
}
# Operations that send a body: what it must hold, and what it may hold.
POSTS: dict[str, tuple[set[str], set[str]]] = {
    "record_test_result": ({"result"}, {"details"}),
    "analyse_gaps": (set(), {"framework"}),
    "create_evidence": ({"control_id", "type"}, {"source", "description", "link_url"}),
    "scan_documents": ({"control_id", "documents"}, set()),
    "collect_github_evidence": ({"control_id", "owner", "repo", "evidence_type"}, set()),
    "collect_okta_evidence": ({"control_id", "evidence_type"}, set()),
    "collect_aws_evidence": ({"control_id", "evidence_type"}, set()),
}


def query_of(recorded: Recorded, allowed: set[str], kind: type) -> dict[str, Any] | None:
    pairs = parse_qsl(recorded.request.query, keep_blank_values=True)
    values = {name: integer(value) if kind is int else value for name, value in pairs}
    if len(values) < len(pairs) or None in values.values() or not values.keys() <= allowed:
        return None
    return values


def body_of(recorded: Recorded) -> dict[str, Any] | None:
    """The request's JSON object, if it can be written in just this way."""
    try:
        pairs = json.loads(recorded.request.body, object_pairs_hook=lambda pairs: ("object", pairs))
        body = json.loads(recorded.request.body)
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError:  # no JSON, or half of a surrogate pair
        return None
    typed = recorded.request.headers.get("content-type") == "application/json"
    once = isinstance(pairs, tuple) and isinstance(body, dict) and len(pairs[1]) == len(body)
    return body if typed and once else None


def as_sent(recorded: Recorded) -> Sent | None:
    """The method and arguments that send this request; None when no typed call does."""
    name, path = recorded.operation, recorded.request.url_path
    if recorded.request.method == "HEAD":
        return None
    if name in READS:
        has_id, allowed, kind = READS[name]
        query = query_of(recorded, allowed, kind)
        ids = {"control_id": integer(path.split("/")[4])} if has_id else {}
        return None if query is None or None in ids.values() else (name, ids | query)
    required, optional = POSTS[name]
    body = body_of(recorded)
    # The client leaves out what is empty rather than sending null, which means the same.
    if body is None or None in body.values() or not required <= body.keys() <= required | optional:
        return None
    if name == "record_test_result":
        numbers = integer(path.split("/")[4]), integer(path.split("/")[6])
        if None in numbers:
            return None
        return name, {"control_id": numbers[0], "test_id": numbers[1], "details": None} | body
    if name == "scan_documents":
        documents = body["documents"]
        if not isinstance(documents, list) or not all(map(is_document, documents)):
            return None
        return name, body | {"documents": [ScanDocument(**document) for document in documents]}
    return name, body


def is_document(value: object) -> bool:
    keys = value.keys() if isinstance(value, dict) else set()
    return {"url"} <= keys <= {"url", "type"} and None not in value.values()


ALL = load_recordings(CASSETTES)
CLIENT_OPERATIONS = {operation.id for operation in OPERATIONS}
OURS = [recorded for recorded in ALL if recorded.operation_id in CLIENT_OPERATIONS]
PLAYABLE = [(recorded, sent) for recorded in OURS if (sent := as_sent(recorded)) is not None]


def test_every_recorded_exchange_is_played_or_cannot_be_sent() -> None:
    """A change of the figures has to be made here, on purpose."""
    not_sent = [recorded for recorded in OURS if as_sent(recorded) is None]
    head = [recorded for recorded in not_sent if recorded.request.method == "HEAD"]
    assert (len(OURS), len(PLAYABLE), len(head)) == (740, 520, 12)
    # Rejections of what no typed method sends, leniencies, and one token in the query string.
    others = Counter(r.response.status for r in not_sent if r not in head)
    assert others == {200: 29, 201: 7, 400: 79, 401: 1, 413: 14, 415: 28, 422: 49, 429: 1}


@pytest.mark.parametrize(
    ("recorded", "sent"), [pytest.param(*pair, id=pair[0].name) for pair in PLAYABLE]
)
def test_recorded_exchange(recorded: Recorded, sent: Sent, replay: Way) -> None:
    method, arguments = sent
    status = recorded.response.status
    with replay(recorded) as played, played.client() as comp_ai:
        call: Callable[..., Any] = getattr(comp_ai, method)
        if status in (200, 201):
            raw = json.loads(recorded.response.body)
            assert_same(
                call(**arguments), raw["frameworks"] if method == "list_frameworks" else raw
            )
        else:
            with pytest.raises(CallError) as caught:
                call(**arguments)
            assert_error(caught.value, recorded)
        assert played.plays() == requests_expected(recorded)


def requests_expected(recorded: Recorded) -> int:
    status = recorded.response.status
    if status not in RETRIED or b"not configured" in recorded.response.body:
        return 1
    return 1 if recorded.operation_id in NEVER and status != 429 else 4


def assert_error(error: CallError, recorded: Recorded) -> None:
    status, body = recorded.response.status, recorded.response.body
    kinds: Mapping[int, type[CallError]] = {401: UnauthorizedError, 429: RateLimitedError}
    expected = kinds.get(status, ServerError if status >= 500 else RejectedError)
    if status == 503 and b"not configured" in body:
        expected = NotConfiguredError
    if partly := re.search(rb"Created (\d+) before error", body):
        expected = PartlyCreatedError
        assert isinstance(error, PartlyCreatedError)
        assert error.created_before_error == int(partly[1])
    assert type(error) is expected
    assert (error.operation, error.method) == (recorded.operation_id, recorded.request.method)
    assert (error.status, error.path) == (status, recorded.request.url_path)
    assert error.attempt == requests_expected(recorded)
    if recorded.response.headers.get("content-type") == "application/json":
        said = json.loads(body)
        assert (error.error, error.detail) == (said["error"], said.get("detail"))
        assert said["error"] in str(error)
    else:
        assert error.error
        assert body.decode().startswith(error.error.rstrip("…"))
    assert "<token>" not in str(error)


def assert_same(value: Any, raw: Any) -> None:
    """The decoded answer holds what the recorded JSON says, field by field."""
    if raw is None:
        assert value is None
        return
    if isinstance(raw, list) and isinstance(value, list):
        assert len(value) == len(raw)
        for item, raw_item in zip(value, raw, strict=True):
            assert_same(item, raw_item)
        return
    fields = {field.name for field in msgspec.structs.fields(value)}
    assert fields - raw.keys() <= {"config"}
    assert raw.keys() <= fields
    for name in fields:
        assert_field(getattr(value, name), raw.get(name))


def assert_field(value: Any, raw: Any) -> None:
    if isinstance(value, datetime):
        assert value.utcoffset() == timedelta(0)
        assert abs(value - datetime.fromisoformat(raw)) <= timedelta(microseconds=1)
    elif isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
        assert_same(value, raw)
    else:
        assert (type(value), value) == (type(raw), raw)


# --- the replay itself can be trusted --------------------------------------------------------


def recorded_as(name: str) -> Recorded:
    return next(recorded for recorded in ALL if recorded.name == name)


def test_a_replay_never_answers_another_body(replay: Way) -> None:
    recorded = recorded_as("record_test_result.yaml#1")
    assert json.loads(recorded.request.body) == {
        "result": "fail",
        "details": "Form 12 has no signature.",
    }
    refused = pytest.raises(CannotOverwriteExistingCassetteException)
    with replay(recorded) as played, played.client() as comp_ai, refused:
        comp_ai.record_test_result(
            control_id=1, test_id=4, result="pass", details="Form 12 has no signature."
        )


# --- Keycloak's token endpoint ----------------------------------------------------------------


def ask_keycloak(replay: Way, index: int, **changes: str) -> Any:
    credentials = {
        "keycloak_url": "http://keycloak.test:8080/auth",
        "realm": "lianel",
        "client_id": "airflow",
        "client_secret": "<client_secret>",
    }
    auth = ClientCredentials(**(credentials | changes))
    exchange = recorded_as(f"keycloak_token.yaml#{index}")
    with replay(exchange) as played, played.client(auth=auth) as comp_ai:
        return comp_ai._tokens.current()


def test_keycloak_grants_a_token(replay: Way) -> None:
    assert ask_keycloak(replay, 0) == "<token>"


TOKEN_FIXES = {
    "wrong secret": (3, {}, 401, "correct client_secret"),
    "unknown client": (
        5,
        {"client_id": "no-such-client"},
        401,
        'no enabled client "no-such-client": correct client_id',
    ),
    "wrong realm": (12, {"realm": "no-such-realm"}, 404, 'no realm "no-such-realm"'),
    "missing /auth": (
        15,
        {"keycloak_url": "http://keycloak.test:8080"},
        404,
        "set keycloak_url to http://keycloak.test:8080/auth",
    ),
}


@pytest.mark.parametrize(
    ("index", "changes", "status", "fix"), TOKEN_FIXES.values(), ids=TOKEN_FIXES
)
def test_keycloak_refuses_and_the_message_names_the_fix(
    index: int, changes: dict[str, str], status: int, fix: str, replay: Way
) -> None:
    with pytest.raises(TokenError, match=re.escape(fix)) as caught:
        ask_keycloak(replay, index, **changes)
    assert caught.value.permanent
    assert caught.value.status == status
    assert "<client_secret>" not in str(caught.value)
