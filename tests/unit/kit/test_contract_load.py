"""Reading the contract: what is understood, and what a person is told when it cannot be used."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from compai_kit.contract import load
from compai_kit.contract.load import (
    ContractError,
    ContractInvalidError,
    ContractUnreadableError,
    Operation,
    contract_from,
    default_path,
    load_contract,
)


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(load_contract().document)


def test_an_operation_has_the_facts_that_code_needs() -> None:
    assert load_contract().operations["recordTestResult"] == Operation(
        id="recordTestResult",
        method="POST",
        path="/api/v1/controls/{id}/tests/{test_id}/result",
        retry="repeatable",
        timeout_s=30.0,
        statuses=(200, 400, 401, 404, 413, 415, 422, 429, 500),
    )


def test_the_document_is_kept_as_written_and_resolved() -> None:
    contract = load_contract()
    written = contract.document["paths"]["/health"]["get"]["responses"]["200"]["content"]
    assert written["application/json"]["schema"] == {"$ref": "#/components/schemas/Health"}
    resolved = contract.description_of("getHealth")["responses"]["200"]["content"]
    assert resolved["application/json"]["schema"]["required"] == ["status", "service", "version"]


def test_the_packaged_file_comes_before_the_one_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "compai_kit" / "contract" / "load.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(load, "__file__", str(module))
    assert default_path() == tmp_path / "contracts" / "comp-ai.openapi.yaml"
    shutil.copy(Path(__file__), module.with_name("comp-ai.openapi.yaml"))
    assert default_path() == module.with_name("comp-ai.openapi.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "missing.yaml"
    with pytest.raises(ContractUnreadableError) as caught:
        load_contract(file)
    assert str(caught.value) == (
        f"{file}: there is no such contract file; give the path of an OpenAPI 3.1 document"
    )


def test_text_that_is_not_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "contract.yaml"
    file.write_text("openapi: 3.1.0\ninfo: [unclosed\npaths: {}\n", encoding="utf-8")
    with pytest.raises(ContractUnreadableError) as caught:
        load_contract(file)
    assert str(caught.value).startswith(f"{file} is not YAML: line 3: ")


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "contract.yaml"
    file.write_bytes(b"openapi: \xff\xfe")
    with pytest.raises(ContractUnreadableError, match="is not YAML"):
        load_contract(file)


@pytest.mark.parametrize(
    "text", ["", "[]", "just text", "openapi: 3.0.3\npaths: {}", "swagger: '2.0'"]
)
def test_something_else_than_openapi_3_1_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "contract.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ContractInvalidError) as caught:
        load_contract(file)
    assert str(caught.value) == (
        f"{file} is not a valid contract: "
        "it is no OpenAPI 3.1 document (`openapi: 3.1.0` is missing)"
    )


def test_a_dangling_reference_is_named_with_the_place_that_holds_it(
    document: dict[str, Any],
) -> None:
    del document["components"]["responses"]["TooManyRequests"]
    with pytest.raises(ContractInvalidError) as caught:
        contract_from(document, source="contract.yaml")
    assert len(caught.value.problems) == 17, "every operation but health has it"
    assert caught.value.problems[0] == (
        "/paths/~1api~1v1~1tests/get/responses/429: "
        "$ref '#/components/responses/TooManyRequests' leads nowhere"
    )
    longest = max(map(len, caught.value.problems))
    assert longest < 150, "the document itself is not part of the message"


def test_a_reference_out_of_the_file_is_refused_without_fetching_it(
    document: dict[str, Any],
) -> None:
    document["components"]["schemas"]["Health"] = {"$ref": "https://example.com/health.json"}
    with pytest.raises(ContractInvalidError) as caught:
        contract_from(document, source="contract.yaml")
    assert caught.value.problems == (
        "/components/schemas/Health: $ref 'https://example.com/health.json' leaves the file; "
        "a contract is one file",
    )


def test_what_openapi_itself_forbids_is_named_with_its_place(document: dict[str, Any]) -> None:
    del document["paths"]["/health"]["get"]["responses"]["200"]["description"]
    with pytest.raises(ContractInvalidError) as caught:
        contract_from(document, source="contract.yaml")
    assert caught.value.problems == (
        '/paths/~1health/get/responses/200: "description" is a required property',
    )


@pytest.mark.parametrize("tags", [None, "x", 7, [None], [{}], [{"name": None}]])
def test_a_shape_on_which_the_validator_itself_stumbles_is_reported(
    document: dict[str, Any], tags: object
) -> None:
    document["tags"] = tags
    with pytest.raises(ContractInvalidError) as caught:
        contract_from(document, source="contract.yaml")
    assert caught.value.problems


def test_an_operation_without_responses_is_refused(document: dict[str, Any]) -> None:
    del document["paths"]["/health"]["get"]["responses"]
    with pytest.raises(ContractInvalidError) as caught:
        contract_from(document, source="contract.yaml")
    assert caught.value.problems == ("getHealth: responses are missing",)


def test_two_operations_of_one_name_are_refused(document: dict[str, Any]) -> None:
    document["paths"]["/health"]["get"]["operationId"] = "listTests"
    with pytest.raises(ContractInvalidError, match=r"Operation ID 'listTests'.*is not unique"):
        contract_from(document, source="contract.yaml")


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("operationId", None, "GET /health: operationId is missing"),
        ("x-retry", None, "getHealth: x-retry must be one of safe, repeatable, never"),
        ("x-retry", "maybe", "getHealth: x-retry must be one of safe, repeatable, never"),
        ("x-timeout-seconds", None, "getHealth: x-timeout-seconds must be a number above 0"),
        ("x-timeout-seconds", "30", "getHealth: x-timeout-seconds must be a number above 0"),
        ("x-timeout-seconds", True, "getHealth: x-timeout-seconds must be a number above 0"),
        ("x-timeout-seconds", -1, "getHealth: x-timeout-seconds must be a number above 0"),
    ],
)
def test_what_the_kit_needs_beyond_openapi_is_asked_for(
    document: dict[str, Any], key: str, value: object, problem: str
) -> None:
    operation = document["paths"]["/health"]["get"]
    if value is None:
        del operation[key]
    else:
        operation[key] = value
    with pytest.raises(ContractInvalidError) as caught:
        contract_from(document, source="contract.yaml")
    assert problem in caught.value.problems


def test_a_range_of_statuses_is_refused(document: dict[str, Any]) -> None:
    responses = document["paths"]["/health"]["get"]["responses"]
    responses["5XX"] = responses["200"]
    with pytest.raises(ContractInvalidError) as caught:
        contract_from(document, source="contract.yaml")
    assert caught.value.problems == (
        "getHealth: status '5XX' is no number; every status is described by itself",
    )


def test_a_document_without_operations_is_refused(document: dict[str, Any]) -> None:
    document["paths"] = {}
    with pytest.raises(ContractInvalidError, match="it describes no operation"):
        contract_from(document, source="contract.yaml")


def test_one_class_catches_every_reason(tmp_path: Path) -> None:
    file = tmp_path / "contract.yaml"
    file.write_text(yaml.safe_dump({"openapi": "3.1.0"}), encoding="utf-8")
    for path in (file, tmp_path / "missing.yaml"):
        with pytest.raises(ContractError):
            load_contract(path)
