"""Which operation a call belongs to.

werkzeug's router does the matching. Paths are compared as sent and parameters decoded
afterwards, which is what the service does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter, Rule

from compai_kit.contract.load import Contract, Operation

_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True)
class Match:
    """An operation and the path's parameters, percent-decoded, still text."""

    operation: Operation
    parameters: Mapping[str, str]


def match_operation(contract: Contract, method: str, url_path: str) -> Operation | None:
    """The operation that answers this call, or None. HEAD belongs to its GET."""
    found = match_call(contract, method, url_path)
    return found.operation if found else None


def match_call(contract: Contract, method: str, url_path: str) -> Match | None:
    """As match_operation, with the path's parameters."""
    if url_path.startswith("//"):  # werkzeug would drop the slashes
        return None
    try:
        operation_id, values = _router(contract).match(url_path, method=method.upper())
    except HTTPException:  # not found, wrong method
        return None
    operation = contract.operations[operation_id]
    names = _PLACEHOLDER.findall(operation.path)
    return Match(
        operation,
        {name: unquote(values[f"p{number}"]) for number, name in enumerate(names)},
    )


@lru_cache(maxsize=32)
def _router(contract: Contract) -> MapAdapter:
    rules = [
        Rule(_rule(operation.path), endpoint=operation.id, methods=[operation.method])
        for operation in contract.operations.values()
    ]
    routes = Map(rules, strict_slashes=True, redirect_defaults=False, merge_slashes=False)
    return routes.bind("comp-ai")


def _rule(template: str) -> str:
    """werkzeug's notation; placeholders get numbers, because it does not take every name."""
    numbers = count()
    return _PLACEHOLDER.sub(lambda _: f"<p{next(numbers)}>", template)
