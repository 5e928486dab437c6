"""The contract as compiled validators, built once: the simulator judges every call it serves.

Response objects are open in the document. Each body is compiled twice: as written, which is what
a consumer must accept, and *exact*, where a field that the document does not name is refused:
recordings and simulator are held to that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs

from compai_kit.contract.load import Contract, ContractInvalidError

_SCHEMAS_BY_NAME = ("properties", "patternProperties", "$defs", "dependentSchemas")
_SCHEMA = ("items", "contains", "not", "if", "then", "else", "additionalProperties")
_SCHEMA_LISTS = ("anyOf", "oneOf", "prefixItems")
_PARAMETER_TYPES = ("integer", "string")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A path or query parameter, or a response header."""

    name: str
    required: bool
    type: str
    validator: jsonschema_rs.Validator


@dataclass(frozen=True, kw_only=True)
class Body:
    """What one media type may hold, as written and exact."""

    open: jsonschema_rs.Validator
    exact: jsonschema_rs.Validator


@dataclass(frozen=True, kw_only=True)
class Response:
    """One documented status; `bodies` by media type, without parameters and in lower case."""

    headers: tuple[Parameter, ...]
    bodies: Mapping[str, Body]


@dataclass(frozen=True, kw_only=True)
class CompiledOperation:
    """Everything that a call of one operation is judged by."""

    needs_bearer: bool
    path: tuple[Parameter, ...]
    query: tuple[Parameter, ...]
    body_required: bool
    bodies: Mapping[str, jsonschema_rs.Validator]
    responses: Mapping[int, Response]


@lru_cache(maxsize=32)
def compiled(contract: Contract) -> Mapping[str, CompiledOperation]:
    """The validators by operationId. Raises ContractInvalidError for what the kit cannot judge."""
    operations = {}
    for operation_id in contract.operations:
        try:
            operations[operation_id] = _compile(contract, operation_id)
        except jsonschema_rs.ValidationError as error:  # of a header, which OpenAPI tools skip
            problem = f"{operation_id}: a schema is not valid: {error.message}"
            raise ContractInvalidError(contract.source, [problem]) from error
    return operations


def _compile(contract: Contract, operation_id: str) -> CompiledOperation:
    description = contract.description_of(operation_id)
    operation = contract.operations[operation_id]
    shared = contract.resolved["paths"][operation.path].get("parameters", [])
    parameters = [*shared, *description.get("parameters", [])]
    request = description.get("requestBody", {})
    return CompiledOperation(
        needs_bearer=_needs_bearer(contract, operation_id, description),
        path=tuple(_parameter(contract, operation_id, p) for p in parameters if p["in"] == "path"),
        query=tuple(
            _parameter(contract, operation_id, p) for p in parameters if p["in"] == "query"
        ),
        body_required=bool(request.get("required", False)),
        bodies={
            media.lower(): _validator(content.get("schema", True))
            for media, content in request.get("content", {}).items()
        },
        responses={
            int(status): Response(
                headers=tuple(
                    _parameter(contract, operation_id, {"name": name.lower(), **header})
                    for name, header in response.get("headers", {}).items()
                ),
                bodies={
                    media.lower(): Body(
                        open=_validator(content.get("schema", True)),
                        exact=_validator(
                            _closed(contract, operation_id, content.get("schema", True))
                        ),
                    )
                    for media, content in response.get("content", {}).items()
                },
            )
            for status, response in description["responses"].items()
        },
    )


def _needs_bearer(contract: Contract, operation_id: str, description: dict[str, Any]) -> bool:
    alternatives = description.get("security", contract.resolved.get("security", []))
    schemes = contract.resolved.get("components", {}).get("securitySchemes", {})
    for name in {name for alternative in alternatives for name in alternative}:
        scheme = schemes.get(name, {})
        if (scheme.get("type"), scheme.get("scheme", "").lower()) != ("http", "bearer"):
            raise ContractInvalidError(
                contract.source, [f"{operation_id}: security scheme {name} is not bearer"]
            )
    return bool(alternatives) and {} not in alternatives


def _parameter(contract: Contract, operation_id: str, description: dict[str, Any]) -> Parameter:
    kind = description.get("schema", {}).get("type")
    if kind not in _PARAMETER_TYPES:
        known = ", ".join(_PARAMETER_TYPES)
        problem = f"{operation_id}: parameter {description['name']} is {kind!r}, not one of {known}"
        raise ContractInvalidError(contract.source, [problem])
    return Parameter(
        name=description["name"],
        required=bool(description.get("required", False)),
        type=kind,
        validator=_validator(description["schema"]),
    )


def _validator(schema: dict[str, Any] | bool) -> jsonschema_rs.Validator:
    """`mask` keeps the judged value out of every message: it may be large, private or a secret."""
    return jsonschema_rs.Draft202012Validator(
        schema, validate_formats=True, mask="the value", offline=True
    )


def _closed(contract: Contract, operation_id: str, schema: Any) -> Any:
    """The schema with every object that lists properties closed."""
    if not isinstance(schema, dict):
        return schema
    if "allOf" in schema:
        problem = f"{operation_id}: a response uses allOf, which cannot be closed; write it out"
        raise ContractInvalidError(contract.source, [problem])

    def close(child: Any) -> Any:
        return _closed(contract, operation_id, child)

    closed = dict(schema)
    for keyword in _SCHEMAS_BY_NAME:
        if keyword in closed:
            closed[keyword] = {name: close(child) for name, child in closed[keyword].items()}
    for keyword in _SCHEMA:
        if keyword in closed:
            closed[keyword] = close(closed[keyword])
    for keyword in _SCHEMA_LISTS:
        if keyword in closed:
            closed[keyword] = [close(child) for child in closed[keyword]]
    if "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed
