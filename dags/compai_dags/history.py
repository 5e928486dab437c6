"""The history of all outcomes as JSON lines in an object storage; Comp-AI keeps the last only.

One new object per run, chunk and try, never rewritten. What could not be posted is in it as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from compai_dags import __version__
from compai_dags.decisions import RunIdentity
from compai_dags.records import Record

_NOT_IN_A_NAME = re.compile(r"[^\w.-]", re.ASCII)
# A storage that says "exists" to every name would be asked for ever.
_MAX_NAMES = 100


class Shelf(Protocol):
    """Where objects go; see `compai_dags.task.Task`."""

    def store_new(self, url: str, content: bytes) -> bool: ...


def encode_outcomes(
    records: list[Record], identity: RunIdentity, *, chunk: int | None, at: datetime
) -> str:
    """A line per outcome, every field in each; `chunk` None: no chunk reported it."""
    return _lines(
        {"kind": "outcome", **_run(identity, at), "chunk": chunk} | msgspec.structs.asdict(record)
        for record in records
    )


def encode_summary(counts: Mapping[str, int], identity: RunIdentity, *, at: datetime) -> str:
    return _lines([{"kind": "summary", **_run(identity, at), "counts": counts}])


def store(shelf: Shelf, base: str, identity: RunIdentity, name: str, lines: str) -> str:
    """Store the lines under a name that is new, and return where. Raises what the storage raises.

    `base` is the address of the folder; each run has a folder of its own in it.
    """
    folder = f"{base.rstrip('/')}/{_NOT_IN_A_NAME.sub('-', identity.run_id)}"
    stem = f"{folder}/{name}-try-{identity.try_number}"
    for number in range(1, _MAX_NAMES):
        url = f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl"
        if shelf.store_new(url, lines.encode("utf-8")):
            return url
    raise FileExistsError(f"{stem}.jsonl and {_MAX_NAMES - 1} others like it exist already")


def _run(identity: RunIdentity, at: datetime) -> dict[str, Any]:
    return {"at": at, "run": identity.run_id, "try": identity.try_number, "kit": __version__}


def _lines(values: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{msgspec.json.encode(value).decode('utf-8')}\n" for value in values)
