"""Read the recorded traffic: vcrpy's files, joined with what `index.json` knows about each call."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml
from vcr.serialize import deserialize  # type: ignore[import-untyped]  # vcrpy has no types
from vcr.serializers import yamlserializer  # type: ignore[import-untyped]  # as above

from compai_kit.contract.exchange import HttpRequest, HttpResponse


class RecordingsError(Exception):
    """The folder holds no usable recordings; the text names the file."""


class _IndexEntry(msgspec.Struct, frozen=True):
    cassette: str
    index: int
    seq: int
    operation: str
    scenario: str
    setting: str
    token: str
    writes: bool
    at_ms: int
    effect: dict[str, Any] | None = None
    preceded_by: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One recorded call. `operation` is in snake case; HEAD has the name of its GET.

    `preceded_by` tells of calls that are not recorded but used up a rate limit.
    """

    cassette: str
    index: int
    seq: int
    operation: str
    scenario: str
    setting: str
    token: str
    writes: bool
    effect: Mapping[str, Any] | None
    at_ms: int
    preceded_by: Mapping[str, Any] | None
    request: HttpRequest
    response: HttpResponse

    @property
    def name(self) -> str:
        """`cassette#index`, as every message names a recorded call."""
        return f"{self.cassette}#{self.index}"

    @property
    def operation_id(self) -> str:
        """The operation as the contract names it."""
        first, *rest = self.operation.split("_")
        return first + "".join(word.capitalize() for word in rest)

    @property
    def accepted(self) -> bool:
        """Whether the service did what it was asked to."""
        return 200 <= self.response.status < 300


def load_recordings(folder: Path) -> list[Recorded]:
    """Every recorded call in the order in which they were made. Raises RecordingsError."""
    entries = _read_index(folder / "index.json")
    exchanges = {
        cassette: _read_cassette(folder / cassette)
        for cassette in sorted({entry.cassette for entry in entries})
    }
    return [
        _recorded(entry, exchanges[entry.cassette])
        for entry in sorted(entries, key=lambda entry: entry.seq)
    ]


def _read_index(file: Path) -> list[_IndexEntry]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[_IndexEntry])
    except OSError as error:
        raise RecordingsError(f"{file}: {error.strerror}; a folder of recordings has it") from error
    except msgspec.DecodeError as error:
        raise RecordingsError(f"{file} is not an index of recordings: {error}") from error


def _read_cassette(file: Path) -> list[tuple[HttpRequest, HttpResponse]]:
    try:
        stat = file.stat()
        return _parse_cassette(file.resolve(), stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise RecordingsError(f"{file}: {error.strerror}; index.json names it") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise RecordingsError(f"{file} is not a vcrpy cassette: {type(error).__name__}") from error


@lru_cache(maxsize=128)
def _parse_cassette(
    file: Path,
    mtime_ns: int,  # noqa: ARG001 - part of the key: a changed file is read again
    size: int,  # noqa: ARG001 - as above
) -> list[tuple[HttpRequest, HttpResponse]]:
    """Remembered, because a test run reads the same megabytes of YAML dozens of times."""
    requests, responses, *_ = deserialize(file.read_text(encoding="utf-8"), yamlserializer)
    return [
        (_request(request), _response(response))
        for request, response in zip(requests, responses, strict=True)
    ]


def _recorded(entry: _IndexEntry, exchanges: list[tuple[HttpRequest, HttpResponse]]) -> Recorded:
    if not 0 <= entry.index < len(exchanges):
        raise RecordingsError(
            f"{entry.cassette} has {len(exchanges)} calls, index.json names number {entry.index}"
        )
    request, response = exchanges[entry.index]
    return Recorded(
        cassette=entry.cassette,
        index=entry.index,
        seq=entry.seq,
        operation=entry.operation,
        scenario=entry.scenario,
        setting=entry.setting,
        token=entry.token,
        writes=entry.writes,
        effect=entry.effect,
        at_ms=entry.at_ms,
        preceded_by=entry.preceded_by,
        request=request,
        response=response,
    )


def _request(request: Any) -> HttpRequest:
    address = urlsplit(request.uri)
    return HttpRequest(
        method=request.method,
        url_path=address.path,
        query=address.query,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=_bytes(request.body),
    )


def _response(response: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(
        status=response["status"]["code"],
        headers={name.lower(): ", ".join(values) for name, values in response["headers"].items()},
        body=_bytes(response["body"].get("string")),
    )


def _bytes(body: bytes | str | None) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""
