"""The framework's rejections: which check comes first, and what is lenient."""

from __future__ import annotations

from typing import Any

import pytest

from compai_kit.simulator.operations.control_tests import RESULT_BODY
from compai_kit.simulator.operations.integrations import GITHUB_BODY
from compai_kit.simulator.operations.scan import SCAN_BODY
from compai_kit.simulator.rejections import (
    MAX_BODY_BYTES,
    RejectedError,
    json_body,
    path_integers,
    query_values,
    rust_integer,
)

JSON = "application/json"
PASSED = {"result": "pass", "details": None}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"result":"pass"}', PASSED),
        (b' \r\n\t{"result":"pass","details":null}', PASSED),
        (b'{"result":"pass"} trailing', PASSED),
        (b'{"result":"pass"}\xff', PASSED),
        (b'{"result":"pass","other":{"a":[1e3,NULL]}', None),
        (b'{"result":"pass","other":{"a":[1e3,null]}}', PASSED),
        (b'{"result":"pass","other":"\\ud800"}', PASSED),
        (b'["pass",null]', PASSED),
        (b'["pass","d"] x', {"result": "pass", "details": "d"}),
        (b'{"result":"\\ud83d\\ude00"}', {"result": "😀", "details": None}),
    ],
)
def test_what_is_read(body: bytes, expected: dict[str, Any] | None) -> None:
    if expected is None:
        with pytest.raises(RejectedError):
            json_body(JSON, body, RESULT_BODY)
    else:
        assert json_body(JSON, body, RESULT_BODY) == expected


NO_JSON = "Failed to parse the request body as JSON: "
NO_STRUCT = "Failed to deserialize the JSON body into the target type: "


@pytest.mark.parametrize(
    ("body", "status", "prefix"),
    [
        (b"", 400, NO_JSON + "EOF while parsing a value at line 1 column 0"),
        (b"   ", 400, NO_JSON),
        (b"{", 400, NO_JSON),
        (b"{'result': 'pass'}", 400, NO_JSON),
        ("\ufeff{}".encode(), 400, NO_JSON),
        (b'{"result":NaN}', 400, NO_JSON),
        (b'{"result":Infinity}', 400, NO_JSON),
        (b'{"result":1e999}', 400, NO_JSON + "number out of range"),
        (b'{"result":"a\nb"}', 400, NO_JSON),
        (b'{"result":"\xff"}', 400, NO_JSON + "result: invalid unicode code point"),
        (b'{"result":"\\ud800"}', 400, NO_JSON + "result: invalid unicode code point"),
        (b"[" * 100_000, 400, NO_JSON + "recursion limit exceeded"),
        (b'["pass","d",1]', 400, NO_JSON + "trailing characters"),
        (b"null", 422, NO_STRUCT + "invalid type: null, expected struct RecordTestResultRequest"),
        (b'"x"', 422, NO_STRUCT + "invalid type: string"),
        (
            b"[]",
            422,
            NO_STRUCT + "invalid length 0, expected struct RecordTestResultRequest with 2",
        ),
        (b'["pass"]', 422, NO_STRUCT + "invalid length 1"),
        (b"{}", 422, NO_STRUCT + "missing field `result`"),
        (b'{"result":"pass","result":"fail"}', 422, NO_STRUCT + "duplicate field `result`"),
        (b'{"result":null}', 422, NO_STRUCT + "result: invalid type: null, expected a string"),
        (b'{"result":1}', 422, NO_STRUCT + "result: invalid type: integer `1`, expected a string"),
        (b'{"result":true}', 422, NO_STRUCT + "result: invalid type: boolean `true`"),
        (b'{"result":1.5}', 422, NO_STRUCT + "result: invalid type: floating point `1.5`"),
        (b'{"result":[]}', 422, NO_STRUCT + "result: invalid type: sequence"),
        (b'{"result":"pass","details":{}}', 422, NO_STRUCT + "details: invalid type: map"),
    ],
)
def test_what_is_refused(body: bytes, status: int, prefix: str) -> None:
    with pytest.raises(RejectedError) as caught:
        json_body(JSON, body, RESULT_BODY)
    assert caught.value.status == status
    assert caught.value.text.startswith(prefix)


@pytest.mark.parametrize(
    "number", ['"1"', "1.0", "1e2", "-0", "true", "null", str(2**63), "9" * 5000]
)
def test_an_i64_of_a_body_is_an_integer_and_nothing_else(number: str) -> None:
    body = f'{{"control_id":{number},"owner":"o","repo":"r","evidence_type":"e"}}'
    with pytest.raises(RejectedError) as caught:
        json_body(JSON, body.encode(), GITHUB_BODY)
    assert caught.value.status == 422
    assert caught.value.text.startswith(NO_STRUCT + "control_id: ")


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63)])
def test_every_i64_is_taken(number: int) -> None:
    body = f'[{number},"o","r","e"]'
    assert json_body(JSON, body.encode(), GITHUB_BODY)["control_id"] == number


@pytest.mark.parametrize(
    "content_type",
    [JSON, "application/json; charset=utf-8", "application/vnd.example+json", "APPLICATION/JSON"],
)
def test_these_content_types_are_json(content_type: str) -> None:
    assert json_body(content_type, b'{"result":"pass"}', RESULT_BODY) == PASSED


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "text/json", "application/jsonx"])
def test_these_are_not_and_that_comes_before_the_size(content_type: str | None) -> None:
    with pytest.raises(RejectedError) as caught:
        json_body(content_type, b"x" * (MAX_BODY_BYTES + 1), RESULT_BODY)
    assert (caught.value.status, caught.value.text) == (
        415,
        "Expected request with `Content-Type: application/json`",
    )


