"""Fault × operation: the error, how many requests are sent, and how long the client waits in all.

The operations, their statuses and what each status says come from the contract; what is expected
stands here. A new operation, status or kind of answer without an expectation fails.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from compai_client import (
    CallError,
    ClientSettings,
    CompAI,
    HtmlAnswerError,
    NoAnswerError,
    NotConfiguredError,
    PartlyCreatedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ScanDocument,
    ServerError,
    StaticToken,
    UnauthorizedError,
    WrongShapeError,
    _operations,
)
from compai_kit.contract.load import Contract, contract_from, load_contract

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])

CONTRACT = load_contract()
DOCUMENTS = [ScanDocument(url="https://a.example/1"), ScanDocument(url="https://a.example/2")]

# How each operation is called; an operation of the contract that is missing here is a failure.
CALLS: dict[str, Callable[[CompAI], Any]] = {
    "listTests": lambda c: c.list_tests(),
    "listControlTests": lambda c: c.list_control_tests(control_id=3),
    "recordTestResult": lambda c: c.record_test_result(
        control_id=3, test_id=5, result="fail", details="d"
    ),
    "listControls": lambda c: c.list_controls(),
    "getControl": lambda c: c.get_control(control_id=3),
    "listGaps": lambda c: c.list_gaps(),
    "analyseGaps": lambda c: c.analyse_gaps(),
    "listRequirements": lambda c: c.list_requirements(),
    "listFrameworks": lambda c: c.list_frameworks(),
    "listEvidence": lambda c: c.list_evidence(),
    "createEvidence": lambda c: c.create_evidence(control_id=3, type="note"),
    "scanDocuments": lambda c: c.scan_documents(control_id=3, documents=DOCUMENTS),
    "collectGithubEvidence": lambda c: c.collect_github_evidence(
        control_id=3, owner="o", repo="r", evidence_type="last_commit"
    ),
    "collectOktaEvidence": lambda c: c.collect_okta_evidence(
        control_id=3, evidence_type="org_summary"
    ),
    "collectAwsEvidence": lambda c: c.collect_aws_evidence(
        control_id=3, evidence_type="iam_summary"
    ),
    "getControlRemediation": lambda c: c.get_control_remediation(control_id=3),
    "listRemediation": lambda c: c.list_remediation(),
    "getHealth": lambda c: c.get_health(),
}


@dataclass(frozen=True)
class Expected:
    """`error` None: the call succeeds. Waits do not count what a time-out took."""

    error: type[CallError] | None
    requests: int
    waited_s: float = 0


@dataclass(frozen=True)
class Row:
    """What is expected by retry class, and where one operation differs, of it alone."""

    safe: Expected
    repeatable: Expected
    never: Expected
    but: Mapping[str, Expected] = field(default_factory=dict)

    def of(self, operation: str) -> Expected:
        by_class: Expected = getattr(self, CONTRACT.operations[operation].retry)
        return self.but.get(operation, by_class)


def always(expected: Expected, **but: Expected) -> Row:
    """Whatever the class."""
    return Row(expected, expected, expected, but)


def once(error: type[CallError] | None) -> Row:
    """No class repeats it."""
    return always(Expected(error, 1))


def again(error: type[CallError], **but: Expected) -> Row:
    """Three more tries after 1, 2 and 4 s, but never of what adds a row."""
    row = Expected(error, 4, 7)
    return Row(row, row, Expected(error, 1), but)


# The budget of 250 s has room for one window of 60 s beside the 150 s of an analysis.
LIMITED = always(Expected(RateLimitedError, 4, 180), analyseGaps=Expected(RateLimitedError, 2, 60))

# (status, kind of answer): what is expected. The kind is what `kind_of` reads from an example.
STATUSES: dict[tuple[int, str], Row] = {
    (200, "answer"): once(None),
    (201, "answer"): once(None),
    (400, "text"): once(RejectedError),
    (400, "error"): once(RejectedError),
    (401, "error"): once(UnauthorizedError),
    (404, "error"): once(RejectedError),
    (413, "text"): once(RejectedError),
    (415, "text"): once(RejectedError),
    (422, "text"): once(RejectedError),
    (429, "error"): LIMITED,
    (500, "error"): again(ServerError),
    (500, "partly created"): once(PartlyCreatedError),
    (502, "error"): again(ServerError),
    (503, "error"): again(ServerError),
    (503, "not configured"): once(NotConfiguredError),
}


def kind_of(status: int, value: Any) -> str:
    if status < 300:
        return "answer"
    if isinstance(value, str):
        return "text"
    if "not configured" in value["error"]:
        return "not configured"
    return "partly created" if "before error" in value.get("detail", "") else "error"


@dataclass(frozen=True)
class Documented:
    """One answer that the contract documents: an example of a status of an operation."""

    operation: str
    status: int
    media: str
    name: str
    value: Any

    @property
    def key(self) -> tuple[int, str]:
        return self.status, kind_of(self.status, self.value)

    @property
    def reply(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "text": self.value if self.media == "text/plain" else json.dumps(self.value),
            "media": self.media,
            "headers": {"Retry-After": "60"} if self.status == 429 else {},
        }


def documented(contract: Contract) -> list[Documented]:
    return [
        Documented(operation, int(status), media, name, example["value"])
        for operation in contract.operations
        for status, response in contract.description_of(operation)["responses"].items()
        for media, content in response["content"].items()
        for name, example in content["examples"].items()
    ]


DOCUMENTED = documented(CONTRACT)
# A fault is met by what `meet` needs: how the server answers, and options.
ABOUT = {
    d.operation: {"success": d.reply, "patience_s": CONTRACT.operations[d.operation].timeout_s}
    for d in DOCUMENTED
    if d.status < 300
}

# --- the faults on the wire: a handler, the number of the request from 1, its headers -----------

HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
LIMIT = json.dumps({"error": "Too many requests", "retry_after_secs": 60})


def closed(_wire: Any, _n: int, _headers: Any) -> None:
    """The request is read, and processed for all the client knows."""


def reset(wire: Any, _n: int, _headers: Any) -> None:
    wire.reset()


def stall(wire: Any, _n: int, _headers: Any) -> None:
    wire.stall()


def stall_in_the_body(wire: Any, _n: int, _headers: Any) -> None:
    wire.succeed(without_end=True)
    wire.stall()


def drip(wire: Any, _n: int, _headers: Any) -> None:
    wire.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    wire.wfile.write(b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        wire.server.time.seconds += 10
        wire.wfile.write(b" ")


def cut(wire: Any, _n: int, _headers: Any) -> None:
    wire.succeed(without_end=True)


def lost_once(wire: Any, n: int, _headers: Any) -> bool:
    return n > 1 and wire.succeed()


def login_page(wire: Any, _n: int, _headers: Any) -> bool:
    return wire.reply(text=HTML, media="text/html")


def to_a_login(wire: Any, _n: int, _headers: Any) -> bool:
    return wire.reply(status=302, headers={"Location": f"{wire.server.url}/login?next=x"})


def bad_gateway(wire: Any, _n: int, _headers: Any) -> bool:
    return wire.reply(status=502, text=HTML, media="text/html")


def other_shape(wire: Any, _n: int, _headers: Any) -> bool:
    return wire.reply(status=wire.server.success["status"], text='{"message": "hello"}')


def twice(wire: Any, n: int, _headers: Any) -> bool:
    """The second copy must not be taken for the answer to the next request."""
    if n == 1:
        return wire.succeed(copies=2)
    return wire.reply(status=404, text='{"error": "what the next call is told"}')


def skewed(wire: Any, _n: int, _headers: Any) -> bool:
    """The server's clock is a day ahead, and it says by that clock when to come back."""
    there = datetime.now(UTC) + timedelta(days=1)
    dates = {
        "Date": format_datetime(there, usegmt=True),
        "Retry-After": format_datetime(there + timedelta(seconds=60), usegmt=True),
    }
    return wire.reply(status=429, text=LIMIT, headers=dates)


