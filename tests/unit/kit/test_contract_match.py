"""Which operation a call belongs to."""

import pytest

from compai_kit.contract.load import Contract, load_contract
from compai_kit.contract.match import match_call, match_operation


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/health", "getHealth"),
        ("GET", "/api/v1/tests", "listTests"),
        ("HEAD", "/api/v1/tests", "listTests"),
        ("get", "/api/v1/tests", "listTests"),
        ("GET", "/api/v1/controls/gaps", "listGaps"),
        ("GET", "/api/v1/controls/3/tests", "listControlTests"),
        ("POST", "/api/v1/controls/3/tests/5/result", "recordTestResult"),
        ("GET", "/api/v1/evidence", "listEvidence"),
        ("POST", "/api/v1/integrations/github/evidence", "collectGithubEvidence"),
        ("GET", "/api/v1/remediation", "listRemediation"),
        # recorded: the router takes any text, the value is judged later
        ("GET", "/api/v1/controls/gaps/tests", "listControlTests"),
        ("GET", "/api/v1/controls/%20/tests", "listControlTests"),
        ("GET", "/api/v1/controls/a%2Fb/tests", "listControlTests"),
    ],
)
def test_a_call_is_matched(contract: Contract, method: str, path: str, operation: str) -> None:
    found = match_operation(contract, method, path)
    assert found is not None
    assert found.id == operation


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", ""),
        ("GET", "/api/v1/tests/"),  # recorded: no redirect for a trailing slash
        ("GET", "//api/v1/tests"),
        ("GET", "/api/v1//tests"),
        ("GET", "/api/v1/comp-ai/tests"),
        ("GET", "/api/v1/api/v1/tests"),
        ("POST", "/api/v1/tests"),
        ("HEAD", "/api/v1/integrations/github/evidence"),
        ("OPTIONS", "/api/v1/tests"),
        ("DELETE", "/health"),
        ("GET", "/api/v1/controls//tests"),
        ("GET", "/api/v1/controls/3/tests/5/result"),
        ("GET", "http://localhost:3002/api/v1/tests"),
    ],
)
def test_everything_else_belongs_to_no_operation(
    contract: Contract, method: str, path: str
) -> None:
    assert match_operation(contract, method, path) is None


def test_parameters_are_decoded_after_matching(contract: Contract) -> None:
    found = match_call(contract, "POST", "/api/v1/controls/%35/tests/a%2Fb/result")
    assert found is not None
    assert found.parameters == {"id": "5", "test_id": "a/b"}
