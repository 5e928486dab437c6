"""Whether one schema fits another, and how schema nodes of real documents are read."""

from typing import Any

import pytest

from compai_kit.contract.schemas import JsonSchema, UnreadableSchemaError, fits, json_schema

V30 = {"openapi": "3.0.3"}
V31 = {"openapi": "3.1.0"}
ROW = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "result": {"enum": ["pass", "fail"]},
    },
    "required": ["id", "at", "result"],
}


def row(**properties: Any) -> JsonSchema:
    return {**ROW, "properties": {**ROW["properties"], **properties}}  # type: ignore[dict-item]  # a literal of ours


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(ROW, id="the same"),
        pytest.param(row(more={"type": "string"}), id="a new field"),
        pytest.param(row(result={"const": "pass"}), id="a narrower enum"),
        pytest.param({**ROW, "additionalProperties": False}, id="closed"),
    ],
)
def test_what_a_reader_takes_fits(given: JsonSchema) -> None:
    assert fits(given, ROW).verdict == "yes"
    assert fits({"type": "array", "items": given}, {"type": "array", "items": ROW}).verdict == "yes"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "at", "wanted_at"),
    [
        pytest.param({**ROW, "required": ["id", "at"]}, "", "/required", id="optional"),
        pytest.param(
            row(id={"type": ["integer", "null"]}), "/id", "/properties/id/type", id="nullable"
        ),
        pytest.param(row(id={"type": "string"}), "/id", "/properties/id/type", id="another type"),
        pytest.param(
            row(result={"type": "string"}), "/result", "/properties/result/enum", id="wider enum"
        ),
        pytest.param(
            row(at={"type": "string"}), "/at", "/properties/at/format", id="a format less"
        ),
    ],
)
def test_what_does_not_fit_comes_with_a_witness(given: JsonSchema, at: str, wanted_at: str) -> None:
    fit = fits(given, ROW)

    assert (fit.verdict, fit.at, fit.wanted_at) == ("no", at, wanted_at)
    assert fits({"const": fit.witness}, given).verdict == "yes", "the service may send it"
    assert fits({"const": fit.witness}, ROW).verdict == "no", "we refuse it"


@pytest.mark.slow
def test_a_witness_in_a_list_is_one_row() -> None:
    given = {"type": "array", "items": row(id={"type": "null"})}

    fit = fits(given, {"type": "array", "items": ROW})

    assert (fit.at, fit.given_at, fit.wanted_at) == (
        "/0/id",
        "/items/properties/id",
        "/items/properties/id/type",
    )
    assert [value["id"] for value in fit.witness] == [None]


class TestReading:
    def test_nullable_of_3_0_is_null(self) -> None:
        old = json_schema({"type": "string", "nullable": True}, V30)

        assert fits(old, {"type": ["string", "null"]}).verdict == "yes"
        assert fits({"type": ["string", "null"]}, old).verdict == "yes"

    def test_nullable_beside_a_reference_is_null_in_3_0(self) -> None:
        document = {**V30, "components": {"schemas": {"A": {"type": "string"}}}}

        schema = json_schema({"$ref": "#/components/schemas/A", "nullable": True}, document)

        assert fits({"type": "null"}, schema).verdict == "yes"

    def test_nullable_means_nothing_in_3_1(self) -> None:
        schema = json_schema({"type": "string", "nullable": True}, V31)

        assert fits({"type": "null"}, schema).verdict == "no"

    def test_an_exclusive_limit_of_3_0_is_a_flag(self) -> None:
        schema = json_schema({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, V30)

        assert fits({"const": 1}, schema).verdict == "no"
        assert fits({"const": 2}, schema).verdict == "yes"

    def test_integer_formats_are_limits(self) -> None:
        schema = json_schema({"type": "integer", "format": "int64"}, V31)

        assert fits({"const": 2**63}, schema).verdict == "no"
        assert fits({"const": 2**63 - 1}, schema).verdict == "yes"

    def test_references_are_inlined(self) -> None:
        document = {
            **V31,
            "components": {"schemas": {"A": {"$ref": "#/components/schemas/B"}, "B": ROW}},
        }

        assert json_schema({"$ref": "#/components/schemas/A"}, document) == ROW

    @pytest.mark.parametrize(
        ("node", "problem"),
        [
            ({"$ref": "#/components/schemas/Gone"}, "leads nowhere"),
            ({"$ref": "other.yaml#/A"}, "leaves the document"),
            ({"properties": {"a": 5}}, "/properties/a: is int, not a schema"),
            ({"properties": []}, "/properties: is list, not an object"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, node: Any, problem: str) -> None:
        with pytest.raises(UnreadableSchemaError, match=problem):
            json_schema(node, V31)

    def test_a_circle_is_named(self) -> None:
        document = {
            **V31,
            "components": {"schemas": {"A": {"items": {"$ref": "#/components/schemas/A"}}}},
        }

        with pytest.raises(UnreadableSchemaError, match="comes back to itself"):
            json_schema({"$ref": "#/components/schemas/A"}, document)
