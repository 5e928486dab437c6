"""The client's models against recorded bodies and the contract: nothing missed or invented."""

from pathlib import Path
from types import GenericAlias
from typing import Any, get_args, get_origin

import jsonschema_rs
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
        (field.name, strict_type(field.type), msgspec.field(default=field.default))
        if not field.required
        else (field.name, strict_type(field.type))
        for field in msgspec.structs.fields(shape)
    ]
    return msgspec.defstruct(
        f"Strict{shape.__name__}", fields, kw_only=True, forbid_unknown_fields=True
    )


def strict_type(kind: Any) -> Any:
    """Lists of models are strict as well."""
    [item] = get_args(kind) if get_origin(kind) is list else [None]
    is_model = isinstance(item, type) and issubclass(item, msgspec.Struct)
    return GenericAlias(list, (strict(item),)) if is_model else kind


def whole(operation: Operation[Any], shape: Any) -> Any:
    if operation.nullable:
        return shape | None
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


def test_the_strict_variant_is_strict_in_a_list_of_models() -> None:
    body = b'{"frameworks":[{"id":"a","name":"b","description":"c","x":1}]}'
    with pytest.raises(msgspec.ValidationError, match="unknown field `x`"):
        msgspec.json.decode(body, type=strict(models.Frameworks))


def test_all_recorded_successes_are_decoded() -> None:
    assert len(SUCCESSES) == 232


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


MODELS = [
    model
    for model in vars(models).values()
    if isinstance(model, type)
    and issubclass(model, msgspec.Struct)
    and model not in (msgspec.Struct, models.BadRow)
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_and_component_have_the_same_fields(model: type[msgspec.Struct]) -> None:
    component = CONTRACT.document["components"]["schemas"][model.__name__]
    fields = msgspec.structs.fields(model)
    assert {field.name for field in fields} == component["properties"].keys()
    assert {field.name for field in fields if field.required} == set(component.get("required", []))


# Fixed words of the contract that the client leaves open: a Comp-AI that calls itself "degraded"
# must be told as such, not as an answer of the wrong shape.
OPEN_ON_PURPOSE = {"Health"}


def canonical(schema: Any) -> jsonschema_rs.CanonicalSchema:
    return jsonschema_rs.canonicalize(
        schema, draft=jsonschema_rs.Draft202012, validate_formats=True
    )


def without_patterns(schema: Any) -> Any:
    """The schema without its patterns, which only say in another way what a format says."""
    if isinstance(schema, dict):
        return {key: without_patterns(value) for key, value in schema.items() if key != "pattern"}
    return [without_patterns(item) for item in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_is_its_component_by_proof(model: type[msgspec.Struct]) -> None:
    """Everything that the contract allows decodes, and the model claims nothing more."""
    _, shapes = msgspec.json.schema_components([model], ref_template="#/$defs/{name}")
    component = CONTRACT.resolved["components"]["schemas"][model.__name__]
    ours = canonical({"$ref": f"#/$defs/{model.__name__}", "$defs": shapes})
    agreed = canonical(component)
    assert str(ours.covers(agreed)) == "yes"
    if model.__name__ not in OPEN_ON_PURPOSE:
        assert str(canonical(without_patterns(component)).covers(ours)) == "yes"


def test_the_proof_fails_for_a_model_that_expects_less() -> None:
    wrong = msgspec.defstruct("Control", [("id", models.Int64), ("description", str)])
    _, shapes = msgspec.json.schema_components([wrong])
    agreed = canonical(CONTRACT.resolved["components"]["schemas"]["Control"])
    assert str(canonical(shapes["Control"]).covers(agreed)) != "yes"
