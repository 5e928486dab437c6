"""Faults on demand.

What is wrong, with which operation, after how many calls, how often. Pure: time passes in `app`,
and what happens to a connection happens in `wire`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import (
    JSON,
    LOGIN_PAGE,
    TEXT,
    html_answer,
    json_answer,
    json_bytes,
    text_answer,
)
from compai_kit.simulator.routing import OPERATION_IDS
from compai_kit.simulator.systems.registry import SYSTEMS

FaultKind = Literal[
    "status",
    "html",
    "redirect",
    "rate_limit",
    "truncate",
    "wrong_shape",
    "slow",
    "drip",
    "stall",
    "reset",
    "hang_up",
    "duplicate",
    "clock_skew",
    "token_expiry",
    "token_revoked",
    "rate_limit_used_up",
]
# The caller gets no byte of an answer.
SILENT = frozenset({"stall", "reset", "hang_up"})
# The answer is right; how it gets to the caller is not.
ON_THE_WIRE = SILENT | {"drip", "duplicate"}
REPLACING = SILENT | {"status", "html", "redirect", "rate_limit"}
# They are about the token and the limit of whoever calls Comp-AI.
OF_THE_CALLER = frozenset({"token_revoked", "rate_limit_used_up"})
REDIRECTS = (301, 302, 303, 307, 308)
# How long each kind takes unless told otherwise: a pause before or after, between two pieces, until
# the stalled connection is closed, between the answer and its copy.
DELAYS_S: Mapping[str, float] = {"slow": 2.0, "drip": 0.05, "stall": 600.0, "duplicate": 0.0}
When = Literal["before", "after"]
ANY_OPERATION = "*"
SLACK = "slack"
KEYCLOAK_TOKEN = "keycloakToken"  # noqa: S105  # the name of an operation
KEYCLOAK_INTROSPECTION = "keycloakIntrospection"
NOT_COMP_AI = frozenset({SLACK, KEYCLOAK_TOKEN, KEYCLOAK_INTROSPECTION, *SYSTEMS})
FAULTY_OPERATIONS = frozenset({*OPERATION_IDS, ANY_OPERATION, *NOT_COMP_AI})


class FaultError(ValueError):
    """A fault that could never do what its author meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`after` counts matching calls that no earlier fault took; `count` None means for ever.

    `when="after"` lets the call do its work first and spoils only the answer: a write that is
    stored though its caller never learns of it. `delay_s` None is the usual delay of the kind.
    `skew_s` is how far the clock is ahead, `piece_bytes` how much a drip brings at a time.
    """

    kind: FaultKind
    operation: str = ANY_OPERATION
    after: int = 0
    count: int | None = 1
    when: When = "before"
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float | None = None
    skew_s: float = 0.0
    piece_bytes: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            msg = f"fault kind {self.kind!r}; known are {', '.join(get_args(FaultKind))}"
            raise FaultError(msg)
        if self.operation not in FAULTY_OPERATIONS:
            known = ", ".join(sorted(FAULTY_OPERATIONS))
            msg = f"fault operation {self.operation!r}; known are {known}"
            raise FaultError(msg)
        if self.when not in get_args(When):
            msg = f"fault when {self.when!r}; known are {', '.join(get_args(When))}"
            raise FaultError(msg)
        if not all(isinstance(number, int) for number in (self.after, self.count or 0)):
            msg = "fault: after and count are whole numbers"
            raise FaultError(msg)
        if self.status is not None and self.status not in range(100, 1000):
            msg = f"fault: status {self.status!r} is no HTTP status"
            raise FaultError(msg)
        if self.after < 0 or (self.count is not None and self.count < 1) or self.wait_s < 0:
            msg = "fault: after and delay_s must not be negative, count at least 1 or null"
            raise FaultError(msg)
        self._check_kind()

    def _check_kind(self) -> None:
        """What only one kind needs."""
        if self.kind == "redirect" and self.status not in (None, *REDIRECTS):
            msg = f"fault redirect: status {self.status} redirects nobody"
            raise FaultError(msg)
        if (self.kind == "clock_skew") != (self.skew_s != 0):
            msg = "fault: clock_skew needs a skew_s other than 0, and no other kind has one"
            raise FaultError(msg)
        if self.piece_bytes < 1:
            msg = "fault: piece_bytes must be at least 1"
            raise FaultError(msg)
        if self.kind in OF_THE_CALLER and self.operation in NOT_COMP_AI:
            msg = f"fault {self.kind}: {self.operation} knows neither tokens nor a limit"
            raise FaultError(msg)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "operation": self.operation,
            "after": self.after,
            "count": self.count,
            "when": self.when,
            "status": self.status,
            "body": self.body,
            "headers": dict(self.headers),
            "delay_s": self.delay_s,
            "skew_s": self.skew_s,
            "piece_bytes": self.piece_bytes,
        }

    @property
    def wait_s(self) -> float:
        return DELAYS_S.get(self.kind, 0.0) if self.delay_s is None else self.delay_s

    @property
    def replaces_answer(self) -> bool:
        """The answer, if there is one, has nothing of the real one."""
        return self.kind in REPLACING

    @property
    def is_silent(self) -> bool:
        return self.kind in SILENT

    @property
    def replaces_call(self) -> bool:
        """The call is not processed at all."""
        return self.replaces_answer and self.when == "before"

    @property
    def spoils_answer(self) -> bool:
        """The caller gets something else than Comp-AI would have said."""
        return self.replaces_answer or self.kind in ("truncate", "wrong_shape")


def fault_from_json(raw: Any) -> Fault:
    if not isinstance(raw, dict):
        msg = f"a fault is an object, got {type(raw).__name__}"
        raise FaultError(msg)
    unknown = set(raw) - {known.name for known in fields(Fault)}
    if unknown:
        msg = f"fault: unknown key {sorted(unknown)[0]!r}"
        raise FaultError(msg)
    if "kind" not in raw:
        msg = "fault: kind is missing"
        raise FaultError(msg)
    return Fault(**raw)


class FaultBoard:
    """The faults that are switched on, in order, and how much of each is used up."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._entries = [_Entry(fault, fault.after, fault.count) for fault in faults]

    def take(self, operation: str | None, *, is_api: bool) -> Fault | None:
        """The fault for this call, if any.

        `*` means every call to Comp-AI, unknown paths included.
        """
        for entry in self._entries:
            matches = entry.fault.operation == operation or (
                is_api and entry.fault.operation == ANY_OPERATION
            )
            if not matches or entry.left == 0:
                continue
            if entry.to_skip > 0:
                entry.to_skip -= 1
                continue
            if entry.left is not None:
                entry.left -= 1
            return entry.fault
        return None


