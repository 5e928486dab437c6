"""Tokens: fetched once, renewed in time and once for all threads, never replaced in silence."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from compai_client import (
    ClientCredentials,
    ClientSettings,
    CompAI,
    CompAIError,
    NoAnswerError,
    TokenError,
    TokenSource,
    UnauthorizedError,
)
from compai_client._auth import KeycloakTokens
from compai_client._keycloak import Grant

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])

TOKEN_PATH = "/auth/realms/lianel/protocol/openid-connect/token"


class Fetches:
    """Grants token 1, 2, 3 …; raises what is in `errors` first."""

    def __init__(self, life_s: int = 300) -> None:
        self.count = 0
        self.life_s = life_s
        self.errors: list[TokenError] = []

    def __call__(self) -> Grant:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return Grant(access_token=f"token-{self.count}", expires_in=self.life_s)


@pytest.mark.parametrize(
    ("life_s", "used_s"), [(300, 270), (3600, 3570), (150, 120), (100, 80), (5, 4), (1, 0.8)]
)
def test_a_token_is_used_until_30_s_or_a_fifth_of_its_life_before_its_end(
    life_s: int, used_s: float, time: Any
) -> None:
    fetch = Fetches(life_s)
    tokens = KeycloakTokens(fetch, time.clock)
    assert tokens.current() == "token-1"
    time.seconds += used_s - 0.01
    assert tokens.current() == "token-1"
    time.seconds += 0.02
    assert tokens.current() == "token-2"
    assert fetch.count == 2


def test_the_life_of_a_token_counts_from_the_question_not_from_the_answer(time: Any) -> None:
    fetch = Fetches(100)

    def slow() -> Grant:
        grant = fetch()
        time.seconds += 30
        return grant

    tokens = KeycloakTokens(slow, time.clock)
    tokens.current()
    time.seconds += 51
    assert tokens.current() == "token-2"


def test_only_the_current_token_is_replaced(time: Any) -> None:
    fetch = Fetches()
    tokens = KeycloakTokens(fetch, time.clock)
    assert tokens.current() == "token-1"
    assert tokens.replace("token-1") == "token-2"
    assert tokens.replace("token-1") == "token-2"
    assert (tokens.current(), fetch.count) == ("token-2", 2)


def test_a_failed_renewal_leaves_no_old_token_behind(time: Any) -> None:
    fetch = Fetches()
    tokens = KeycloakTokens(fetch, time.clock)
    tokens.current()
    fetch.errors = [TokenError("down", permanent=False)]
    with pytest.raises(TokenError, match="down"):
        tokens.replace("token-1")
    assert tokens.current() == "token-3"


class CountedLock:
    """A lock that tells how many threads have come to it."""

    def __init__(self) -> None:
        self.arrivals = threading.Semaphore(0)
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        self.arrivals.release()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def test_threads_that_waited_share_one_failure(time: Any) -> None:
    """A dead Keycloak is asked once, not once per thread in turn."""
    lock, count = CountedLock(), 0

    def fetch() -> Grant:
        nonlocal count
        count += 1
        for _ in range(8):
            assert lock.arrivals.acquire(timeout=5)
        raise TokenError("down", permanent=False)

    tokens = KeycloakTokens(fetch, time.clock)
    tokens._lock = lock  # type: ignore[assignment]  # all that is used of a lock
    with ThreadPoolExecutor(8) as pool:
        errors = [call.exception() for call in [pool.submit(tokens.current) for _ in range(8)]]
    assert [str(error) for error in errors] == ["down"] * 8
    assert len({id(error) for error in errors}) == 8
    assert count == 1


class Service:
    """A Comp-AI and its Keycloak; tokens count up and can be revoked."""

    def __init__(self, *, recognises: bool = True) -> None:
        self.lock = threading.Lock()
        self.fetches = 0
        self.valid: set[str] = set()
        self.answers: list[int] = []
        self.seen: list[Request] = []
        self.recognises = recognises

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        body = request.get_data()
        with self.lock:
            self.seen.append(request)
            if request.path == TOKEN_PATH:
                assert b"client_secret=the+secret%26" in body
                self.fetches += 1
                token = f"h.p{self.fetches}.s"
                self.valid.add(token)
                grant = f'{{"access_token":"{token}","expires_in":300,"token_type":"bearer"}}'
                return Response(grant, content_type="application/json")(environ, start)
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            known = token in self.valid and self.recognises
            self.answers.append(200 if known else 401)
        body = b"[]" if known else b'{"error":"Unauthorized"}'
        return Response(body, 200 if known else 401, content_type="application/json")(
            environ, start
        )


def credentials(url: str) -> ClientCredentials:
    return ClientCredentials(
        keycloak_url=f"{url}/auth/",
        realm="lianel",
        client_id="airflow",
        client_secret="the secret&",
    )


def test_eight_threads_after_a_revocation_fetch_one_token(serve: Callable[..., str]) -> None:
    service = Service()
    url = serve(service)
    with CompAI(url, auth=credentials(url)) as client, ThreadPoolExecutor(8) as pool:
        assert client.list_tests() == []
        service.valid.clear()
        service.answers.clear()
        together = threading.Barrier(8)

        def call(_: int) -> list[Any]:
            together.wait(5)
            return client.list_tests()

        assert list(pool.map(call, range(8))) == [[]] * 8
    assert service.fetches == 2
    assert service.answers.count(200) == 8
    assert 1 <= service.answers.count(401) <= 8


def test_a_401_in_the_middle_is_answered_with_a_fresh_token_without_waiting(
    serve: Callable[..., str], connect: Any, time: Any
) -> None:
    service = Service()
    url = serve(service)
    client = connect(url, auth=credentials(url), settings={"tries": 1})
    client.list_tests()
    service.valid.clear()
    assert client.list_gaps() == []
    assert (service.answers, service.fetches, time.waits) == ([200, 401, 200], 2, [])


@pytest.mark.parametrize("first", [401, 503])
def test_a_401_is_not_one_of_the_tries(
    first: int, serve: Callable[..., str], script: Any, connect: Any
) -> None:
    order = [(first, {"error": "Unauthorized"}), (401 + 503 - first, {"error": "Unauthorized"})]
    server = script(*order, (200, []))
    client = connect(server.url, auth=credentials(serve(Service())), settings={"tries": 2})
    assert client.list_gaps() == []
    assert len(server.requests) == 3


def test_a_fresh_token_that_is_refused_too_ends_the_call(
    serve: Callable[..., str], connect: Any
) -> None:
    service = Service(recognises=False)
    url = serve(service)
    with pytest.raises(
        UnauthorizedError, match="A token fetched just now was refused as well"
    ) as caught:
        connect(url, auth=credentials(url)).list_tests()
    assert (service.answers, service.fetches, caught.value.attempt) == ([401, 401], 2, 2)


def test_a_fixed_token_is_not_renewed(script: Any, connect: Any) -> None:
    server = script((401, {"error": "Unauthorized"}))
    with pytest.raises(UnauthorizedError, match="A fixed token cannot be renewed") as caught:
        connect(server.url).list_tests()
    assert (len(server.requests), caught.value.attempt) == (1, 1)


def test_a_token_that_expires_during_a_wait_is_renewed_before_the_next_try(
    serve: Callable[..., str], script: Any, connect: Any, time: Any
) -> None:
    service = Service()
    limited = {"error": "Too many requests", "retry_after_secs": 60}
    server = script((429, limited, {"retry_after": "60"}), (200, []))
    client = connect(server.url, auth=credentials(serve(service)))
    client._tokens.current()
    time.seconds += 220
    client.list_tests()
    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == ["Bearer h.p1.s", "Bearer h.p2.s"]


# --- what the token endpoint may answer instead of a token ------------------------------------

HTML = ("<html><title>Sign in</title></html>", {"content_type": "text/html"})
NEVER: list[float] = []
REFUSALS: dict[str, tuple[tuple[Any, ...], bool, list[float], str]] = {
    "wrong secret": (
        (401, {"error": "unauthorized_client", "error_description": "Invalid client"}),
        True, NEVER, 'Keycloak refuses the client "airflow": correct client_secret',
    ),
    "no such client": (
        (401, {"error": "invalid_client"}), True, NEVER,
        'no enabled client "airflow": correct client_id',
    ),
    "wrong realm": (
        (404, {"error": "Realm does not exist"}), True, NEVER, 'no realm "lianel": correct realm',
    ),
    "another 404": ((404, None), True, NEVER, "set keycloak_url to {url}/auth"),
    "405": (
        (405, {"error": "HTTP 405 Method Not Allowed"}), True, NEVER,
        "set keycloak_url to {url}/auth",
    ),
    "login page": ((200, *HTML), True, NEVER, "set keycloak_url to {url}/auth"),
    "other refusal": (
        (400, {"error": "invalid_scope"}), True, NEVER, "Check realm, client_id and client_secret",
    ),
    "redirect": (
        (302, None, {"location": "https://sso.example/auth?state=x"}), True, NEVER,
        "set keycloak_url to the address that answers itself (it points to https://sso.example/auth)",
    ),
    "other JSON": ((200, {"status": "ok"}), True, NEVER, "no JSON object with access_token"),
    "no life": (
        (200, {"access_token": "a.b.c", "expires_in": 0}), True, NEVER, "a positive expires_in",
    ),
    "token with a blank": (
        (200, {"access_token": "a b", "expires_in": 9}), True, NEVER, "access_token holds a blank",
    ),
    "other scheme": (
        (200, {"access_token": "a.b.c", "expires_in": 9, "token_type": "DPoP"}),
        True, NEVER, "token_type is not Bearer",
    ),
    "cut": (
        (200, '{"access_token": "x', {"content_type": "application/json"}), True, NEVER,
        "no JSON object",
    ),
    "500": ((500, {"error": "unknown_error"}), False, [1.0, 2.0, 4.0], "try again later"),
    "502 page": ((502, *HTML), False, [1.0, 2.0, 4.0], "try again later"),
    "429": ((429, None, {"retry_after": "5"}), False, [5.0, 5.0, 5.0], "try again later"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "permanent", "waits", "fix"), REFUSALS.values(), ids=REFUSALS)
def test_token_endpoint_that_gives_no_token(
    given: Any, permanent: bool, waits: Any, fix: str, script: Any, connect: Any, time: Any
) -> None:
    keycloak, comp_ai = script(given), script((200, []))
    auth = ClientCredentials(
        keycloak_url=keycloak.url, realm="lianel", client_id="airflow", client_secret="the secret&"
    )
    with pytest.raises(TokenError) as caught:
        connect(comp_ai.url, auth=auth).list_tests()
    text = str(caught.value)
    assert fix.format(url=keycloak.url) in text
    assert f"no token from POST {keycloak.url}/realms/lianel/protocol" in text
    assert (caught.value.permanent, caught.value.status) == (permanent, given[0])
    assert time.waits == waits
    assert len(keycloak.requests) == len(waits) + 1
    assert comp_ai.requests == []


def test_a_keycloak_that_is_down_is_a_token_error_not_an_answer_of_comp_ai(
    connect: Any, time: Any, serve: Any
) -> None:
    auth = credentials("http://127.0.0.1:1")
    with pytest.raises(TokenError, match=r"no connection to 127\.0\.0\.1:1") as caught:
        connect("http://127.0.0.1:1", auth=auth).list_tests()
    assert not isinstance(caught.value, NoAnswerError)
    assert (caught.value.permanent, caught.value.status, time.waits) == (
        False,
        None,
        [1.0, 2.0, 4.0],
    )


def test_a_refusal_under_auth_suggests_to_leave_it_out(script: Any, connect: Any) -> None:
    keycloak = script((404, None))
    with pytest.raises(TokenError, match="perhaps without its /auth"):
        connect(keycloak.url, auth=credentials(keycloak.url)).list_tests()


def test_neither_secret_nor_token_is_in_any_error(script: Any, connect: Any) -> None:
    """The server repeats what it was sent, in every spelling."""
    echo = "the secret& the+secret%26 the%20secret%26"
    keycloak = script((401, {"error": echo, "error_description": echo}))
    with pytest.raises(TokenError) as caught:
        connect(keycloak.url, auth=credentials(keycloak.url)).list_tests()
    assert "secret&" not in str(caught.value)
    assert "secret%26" not in str(caught.value)
    assert "*** *** ***" in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 503])
@pytest.mark.parametrize("media", ["application/json", "text/plain", "text/html"])
def test_an_echoed_token_is_masked(status: int, media: str, script: Any, connect: Any) -> None:
    body = '{"error":"got h.p1.s","detail":"Bearer h.p1.s"}'
    if media == "text/html":
        body = "<html><title>h.p1.s</title></html>"
    keycloak = script((200, {"access_token": "h.p1.s", "expires_in": 300}))
    comp_ai = script((status, body, {"content_type": media}))
    auth = ClientCredentials(
        keycloak_url=keycloak.url, realm="lianel", client_id="airflow", client_secret="x"
    )
    with pytest.raises(CompAIError, match=r"\*\*\*") as caught:
        connect(comp_ai.url, auth=auth).list_tests()
    assert "h.p1.s" not in f"{caught.value} {vars(caught.value)}"


def test_the_token_request_is_the_one_that_keycloak_was_recorded_with(script: Any) -> None:
    keycloak = script((200, {"access_token": "a.b.c", "expires_in": 300}))
    auth = ClientCredentials(
        keycloak_url=keycloak.url, realm="a/b c", client_id="airflow", client_secret="s"
    )
    with CompAI("http://127.0.0.1:1", auth=auth, settings=ClientSettings()) as client:
        client._tokens.current()
    [request] = keycloak.requests
    assert request.environ["RAW_URI"] == "/realms/a%2Fb%20c/protocol/openid-connect/token"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.get_data() == b"grant_type=client_credentials&client_id=airflow&client_secret=s"
    assert "Authorization" not in request.headers


# --- tokens for other systems ------------------------------------------------------------------


def test_a_token_source_keeps_renews_and_replaces_as_the_client_does(
    serve: Callable[..., str], time: Any
) -> None:
    service = Service()
    with TokenSource(credentials(serve(service)), settings=time.settings()) as tokens:
        assert (tokens.current(), tokens.current(), service.fetches) == ("h.p1.s", "h.p1.s", 1)
        assert tokens.replace("h.p1.s") == "h.p2.s"
        time.seconds += 271
        assert (tokens.current(), service.fetches) == ("h.p3.s", 3)


def test_a_token_source_tells_what_to_correct(script: Any, time: Any) -> None:
    keycloak = script((401, {"error": "unauthorized_client"}))
    with (
        TokenSource(credentials(keycloak.url), settings=time.settings()) as tokens,
        pytest.raises(TokenError, match="correct client_secret") as caught,
    ):
        tokens.current()
    assert caught.value.permanent
    assert "the secret" not in str(caught.value)
