"""The contract by itself: valid OpenAPI, complete, examples true, every promise recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from compai_kit.contract.load import Contract, default_path, load_contract
from compai_kit.contract.recordings import Recorded, load_recordings

RECORDINGS = Path(__file__).parents[1] / "cassettes" / "live"

# What semantics and design ask for, written down once more: retry class, seconds.
PROMISED = {
    "listTests": ("GET", "/api/v1/tests", "safe", 30),
    "listControlTests": ("GET", "/api/v1/controls/{id}/tests", "safe", 30),
    "recordTestResult": ("POST", "/api/v1/controls/{id}/tests/{test_id}/result", "repeatable", 30),
    "listControls": ("GET", "/api/v1/controls", "safe", 30),
    "getControl": ("GET", "/api/v1/controls/{id}", "safe", 30),
    "listGaps": ("GET", "/api/v1/controls/gaps", "safe", 30),
    "listRequirements": ("GET", "/api/v1/requirements", "safe", 30),
    "listFrameworks": ("GET", "/api/v1/frameworks", "safe", 30),
    "listEvidence": ("GET", "/api/v1/evidence", "safe", 30),
    "createEvidence": ("POST", "/api/v1/evidence", "never", 60),
    "scanDocuments": ("POST", "/api/v1/scan/documents", "never", 60),
    "collectGithubEvidence": ("POST", "/api/v1/integrations/github/evidence", "never", 60),
    "collectOktaEvidence": ("POST", "/api/v1/integrations/okta/evidence", "never", 60),
    "collectAwsEvidence": ("POST", "/api/v1/integrations/aws/evidence", "never", 60),
    # Above the 120 s that Comp-AI itself waits for the model.
    "analyseGaps": ("POST", "/api/v1/analysis/gaps", "safe", 150),
    "getControlRemediation": ("GET", "/api/v1/controls/{id}/remediation", "safe", 30),
    "listRemediation": ("GET", "/api/v1/remediation", "safe", 30),
    "getHealth": ("GET", "/health", "safe", 30),
}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="module")
def recorded(contract: Contract) -> list[Recorded]:
    return [r for r in load_recordings(RECORDINGS) if r.operation_id in contract.operations]


def test_is_valid_openapi_3_1(contract: Contract) -> None:
    assert contract.document["openapi"].startswith("3.1.")
    assert [e.message for e in OpenAPIV31SpecValidator(contract.document).iter_errors()] == []


def test_has_exactly_the_operations_that_the_dags_use(contract: Contract) -> None:
    described = {
        o.id: (o.method, o.path, o.retry, o.timeout_s) for o in contract.operations.values()
    }
    assert described == PROMISED


def test_only_health_and_frameworks_work_without_a_token(contract: Contract) -> None:
    assert contract.document["security"] == [{"bearerToken": []}]
    overridden = {
        operation_id: contract.description_of(operation_id)["security"]
        for operation_id in contract.operations
        if "security" in contract.description_of(operation_id)
    }
    assert overridden == {"getHealth": [], "listFrameworks": []}


def test_every_status_and_media_type_is_recorded_and_none_is_missing(
    contract: Contract, recorded: list[Recorded]
) -> None:
    documented = {
        (operation_id, int(status), media)
        for operation_id in contract.operations
        for status, response in contract.description_of(operation_id)["responses"].items()
        for media in response["content"]
    }
    seen = {
        (r.operation_id, r.response.status, r.response.headers["content-type"].split(";")[0])
        for r in recorded
    }
    assert documented == seen


def test_every_example_has_a_name_and_conforms(contract: Contract) -> None:
    wrong: list[str] = []
    count = 0
    for place, schema, examples in _examples(contract.resolved, ""):
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        for name, example in examples.items():
            count += 1
            wrong.extend(
                f"{place} {name}: {e.message}" for e in validator.iter_errors(example["value"])
            )
    assert wrong == []
    assert count > 120


def test_every_body_and_parameter_has_an_example(contract: Contract) -> None:
    without = [
        f"{operation_id} {place}"
        for operation_id in contract.operations
        for place, holder in _schema_holders(contract.description_of(operation_id), "")
        if not holder.get("examples") and "/headers/" not in place
    ]
    assert without == []


def test_references_are_never_combined_with_constraints(contract: Contract) -> None:
    """Beside $ref only prose: how a sibling constraint is merged differs between tools."""
    offending = [
        place
        for place, node in _nodes(contract.document, "")
        if "$ref" in node and not node.keys() <= {"$ref", "description", "summary"}
    ]
    assert offending == []


def test_no_key_is_written_twice() -> None:
    """YAML parsers keep the last of two equal keys and say nothing."""
    doubled: list[str] = []

    def visit(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            doubled.extend(
                f"line {node.start_mark.line + 1}: {k}" for k in set(keys) if keys.count(k) > 1
            )
            for _, child in node.value:
                visit(child)
        elif isinstance(node, yaml.SequenceNode):
            for child in node.value:
                visit(child)

    root = yaml.compose(default_path().read_text(encoding="utf-8"))
    assert root is not None
    visit(root)
    assert doubled == []


def _nodes(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield place, node
        for key, child in node.items():
            yield from _nodes(child, f"{place}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _nodes(child, f"{place}/{index}")


def _schema_holders(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Media types and parameters: whatever has a schema."""
    return ((where, found) for where, found in _nodes(node, place) if "schema" in found)


def _examples(node: Any, place: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for where, holder in _schema_holders(node, place):
        yield where, holder["schema"], holder.get("examples", {})