def revoked(wire: Any, _n: int, headers: Mapping[str, str]) -> bool:
    """The first token is refused from now on; a call without one is not concerned."""
    if headers.get("authorization") == "Bearer token-1":
        return wire.reply(status=401, text='{"error": "Unauthorized"}')
    return wire.succeed()


def used_up_by_another(wire: Any, n: int, _headers: Any) -> bool:
    if n == 1:
        return wire.reply(status=429, text=LIMIT, headers={"Retry-After": "60"})
    return wire.succeed()


NO_ANSWER = again(NoAnswerError)
# A second try of 150 s would break the budget of the call.
STALLED = again(NoAnswerError, analyseGaps=Expected(NoAnswerError, 1))
LATER = Expected(None, 2, 1)
NO_TOKEN = {"listFrameworks": Expected(None, 1), "getHealth": Expected(None, 1)}

FAULTS: dict[str, tuple[Row, Callable[[Any, int, Any], bool | None], dict[str, Any]]] = {
    "reset before processing": (NO_ANSWER, reset, {"unread": True}),
    "reset after processing": (NO_ANSWER, reset, {}),
    "closed without an answer": (NO_ANSWER, closed, {}),
    "stall": (STALLED, stall, {"read_s": 0.1}),
    "stall in the body": (STALLED, stall_in_the_body, {"read_s": 0.1}),
    "slow drip": (once(NoAnswerError), drip, {}),
    "cut": (NO_ANSWER, cut, {}),
    "answer lost after processing": (
        Row(LATER, LATER, Expected(NoAnswerError, 1)), lost_once, {}
    ),
    "login page": (once(HtmlAnswerError), login_page, {}),
    "redirect to a login": (once(RedirectedError), to_a_login, {}),
    "502 page of a proxy": (again(ServerError), bad_gateway, {}),
    "JSON of another shape": (once(WrongShapeError), other_shape, {}),
    "answer sent twice": (always(Expected(RejectedError, 2)), twice, {"calls": 2}),
    "clock skew": (LIMITED, skewed, {}),
    "token revoked in mid-run": (always(Expected(None, 2), **NO_TOKEN), revoked, {}),
    "limit used up by another": (always(Expected(None, 2, 60)), used_up_by_another, {}),
}  # fmt: skip


