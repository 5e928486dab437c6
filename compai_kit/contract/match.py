"""Which operation a call belongs to.

werkzeug's router does the matching. Paths are compared as sent and parameters decoded
afterwards, which is what the service does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter, Rule

from compai_kit.contract.load import Contract, Operation


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
    try:
        operation_id, raw = _router(contract).match(url_path, method=method.upper())
    except HTTPException:  # not found, wrong method
        return None
    return Match(
        contract.operations[operation_id], {name: unquote(value) for name, value in raw.items()}
    )


@lru_cache(maxsize=32)
def _router(contract: Contract) -> MapAdapter:
    rules = [
        Rule(
            operation.path.replace("{", "<").replace("}", ">"),
            endpoint=operation.id,
            methods=[operation.method],
        )
        for operation in contract.operations.values()
    ]
    return Map(rules, strict_slashes=True, redirect_defaults=False, merge_slashes=False).bind(
        "comp-ai"
    )
