"""Judge one request or one response by the contract.

A violation says where and what, never the judged text itself: payloads can be large, private or
hold a secret.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

import jsonschema_rs
import msgspec
from werkzeug.http import parse_options_header

from compai_kit.contract.compile import Body, CompiledOperation, Parameter, compiled
from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.load import Contract, json_pointer
from compai_kit.contract.match import match_call

_BEARER = re.compile(r"Bearer [!-~]+[ \t]*")
# What the service reads as an integer: a sign and ASCII digits, nothing around them. Leading zeros
# are allowed, so there is no short limit; the long one keeps the conversion cheap.
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_HARMLESS = re.compile(r"[A-Za-z][A-Za-z _/]{0,59}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_]{0,39}")
_JSON_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}
_MOST_VIOLATIONS = 20


@dataclass(frozen=True)
class Violation:
    """One breach.

    `pointer` is `security`, `operation`, `status`, `path/<name>`, `query/<name>`, `header/<name>`
    or `body` with a JSON Pointer.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}"


class NotJsonError(ValueError):
    """The body is not one JSON value; the text has no part of it."""


def request_violations(contract: Contract, request: HttpRequest) -> list[Violation]:
    """What is wrong with a request: operation, token, parameters, content type, body."""
    found = match_call(contract, request.method, request.url_path)
    if found is None:
        return [
            Violation(
                "operation", f"no operation answers {request.method} {request.url_path[:200]}"
            )
        ]
    operation = compiled(contract)[found.operation.id]
    return [
        *_security(operation, request),
        *_path(operation, found.parameters),
        *_query(operation, request.query),
        *_request_body(operation, request),
    ]


def response_violations(
    contract: Contract,
    operation_id: str,
    response: HttpResponse,
    *,
    method: str | None = None,
    exact: bool = True,
) -> list[Violation]:
    """What is wrong with a response: status, media type, required headers, body.

    With `exact` a field that the contract does not name is a violation (recordings, simulator);
    without, it is not, because new fields must not break a consumer. The answer to `method="HEAD"`
    has the headers of the GET and no body.
    """
    operation = compiled(contract)[operation_id]
    documented = operation.responses.get(response.status)
    if documented is None:
        known = ", ".join(str(status) for status in sorted(operation.responses))
        return [
            Violation(
                "status",
                f"{response.status} is not documented for {operation_id}; documented: {known}",
            )
        ]
    violations = [
        violation
        for header in documented.headers
        for violation in _value(
            f"header/{header.name}", header, _given(response.headers, header.name)
        )
    ]
    media, problem = _media_type(
        response.headers, documented.bodies, for_what=f"status {response.status}"
    )
    if problem:
        return [*violations, *problem]
    if method == "HEAD":
        empty = [Violation("body", "the answer to HEAD must have none")] if response.body else []
        return [*violations, *empty]
    if media is None:
        empty = [Violation("body", f"status {response.status} has none")] if response.body else []
        return [*violations, *empty]
    return [
        *violations,
        *_response_body(documented.bodies[media], media, response.body, exact=exact),
    ]


