"""Every recorded exchange against the contract: all responses, and the accepted requests."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from compai_kit.contract.check import (
    Conformance,
    Leniency,
    check_recordings,
    load_leniencies,
)
from compai_kit.contract.load import Contract, load_contract
from compai_kit.contract.recordings import Recorded, load_recordings
from compai_kit.contract.validate import request_violations, response_violations

RECORDINGS = Path(__file__).parents[1] / "cassettes" / "live"

# The list of leniencies may only get shorter; whoever must raise this number explains it.
MOST_LENIENCIES = 19

# An empty category or framework means all; openapi-core takes an empty value for a missing one.
EMPTY_FILTERS = {"list_controls.yaml#5", "list_requirements.yaml#4"}

# 1.0 is an integer to JSON Schema, but not to the service.
FLOATS_FOR_INTEGERS = ["scan_documents.yaml#36", "create_evidence.yaml#22"]

# Files that hold calls of several operations; ours among them count like any other.
MIXED_FILES = ("routing.yaml", "keycloak_down.yaml", "rate_limit.yaml", "final_state.yaml")


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def recordings() -> list[Recorded]:
    return load_recordings(RECORDINGS)


@pytest.fixture(scope="module")
def ours(contract: Contract, recordings: list[Recorded]) -> list[Recorded]:
    return [recorded for recorded in recordings if recorded.operation_id in contract.operations]


@pytest.fixture(scope="module")
def leniencies() -> list[Leniency]:
    return load_leniencies(RECORDINGS)


@pytest.fixture(scope="module")
def conformance(
    contract: Contract, recordings: list[Recorded], leniencies: list[Leniency]
) -> Conformance:
    return check_recordings(contract, recordings, leniencies)


def test_every_exchange_conforms(
    conformance: Conformance,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    record_property("conformance", conformance.summary())
    with capsys.disabled():
        print(f"\ncontract: {conformance.summary()}")  # noqa: T201 - wanted on the screen
    assert [f"{b.code} {b.recorded.name} {b.violation}" for b in conformance.breaches] == []
    assert conformance.exchanges == conformance.conforming_responses == 740
    assert conformance.accepted_requests == 242


def test_the_mixed_files_are_looked_at(ours: list[Recorded]) -> None:
    assert {recorded.cassette for recorded in ours} >= set(MIXED_FILES)


def test_head_has_the_status_and_headers_of_its_get_and_no_body(
    contract: Contract, ours: list[Recorded]
) -> None:
    """Recorded under the name of the GET and judged by it, without a body to hold to a schema."""
    heads = [recorded for recorded in ours if recorded.request.method == "HEAD"]
    assert len(heads) == 12
    assert {recorded.response.status for recorded in heads} == {200, 401, 429}
    for recorded in heads:
        assert recorded.response.body == b""
        answer = recorded.response
        assert response_violations(contract, recorded.operation_id, answer, method="HEAD") == []
        as_get = response_violations(contract, recorded.operation_id, answer)
        assert [violation.pointer for violation in as_get] == ["body"]


def test_leniencies_are_all_needed(conformance: Conformance, leniencies: list[Leniency]) -> None:
    assert conformance.stale_leniencies == ()
    assert conformance.lenient_requests == len(leniencies)


def test_leniencies_only_shrink(leniencies: list[Leniency]) -> None:
    assert len(leniencies) <= MOST_LENIENCIES
    assert len({leniency.name for leniency in leniencies}) == len(leniencies)
    assert all(leniency.reason.strip() for leniency in leniencies)


def test_every_leniency_is_of_the_kind_that_it_says(
    contract: Contract, ours: list[Recorded], leniencies: list[Leniency]
) -> None:
    pointers = {
        "array for object": "body",
        "bytes after the JSON": "body",
        "application/*+json": "header/content-type",
    }
    enums = {"recordTestResult": "body/result"} | dict.fromkeys(
        ("collectGithubEvidence", "collectOktaEvidence", "collectAwsEvidence"), "body/evidence_type"
    )
    by_name = {recorded.name: recorded for recorded in ours}
    for leniency in leniencies:
        recorded = by_name[leniency.name]
        expected = pointers.get(leniency.leniency) or enums[recorded.operation_id]
        seen = [violation.pointer for violation in request_violations(contract, recorded.request)]
        assert seen == [expected], leniency.name


def test_what_the_framework_rejects_the_contract_rejects_too(
    contract: Contract, ours: list[Recorded]
) -> None:
    """The other direction: a request that is 400 text, 413, 415 or 422 breaks the contract."""
    rejected = [r for r in ours if r.response.headers["content-type"].startswith("text/plain")]
    assert len(rejected) == 213
    passed = [r.name for r in rejected if not request_violations(contract, r.request)]
    assert passed == FLOATS_FOR_INTEGERS


def test_a_call_without_usable_token_breaks_the_security_rule(
    contract: Contract, ours: list[Recorded]
) -> None:
    """As far as the recording still shows it: good, expired and revoked tokens look alike."""
    visible = [
        r
        for r in ours
        if r.token in ("none", "basic", "malformed")
        and r.operation_id not in ("getHealth", "listFrameworks")
    ]
    for recorded in visible:
        pointers = {
            violation.pointer for violation in request_violations(contract, recorded.request)
        }
        assert "security" in pointers, recorded.name
    assert len(visible) > 100


def test_openapi_core_agrees_about_every_response(contract: Contract, ours: list[Recorded]) -> None:
    """A second engine, so that a hole in ours shows. Its messages hold payloads: not shown."""
    second = OpenAPI.from_dict(contract.document)
    disagreeing = []
    for recorded in ours:
        if recorded.request.method == "HEAD":
            continue  # it knows no HEAD of a GET
        try:
            second.validate_response(_second_request(recorded), _second_response(recorded))
        except OpenAPIError as error:
            disagreeing.append(f"{recorded.name}: {type(error).__name__}")
    assert disagreeing == []


def test_openapi_core_agrees_about_accepted_requests(
    contract: Contract, ours: list[Recorded], leniencies: list[Leniency]
) -> None:
    second = OpenAPI.from_dict(contract.document)
    listed = {leniency.name for leniency in leniencies}
    for recorded in ours:
        if not recorded.accepted or recorded.request.method == "HEAD":
            continue
        if recorded.name in EMPTY_FILTERS:
            assert recorded.request.query.endswith("=")
            continue
        try:
            second.validate_request(_second_request(recorded))
            conforms = True
        except OpenAPIError:
            conforms = False
        assert conforms == (recorded.name not in listed), recorded.name


def _second_request(recorded: Recorded) -> MockRequest:
    request = recorded.request
    return MockRequest(
        "http://localhost:3002",
        request.method.lower(),
        request.url_path,
        args=dict(parse_qsl(request.query, keep_blank_values=True)),
        headers=dict(request.headers),
        data=request.body or None,
        content_type=request.headers.get("content-type", "application/json"),
    )


def _second_response(recorded: Recorded) -> MockResponse:
    response = recorded.response
    return MockResponse(
        response.body,
        status_code=response.status,
        headers=dict(response.headers),
        content_type=response.headers["content-type"].split(";")[0],
    )
