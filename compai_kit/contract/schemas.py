"""Schema nodes of any OpenAPI 3.0 or 3.1 document as JSON Schemas, and whether one fits another.

The only module that knows jsonschema-rs' set algebra, which is experimental upstream.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import jsonschema_rs

from compai_kit.contract.load import json_pointer
from compai_kit.contract.witness import find_value

JsonSchema = dict[str, Any] | bool
Verdict = Literal["yes", "no", "undecided"]

_BY_NAME = ("properties", "patternProperties", "$defs", "dependentSchemas")
_ONE = ("items", "contains", "not", "if", "then", "else", "additionalProperties", "propertyNames")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
# They describe or render; none of them decides whether a value is allowed.
_SILENT = frozenset(
    [
        "title",
        "description",
        "default",
        "example",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "xml",
        "discriminator",
        "externalDocs",
        "$comment",
        "nullable",
    ]
)
# Formats of numbers are never asserted by validators, so they become bounds.
_BOUNDS = {
    "int64": (-(2**63), 2**63 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_DRAFT = jsonschema_rs.Draft202012


class UnreadableSchemaError(Exception):
    """A schema node that cannot be understood; the text names the place and the problem."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether every value that one schema allows is allowed by another.

    `no` comes with `witness`: a small value that is allowed by the first and refused by the second,
    `at` is the place in it that decides (JSON pointer), `given_at` and `wanted_at` are the places
    in the two schemas. `undecided` is neither proved nor refuted.
    """

    verdict: Verdict
    witness: Any = None
    at: str = ""
    given_at: str = ""
    wanted_at: str = ""


def json_schema(node: Any, document: Mapping[str, Any], *, place: str = "") -> JsonSchema:
    """A schema node of an OpenAPI document, references inlined, as JSON Schema 2020-12.

    Raises UnreadableSchemaError for a reference that leads nowhere, leaves the document or comes
    back to itself, and for a node that is no schema.
    """
    return _Reader(document).read(node, place, ())


def fits(given: JsonSchema, wanted: JsonSchema) -> Fit:
    """Whether `wanted` allows all that `given` allows; formats are asserted.

    For an answer, `given` is what the service may send and `wanted` what is decoded; for a request
    the other way round. Raises UnreadableSchemaError when one of them is no valid schema.
    """
    return _fits(_text(given), _text(wanted))


@lru_cache(maxsize=4096)
def _fits(given_text: str, wanted_text: str) -> Fit:
    given, wanted = json.loads(given_text), json.loads(wanted_text)
    match _covers(wanted, given):
        case "yes":
            return Fit(verdict="yes")
        case _:
            return _peeled(given, wanted) or _searched(given, wanted)


def _covers(wide: JsonSchema, narrow: JsonSchema) -> str:
    return str(_canonical(wide).covers(_canonical(narrow)))


def _canonical(schema: JsonSchema) -> jsonschema_rs.CanonicalSchema:
    try:
        return jsonschema_rs.canonicalize(schema, draft=_DRAFT, validate_formats=True, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise UnreadableSchemaError("schema", str(error).splitlines()[0]) from error


def _peeled(given: JsonSchema, wanted: JsonSchema) -> Fit | None:
    """Compare the items of plain arrays: the algebra is undecided about arrays of objects."""
    if not (isinstance(given, dict) and isinstance(wanted, dict)):
        return None
    if not all(
        schema.get("type") == "array" and set(schema) <= {"type", "items"}
        for schema in (given, wanted)
    ):
        return None
    inner = fits(given.get("items", True), wanted.get("items", True))
    if inner.verdict == "no":
        return replace(
            inner,
            witness=[inner.witness],
            at=f"/0{inner.at}",
            given_at=f"/items{inner.given_at}",
            wanted_at=f"/items{inner.wanted_at}",
        )
    return inner


def _searched(given: JsonSchema, wanted: JsonSchema) -> Fit:
    """Look for a value in the difference; only a value that was found refutes."""
    difference = _canonical(given).subtract(_canonical(wanted))
    if str(difference.satisfiability()) == "no":
        return Fit(verdict="yes")
    allows = _validator(given)
    refuses = _validator(wanted)
    found = find_value(
        difference.to_json_schema(),
        lambda value: allows.is_valid(value) and not refuses.is_valid(value),
    )
    if not found:
        return Fit(verdict="undecided")
    (value,) = found
    error = min(refuses.iter_errors(value), key=lambda error: len(list(error.instance_path)))
    at = list(error.instance_path)
    return Fit(
        verdict="no",
        witness=value,
        at=json_pointer(at),
        given_at=_place_of(given, at),
        wanted_at=json_pointer(error.schema_path),
    )


def _validator(schema: JsonSchema) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)


def _place_of(schema: JsonSchema, at: Iterable[str | int]) -> str:
    """Where a schema speaks of the value at that place, as deep as it does."""
    place: list[str | int] = []
    for step in at:
        if not isinstance(schema, dict):
            break
        if isinstance(step, int) and "items" in schema:
            place.append("items")
            schema = schema["items"]
        elif step in schema.get("properties", {}):
            place += ["properties", step]
            schema = schema["properties"][step]
        else:
            break
    return json_pointer(place)


def _text(schema: JsonSchema) -> str:
    return json.dumps(schema, sort_keys=True, ensure_ascii=False)


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._is_30 = str(document.get("openapi", "")).startswith("3.0")

    def read(self, node: Any, place: str, seen: tuple[str, ...]) -> JsonSchema:
        if isinstance(node, bool):
            return node
        if not isinstance(node, Mapping):
            raise UnreadableSchemaError(place, f"is {type(node).__name__}, not a schema")
        if "$ref" in node:
            return self._referenced(node, place, seen)
        schema = {key: value for key, value in node.items() if key not in _SILENT}
        schema = {key: value for key, value in schema.items() if not key.startswith("x-")}
        for keyword in _BY_NAME:
            if keyword in schema:
                schema[keyword] = {
                    name: self.read(child, f"{place}/{keyword}/{name}", seen)
                    for name, child in self._mapping(schema[keyword], f"{place}/{keyword}").items()
                }
        for keyword in _ONE:
            if keyword in schema:
                schema[keyword] = self.read(schema[keyword], f"{place}/{keyword}", seen)
        for keyword in _LISTS:
            if keyword in schema:
                schema[keyword] = [
                    self.read(child, f"{place}/{keyword}/{index}", seen)
                    for index, child in enumerate(schema[keyword])
                ]
        _bound(schema)
        return self._with_null(schema, node) if self._is_30 else schema

    def _referenced(self, node: Mapping[str, Any], place: str, seen: tuple[str, ...]) -> JsonSchema:
        reference = node["$ref"]
        if reference in seen:
            raise UnreadableSchemaError(place, f"$ref {reference!r} comes back to itself")
        target = self.read(self._look_up(reference, place), place, (*seen, reference))
        # In 3.0 a reference stands alone; in 3.1 what is beside it counts as well.
        beside = {} if self._is_30 else {k: v for k, v in node.items() if k != "$ref"}
        more = self.read(beside, place, seen)
        schema = target if not more else {"allOf": [target, more]}
        return self._with_null({"allOf": [schema]}, node) if node.get("nullable") else schema

    def _look_up(self, reference: Any, place: str) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise UnreadableSchemaError(place, f"$ref {reference!r} leaves the document")
        found: Any = self._document
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                raise UnreadableSchemaError(place, f"$ref {reference!r} leads nowhere")
            found = found[key]
        return found

    def _mapping(self, node: Any, place: str) -> Mapping[str, Any]:
        if not isinstance(node, Mapping):
            raise UnreadableSchemaError(place, f"is {type(node).__name__}, not an object")
        return node

    def _with_null(self, schema: dict[str, Any], node: Mapping[str, Any]) -> JsonSchema:
        """What 3.0 writes as `nullable`, and its exclusive limits, which are flags there."""
        for limit, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            is_exclusive = schema.get(flag)
            if isinstance(is_exclusive, bool):
                del schema[flag]
                if is_exclusive and limit in schema:
                    schema[flag] = schema.pop(limit)
        if not node.get("nullable"):
            return schema
        if schema in ({}, {"allOf": [{}]}):
            return {}
        return {"anyOf": [schema, {"type": "null"}]}


def _bound(schema: dict[str, Any]) -> None:
    """Integer formats as limits; `binary` and the like say nothing about JSON values."""
    low, high = _BOUNDS.get(str(schema.get("format")), (None, None))
    types = schema.get("type")
    if (
        low is not None
        and high is not None
        and "integer" in ([types] if isinstance(types, str) else types or [])
    ):
        schema["minimum"] = max(low, schema.get("minimum", low))
        schema["maximum"] = min(high, schema.get("maximum", high))
        del schema["format"]
    elif schema.get("format") in ("binary", "byte", "password", *_BOUNDS, "float", "double"):
        del schema["format"]
