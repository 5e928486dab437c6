"""One digest per operation: it changes when what a caller or a recording relies on changes.

Wording does not count: descriptions, summaries and examples are left out, and so is key order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from compai_kit.contract.load import Contract

# Names of fields are data, so these keywords are only dropped where they are keywords.
_WORDING = frozenset({"description", "summary", "example", "examples", "title", "tags"})
_NAMES_BELOW = frozenset({"properties", "patternProperties", "headers", "content", "responses"})


def operation_digest(contract: Contract, operation_id: str) -> str:
    """Hex SHA-256 over method, path and description, every reference inlined.

    Raises KeyError for an operation that the contract does not have.
    """
    operation = contract.operations[operation_id]
    item: dict[str, Any] = contract.resolved["paths"][operation.path]
    description = contract.description_of(operation_id)
    return digest_of(
        {
            "method": operation.method,
            "path": operation.path,
            "parameters": item.get("parameters", []),
            "security": description.get("security", contract.resolved.get("security", [])),
            "operation": description,
        }
    )


def digest_of(node: Any) -> str:
    """Hex SHA-256 of what a part of a document promises."""
    text = json.dumps(_promise(node), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _promise(node: Any, *, names: bool = False) -> Any:
    if isinstance(node, Mapping):
        return {
            str(key): _promise(value, names=not names and key in _NAMES_BELOW)
            for key, value in node.items()
            if names or key not in _WORDING
        }
    if isinstance(node, list):
        return [_promise(child) for child in node]
    return node
