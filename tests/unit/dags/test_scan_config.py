"""Jobs of a document scan: what is accepted, and how a mistake is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compai_client import SettingsError
from compai_dags.scan_config import Document, Job, link_key, read_form, read_jobs

A, B = "https://docs.example.com/a", "https://docs.example.com/b"


def jobs(value: Any) -> list[Job]:
    return read_jobs(json.dumps(value))


def problem(value: Any) -> str:
    with pytest.raises(SettingsError) as wrong:
        read_jobs(value if isinstance(value, str) else json.dumps(value))
    text = str(wrong.value)
    assert text.startswith("COMP_AI_SCAN_DOCUMENTS_CONFIG ")
    return text.removeprefix("COMP_AI_SCAN_DOCUMENTS_CONFIG ")


def test_one_job_or_a_list_of_them() -> None:
    job = {"control_id": 7, "documents": [A, {"url": B, "type": " policy "}]}
    expected = [
        Document(url=A, place="documents[0]"),
        Document(url=B, place="documents[1]", type="policy"),
    ]
    assert jobs(job) == jobs([job]) == [Job(number=1, control_id=7, documents=expected)]
    assert [str(job) for job in jobs([job, job | {"control_id": 8}])] == [
        "job 1 (control 7)",
        "job 2 (control 8)",
    ]
    assert jobs([]) == []


def test_lines_and_blanks_between_are_json_too() -> None:
    assert len(read_jobs('\n[\n  {"control_id": 7,\n   "documents": []}\n]\n')) == 1


def test_blank_and_double_documents_are_dropped() -> None:
    (job,) = jobs(
        {
            "control_id": 7,
            "documents": [
                "",
                f" {A} ",
                {"url": "  "},
                {"url": "HTTPS://Docs.Example.COM:443/a", "type": "policy"},
                B,
                B,
            ],
        }
    )
    assert [(d.url, d.place, d.type) for d in job.documents] == [
        (A, "documents[1]", None),
        (B, "documents[4]", None),
    ]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("https://docs.example.com", "https://DOCS.example.com:443/"),
        ("http://docs.example.com:80/a", "http://docs.example.com/a"),
        ("https://docs.example.com/%7euser/%c3%bc", "https://docs.example.com/~user/ü"),
        ("https://docs.example.com./a", "https://docs.example.com/a"),
        (" https://docs.example.com/a ", "https://docs.example.com/a"),
    ],
)
def test_the_same_link_is_the_same_however_it_is_written(left: str, right: str) -> None:
    assert link_key(left) == link_key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (A, B),
        (A, f"{A}/"),
        (A, f"{A}?v=2"),
        (A, f"{A}#chapter-2"),
        (A, A.replace("https", "http")),
        ("https://docs.example.com/A", "https://docs.example.com/a"),
        ("https://docs.example.com/a%2fb", "https://docs.example.com/a/b"),
        ("not a link", "another"),
    ],
)
def test_what_may_be_another_document_is_another_link(left: str, right: str) -> None:
    assert link_key(left) != link_key(right)


def test_a_document_is_shown_without_what_its_query_may_hold() -> None:
    document = Document(url=f"{A}?key=not-for-others", place="documents[3]")
    assert str(document) == f"documents[3] {A}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[{"control_id": 1,\n  "documents": [}]',
            "is not JSON: Expecting value at line 2, column 17",
        ),
        ("", "is not JSON: Expecting value at line 1, column 1"),
        ("{'control_id': 1}", "is not JSON: Expecting property name"),
        ("[" * 100_000, "is nested too deeply"),
        (
            '{"control_id": 1, "control_id": 2, "documents": []}',
            "has 'control_id' twice in one object",
        ),
    ],
)
def test_what_is_not_json_is_named_by_line_and_column(text: str, expected: str) -> None:
    assert problem(text).startswith(expected)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (5, "job 2 is no object with control_id and documents"),
        ([], "job 2 is no object with control_id and documents"),
        ({"documents": [A]}, "job 2, control_id: must be the number of a control"),
        ({"control_id": "7", "documents": [A]}, "job 2, control_id: must be"),
        ({"control_id": True, "documents": [A]}, "job 2, control_id: must be"),
        ({"control_id": 7.0, "documents": [A]}, "job 2, control_id: must be"),
        ({"control_id": 0, "documents": [A]}, "job 2, control_id: must be"),
        ({"control_id": 2**63, "documents": [A]}, "job 2, control_id: must be"),
        ({"control_id": 7}, "job 2, documents: must be a list"),
        ({"control_id": 7, "documents": A}, "job 2, documents: must be a list"),
        (
            {"control_id": 7, "document": [A], "documents": [A]},
            "job 2: 'document' is none of control_id, documents",
        ),
        ({"control_id": 7, "documents": [A, 5]}, "job 2, documents[1]: must be an address, or"),
        ({"control_id": 7, "documents": [A, {}]}, "job 2, documents[1].url: must be text"),
        (
            {"control_id": 7, "documents": [{"url": A, "typ": "x"}]},
            "job 2, documents[0]: 'typ' is none of type, url",
        ),
        (
            {"control_id": 7, "documents": [{"url": A, "type": "x" * 51}]},
            "job 2, documents[0].type: must be text of at most 50 characters",
        ),
        (
            {"control_id": 7, "documents": [{"url": A, "type": "a\0b"}]},
            "job 2, documents[0].type: must be text of at most 50 characters",
        ),
        (
            {"control_id": 7, "documents": [{"url": A, "type": 5}]},
            "job 2, documents[0].type: must be text of at most 50 characters",
        ),
        (
            {"control_id": 7, "documents": [A, "ftp://x.example.com/a"]},
            "job 2, documents[1].url: is no absolute http or https address",
        ),
        (
            {"control_id": 7, "documents": ["https://kim:pw@x.example.com/a"]},
            "job 2, documents[0].url: holds a user name or password",
        ),
        (
            {"control_id": 7, "documents": ["https://x.example.com/a b"]},
            "job 2, documents[0].url: holds a blank, a backslash or a control character",
        ),
        (
            {"control_id": 7, "documents": [A.ljust(495, "x")]},
            "job 2, documents[0].url: has 495 characters, Comp-AI takes 494",
        ),
    ],
)
def test_a_wrong_shape_is_named_by_its_place(job: Any, expected: str) -> None:
    text = problem([{"control_id": 1, "documents": [A]}, job])
    assert text.startswith(f"cannot be used, nothing was attached:\n{expected}")
    assert "pw@" not in text


def test_an_address_of_494_characters_is_the_longest() -> None:
    (job,) = jobs({"control_id": 7, "documents": [A.ljust(494, "ü")]})
    assert len(job.documents[0].url) == 494


def test_every_mistake_is_named_at_once() -> None:
    text = problem([5, {"control_id": "x", "documents": [1, 2]}])
    assert text.splitlines()[1:] == [
        "job 1 is no object with control_id and documents",
        "job 2, control_id: must be the number of a control",
        "job 2, documents[0]: must be an address, or an object with url and type",
        "job 2, documents[1]: must be an address, or an object with url and type",
    ]
    assert problem([5] * 25).endswith("\n… and 5 more")


def test_there_may_be_as_many_jobs_as_airflow_can_map() -> None:
    job = {"control_id": 7, "documents": []}
    assert len(jobs([job] * 1_000)) == 1_000
    assert problem([job] * 1_001) == "has 1001 jobs, more than 1000"


def test_the_form_is_one_job() -> None:
    (job,) = read_form(control_id=7, urls=[A, " ", B], type="policy")
    assert (job.control_id, [(d.url, d.type) for d in job.documents]) == (
        7,
        [(A, "policy"), (B, "policy")],
    )
    assert read_form(control_id=None, urls=[], type="policy") == []


@pytest.mark.parametrize(("control_id", "urls"), [(7, []), (None, [A])])
def test_half_a_form_is_refused(control_id: int | None, urls: list[str]) -> None:
    with pytest.raises(SettingsError) as wrong:
        read_form(control_id=control_id, urls=urls, type=None)
    assert str(wrong.value) == "The form must have both control_id and urls, or neither"


def test_a_mistake_in_the_form_is_named() -> None:
    with pytest.raises(SettingsError) as wrong:
        read_form(control_id=7, urls=[A, "x"], type=None)
    assert str(wrong.value).splitlines() == [
        "The form cannot be used, nothing was attached:",
        "job 1, documents[1].url: is no absolute http or https address",
    ]