@dataclass(slots=True)
class _Entry:
    fault: Fault
    to_skip: int
    left: int | None


def replacement(fault: Fault, *, window_s: int, login_url: str = "") -> HttpResponse:
    """The answer of a fault that needs no real one."""
    page = fault.body if isinstance(fault.body, str) else LOGIN_PAGE
    match fault.kind:
        case "rate_limit":
            return _too_many_requests(fault, window_s)
        case "html":
            response = html_answer(fault.status or 200, page)
        case "redirect":
            response = html_answer(fault.status or 302, page, {"location": login_url})
        case _:
            response = _status(fault)
    return _with_headers(response, fault.headers)


def spoiled(fault: Fault, response: HttpResponse) -> HttpResponse:
    """The real answer, damaged: cut in the middle, or valid JSON of another shape."""
    if fault.kind == "truncate":
        body = response.body[: len(response.body) // 2]
    elif fault.body is not None:
        body = json_bytes(fault.body)
    else:
        body = json_bytes(_other_shape(response.body))
    headers = {"content-type": JSON, **response.headers} if body else dict(response.headers)
    damaged = HttpResponse(status=fault.status or response.status, headers=headers, body=body)
    return _with_headers(damaged, fault.headers)


def _other_shape(body: bytes) -> Any:
    """A list becomes a page of an envelope, an object becomes a list.

    What API versions really do.
    """
    try:
        value = json.loads(body)
    except ValueError:
        return {"unexpected": True}
    return {"items": value, "total": len(value)} if isinstance(value, list) else [value]


def _too_many_requests(fault: Fault, window_s: int) -> HttpResponse:
    """Comp-AI's own refusal; a Retry-After of the fault counts in the body as well."""
    given = {name.lower(): value for name, value in fault.headers.items()}
    wait = given.get("retry-after", str(window_s))
    if fault.operation == SLACK:
        return text_answer(429, "rate_limited", given | {"retry-after": wait})
    seconds = int(wait) if wait.isdecimal() else window_s
    body = {"error": "Too many requests", "retry_after_secs": seconds}
    return json_answer(429, body, given | {"retry-after": wait})


def _status(fault: Fault) -> HttpResponse:
    status = fault.status or 500
    if fault.body is None:
        return json_answer(status, {"error": "Fault switched on in the simulator"})
    if isinstance(fault.body, str):
        headers = {"content-type": TEXT} if fault.body else {}
        return HttpResponse(status=status, headers=headers, body=fault.body.encode())
    return json_answer(status, fault.body)


def _with_headers(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    if not headers:
        return response
    lower = {name.lower(): value for name, value in headers.items()}
    return HttpResponse(
        status=response.status, headers={**response.headers, **lower}, body=response.body
    )
