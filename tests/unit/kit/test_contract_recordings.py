"""Reading recordings: small folders written here, in vcrpy's form."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.recordings import RecordingsError, load_recordings


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "cassette": "list_tests.yaml",
        "index": 0,
        "seq": 0,
        "operation": "list_tests",
        "scenario": "200: all",
        "status": 200,
        "content_type": "application/json",
        "setting": "main",
        "token": "valid",
        "writes": False,
        "at_ms": 0,
    } | changes


def interaction(body: str | bytes | None = None, answer: str | bytes = "[]") -> dict[str, Any]:
    return {
        "request": {
            "body": body,
            "headers": {"Authorization": ["Bearer <token>"], "Accept": ["*/*"]},
            "method": "GET",
            "uri": "http://comp-ai.test:3002/api/v1/tests/%20?control_id=%2B3",
        },
        "response": {
            "body": {"string": answer},
            "headers": {"Content-Type": ["application/json"], "vary": ["origin", "accept"]},
            "status": {"code": 200, "message": "OK"},
        },
    }


def write(folder: Path, index: object, **cassettes: object) -> None:
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    for name, content in cassettes.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_a_call_is_joined_with_what_the_index_knows(tmp_path: Path) -> None:
    known = entry(writes=True, effect={"evidence": {"ids": [8]}}, preceded_by={"count": 5})
    cassette = {"version": 1, "interactions": [interaction()]}
    write(tmp_path, [known], list_tests=cassette)
    [recorded] = load_recordings(tmp_path)
    assert recorded.name == "list_tests.yaml#0"
    assert recorded.operation == "list_tests"
    assert recorded.operation_id == "listTests"
    assert recorded.effect == {"evidence": {"ids": [8]}}
    assert recorded.preceded_by == {"count": 5}
    assert recorded.accepted
    assert recorded.request == HttpRequest(
        method="GET",
        url_path="/api/v1/tests/%20",
        query="control_id=%2B3",
        headers={"authorization": "Bearer <token>", "accept": "*/*"},
    )
    assert recorded.response == HttpResponse(
        status=200,
        headers={"content-type": "application/json", "vary": "origin, accept"},
        body=b"[]",
    )


def test_calls_come_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    cassette = {"version": 1, "interactions": [interaction(), interaction()]}
    write(tmp_path, [entry(index=1, seq=7), entry(seq=2)], list_tests=cassette)
    assert [recorded.seq for recorded in load_recordings(tmp_path)] == [2, 7]


def test_bodies_are_bytes_whatever_the_file_holds(tmp_path: Path) -> None:
    bodies = [interaction("bø", "ü"), interaction(b"\xff", b"\xfe")]
    write(tmp_path, [entry(), entry(index=1)], list_tests={"version": 1, "interactions": bodies})
    first, second = load_recordings(tmp_path)
    assert (first.request.body, first.response.body) == ("bø".encode(), "ü".encode())
    assert (second.request.body, second.response.body) == (b"\xff", b"\xfe")


def test_a_cassette_that_was_changed_is_read_again(tmp_path: Path) -> None:
    for answer in ("[]", "[1, 2]"):
        cassette = {"version": 1, "interactions": [interaction(answer=answer)]}
        write(tmp_path, [entry()], list_tests=cassette)
        assert load_recordings(tmp_path)[0].response.body == answer.encode()


@pytest.mark.parametrize(
    ("index", "cassette", "message"),
    [
        ([entry(cassette="gone.yaml")], {}, "gone.yaml: No such file or directory; index.json"),
        ([entry(index=3)], {}, "list_tests.yaml has 1 calls, index.json names number 3"),
        ([{"cassette": "x"}], {}, "index.json is not an index of recordings: Object missing"),
        ({}, {}, "index.json is not an index of recordings"),
        ([entry()], "[unclosed", "list_tests.yaml is not a vcrpy cassette"),
        ([entry()], {"http_interactions": []}, "list_tests.yaml is not a vcrpy cassette"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, index: object, cassette: object, message: str
) -> None:
    content = cassette or {"version": 1, "interactions": [interaction()]}
    write(tmp_path, index, list_tests=content)
    with pytest.raises(RecordingsError) as caught:
        load_recordings(tmp_path)
    assert message in str(caught.value)