def test_the_size_comes_before_the_syntax() -> None:
    with pytest.raises(RejectedError) as caught:
        json_body(JSON, b"x" * (MAX_BODY_BYTES + 1), RESULT_BODY)
    assert caught.value.status == 413
    with pytest.raises(RejectedError) as caught:
        json_body(JSON, b"x" * MAX_BODY_BYTES, RESULT_BODY)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("raw", "value"),
    [("5", 5), ("+5", 5), ("005", 5), ("%35", 5), ("-5", -5), ("%2B5", 5), ("0" * 5000 + "7", 7)],
)
def test_a_path_id_may_be_written_like_this(raw: str, value: int) -> None:
    assert path_integers({"id": raw}) == {"id": value}


@pytest.mark.parametrize(
    "raw", ["abc", "1.5", "%20", "0x1", "+", "--1", "%D9%A1", str(2**63), "9" * 5000]
)
def test_but_not_like_that(raw: str) -> None:
    with pytest.raises(RejectedError) as caught:
        path_integers({"id": raw})
    assert caught.value.status == 400
    assert caught.value.text.startswith("Invalid URL: Cannot parse `")


def test_the_message_of_two_parameters_names_the_position() -> None:
    with pytest.raises(RejectedError) as caught:
        path_integers({"id": "1", "test_id": "abc"})
    assert caught.value.text == (
        'Invalid URL: Cannot parse value at index 1 with value `"abc"` to a `i64`'
    )


def test_a_path_id_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(RejectedError) as caught:
        path_integers({"id": "%FF"})
    assert caught.value.text == "Invalid URL: Invalid UTF-8 in `id`"


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", None),
        ("other=x&&=", None),
        ("limit=5", 5),
        ("limit=%2B5", 5),
        ("li%6Dit=5", 5),
        ("limit=4294967295", 2**32 - 1),
    ],
)
def test_a_query_is_read(query: str, value: int | None) -> None:
    assert query_values(query, {"limit": "u32"}) == {"limit": value}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=", "cannot parse integer from empty string"),
        ("limit", "cannot parse integer from empty string"),
        ("limit=abc", "invalid digit found in string"),
        ("limit=+5", "invalid digit found in string"),
        ("limit=-1", "invalid digit found in string"),
        ("limit=4294967296", "number too large to fit in target type"),
        ("limit=1&limit=1", "duplicate field `limit`"),
    ],
)
def test_or_refused(query: str, detail: str) -> None:
    with pytest.raises(RejectedError) as caught:
        query_values(query, {"limit": "u32"})
    assert caught.value.text == f"Failed to deserialize query string: {detail}"


@pytest.mark.parametrize(
    ("query", "value"),
    [("", None), ("name=", ""), ("name=%20a+b", " a b"), ("name=%FF", "\ufffd"), ("name", "")],
)
def test_a_text_in_a_query_is_taken_as_it_is(query: str, value: str | None) -> None:
    assert query_values(query, {"name": "string"}) == {"name": value}
    with pytest.raises(RejectedError, match="duplicate field `name`"):
        query_values("name=&name=", {"name": "string"})


@pytest.mark.parametrize(
    ("body", "documents"),
    [
        ('{"control_id":1,"documents":[]}', []),
        ('{"control_id":1,"documents":[{"url":"u"}]}', [{"url": "u", "type": None}]),
        ('[1,[["u",null],{"url":"v","x":1}]]', [{"url": u, "type": None} for u in "uv"]),
    ],
)
def test_a_list_of_structs_is_read(body: str, documents: list[Any]) -> None:
    expected = {"control_id": 1, "documents": documents}
    assert json_body(JSON, body.encode(), SCAN_BODY) == expected


@pytest.mark.parametrize(
    ("documents", "status", "text"),
    [
        ("null", 422, NO_STRUCT + "documents: invalid type: null, expected a sequence"),
        ("{}", 422, NO_STRUCT + "documents: invalid type: map, expected a sequence"),
        ("[{}]", 422, NO_STRUCT + "documents[0]: missing field `url`"),
        (
            '[{"url":"u"},null]',
            422,
            NO_STRUCT + "documents[1]: invalid type: null, expected struct ScanDocumentItem",
        ),
        (
            '[{"url":1}]',
            422,
            NO_STRUCT + "documents[0].url: invalid type: integer `1`, expected a string",
        ),
        ('[["u",null,1]]', 400, NO_JSON + "trailing characters"),
        ('[{"url":"\\ud800"}]', 400, NO_JSON + "documents[0].url: invalid unicode code point"),
    ],
)
def test_or_refused_with_the_place(documents: str, status: int, text: str) -> None:
    body = f'{{"control_id":1,"documents":{documents}}}'
    with pytest.raises(RejectedError) as caught:
        json_body(JSON, body.encode(), SCAN_BODY)
    assert (caught.value.status, caught.value.text) == (status, text)


def test_an_i64_can_be_too_small_as_well() -> None:
    with pytest.raises(ValueError, match="number too small"):
        rust_integer(str(-(2**63) - 1), "i64")
