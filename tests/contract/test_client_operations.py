"""The client's table of operations against the contract, and what it really sends."""

from collections.abc import Iterator
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from compai_client import (
    MAX_SCAN_DOCUMENTS,
    ClientSettings,
    CompAI,
    ScanDocument,
    StaticToken,
    UnknownStatusError,
)
from compai_client._operations import OPERATIONS, Operation, url_path
from compai_kit.contract.exchange import HttpRequest
from compai_kit.contract.load import load_contract
from compai_kit.contract.match import match_operation
from compai_kit.contract.validate import request_violations

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])

CONTRACT = load_contract()


def test_table_and_contract_know_the_same_operations() -> None:
    assert {operation.id for operation in OPERATIONS} == set(CONTRACT.operations)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_facts_of_an_operation_are_the_contracts(operation: Operation[Any]) -> None:
    agreed = CONTRACT.operations[operation.id]
    mine = (operation.method, operation.path, operation.retry, operation.timeout_s)
    assert mine == (agreed.method, agreed.path, agreed.retry, agreed.timeout_s)
    assert operation.success == min(agreed.statuses)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_the_kind_of_an_answer_is_the_contracts(operation: Operation[Any]) -> None:
    response = CONTRACT.description_of(operation.id)["responses"][str(operation.success)]
    schema = response["content"]["application/json"]["schema"]
    assert operation.rows == (schema.get("type") == "array")
    assert operation.nullable == ({"type": "null"} in schema.get("anyOf", []))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_one_try_fits_into_the_budget_of_a_call(operation: Operation[Any]) -> None:
    """And a second one of the gap analysis does not: a slow model is paid for once."""
    settings = ClientSettings()
    whole_try = settings.connect_timeout_s + operation.timeout_s
    assert whole_try + 60 <= settings.budget_s, "one rate-limit window and a try"
    assert (2 * whole_try > settings.budget_s) == (operation.id == "analyseGaps")


def test_most_documents_of_a_scan_are_the_contracts() -> None:
    request = CONTRACT.resolved["components"]["schemas"]["ScanDocumentsRequest"]
    assert request["properties"]["documents"]["maxItems"] == MAX_SCAN_DOCUMENTS


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_a_token_goes_only_where_the_contract_asks_for_one(operation: Operation[Any]) -> None:
    document = CONTRACT.document["paths"][operation.path][operation.method.lower()]
    security = document.get("security", CONTRACT.document["security"])
    assert operation.token == (security != [])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_the_services_own_prefix_gives_the_services_own_paths(operation: Operation[Any]) -> None:
    assert url_path(operation.path, "/api/v1") == operation.path


class Receiver:
    """Answers every request with 418 and keeps it."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Any:
        request = Request(environ)
        self.requests.append(
            HttpRequest(
                method=request.method,
                url_path=request.path,
                query=request.query_string.decode(),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=request.get_data(),
            )
        )
        return Response(status=418)(environ, start)


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    app = Receiver()
    server = make_server("127.0.0.1", 0, app)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield app, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


CALLS: dict[str, dict[str, Any]] = {
    "list_tests": {"control_id": -(2**63)},
    "list_control_tests": {"control_id": 2**63 - 1},
    "record_test_result": {"control_id": 1, "test_id": 4, "result": "skipped", "details": "å ✅"},
    "list_controls": {"category": "Drift & kontakt?"},
    "get_control": {"control_id": 3},
    "list_gaps": {},
    "analyse_gaps": {"framework": "baseline"},
    "list_requirements": {"framework": " privacy "},
    "list_frameworks": {},
    "create_evidence": {"control_id": 3, "type": "note", "link_url": "https://docs.example.com/1"},
    "scan_documents": {
        "control_id": 3,
        "documents": [ScanDocument(url="länk ✅"), ScanDocument(url="", type="policy")],
    },
    "collect_okta_evidence": {"control_id": 3, "evidence_type": "users_snapshot"},
    "collect_aws_evidence": {"control_id": 3, "evidence_type": "iam_summary"},
    "get_control_remediation": {"control_id": 3},
    "list_evidence": {"control_id": 3, "limit": 0, "offset": 2**32 - 1},
    "collect_github_evidence": {
        "control_id": 3,
        "owner": "example-org",
        "repo": "demo-service",
        "evidence_type": "branch_protection",
    },
    "list_remediation": {"control_id": 5},
    "get_health": {},
}


@pytest.mark.parametrize("method", CALLS)
def test_what_a_method_sends_keeps_the_contract(
    method: str, receiver: tuple[Receiver, str]
) -> None:
    app, url = receiver
    client = CompAI(url, auth=StaticToken("a.b.c"), settings=ClientSettings(tries=1))
    with client, pytest.raises(UnknownStatusError, match="HTTP 418"):
        getattr(client, method)(**CALLS[method])
    [request] = app.requests
    operation = match_operation(CONTRACT, request.method, urlsplit(request.url_path).path)
    assert operation is not None
    words = operation.id[0] + "".join(
        f"_{c.lower()}" if c.isupper() else c for c in operation.id[1:]
    )
    assert words == method
    assert request_violations(CONTRACT, request) == []


def test_every_operation_is_sent_by_a_method() -> None:
    assert len(CALLS) == len(OPERATIONS)
