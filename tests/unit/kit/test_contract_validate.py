"""Judging single calls and answers: where a violation points; it never repeats a payload."""

import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from compai_kit.contract.compile import compiled
from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.load import Contract, ContractInvalidError, contract_from, load_contract
from compai_kit.contract.validate import request_violations, response_violations

SECRET = "s3cr3t-" * 8
TEST = {
    "id": 5,
    "control_id": 3,
    "name": "Branch rule is on",
    "test_type": "github_branch_protection",
    "schedule": None,
    "last_run_at": None,
    "last_result": None,
    "last_details": None,
    "created_at": "2026-10-01T08:00:00.250Z",
    "updated_at": "2026-10-01T08:00:00Z",
}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


def get(path: str, query: str = "", **headers: str) -> HttpRequest:
    bearer = {"authorization": "Bearer abc", **headers}
    return HttpRequest(method="GET", url_path=path, query=query, headers=bearer)


def post(
    body: bytes,
    path: str = "/api/v1/controls/3/tests/5/result",
    content_type: str = "application/json",
) -> HttpRequest:
    headers = {"authorization": "Bearer abc", "content-type": content_type}
    return HttpRequest(method="POST", url_path=path, headers=headers, body=body)


def answer(body: object, status: int = 200, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=sent, body=content)


def texts(violations: list[Any]) -> list[str]:
    return [str(violation) for violation in violations]


class TestRequests:
    @pytest.mark.parametrize(
        "request_",
        [
            get("/api/v1/tests"),
            get("/api/v1/tests", "control_id=3"),
            get("/api/v1/tests", "control_id=-9223372036854775808"),
            get("/api/v1/tests", "control_id=%2B003"),
            get("/api/v1/tests", "limit=x&access_token=y"),  # unknown keys are ignored
            get("/api/v1/controls/+005/tests"),
            get("/api/v1/evidence", "limit=0&offset=4294967295"),
            get("/api/v1/controls/gaps", "control_id=abc"),  # has no query at all
            replace(get("/api/v1/tests"), method="HEAD"),
            HttpRequest(method="GET", url_path="/health"),
            post(b'{"result": "pass"}'),
            post(b'{"result": "pass", "details": null, "extra": [1]}'),
            post(b'{"result": "pass"}', content_type="Application/JSON; charset=utf-8"),
        ],
    )
    def test_a_good_request_has_no_violations(
        self, contract: Contract, request_: HttpRequest
    ) -> None:
        assert request_violations(contract, request_) == []

    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            (get("/api/v1/nope"), "operation: no operation answers GET /api/v1/nope"),
            (
                HttpRequest(method="GET", url_path="/api/v1/tests"),
                "security: a bearer token is required, there is no Authorization header",
            ),
            (get("/api/v1/tests", "control_id=1&control_id=2"), "query/control_id: given 2 times"),
            (get("/api/v1/tests", "control_id="), "query/control_id: is not an integer"),
            (get("/api/v1/tests", "control_id=+3"), "query/control_id: is not an integer"),
            (get("/api/v1/tests", "control_id=1_0"), "query/control_id: is not an integer"),
            (get("/api/v1/tests", "control_id=%D9%A3"), "query/control_id: is not an integer"),
            (
                get("/api/v1/tests", "control_id=9223372036854775808"),
                "query/control_id: is greater than the maximum of 9223372036854775807",
            ),
            (get("/api/v1/evidence", "limit=-1"), "query/limit: is less than the minimum of 0"),
            (
                get("/api/v1/evidence", "offset=4294967296"),
                "query/offset: is greater than the maximum of 4294967295",
            ),
            (get("/api/v1/controls/abc/tests"), "path/id: is not an integer"),
            (get("/api/v1/controls/1.5/tests"), "path/id: is not an integer"),
            (
                get(f"/api/v1/controls/{'9' * 300}/tests"),
                "path/id: is greater than the maximum of 9223372036854775807",
            ),
            (
                post(b'{"result": "pass"}', "/api/v1/controls/3/tests/x/result"),
                "path/test_id: is not an integer",
            ),
            (
                post(b'{"result": "passed"}'),
                'body/result: is none of "pass", "fail", "skipped" (seen: passed)',
            ),
            (post(b"{}"), "body: lacks the field result"),
            (post(b""), "body: is missing"),
            (post(b"[]"), 'body: is not of type "object"'),
            (post(b'{"result": "pass"'), "body: is not JSON: Input data was truncated"),
            (
                post(b'{"result": "pass"} x'),
                "body: is not JSON: JSON is malformed: trailing characters (byte 20)",
            ),
            (
                post(b'\xef\xbb\xbf{"result": "pass"}'),
                "body: is not JSON: JSON is malformed: invalid character (byte 0)",
            ),
            (
                post(b'{"result": "pass", "details": "\xff"}'),
                "body: is not JSON: a string is not UTF-8",
            ),
            (post(b'{"result":"pass","result":"fail"}'), "body: has the field result twice"),
            (
                post(b'{"result": "pass"}', content_type="text/plain"),
                "header/content-type: text/plain is not documented for this request; "
                "documented: application/json",
            ),
            (
                HttpRequest(
                    method="POST",
                    url_path="/api/v1/controls/3/tests/5/result",
                    headers={"authorization": "Bearer abc"},
                    body=b'{"result": "pass"}',
                ),
                "header/content-type: is missing for this request; documented: application/json",
            ),
        ],
    )
    def test_a_bad_request_has_the_violation(
        self, contract: Contract, request_: HttpRequest, expected: str
    ) -> None:
        assert texts(request_violations(contract, request_)) == [expected]

    @pytest.mark.parametrize(
        "value", ["", "Bearer", "Bearer ", "bearer abc", "Bearer  abc", "Basic abc", "abc"]
    )
    def test_anything_but_a_bearer_token_breaks_the_security_rule(
        self, contract: Contract, value: str
    ) -> None:
        [violation] = request_violations(contract, get("/api/v1/tests", authorization=value))
        assert violation.pointer == "security"
        assert violation.message == (
            "a bearer token is required, Authorization is not `Bearer <token>`"
        )

    def test_blanks_after_the_token_are_not_part_of_it(self, contract: Contract) -> None:
        assert request_violations(contract, get("/health", authorization="Bearer abc ")) == []

    def test_a_deeply_nested_body_is_refused_and_does_not_crash(self, contract: Contract) -> None:
        for depth in (1_000, 3_000, 100_000):
            nested = b'{"result": "pass", "x": ' + b"[" * depth + b"]" * depth + b"}"
            assert texts(request_violations(contract, post(nested))) in (
                [],
                ["body: is not JSON: it is nested too deeply"],
            )

    def test_a_number_without_end_is_refused_and_does_not_crash(self, contract: Contract) -> None:
        endless = b'{"result": "pass", "x": ' + b"9" * 100_000 + b"}"
        [violation] = request_violations(contract, post(endless))
        assert violation.message.startswith("is not JSON: ")


