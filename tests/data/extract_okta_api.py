"""Cuts what the kit reads of Okta out of Okta's published description of its Management API.

    go mod download -json github.com/okta/okta-sdk-golang/v6@v6.0.0    # "Zip" is the file
    python tests/data/extract_okta_api.py v6.0.0.zip tests/data/okta_api.json

The description is the one that Okta's SDK for Go is generated from: OpenAPI 3.0, 3 MB. What is left
is one JSON Schema (2020-12) per operation and status. It is stricter than the description in two
places, and nowhere looser: the values that Okta lists as known are an enumeration, and a schema is
chosen by its discriminator instead of tried one by one. Of policy rules only those of an
authentication policy are left, of applications only what all have in common.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MODULE = "github.com/okta/okta-sdk-golang/v6"
VERSION = "v6.0.0"
DOCUMENT = ".generator/okta-management-APIs-oasv3-noEnums-inheritance.yaml"
OPERATIONS = (
    "/api/v1/users",
    "/api/v1/users/{id}",
    "/api/v1/users/{userId}/factors",
    "/api/v1/apps",
    "/api/v1/policies/{policyId}/rules",
)
# Not told per operation: any of them answers so to a token that is not valid.
EVERYWHERE = {"401": {"$ref": "#/components/responses/ErrorInvalidToken401"}}
# Of policy rules, those of an authentication policy; of factors and methods, every one.
_RULES = frozenset({"ACCESS_POLICY"})
# Okta's own applications have the sign-on mode of one kind and the shape of none: as recorded by
# the SDK for Python (okta 3.4.6, tests/integration/cassettes/test_applications_it), they have what
# all applications have in common, and the fields that each kind adds in its own way.
_NOT_BY = "signOnMode"
# A schema that stands for those that add to it.
_ANY = ".any"
_KEPT = (
    "type",
    "format",
    "enum",
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
)


def main(package: Path, out: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        raw = archive.read(f"{MODULE}@{VERSION}/{DOCUMENT}")
    document = yaml.safe_load(raw)
    pinned = {
        "source": {
            "module": MODULE,
            "version": VERSION,
            "file": DOCUMENT,
            "sha256_of_file": hashlib.sha256(raw).hexdigest(),
            "title": document["info"]["title"],
            "api_version": document["info"]["version"],
            "license": document["info"]["license"]["name"],
        },
        **extract(document),
    }
    out.write_text(json.dumps(pinned, sort_keys=True, separators=(",", ":")) + "\n", "utf-8")


def extract(document: dict[str, Any]) -> dict[str, Any]:
    operations = {path: _operation(document, path) for path in OPERATIONS}
    schemas: dict[str, Any] = {}
    missing = set(_references(operations))
    while missing:
        name = missing.pop()
        described = document["components"]["schemas"][name.removesuffix(_ANY)]
        convert = _chosen if name.endswith(_ANY) else _schema
        schemas[name] = convert(document, described)
        missing |= set(_references(schemas[name])) - set(schemas)
    return {"operations": operations, "$defs": schemas}


def _operation(document: dict[str, Any], path: str) -> dict[str, Any]:
    described = document["paths"][path]["get"]
    scopes = [scope for way in described["security"] for scope in way.get("oauth2", [])]
    responses = {}
    for status, response in {**described["responses"], **EVERYWHERE}.items():
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        schema = response["content"]["application/json"]["schema"]
        responses[status] = _schema(document, schema)
    return {"scopes": scopes, "responses": responses}


def _schema(
    document: dict[str, Any], schema: dict[str, Any], *, is_base: bool = False
) -> dict[str, Any]:
    """As JSON Schema, without words for people; what `is_base` for others is not chosen here."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        chosen = "discriminator" in document["components"]["schemas"][name] and not is_base
        return {"$ref": f"#/$defs/{name}{_ANY if chosen else ''}"}
    if "oneOf" in schema and "discriminator" in schema:
        return _chosen(document, schema)
    plain: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if "x-okta-known-values" in schema:
        plain["enum"] = schema["x-okta-known-values"]
    if schema.get("nullable"):
        if "type" in plain:
            plain["type"] = [plain["type"], "null"]
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
    if isinstance(schema.get("properties"), dict):
        plain["properties"] = {
            name: _schema(document, value) for name, value in schema["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            plain[key] = _schema(document, schema[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in schema:
            plain[key] = [_schema(document, part, is_base=key == "allOf") for part in schema[key]]
    return plain


def _chosen(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """One of several, by its discriminator: what all have in common, and what each value adds."""
    name = schema["discriminator"]["propertyName"]
    mapping = {
        value: reference.rsplit("/", 1)[1]
        for value, reference in schema["discriminator"]["mapping"].items()
    }
    schemas = document["components"]["schemas"]
    (base,) = {schemas[target]["allOf"][0]["$ref"] for target in mapping.values()}
    in_all: set[str] = set()
    if name == _NOT_BY:
        added = [schemas[target]["allOf"][1]["properties"] for target in mapping.values()]
        in_all, mapping = set(added[0]).intersection(*added), {}
    elif mapping.keys() >= _RULES:
        mapping = {value: target for value, target in mapping.items() if value in _RULES}
    return {
        "required": [name],
        "properties": dict.fromkeys(sorted(in_all), True),
        "allOf": [
            _schema(document, {"$ref": base}, is_base=True),
            *(
                {
                    "if": {"properties": {name: {"const": value}}},
                    "then": {"$ref": f"#/$defs/{target}"},
                }
                for value, target in mapping.items()
            ),
        ],
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rsplit("/", 1)[1]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
