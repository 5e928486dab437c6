"""A digest changes with what is promised, and with nothing else."""

import copy
from typing import Any

import pytest

from compai_kit.contract.digests import operation_digest
from compai_kit.contract.load import Contract, contract_from, load_contract


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


def changed(contract: Contract, change: Any) -> Contract:
    document = copy.deepcopy(contract.document)
    change(document)
    return contract_from(document, source="changed")


def test_every_operation_has_its_own(contract: Contract) -> None:
    digests = {operation_digest(contract, name) for name in contract.operations}

    assert len(digests) == len(contract.operations)


def reworded(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["ControlTest"]
    schema["description"] = "Other words."
    schema["properties"] = dict(reversed(list(schema["properties"].items())))
    document["paths"]["/api/v1/tests"]["get"]["summary"] = "Other words."


def test_words_and_order_do_not_count(contract: Contract) -> None:
    after = changed(contract, reworded)

    assert operation_digest(after, "listTests") == operation_digest(contract, "listTests")


def a_field_less(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["ControlTest"]
    del schema["properties"]["name"]
    schema["required"].remove("name")


def a_field_called_like_a_keyword(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["ControlTest"]
    schema["properties"]["description"] = {"type": "string"}


def no_token(document: dict[str, Any]) -> None:
    document["security"] = []


def another_retry(document: dict[str, Any]) -> None:
    document["paths"]["/api/v1/tests"]["get"]["x-retry"] = "never"


@pytest.mark.parametrize(
    "change", [a_field_less, a_field_called_like_a_keyword, no_token, another_retry]
)
def test_what_is_promised_counts(contract: Contract, change: Any) -> None:
    after = changed(contract, change)

    assert operation_digest(after, "listTests") != operation_digest(contract, "listTests")


def test_only_the_operations_that_use_it_change(contract: Contract) -> None:
    after = changed(contract, a_field_less)

    different = {
        name
        for name in contract.operations
        if operation_digest(after, name) != operation_digest(contract, name)
    }
    assert different == {"listTests", "listControlTests", "recordTestResult"}
