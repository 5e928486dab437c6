"""What the web framework refuses before any code of the service runs: 400, 413, 415 and 422, always
as text/plain.

The prefixes are fixed; the details behind them imitate the live wording, which nobody should rely
on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

I64 = (-(2**63), 2**63 - 1)
U32 = (0, 2**32 - 1)
MAX_BODY_BYTES = 2 * 1024 * 1024

Integer = Literal["i64", "u32"]
QueryType = Literal["i64", "u32", "string"]
FieldType = Literal["string", "i64", "list"]
_RANGES = {"i64": I64, "u32": U32}

_BAD_JSON = "Failed to parse the request body as JSON: "
_BAD_TYPE = "Failed to deserialize the JSON body into the target type: "
_BAD_QUERY = "Failed to deserialize query string: "
_BAD_PATH = "Invalid URL: "


class RejectedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class BodyField:
    """`items` is what a list holds."""

    name: str
    type: FieldType
    required: bool
    items: BodySpec | None = None


@dataclass(frozen=True, slots=True)
class BodySpec:
    """A request struct of the service.

    Its name shows up in the messages, its order counts for arrays.
    """

    struct: str
    fields: tuple[BodyField, ...]


def path_integers(captured: Mapping[str, str]) -> dict[str, int]:
    """Path parameters are signed 64-bit integers, after percent-decoding."""
    values: dict[str, int] = {}
    for index, (name, raw) in enumerate(captured.items()):
        try:
            text = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError as error:
            raise RejectedError(400, f"{_BAD_PATH}Invalid UTF-8 in `{name}`") from error
        try:
            values[name] = rust_integer(text, "i64")
        except ValueError as error:
            what = f'value at index {index} with value `"{text}"`'
            detail = f'`"{text}"`' if len(captured) == 1 else what
            raise RejectedError(400, f"{_BAD_PATH}Cannot parse {detail} to a `i64`") from error
    return values


def query_values(query: str, spec: Mapping[str, QueryType]) -> dict[str, Any]:
    """Known keys may come once and must be of their type; unknown keys are ignored."""
    values: dict[str, Any] = dict.fromkeys(spec)
    for pair in query.split("&"):
        raw_key, _, raw_value = pair.partition("=")
        key = _form_decoded(raw_key)
        if key not in spec:
            continue
        if values[key] is not None:
            raise RejectedError(400, f"{_BAD_QUERY}duplicate field `{key}`")
        text = _form_decoded(raw_value)
        kind = spec[key]
        try:
            values[key] = text if kind == "string" else rust_integer(text, kind)
        except ValueError as error:
            raise RejectedError(400, f"{_BAD_QUERY}{error}") from error
    return values


def _form_decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def rust_integer(text: str, kind: Integer) -> int:
    """Decimal digits with an optional sign (only plus for unsigned), nothing around them."""
    if text == "":
        msg = "cannot parse integer from empty string"
        raise ValueError(msg)
    sign = r"[+-]?" if kind == "i64" else r"\+?"
    if re.fullmatch(sign + "[0-9]+", text) is None:
        msg = "invalid digit found in string"
        raise ValueError(msg)
    low, high = _RANGES[kind]
    digits = text.lstrip("+-").lstrip("0")
    value = int(digits or "0") if len(digits) <= 20 else high + 1
    value = -value if text.startswith("-") else value
    if value > high or (value < 0 and len(digits) > 20):
        msg = "number too large to fit in target type"
        raise ValueError(msg)
    if value < low:
        msg = "number too small to fit in target type"
        raise ValueError(msg)
    return value


def json_body(content_type: str | None, body: bytes, spec: BodySpec) -> dict[str, Any]:
    """Media type, then size, then syntax, then types.

    Bytes after the first JSON value are ignored, as live.
    """
    if not _is_json(content_type):
        raise RejectedError(415, "Expected request with `Content-Type: application/json`")
    if len(body) > MAX_BODY_BYTES:
        raise RejectedError(413, "Failed to buffer the request body: length limit exceeded")
    return _struct(_parsed(body), spec, "")


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    kind, _, subtype = media_type.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys in order and duplicates kept."""


@dataclass(frozen=True, slots=True)
class _Float:
    """Every number that is not an integer of at most 64 bits, `-0` included."""

    text: str


