"""Read the contract: one OpenAPI 3.1 file, valid, closed in itself, with the kit's extensions.

Everything that can be wrong with the file is found here and said in the reader's terms, so that
the rest of the kit may trust it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import jsonschema_rs
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.readers import read_from_filename

Retry = Literal["safe", "repeatable", "never"]

FILE_NAME = "comp-ai.openapi.yaml"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_LONGEST_PROBLEM = 200


class ContractError(Exception):
    """The contract cannot be used; the text names the file and what to do."""


class ContractUnreadableError(ContractError):
    """The file is missing or is not YAML."""


class ContractInvalidError(ContractError):
    """The file is YAML, but no contract the kit can work with; `problems` has one line for each."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(f"{source} is not a valid contract: " + "; ".join(problems))


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What code needs to know about an operation; `id` is its operationId, `path` its template."""

    id: str
    method: str
    path: str
    retry: Retry
    timeout_s: float
    statuses: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contract:
    """A contract that has been checked. Equal only to itself, so it can key caches.

    `document` is the file as written, `resolved` the same with every reference replaced by what
    it names.
    """

    source: str
    document: dict[str, Any] = field(repr=False)
    resolved: dict[str, Any] = field(repr=False)
    operations: Mapping[str, Operation]

    def description_of(self, operation_id: str) -> dict[str, Any]:
        """The operation object of the resolved document."""
        operation = self.operations[operation_id]
        description: dict[str, Any] = self.resolved["paths"][operation.path][
            operation.method.lower()
        ]
        return description


def default_path() -> Path:
    """The file in the installed package, else the one of the checkout this module lies in."""
    packaged = Path(__file__).with_name(FILE_NAME)
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "contracts" / FILE_NAME


def load_contract(path: Path | None = None) -> Contract:
    """Read and check the contract; None takes the kit's own. Raises ContractError."""
    file = default_path() if path is None else path
    if not file.is_file():
        raise ContractUnreadableError(
            f"{file}: there is no such contract file; give the path of an OpenAPI 3.1 document"
        )
    try:
        document, _ = read_from_filename(str(file))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractUnreadableError(f"{file} is not YAML: {_yaml_problem(error)}") from error
    return contract_from(document, source=str(file))


def contract_from(document: object, *, source: str) -> Contract:
    """Check a document in memory, which messages call `source`. Raises ContractInvalidError."""
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3.1."):
        raise ContractInvalidError(
            source, ["it is no OpenAPI 3.1 document (`openapi: 3.1.0` is missing)"]
        )
    if broken := _broken_references(document):
        raise ContractInvalidError(source, broken)
    if problems := _breaches_of_openapi(document):
        raise ContractInvalidError(source, problems)
    resolved: dict[str, Any] = jsonschema_rs.dereference(document, offline=True)
    problems = []
    operations: dict[str, Operation] = {}
    for path, method, description in _operations(document, resolved):
        problems.extend(_missing_facts(path, method, description))
        if not problems:
            operation = _operation(path, method, description)
            operations[operation.id] = operation
    if problems:
        raise ContractInvalidError(source, problems)
    if not operations:
        raise ContractInvalidError(source, ["it describes no operation"])
    return Contract(
        source=source, document=document, resolved=resolved, operations=MappingProxyType(operations)
    )


def json_pointer(parts: Iterable[str | int]) -> str:
    """RFC 6901; empty for the whole document."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def _breaches_of_openapi(document: dict[str, Any]) -> list[str]:
    problems = []
    try:
        for error in OpenAPIV31SpecValidator(document).iter_errors():
            problems.append(_short(error.message, error.absolute_path))
    except (KeyError, TypeError, AttributeError, ValueError):
        # The validator goes on with a document whose shape it has just reported, and stumbles.
        problems = problems or ["its shape is so far from OpenAPI that the validator fails on it"]
    return problems


def _operations(
    document: dict[str, Any], resolved: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Resolved, but in the order in which they are written."""
    for path in document.get("paths", {}):
        item = resolved["paths"][path]
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _missing_facts(path: str, method: str, description: dict[str, Any]) -> Iterator[str]:
    """What OpenAPI leaves open and the kit needs."""
    name = description.get("operationId") or f"{method.upper()} {path}"
    if "operationId" not in description:
        yield f"{name}: operationId is missing"
    if description.get("x-retry") not in get_args(Retry):
        yield f"{name}: x-retry must be one of {', '.join(get_args(Retry))}"
    seconds = description.get("x-timeout-seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        yield f"{name}: x-timeout-seconds must be a number above 0"
    if not description.get("responses"):
        yield f"{name}: responses are missing"
    for status in description.get("responses", {}):
        if not str(status).isdecimal():
            yield f"{name}: status {status!r} is no number; every status is described by itself"


def _operation(path: str, method: str, description: dict[str, Any]) -> Operation:
    return Operation(
        id=description["operationId"],
        method=method.upper(),
        path=path,
        retry=description["x-retry"],
        timeout_s=float(description["x-timeout-seconds"]),
        statuses=tuple(sorted(int(status) for status in description["responses"])),
    )


def _broken_references(document: dict[str, Any]) -> list[str]:
    """Every reference that leaves the file or leads nowhere, with the place that holds it."""
    resolver = jsonschema_rs.Registry([("urn:contract", document)]).resolver("urn:contract")
    broken = []
    for place, reference in _references(document):
        if not reference.startswith("#"):
            broken.append(f"{place}: $ref {reference!r} leaves the file; a contract is one file")
            continue
        try:
            resolver.lookup(reference)
        except jsonschema_rs.ReferencingError:
            broken.append(f"{place}: $ref {reference!r} leads nowhere")
    return broken


def _references(node: object, *place: str | int) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield json_pointer(place), node["$ref"]
        for key, child in node.items():
            yield from _references(child, *place, key)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _references(child, *place, index)


def _short(message: str, place: Iterable[str | int]) -> str:
    """The first line only: the validator appends the whole document to its message."""
    line = message.strip().splitlines()[0][:_LONGEST_PROBLEM]
    where = json_pointer(place)
    return f"{where}: {line}" if where else line


def _yaml_problem(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]
