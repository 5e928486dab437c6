"""JSON bodies to Structs; a list at once when all is well, row by row when one row is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import GenericAlias
from typing import TypeVar

import msgspec

from compai_client._models import BadRow

Shape = TypeVar("Shape")

# What decoding can raise: before msgspec 0.20 its own errors are no ValueErrors, as those for bytes
# that are not UTF-8 are; deep nesting ends the stack.
NOT_DECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)

# msgspec repeats the offending value here and nowhere else.
_ENUM_VALUE = re.compile(r"Invalid enum value .*", re.DOTALL)
_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `(?P<pointer>\$[^`]*)`)?", re.DOTALL)


class ShapeError(Exception):
    """Where a body differs from its shape, and how, without its content."""

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"{pointer}: {problem}")
        self.pointer = pointer
        self.problem = problem


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """The whole body as one value, or a `ShapeError`."""
    try:
        return msgspec.json.decode(body, type=shape)
    except NOT_DECODABLE as error:
        raise _problem(error) from None  # their texts can hold content


def decode_or_null(body: bytes, shape: type[Shape]) -> Shape | None:
    """As `decode`, but JSON's null is None."""
    return None if body.strip() == b"null" else decode(body, shape)


def decode_rows(
    body: bytes, shape: type[Shape], on_bad_row: Callable[[BadRow], None] | None
) -> list[Shape]:
    """A list of rows; bad rows are a `ShapeError`, or are reported and left out."""
    rows: list[Shape]
    try:
        rows = msgspec.json.decode(body, type=GenericAlias(list, (shape,)))
        return rows
    except NOT_DECODABLE as error:
        if on_bad_row is None:
            raise _problem(error) from None
    rows = []
    for index, raw in enumerate(decode(body, list[msgspec.Raw])):
        try:
            rows.append(decode(bytes(raw), shape))
        except ShapeError as problem:
            pointer = f"$[{index}]{problem.pointer.removeprefix('$')}"
            on_bad_row(BadRow(index=index, reason=f"{pointer}: {problem.problem}"))
    return rows


def _problem(error: Exception) -> ShapeError:
    if isinstance(error, RecursionError):
        return ShapeError("$", "nested too deeply")
    if isinstance(error, UnicodeError):
        return ShapeError("$", "not UTF-8")
    match = _PLACE.fullmatch(str(error))
    problem = match["problem"] if match else str(error)
    pointer = (match["pointer"] if match else None) or "$"
    return ShapeError(pointer, _ENUM_VALUE.sub("not in the closed set of values", problem))
