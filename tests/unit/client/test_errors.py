"""The tree of errors and the text of each; a message is part of the interface."""

import copy
import pickle
from typing import Any

import pytest

import compai_client
from compai_client import ScanDocument
from compai_client import _errors as errors
from compai_client._errors import CallError, CompAIError

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])


def drawn_tree() -> dict[str, str]:
    """Class -> parent, as the module's docstring draws it."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("├─", "  ").replace("└─", "  ").replace("│", " ").split()
        if not words or not words[0].endswith("Error"):
            continue
        depth = line.index(words[0])
        path = [entry for entry in path if entry[0] < depth]
        parents[words[0]] = path[-1][1] if path else "Exception"
        path.append((depth, words[0]))
    return parents


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    real = {
        name: kind.__mro__[1].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, CompAIError)
    }
    assert drawn_tree() == real


def test_every_error_is_public_and_has_a_docstring() -> None:
    for name in drawn_tree():
        assert name in compai_client.__all__
        assert getattr(errors, name).__doc__


FACTS: dict[str, Any] = {
    "operation": "listTests",
    "method": "GET",
    "path": "/api/v1/tests",
    "status": 500,
    "attempt": 4,
}
MADE: list[CompAIError] = [
    errors.SettingsError("token", "is empty"),
    errors.BaseUrlError("wrong place"),
    errors.TokenError("none", permanent=True, status=401),
    CallError(**FACTS, error="e", detail="d", hint="Do this"),
    errors.NoAnswerError(processed="no", **FACTS),
    errors.RateLimitedError(retry_after_s=60.0, **FACTS),
    errors.RedirectedError(location="http://a", **FACTS),
    errors.PartlyCreatedError(created_before_error=2, **FACTS),
    errors.WrongMediaTypeError(media_type=None, **FACTS),
    errors.WrongShapeError(pointer="$", **FACTS),
    errors.HtmlAnswerError(**FACTS),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_can_be_copied_and_pickled(error: CompAIError) -> None:
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    for twin in (copy.copy(error), pickled):
        assert type(twin) is type(error)
        assert (str(twin), vars(twin)) == (str(error), vars(error))


def test_the_text_names_everything_in_one_line() -> None:
    error = CallError(**FACTS, error="e", detail="d", hint="Do this")
    assert str(error) == "listTests GET /api/v1/tests: failed (HTTP 500, attempt 4): e / d. Do this"
    assert str(CallError(**(FACTS | {"status": None}))) == (
        "listTests GET /api/v1/tests: failed (no status, attempt 4)"
    )


HTML = "<html><title>Sign in</title></html>"
PAGE = {"content_type": "text/html"}
SERVER_TEXTS: dict[str, tuple[tuple[Any, ...], str]] = {
    "401": (
        (401, {"error": "Unauthorized"}),
        "the token is refused (HTTP 401, attempt 1): Unauthorized. A fixed token cannot be "
        "renewed: it is expired, revoked or of another realm, or Comp-AI cannot reach its Keycloak "
        "(it answers 401 for all of these)",
    ),
    "403": (
        (403, HTML, PAGE),
        'forbidden (HTTP 403, attempt 1): a web page titled "Sign in". Comp-AI itself never '
        "answers 403: something in front of it, or another service, refuses",
    ),
    "404 of the service": (
        (404, {"error": "Test not found"}),
        "the request is rejected (HTTP 404, attempt 1): Test not found",
    ),
    "404 of an unknown path": (
        (404, None),
        "the request is rejected (HTTP 404, attempt 1). Comp-AI answers so to an unknown path: "
        "check the base URL and the prefix",
    ),
    "422": (
        (422, "Failed to deserialize the JSON body into the target type: x"),
        "the request is rejected (HTTP 422, attempt 1): Failed to deserialize the JSON body into "
        "the target type: x",
    ),
    "429": (
        (429, {"error": "Too many requests", "retry_after_secs": 60}, {"retry_after": "60"}),
        "rate limited (HTTP 429, attempt 4): Too many requests. Gave up after 4 tries",
    ),
    "500": (
        (500, {"error": "Failed to list tests"}),
        "the server failed (HTTP 500, attempt 4): Failed to list tests. Gave up after 4 tries",
    ),
    "503 not configured": (
        (503, {"error": "GitHub integration not configured", "detail": "Set GITHUB_TOKEN"}),
        "not configured (HTTP 503, attempt 1): GitHub integration not configured / Set "
        "GITHUB_TOKEN. Set it up in Comp-AI; the client does not try again",
    ),
    "redirect": (
        (302, None, {"location": "https://sso.example/login?token=secret"}),
        "redirected (HTTP 302, attempt 1): to https://sso.example/login. Redirects are never "
        "followed: give the address that answers itself (https where http redirects, not one "
        "behind a login page)",
    ),
    "page": (
        (200, HTML, PAGE),
        'HTML instead of JSON (HTTP 200, attempt 1): a web page titled "Sign in". A proxy or a '
        "login page answered: check the base URL and the prefix",
    ),
    "text": (
        (200, "pong"),
        "not JSON (HTTP 200, attempt 1): media type text/plain. Another service may be answering: "
        "check the base URL and the prefix",
    ),
    "no media type": (
        (200, None),
        "not JSON (HTTP 200, attempt 1): media type missing. Another service may be answering: "
        "check the base URL and the prefix",
    ),
    "shape": (
        (200, {"data": []}),
        "the answer has the wrong shape (HTTP 200, attempt 1): at $: Expected `array`, got "
        "`object`. Another service may be answering, or Comp-AI no longer keeps its contract",
    ),
    "status": (
        (206, []),
        "unknown status (HTTP 206, attempt 1): []. The contract knows 200 as success",
    ),
}


@pytest.mark.parametrize(("given", "text"), SERVER_TEXTS.values(), ids=SERVER_TEXTS)
def test_text_of_an_answer(given: Any, text: str, script: Any, connect: Any) -> None:
    with pytest.raises(CallError) as caught:
        connect(script(given).url).list_tests()
    assert str(caught.value) == f"listTests GET /api/v1/tests: {text}"


def test_text_of_a_write_that_may_have_been_processed(script: Any, connect: Any) -> None:
    server = script((502, {"error": "Failed to fetch GitHub repo/commit", "detail": "fetch repo"}))
    with pytest.raises(errors.ServerError) as caught:
        connect(server.url).collect_github_evidence(
            control_id=1, owner="o", repo="r", evidence_type="last_commit"
        )
    assert str(caught.value) == (
        "collectGithubEvidence POST /api/v1/integrations/github/evidence: the server failed "
        "(HTTP 502, attempt 1): Failed to fetch GitHub repo/commit / fetch repo. "
        "Not repeated: it may have been processed"
    )


CREATED_TWO = {
    "error": "Failed to create evidence for one or more documents",
    "detail": "Created 2 before error",
}


def test_text_of_a_scan_that_stopped_half_way(script: Any, connect: Any) -> None:
    server = script((500, CREATED_TWO))
    documents = [ScanDocument(url=f"https://docs.example.com/{n}") for n in range(4)]
    with pytest.raises(errors.PartlyCreatedError) as caught:
        connect(server.url).scan_documents(control_id=1, documents=documents)
    assert caught.value.created_before_error == 2
    assert isinstance(caught.value, errors.ServerError)
    assert len(server.requests) == 1
    assert str(caught.value) == (
        "scanDocuments POST /api/v1/scan/documents: only a part was created (HTTP 500, attempt 1): "
        "Failed to create evidence for one or more documents / Created 2 before error. "
        "Not repeated: what was created stays; send only the rest"
    )


def test_text_of_a_model_that_is_not_configured(script: Any, connect: Any) -> None:
    server = script((503, {"error": "AI model not configured", "detail": "Set COMP_AI_OLLAMA_URL"}))
    with pytest.raises(errors.NotConfiguredError) as caught:
        connect(server.url).analyse_gaps()
    assert str(caught.value) == (
        "analyseGaps POST /api/v1/analysis/gaps: not configured (HTTP 503, attempt 1): AI model "
        "not configured / Set COMP_AI_OLLAMA_URL. Set it up in Comp-AI; the client does not try "
        "again"
    )


def test_a_call_without_a_token_is_not_told_to_renew_it(script: Any, connect: Any) -> None:
    with pytest.raises(errors.UnauthorizedError) as caught:
        connect(script((401, HTML, PAGE)).url).get_health()
    assert str(caught.value) == (
        "getHealth GET /health: the token is refused (HTTP 401, attempt 1): "
        'a web page titled "Sign in"'
    )


def test_a_text_that_cannot_be_sent_is_rejected_before_it_is_sent(
    script: Any, connect: Any
) -> None:
    server = script((200, []))
    with pytest.raises(errors.RejectedError, match="half of a surrogate pair") as caught:
        connect(server.url).record_test_result(
            control_id=1, test_id=2, result="pass", details="\ud800"
        )
    with pytest.raises(errors.RejectedError, match="half of a surrogate pair") as in_query:
        connect(server.url).list_controls(category="\ud800")
    for error in (caught.value, in_query.value):
        assert (error.status, error.attempt, server.requests) == (None, 0, [])