def decode_json(body: bytes) -> Any:
    """One JSON value as RFC 8259 has it: no byte order mark, no NaN, nothing after it.

    Raises NotJsonError.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NotJsonError(str(error)) from None
    except UnicodeDecodeError:
        raise NotJsonError("a string is not UTF-8") from None
    except RecursionError:
        raise NotJsonError("it is nested too deeply") from None


def _security(operation: CompiledOperation, request: HttpRequest) -> Iterator[Violation]:
    if not operation.needs_bearer:
        return
    value = request.headers.get("authorization")
    if value is None:
        yield Violation("security", "a bearer token is required, there is no Authorization header")
    elif not _BEARER.fullmatch(value):
        yield Violation(
            "security",
            "a bearer token is required, Authorization is not `Bearer <token>`",
        )


def _path(operation: CompiledOperation, given: Mapping[str, str]) -> Iterator[Violation]:
    for parameter in operation.path:
        yield from _value(f"path/{parameter.name}", parameter, [given[parameter.name]])


def _query(operation: CompiledOperation, query: str) -> Iterator[Violation]:
    """Keys that the contract does not name are not looked at: the service ignores them."""
    pairs = parse_qsl(query, keep_blank_values=True)
    for parameter in operation.query:
        yield from _value(
            f"query/{parameter.name}",
            parameter,
            [value for name, value in pairs if name == parameter.name],
        )


def _given(headers: Mapping[str, str], name: str) -> list[str]:
    return [headers[name]] if name in headers else []


def _value(pointer: str, parameter: Parameter, given: list[str]) -> Iterator[Violation]:
    if len(given) > 1:
        yield Violation(pointer, f"given {len(given)} times")
        return
    if not given:
        if parameter.required:
            yield Violation(pointer, "is missing")
        return
    value: str | int = given[0]
    if parameter.type == "integer":
        if not _INTEGER.fullmatch(given[0]):
            yield Violation(pointer, "is not an integer")
            return
        value = int(given[0])
    for error in parameter.validator.iter_errors(value):
        yield Violation(pointer, _message(error))


def _media_type(
    headers: Mapping[str, str], documented: Mapping[str, object], *, for_what: str
) -> tuple[str | None, list[Violation]]:
    """The media type to judge the body by, without its parameters, and what is wrong with it."""
    media = parse_options_header(headers.get("content-type"))[0].lower()
    if media in documented:
        return media, []
    if not media and not documented:
        return None, []
    known = ", ".join(sorted(documented)) or "none"
    seen = f"{media[:100]} is not documented" if media else "is missing"
    return None, [Violation("header/content-type", f"{seen} for {for_what}; documented: {known}")]


def _request_body(operation: CompiledOperation, request: HttpRequest) -> Iterator[Violation]:
    if not operation.bodies:
        return
    if not request.body and not operation.body_required:
        return
    media, problem = _media_type(request.headers, operation.bodies, for_what="this request")
    yield from problem
    if media is None:
        return
    if not request.body:
        yield Violation("body", "is missing")
        return
    try:
        value = decode_json(request.body)
    except NotJsonError as error:
        yield Violation("body", f"is not JSON: {error}")
        return
    if (doubled := _doubled_key(request.body)) is not None:
        yield Violation("body", f"has the field {_shown(doubled)} twice")
    yield from _schema_violations(operation.bodies[media], value)


def _response_body(body: Body, media: str, content: bytes, *, exact: bool) -> Iterator[Violation]:
    try:
        value = decode_json(content) if _is_json(media) else content.decode()
    except NotJsonError as error:
        yield Violation("body", f"is not JSON: {error}")
        return
    except UnicodeDecodeError:
        yield Violation("body", "is not UTF-8")
        return
    yield from _schema_violations(body.exact if exact else body.open, value)


def _is_json(media: str) -> bool:
    return media == "application/json" or media.endswith("+json")


def _schema_violations(validator: jsonschema_rs.Validator, value: object) -> Iterator[Violation]:
    errors = list(islice(validator.iter_errors(value), _MOST_VIOLATIONS + 1))
    for error in errors[:_MOST_VIOLATIONS]:
        pointer = json_pointer(error.instance_path)
        yield Violation(f"body{pointer}", _message(error))
    if len(errors) > _MOST_VIOLATIONS:
        yield Violation("body", f"more than {_MOST_VIOLATIONS} violations; the rest is left out")


def _message(error: jsonschema_rs.ValidationError) -> str:
    """The breach in words; of the judged value only what a closed set needs to be understood."""
    facts = error.kind.as_dict()
    match error.kind.name:
        case "enum":
            options = ", ".join(json.dumps(option) for option in facts["options"])
            return f"is none of {options}{_seen(error.instance)}"
        case "const":
            return f"is not {json.dumps(facts['expected_value'])}{_seen(error.instance)}"
        case "required":
            return f"lacks the field {facts['property']}"
        case "additionalProperties":
            named = ", ".join(_shown(name) for name in facts["unexpected"][:5])
            return f"has fields that the contract does not name: {named}"
        case _:
            return error.message[:300].removeprefix("the value ")


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else "(odd name)"


def _seen(value: object) -> str:
    """A text of a few letters is shown, anything else by its type: it may be large or a secret."""
    if isinstance(value, str):
        return f" (seen: {value})" if _HARMLESS.fullmatch(value) else " (seen: another text)"
    return f" (seen: {_JSON_TYPES[type(value)]})"


def _doubled_key(body: bytes) -> str | None:
    """The first field that an object has twice: readers disagree which of the two counts."""
    doubled: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for name, _ in items:
            if name in seen:
                doubled.append(name)
            seen.add(name)
        return dict(items)

    json.loads(body, object_pairs_hook=pairs)
    return doubled[0] if doubled else None
