"""A small value of a schema that fulfils a condition, found by Schemathesis' own generator.

Its public way to data is an operation whose body has the schema, so that is what it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Enough for every difference of this API; a search that ends without a value decides nothing.
EXAMPLES = 300


def find_value(schema: Any, fulfils: Callable[[Any], bool]) -> list[Any]:
    """The simplest value that was found, or nothing. The same one in every run."""
    # Heavy, and needed only when something does not fit.
    import schemathesis
    from hypothesis import HealthCheck, find, settings
    from hypothesis.errors import NoSuchExample, Unsatisfiable

    body = {key: value for key, value in schema.items() if key != "$schema"} if schema else schema
    operation = schemathesis.openapi.from_dict(
        _document(body), config=schemathesis.Config.from_dict({"generation": {"mode": "positive"}})
    )["/"]["POST"]
    try:
        found = find(
            operation.as_strategy().map(lambda case: case.body),
            fulfils,
            settings=settings(
                max_examples=EXAMPLES,
                database=None,
                derandomize=True,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except (NoSuchExample, Unsatisfiable):
        return []
    return [found]


def _document(schema: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    body = {"required": True, "content": content}
    return {
        "openapi": "3.1.0",
        "info": {"title": "difference", "version": "1"},
        "paths": {
            "/": {"post": {"requestBody": body, "responses": {"200": {"description": "any"}}}}
        },
    }
