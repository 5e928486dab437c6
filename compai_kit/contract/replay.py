"""Replay vcrpy's cassettes through a session, from any number of threads, without the network.

`vcr.use_cassette` patches the process while it is active, and in threads calls slip past it to the
real network. An adapter belongs to one session: what that session sends is answered from the file
or not at all, and nothing else in the process is touched. Files, loader, filters and matchers are
vcrpy's, so one cassette serves both ways:

    adapter = ReplayAdapter("tests/cassettes/outage.yaml")
    with CompAI(url, auth=StaticToken("<token>"), adapter=adapter) as client:
        client.list_tests()
    assert adapter.unused == []
"""

import os
import re
import threading
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import requests
import yaml
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from vcr import VCR, matchers  # type: ignore[import-untyped]  # vcrpy has no types
from vcr.cassette import Cassette  # type: ignore[import-untyped]  # as above
from vcr.errors import (  # type: ignore[import-untyped]  # as above
    CannotOverwriteExistingCassetteException,
)
from vcr.matchers import requests_match  # type: ignore[import-untyped]  # as above
from vcr.request import Request  # type: ignore[import-untyped]  # as above

from compai_kit.contract.recordings import RecordingsError
from compai_kit.report.redact import redact

# vcrpy's default leaves the body out, and would answer a `fail` with what a `pass` was answered.
# Its body matcher compares JSON and forms as values.
MATCH_ON = ("method", "scheme", "host", "port", "path", "query", "body")

_SECRET = re.compile(r"secret|token|password", re.IGNORECASE)
_NOT_OF_A_CASSETTE = ("path_transformer", "func_path_generator", "record_on_exception", "path")


class NotRecordedError(CannotOverwriteExistingCassetteException):  # type: ignore[misc]  # untyped
    """Nothing was recorded for a request, or it has been played; says which recorded is closest.

    Attributes and text are those of vcrpy's error, which is its base; secrets are masked.
    """

    def __init__(self, *, cassette: Cassette, failed_request: Request) -> None:
        super().__init__(cassette=cassette, failed_request=failed_request)
        Exception.__init__(self, redact(str(self), _secrets_of(failed_request)))


class ReplayAdapter(BaseAdapter):
    """Answers what one session sends from a cassette; several sessions and threads may share it.

    `player` brings the settings (matchers, filters, persister); without one, bodies are compared
    too. An interaction is played once, in the order of the file, or with `repeats` as often as it
    is asked for. Raises RecordingsError for a file that is missing or no cassette.
    """

    def __init__(
        self,
        cassette: str | os.PathLike[str],
        *,
        player: VCR | None = None,
        repeats: bool = False,
    ) -> None:
        super().__init__()
        settings = (player or VCR(match_on=MATCH_ON)).get_merged_config(
            path=os.fspath(cassette), record_mode="none", allow_playback_repeats=repeats
        )
        self._cassette = _load(settings)
        self._match_on = settings["match_on"]
        self._by_place: dict[Hashable, list[int]] = defaultdict(list)
        for index, recorded in enumerate(self._cassette.requests):
            self._by_place[self._place(recorded)].append(index)
        self._repeats = repeats
        self._lock = threading.Lock()

    @property
    def plays(self) -> int:
        """How many requests have been answered."""
        return sum(self._cassette.play_counts.values())

    @property
    def unused(self) -> list[str]:
        """The interactions that nobody has asked for, as `cassette#index METHOD address`."""
        name = Path(self._cassette.path).name
        return [
            f"{name}#{index} {request.method} {request.uri}"
            for index, (request, _) in enumerate(self._cassette.data)
            if not self._cassette.play_counts[index]
        ]

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,
        verify: object = True,
        cert: object = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The recorded answer; everything but the request is about a network, and ignored."""
        del stream, timeout, verify, cert, proxies
        asked = Request(request.method, request.url, request.body, dict(request.headers))
        return HTTPAdapter().build_response(request, _raw(self._answer(asked), asked.method))

    def close(self) -> None:
        """Nothing to close: a session that ends leaves the cassette to the others."""

    def _answer(self, asked: Request) -> Mapping[str, Any]:
        filtered = self._cassette.filter_request(asked)
        if filtered is None:  # vcrpy would let it through to the network
            raise RecordingsError(
                f"{asked.method} {asked.host}{asked.path}: the player is told to ignore such "
                "requests, and a replay never goes to the network"
            )
        with self._lock:
            for index, answer in self._fitting(filtered):
                if self._repeats or not self._cassette.play_counts[index]:
                    self._cassette.play_counts[index] += 1
                    return answer
            raise NotRecordedError(cassette=self._cassette, failed_request=asked)

    def _fitting(self, asked: Request) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for index in self._by_place.get(self._place(asked), ()):
            recorded, answer = self._cassette.data[index]
            if requests_match(asked, recorded, self._match_on):
                yield index, answer

    def _place(self, request: Request) -> Hashable:
        """Requests of different places differ by the matchers anyway; it only saves asking them."""
        if {matchers.method, matchers.path} <= set(self._match_on):
            return request.method, request.path or "/"
        return None


def _load(settings: Mapping[str, Any]) -> Cassette:
    path: str = settings["path"]
    if transform := settings["path_transformer"]:
        path = transform(path)
    kept = {name: value for name, value in settings.items() if name not in _NOT_OF_A_CASSETTE}
    try:
        cassette = Cassette.load(path=path, **kept)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise RecordingsError(f"{path} is not a vcrpy cassette: {type(error).__name__}") from error
    if not cassette.rewound:
        raise RecordingsError(f"{path}: there is no such cassette")
    return cassette


def _raw(answer: Mapping[str, Any], method: str) -> HTTPResponse:
    """The recorded answer as if it came from a connection; nothing of the cassette is changed."""
    headers = HTTPHeaderDict()
    for name, values in answer["headers"].items():
        for value in [values] if isinstance(values, str) else values:
            headers.add(name, value)
    return HTTPResponse(
        body=BytesIO(answer["body"].get("string") or b""),
        headers=headers,
        status=answer["status"]["code"],
        reason=answer["status"]["message"],
        version=11,
        request_method=method,
        preload_content=False,
    )


def _secrets_of(request: Request) -> list[str]:
    """The values of a form that are secret by their name; vcrpy shows bodies as they are."""
    body = request.body
    if not isinstance(body, bytes) or "form-urlencoded" not in str(
        request.headers.get("Content-Type", "")
    ):
        return []
    fields = parse_qsl(body.decode("utf-8", "replace"))
    return [value for name, value in fields if _SECRET.search(name)]