class TestResponses:
    def test_a_good_answer_has_no_violations(self, contract: Contract) -> None:
        assert response_violations(contract, "listTests", answer([TEST])) == []
        assert (
            response_violations(
                contract,
                "getHealth",
                answer(
                    {
                        "status": "healthy",
                        "service": "comp-ai-service",
                        "version": "2.1",
                    }
                ),
            )
            == []
        )

    def test_a_charset_is_no_other_media_type(self, contract: Contract) -> None:
        rejected = answer(b"Invalid URL", 400, content_type="text/plain; charset=utf-8")
        assert response_violations(contract, "listTests", rejected) == []

    @pytest.mark.parametrize(
        ("response", "expected"),
        [
            (
                answer([], 418),
                "status: 418 is not documented for listTests; documented: 200, 400, 401, 429, 500",
            ),
            (
                answer(b"<html>", content_type="text/html"),
                "header/content-type: text/html is not documented for status 200; "
                "documented: application/json",
            ),
            (
                HttpResponse(status=200, body=b"[]"),
                "header/content-type: is missing for status 200; documented: application/json",
            ),
            (
                answer({"error": "Too many requests", "retry_after_secs": 60}, 429),
                "header/retry-after: is missing",
            ),
            (
                answer(
                    {"error": "Too many requests", "retry_after_secs": 60}, 429, retry_after="soon"
                ),
                "header/retry-after: is not an integer",
            ),
            (answer({"error": "Denied"}, 401), 'body/error: is not "Unauthorized" (seen: Denied)'),
            (answer(b"[{", 200), "body: is not JSON: Input data was truncated"),
            (answer(b"\xff", 400, content_type="text/plain"), "body: is not UTF-8"),
            (answer(b"", 400, content_type="text/plain"), "body: is shorter than 1 character"),
            (
                answer([{**TEST, "last_result": "error"}]),
                'body/0/last_result: is none of "pass", "fail", "skipped", null (seen: error)',
            ),
            (
                answer([{**TEST, "last_result": 1}]),
                'body/0/last_result: is not of types "null", "string"',
            ),
            (
                answer([TEST, {**TEST, "created_at": "01/10/2026"}]),
                'body/1/created_at: is not a "date-time"',
            ),
            (
                answer([{key: TEST[key] for key in TEST if key != "last_details"}]),
                "body/0: lacks the field last_details",
            ),
            (
                answer([{**TEST, "colour": "red", SECRET: 1}]),
                "body/0: has fields that the contract does not name: colour, (odd name)",
            ),
        ],
    )
    def test_a_bad_answer_has_the_violation(
        self, contract: Contract, response: HttpResponse, expected: str
    ) -> None:
        assert expected in texts(response_violations(contract, "listTests", response))

    def test_a_consumer_bears_new_fields_and_nothing_else(self, contract: Contract) -> None:
        new = answer([{**TEST, "colour": "red"}])
        assert response_violations(contract, "listTests", new, exact=False) == []
        changed = answer([{**TEST, "colour": "red", "id": "5"}])
        [violation] = response_violations(contract, "listTests", changed, exact=False)
        assert str(violation) == 'body/0/id: is not of type "integer"'

    def test_an_open_object_stays_open_inside_a_closed_one(self, contract: Contract) -> None:
        config = {"owner": "example-org", "anything": {"goes": [1]}}
        assert (
            response_violations(contract, "listTests", answer([{**TEST, "config": config}])) == []
        )

    def test_the_answer_to_head_has_no_body(self, contract: Contract) -> None:
        bare = answer(b"")
        assert response_violations(contract, "listTests", bare, method="HEAD") == []
        [violation] = response_violations(contract, "listTests", answer([]), method="HEAD")
        assert str(violation) == "body: the answer to HEAD must have none"
        html = answer(b"", content_type="text/html")
        assert response_violations(contract, "listTests", html, method="HEAD") != []

    def test_no_message_repeats_what_was_judged(self, contract: Contract) -> None:
        broken = dict.fromkeys(TEST, SECRET) | {SECRET: SECRET}
        for body in ([broken], {"error": SECRET}, SECRET, [SECRET], [[SECRET]]):
            for status in (200, 400, 401, 500):
                for violation in response_violations(contract, "listTests", answer(body, status)):
                    assert SECRET not in violation.message
        for body in (broken, {"result": SECRET}, SECRET):
            for violation in request_violations(contract, post(json.dumps(body).encode())):
                assert SECRET not in str(violation)

    def test_a_hopeless_answer_is_not_reported_row_by_row(self, contract: Contract) -> None:
        violations = response_violations(contract, "listTests", answer([{}] * 1000))
        assert len(violations) == 21
        assert str(violations[-1]) == "body: more than 20 violations; the rest is left out"


