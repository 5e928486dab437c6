"""The client's models against recorded bodies and the contract: nothing missed or invented."""

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from compai_client import _models as models
from compai_client._operations import OPERATIONS, Operation
from compai_kit.contract.load import load_contract
from compai_kit.contract.recordings import Recorded, load_recordings

CASSETTES = Path(__file__).parents[1] / "cassettes" / "live"
CONTRACT = load_contract()
BY_ID = {operation.id: operation for operation in OPERATIONS}
SUCCESSES = [
    recorded
    for recorded in load_recordings(CASSETTES)
    if recorded.operation_id in BY_ID
    and recorded.response.status in (200, 201)
    and recorded.request.method != "HEAD"
]


def strict(shape: type[msgspec.Struct]) -> Any:
    """The same model, but a field that it does not know is an error."""
    fields = [
        (field.name, field.type, msgspec.field(default=field.default))
        if not field.required
        else (field.name, field.type)
        for field in msgspec.structs.fields(shape)
    ]
    return msgspec.defstruct(
        f"Strict{shape.__name__}", fields, kw_only=True, forbid_unknown_fields=True
    )


def whole(operation: Operation[Any], shape: Any) -> Any:
    return list[shape] if operation.rows else shape


@pytest.mark.parametrize("recorded", SUCCESSES, ids=lambda recorded: recorded.name)
def test_recorded_success_decodes_without_an_unknown_field(recorded: Recorded) -> None:
    operation = BY_ID[recorded.operation_id]
    msgspec.json.decode(recorded.response.body, type=whole(operation, strict(operation.shape)))


def test_the_strict_variant_is_strict() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `x`"):
        msgspec.json.decode(
            b'{"status":"healthy","service":"s","version":"1","x":1}', type=strict(models.Health)
        )


def test_all_recorded_successes_are_decoded() -> None:
    assert len(SUCCESSES) == 122


EXAMPLES = [
    pytest.param(operation, example["value"], id=f"{operation.id}-{name}")
    for operation in OPERATIONS
    for media in [
        CONTRACT.resolved["paths"][operation.path][operation.method.lower()]["responses"][
            str(operation.success)
        ]["content"]["application/json"]
    ]
    for name, example in media["examples"].items()
]


@pytest.mark.parametrize(("operation", "value"), EXAMPLES)
def test_contract_example_decodes_without_an_unknown_field(
    operation: Operation[Any], value: Any
) -> None:
    msgspec.convert(value, type=whole(operation, strict(operation.shape)))


# our name -> the contract's, where they differ
COMPONENTS = {"CollectGithubEvidenceRequest": "GitHubEvidenceRequest"}
MODELS = [
    model
    for model in vars(models).values()
    if isinstance(model, type)
    and issubclass(model, msgspec.Struct)
    and model not in (msgspec.Struct, models.BadRow)
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_and_component_have_the_same_fields(model: type[msgspec.Struct]) -> None:
    component = CONTRACT.document["components"]["schemas"][
        COMPONENTS.get(model.__name__, model.__name__)
    ]
    fields = msgspec.structs.fields(model)
    assert {field.name for field in fields} == component["properties"].keys()
    assert {field.name for field in fields if field.required} == set(component["required"])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_and_component_agree_on_null(model: type[msgspec.Struct]) -> None:
    name = COMPONENTS.get(model.__name__, model.__name__)
    for field in msgspec.structs.fields(model):
        if field.name == "config":  # any JSON
            continue
        described = resolved(CONTRACT.document["components"]["schemas"][name]["properties"])[
            field.name
        ]
        nullable = type(None) in get_args(field.type)
        assert ("null" in described["type"]) is nullable, field.name


def resolved(properties: dict[str, Any]) -> dict[str, Any]:
    schemas = CONTRACT.document["components"]["schemas"]
    return {
        name: schemas[prop["$ref"].rpartition("/")[2]] if "$ref" in prop else prop
        for name, prop in properties.items()
    }