# --- the matrix -------------------------------------------------------------------------------


def missing(contract: Contract) -> set[tuple[int, str]]:
    return {answer.key for answer in documented(contract)} - STATUSES.keys()


def test_every_operation_and_documented_answer_has_an_expectation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert CALLS.keys() == CONTRACT.operations.keys()
    assert missing(CONTRACT) == set()
    assert STATUSES.keys() - {answer.key for answer in DOCUMENTED} == set(), "not documented"
    cells = len(DOCUMENTED) + len(CALLS) * (len(FAULTS) + 1)
    with capsys.disabled():
        print(  # noqa: T201 - the figure
            f"\nmatrix: {cells} cells: {len(DOCUMENTED)} documented answers of {len(CALLS)} "
            f"operations, and {len(FAULTS) + 1} faults on the wire for each of these"
        )


def test_a_new_status_is_missed() -> None:
    document = deepcopy(CONTRACT.document)
    answers = document["paths"]["/api/v1/tests"]["get"]["responses"]
    answers["410"] = answers["500"]
    assert missing(contract_from(document, source="with 410")) == {(410, "error")}


@pytest.mark.parametrize("answer", DOCUMENTED, ids=lambda a: f"{a.operation}-{a.status}-{a.name}")
def test_documented_answer(answer: Documented, meet: Any) -> None:
    met = meet(
        CALLS[answer.operation],
        lambda wire, _n, _headers: wire.reply(**answer.reply),
        token=StaticToken("one.two.three"),
        **ABOUT[answer.operation],
    )
    expected = STATUSES[answer.key].of(answer.operation)
    assert_met(met, answer.operation, expected)
    if met.error is not None:
        assert (met.error.status, met.error.attempt) == (answer.status, expected.requests)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", CALLS)
def test_wire_fault(operation: str, fault: str, meet: Any) -> None:
    row, answer, options = FAULTS[fault]
    met = meet(CALLS[operation], answer, **ABOUT[operation], **options)
    assert_met(met, operation, row.of(operation), calls=options.get("calls", 1))
    if isinstance(met.error, NoAnswerError):
        assert met.error.processed == "unknown"
    # One token, and another only where the first was refused.
    renewed = fault == "token revoked in mid-run" and operation not in NO_TOKEN
    assert met.tokens == 1 + renewed


def assert_met(met: Any, operation: str, expected: Expected, *, calls: int = 1) -> None:
    assert type(met.error) is (expected.error or type(None)), met.error
    assert (met.requests, met.waited_s) == (expected.requests, expected.waited_s), met.error
    # Each try may take as long as the contract gives it, and what adds a row is acted on once.
    known = CONTRACT.operations[operation]
    assert met.told == {(ClientSettings.connect_timeout_s, known.timeout_s)}
    assert known.retry != "never" or met.processed <= calls


def test_a_client_that_repeats_what_adds_a_row_is_noticed(
    meet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measure itself is on trial."""
    careless = replace(_operations.CREATE_EVIDENCE, retry="safe")
    monkeypatch.setattr(_operations, "CREATE_EVIDENCE", careless)
    row, answer, options = FAULTS["reset after processing"]
    met = meet(CALLS["createEvidence"], answer, **ABOUT["createEvidence"], **options)
    assert met.processed == 4
    with pytest.raises(AssertionError):
        assert_met(met, "createEvidence", row.of("createEvidence"))


@pytest.mark.parametrize("operation", CALLS)
def test_nobody_listens(operation: str) -> None:
    """The one wire fault after which even what adds a row is sent again: nothing was received."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    waits: list[float] = []
    settings = ClientSettings(sleep=waits.append, jitter=lambda upper: upper)
    with (
        CompAI(url, auth=StaticToken("one.two.three"), settings=settings) as client,
        pytest.raises(NoAnswerError, match="refused") as caught,
    ):
        CALLS[operation](client)
    assert (caught.value.processed, caught.value.attempt, waits) == ("no", 4, [1, 2, 4])


# What a service that never answers costs in all: each try its time-out, and the waits between.
SILENCE_S: dict[str, float] = {"safe": 4 * 30 + 7, "repeatable": 4 * 30 + 7, "never": 60}


@pytest.mark.parametrize("operation", CALLS)
def test_what_silence_costs(operation: str, meet: Any) -> None:
    met = meet(CALLS[operation], stall, read_s=0.1, **ABOUT[operation])
    by_class = SILENCE_S[CONTRACT.operations[operation].retry]
    assert met.elapsed_s == (150 if operation == "analyseGaps" else by_class)
    assert f"was silent for {CONTRACT.operations[operation].timeout_s:.0f} s" in str(met.error)