class TestWhatCannotBeJudged:
    """Loud instead of silently not judged."""

    @pytest.fixture
    def document(self) -> dict[str, Any]:
        return copy.deepcopy(load_contract().document)

    def test_composed_objects(self, document: dict[str, Any]) -> None:
        health = document["components"]["schemas"]["Health"]
        document["components"]["schemas"]["Health"] = {"allOf": [health, {"required": ["extra"]}]}
        contract = contract_from(document, source="contract.yaml")
        with pytest.raises(ContractInvalidError, match="a response uses allOf"):
            compiled(contract)

    def test_parameters_of_other_types(self, document: dict[str, Any]) -> None:
        document["components"]["parameters"]["ControlIdFilter"]["schema"] = {"type": "array"}
        contract = contract_from(document, source="contract.yaml")
        with pytest.raises(ContractInvalidError, match="parameter control_id is 'array', not one"):
            compiled(contract)

    def test_a_header_whose_schema_is_wrong(self, document: dict[str, Any]) -> None:
        document["components"]["headers"]["RetryAfter"]["schema"]["minimum"] = "x"
        contract = contract_from(document, source="contract.yaml")
        with pytest.raises(ContractInvalidError, match="listTests: a schema is not valid"):
            compiled(contract)

    def test_other_security_than_bearer(self, document: dict[str, Any]) -> None:
        document["components"]["securitySchemes"]["bearerToken"] = {
            "type": "apiKey",
            "in": "header",
            "name": "x-key",
        }
        contract = contract_from(document, source="contract.yaml")
        with pytest.raises(ContractInvalidError, match="security scheme bearerToken is not bearer"):
            compiled(contract)


def test_judging_a_call_costs_less_than_five_milliseconds(contract: Contract) -> None:
    """The simulator judges every call that it serves; 100 rows are the longest page of evidence."""
    rows = answer([TEST] * 100)
    asked = post(b'{"result": "pass", "details": "fine"}')
    compiled(contract)
    start = time.perf_counter()
    for _ in range(50):
        assert request_violations(contract, asked) == []
        assert response_violations(contract, "listTests", rows) == []
    assert (time.perf_counter() - start) / 50 < 0.005


def test_eight_threads_may_judge_at_once(contract: Contract) -> None:
    good, bad = answer([TEST] * 20), answer([{**TEST, "id": "5"}])
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(
            pool.map(
                lambda n: bool(response_violations(contract, "listTests", bad if n % 2 else good)),
                range(400),
            )
        )
    assert verdicts == [bool(n % 2) for n in range(400)]