def _integer(text: str) -> int | _Float:
    if text == "-0" or len(text) > 20:
        return _Float(text)
    return int(text)


def _float(text: str) -> _Float:
    if math.isinf(float(text)):
        raise RejectedError(400, f"{_BAD_JSON}number out of range")
    return _Float(text)


def _no_constant(text: str) -> None:
    raise RejectedError(400, f"{_BAD_JSON}expected value, got {text}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_no_constant,
    strict=True,
)


def _parsed(body: bytes) -> Any:
    # Undecodable bytes become lone surrogates, which are refused where they matter and ignored
    # elsewhere.
    text = body.decode(errors="surrogateescape").lstrip(" \t\r\n")
    if not text:
        raise RejectedError(400, f"{_BAD_JSON}EOF while parsing a value at line 1 column 0")
    try:
        value, _ = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        where = f"at line {error.lineno} column {error.colno}"
        raise RejectedError(400, f"{_BAD_JSON}{error.msg} {where}") from error
    except RecursionError as error:
        raise RejectedError(400, f"{_BAD_JSON}recursion limit exceeded") from error
    return value


def _struct(value: Any, spec: BodySpec, where: str) -> dict[str, Any]:
    """`where` is the path of the value in the messages: empty, or `documents[0]`."""
    if isinstance(value, _Pairs):
        return _from_object(value, spec, where)
    if isinstance(value, list):
        return _from_array(value, spec, where)
    raise _bad_type(where, _unexpected(value, f"struct {spec.struct}"))


def _from_object(pairs: _Pairs, spec: BodySpec, where: str) -> dict[str, Any]:
    fields = {field.name: field for field in spec.fields}
    values: dict[str, Any] = {}
    for key, raw in pairs:
        if key not in fields:
            continue
        if key in values:
            raise _bad_type(where, f"duplicate field `{key}`")
        values[key] = _field_value(raw, fields[key], where)
    for field in spec.fields:
        if field.name not in values:
            if field.required:
                raise _bad_type(where, f"missing field `{field.name}`")
            values[field.name] = None
    return values


def _from_array(items: list[Any], spec: BodySpec, where: str) -> dict[str, Any]:
    """The framework takes an array for a struct: all fields by position, optional ones included."""
    values: dict[str, Any] = {}
    for index, field in enumerate(spec.fields):
        if index == len(items):
            plural = "" if len(spec.fields) == 1 else "s"
            expected = f"struct {spec.struct} with {len(spec.fields)} element{plural}"
            raise _bad_type(where, f"invalid length {index}, expected {expected}")
        values[field.name] = _field_value(items[index], field, where)
    if len(items) > len(spec.fields):
        raise RejectedError(400, f"{_BAD_JSON}trailing characters")
    return values


def _field_value(value: Any, field: BodyField, parent: str) -> Any:
    where = f"{parent}.{field.name}" if parent else field.name
    if value is None and not field.required:
        return None
    match field.type:
        case "string" if isinstance(value, str):
            if _has_surrogate(value):
                raise RejectedError(400, f"{_BAD_JSON}{where}: invalid unicode code point")
            return value
        case "i64" if type(value) is int:
            if I64[0] <= value <= I64[1]:
                return value
            raise _bad_type(where, f"invalid value: integer `{value}`, expected i64")
        case "list" if isinstance(value, list) and not isinstance(value, _Pairs) and field.items:
            return [
                _struct(item, field.items, f"{where}[{index}]") for index, item in enumerate(value)
            ]
    expected = {"string": "a string", "i64": "i64", "list": "a sequence"}[field.type]
    raise _bad_type(where, _unexpected(value, expected))


def _bad_type(where: str, detail: str) -> RejectedError:
    return RejectedError(422, f"{_BAD_TYPE}{where}{': ' if where else ''}{detail}")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _unexpected(value: Any, expected: str) -> str:
    match value:
        case None:
            got = "null"
        case bool():
            got = f"boolean `{str(value).lower()}`"
        case str():
            got = "string"
        case int():
            got = f"integer `{value}`"
        case _Float():
            got = f"floating point `{value.text}`"
        case _Pairs():
            got = "map"
        case _:
            got = "sequence"
    return f"invalid type: {got}, expected {expected}"
