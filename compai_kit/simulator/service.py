"""Comp-AI's own order of checks.

CORS, route, rate limit, parameters, token, and only then the operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.answers import empty_answer, error_answer, json_answer, text_answer
from compai_kit.simulator.keycloak import Keycloak
from compai_kit.simulator.operations import OPERATIONS
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.ratelimit import RateLimit, caller_key
from compai_kit.simulator.rejections import RejectedError, json_body, path_integers, query_values
from compai_kit.simulator.routing import UNLIMITED_PATHS, Match, match_route
from compai_kit.simulator.settings import Settings
from compai_kit.simulator.state import Database

TokenVerdict = Literal["valid", "none", "invalid"]
Perform = Callable[[Call], HttpResponse]

_CORS = {
    "access-control-allow-origin": "*",
    "vary": "origin, access-control-request-method, access-control-request-headers",
}
_PREFLIGHT = {
    "access-control-allow-methods": "GET,POST,PUT,PATCH",
    "access-control-allow-headers": "content-type,authorization",
}


@dataclass(slots=True)
class Service:
    """Everything that a running Comp-AI holds.

    `perform` runs an operation; a wrong twin brings its own.
    """

    settings: Settings
    database: Database
    keycloak: Keycloak
    rate_limit: RateLimit
    perform: Perform

    def respond(self, request: HttpRequest, *, now: datetime) -> HttpResponse:
        return with_cors(self._without_cors(request, now))

    def _without_cors(self, request: HttpRequest, now: datetime) -> HttpResponse:
        route = match_route(request.method, request.url_path)
        allow = {} if route is None else {"allow": route.allow}
        if request.method == "OPTIONS":
            return empty_answer(200, _PREFLIGHT | allow)
        if request.url_path not in UNLIMITED_PATHS and self.rate_limit.refuses(
            caller_key(request.headers), now
        ):
            # A wrong method is told so even when it is refused for its number.
            wrong_method = route is not None and route.operation_id is None
            return self.too_many_requests(allow if wrong_method else {})
        if route is None:
            return empty_answer(404)
        if route.operation_id is None:
            return empty_answer(405, allow)
        return self._operate(route, route.operation_id, request, now)

    def _operate(
        self, route: Match, operation_id: str, request: HttpRequest, now: datetime
    ) -> HttpResponse:
        operation = OPERATIONS.get(operation_id)
        if operation is None:
            # Comp-AI never answers 501, so nobody can mistake this for its behaviour.
            return error_answer(501, f"{operation_id} is not simulated")
        try:
            path = path_integers(route.captured)
            query = query_values(request.query, operation.query) if operation.query else {}
            content_type = request.headers.get("content-type")
            body = json_body(content_type, request.body, operation.body) if operation.body else {}
        except RejectedError as rejected:
            return text_answer(rejected.status, rejected.text)
        subject = "unknown" if operation.public else self.subject_of(request, now=now)
        if subject is None:
            return error_answer(401, "Unauthorized")
        return self.perform(
            Call(
                operation_id=operation_id,
                path=path,
                query=query,
                body=body,
                subject=subject,
                now=now,
                database=self.database,
                settings=self.settings,
            )
        )

    def subject_of(self, request: HttpRequest, *, now: datetime) -> str | None:
        token = bearer_token(request)
        return None if token is None else self.keycloak.subject_of(token, now=now)

    def token_verdict(self, request: HttpRequest, *, now: datetime) -> TokenVerdict:
        if "authorization" not in request.headers:
            return "none"
        return "invalid" if self.subject_of(request, now=now) is None else "valid"

    def too_many_requests(self, headers: dict[str, str]) -> HttpResponse:
        """Retry-After is the whole window, however much of it is left."""
        window_s = self.window_s
        body = {"error": "Too many requests", "retry_after_secs": window_s}
        return json_answer(429, body, headers | {"retry-after": str(window_s)})

    @property
    def window_s(self) -> int:
        limit = self.settings.rate_limit
        return 60 if limit is None else limit.window_s


def bearer_token(request: HttpRequest) -> str | None:
    """Exactly `Bearer ` and visible ASCII; a second blank would belong to the token."""
    value = request.headers.get("authorization", "")
    if not value.startswith("Bearer ") or not (value.isascii() and value.isprintable()):
        return None
    return value.removeprefix("Bearer ")


def with_cors(response: HttpResponse) -> HttpResponse:
    return HttpResponse(
        status=response.status, headers={**response.headers, **_CORS}, body=response.body
    )
