"""Base URL and prefix: each mistake of record, and the setting that the message tells to use.

The two layouts are those of the deployment: the service itself, and a public proxy that serves
Comp-AI below /api/v1/comp-ai while /api/v1/tests belongs to another service.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from compai_client import (
    BaseUrlError,
    ClientCredentials,
    ForbiddenError,
    NoAnswerError,
    ServerError,
    TokenError,
    UnauthorizedError,
    UnknownStatusError,
    WrongShapeError,
)

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])

HEALTH = '{"service":"comp-ai-service","status":"healthy","version":"1.0.0"}'
LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def answer(status: int, body: str = "", media: str | None = "application/json") -> Response:
    response = Response(body, status)
    if media is None:
        del response.headers["Content-Type"]
    else:
        response.headers["Content-Type"] = media
    return response


EMPTY_404 = (404, "", None)


class Host:
    """Serves a table of paths; everything else is `default`. Keeps what was asked."""

    def __init__(self, paths: dict[str, Any], default: Any = EMPTY_404) -> None:
        self.paths = paths
        self.default = default
        self.asked: list[tuple[str, bool]] = []

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        self.asked.append((request.full_path.rstrip("?"), "Authorization" in request.headers))
        return answer(*self.paths.get(request.path, self.default))(environ, start)


def direct() -> Host:
    return Host({"/health": (200, HEALTH), "/api/v1/tests": (200, "[]")})


def public(default: Any = (404, '{"message":"Cannot GET"}')) -> Host:
    """The proxy makes /api/v1/X of /api/v1/comp-ai/X; Comp-AI knows no doubled prefix."""
    return Host(
        {
            "/api/v1/comp-ai/health": (200, HEALTH),
            "/api/v1/comp-ai/tests": (200, "[]"),
            "/api/v1/comp-ai/api/v1/tests": EMPTY_404,
        },
        default,
    )


@pytest.mark.parametrize(
    ("make", "prefix", "asked"),
    [
        (direct, "/api/v1", ["/health", "/api/v1/tests?control_id=0"]),
        (direct, "/api/v1/", ["/health", "/api/v1/tests?control_id=0"]),
        (
            public,
            "/api/v1/comp-ai",
            ["/api/v1/comp-ai/health", "/api/v1/comp-ai/tests?control_id=0"],
        ),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_right_base_url_costs_two_requests_and_one_token(
    make: Callable[[], Host], prefix: str, asked: list[str], slash: str, serve: Any, connect: Any
) -> None:
    host = make()
    connect(serve(host) + slash, api_prefix=prefix).check_base_url()
    assert host.asked == [(asked[0], False), (asked[1], True)]


def test_a_base_url_that_holds_the_whole_prefix_is_right_too(serve: Any, connect: Any) -> None:
    connect(f"{serve(public())}/api/v1/comp-ai", api_prefix="").check_base_url()


MISTAKES: dict[str, tuple[Callable[[], Host], str, str, str, str]] = {
    # host, tail of base_url, api_prefix, what it means, the fix
    "the prefix twice, in its own network": (
        direct, "/api/v1", "/api/v1",
        "The prefix is doubled: base_url must end before /api/v1",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1": set these',
    ),
    "the prefix twice, through the proxy": (
        public, "/api/v1/comp-ai", "/api/v1",
        "The prefix is doubled: base_url must end before /api/v1",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1/comp-ai": set these',
    ),
    "the prefix twice and whole": (
        public, "/api/v1/comp-ai", "/api/v1/comp-ai",
        "The prefix is doubled: base_url must end before /api/v1",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1/comp-ai": set these',
    ),
    "the proxy's prefix missing, another service answers": (
        lambda: public((401, '{"message":"Unauthorized"}')), "", "/api/v1",
        "Another service answers: the prefix is missing or wrong",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1/comp-ai": set these',
    ),
    "the proxy's prefix missing, its list": (
        lambda: public((200, '{"data":[]}')), "", "/api/v1",
        "Another service answers: the prefix is missing or wrong",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1/comp-ai": set these',
    ),
    "the proxy's prefix in its own network": (
        direct, "", "/api/v1/comp-ai",
        "Nothing answers under this path: the prefix is missing or wrong",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1": set these',
    ),
    "no prefix": (
        direct, "", "",
        "Comp-AI is there, but not under this prefix",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1": set these',
    ),
    "another path": (
        direct, "/compliance", "/api/v1",
        "Nothing answers under this path: the prefix is missing or wrong, or base_url is",
        'In Comp-AI\'s own network use its address with api_prefix "/api/v1"; through the public '
        'proxy use api_prefix "/api/v1/comp-ai"',
    ),
    "login page": (
        lambda: Host({}, (200, LOGIN, "text/html")), "", "/api/v1",
        "A web page answers, such as a login form",
        'In Comp-AI\'s own network use its address with api_prefix "/api/v1"',
    ),
    "login page before a proxy": (
        lambda: public((200, LOGIN, "text/html")), "", "/api/v1",
        "A web page answers, such as a login form",
        'Comp-AI answers at base_url "{url}" with api_prefix "/api/v1/comp-ai": set these',
    ),
    "another service altogether": (
        lambda: Host(direct().paths | {"/health": (200, HEALTH.replace("comp-ai", "profile"))}),
        "", "/api/v1",
        'the health answer names the service "profile-service". Another service answers',
        "In Comp-AI's own network",
    ),
    "another service, plain text": (
        lambda: Host({}, (200, "ok", "text/plain")), "", "/api/v1",
        "Another service answers",
        "In Comp-AI's own network",
    ),
    "forbidden by a proxy": (
        lambda: Host({}, (403, LOGIN, "text/html")), "", "/api/v1",
        "Another service answers",
        "In Comp-AI's own network",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "tail", "prefix", "meaning", "fix"), MISTAKES.values(), ids=MISTAKES
)
def test_a_mistake_is_named_with_its_fix(
    make: Callable[[], Host],
    tail: str,
    prefix: str,
    meaning: str,
    fix: str,
    serve: Any,
    connect: Any,
) -> None:
    host = make()
    url = serve(host)
    with pytest.raises(BaseUrlError) as caught:
        connect(url + tail, api_prefix=prefix).check_base_url()
    text = str(caught.value)
    assert text.startswith(f'base_url "{url}{tail}" with api_prefix "{prefix}" does not lead to')
    assert meaning in text
    assert fix.format(url=url) in text
    assert len(host.asked) <= 4
    assert [path for path, token in host.asked if token] == [host.asked[1][0]]


def test_http_that_redirects_to_https_is_named(serve: Any, connect: Any) -> None:
    class Redirecting(Host):
        def __call__(self, environ: dict[str, Any], start: Any) -> Any:
            response = answer(301, LOGIN, "text/html")
            response.headers["Location"] = f"https://127.0.0.1{environ['PATH_INFO']}"
            return response(environ, start)

    url = serve(Redirecting({}))
    with pytest.raises(
        BaseUrlError, match=r"It redirects to https://127.0.0.1/api/v1/tests: https"
    ):
        connect(url, settings={"tries": 1}).check_base_url()


def test_a_message_is_one_readable_line(serve: Any, connect: Any) -> None:
    url = serve(public())
    with pytest.raises(BaseUrlError) as caught:
        connect(f"{url}/api/v1/comp-ai").check_base_url()
    assert re.sub(r":\d+", ":PORT", str(caught.value)) == (
        'base_url "http://127.0.0.1:PORT/api/v1/comp-ai" with api_prefix "/api/v1" does not lead '
        "to Comp-AI: GET /api/v1/comp-ai/api/v1/tests gave HTTP 404, the request is rejected. The "
        "prefix is doubled: base_url must end before /api/v1, api_prefix adds it. Comp-AI answers "
        'at base_url "http://127.0.0.1:PORT" with api_prefix "/api/v1/comp-ai": set these.'
    )


# --- what is wrong with something else stays that --------------------------------------------


def test_a_refused_token_is_not_a_wrong_address(serve: Any, connect: Any) -> None:
    host = direct()
    host.paths["/api/v1/tests"] = (401, '{"error":"Unauthorized"}')
    with pytest.raises(UnauthorizedError):
        connect(serve(host)).check_base_url()


def test_a_failing_database_is_not_a_wrong_address(serve: Any, connect: Any) -> None:
    host = direct()
    host.paths["/api/v1/tests"] = (500, '{"error":"Failed to list tests"}')
    with pytest.raises(ServerError):
        connect(serve(host)).check_base_url()


def test_a_service_that_is_down_is_not_a_wrong_address(connect: Any, time: Any) -> None:
    with pytest.raises(NoAnswerError):
        connect("http://127.0.0.1:1").check_base_url()
    assert time.waits == [1.0, 2.0, 4.0]


def test_a_keycloak_that_is_wrong_is_not_a_wrong_address(serve: Any, connect: Any) -> None:
    auth = ClientCredentials(
        keycloak_url=serve(Host({})), realm="lianel", client_id="airflow", client_secret="x"
    )
    with pytest.raises(TokenError):
        connect(serve(direct()), auth=auth).check_base_url()


@pytest.mark.parametrize(
    ("probe", "error"),
    [
        ((403, LOGIN, "text/html"), ForbiddenError),
        ((200, '{"data":[]}'), WrongShapeError),
        ((206, "[]"), UnknownStatusError),
    ],
)
def test_what_comp_ai_itself_or_its_guard_answers_is_not_a_wrong_address(
    probe: Any, error: Any, serve: Any, connect: Any
) -> None:
    host = direct()
    host.paths["/api/v1/tests"] = probe
    with pytest.raises(error):
        connect(serve(host)).check_base_url()


@pytest.mark.parametrize(
    "health",
    [EMPTY_404, (200, LOGIN, "text/html"), (200, '{"status":"up"}'), (502, LOGIN, "text/html")],
)
def test_a_proxy_that_keeps_health_to_itself_is_no_mistake(
    health: Any, serve: Any, connect: Any
) -> None:
    """The DAGs never need the health; only a service that gives another name is another service."""
    host = direct()
    host.paths["/health"] = health
    connect(serve(host)).check_base_url()
