"""One call and its answer as plain values.

Recordings, simulator and validation all speak in these, so none of them depends on another's
HTTP library.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request as it was sent.

    `url_path` has no host and keeps its percent-encoding; `query` has no question mark; header
    names are lower case.
    """

    method: str
    url_path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """A response as it was received; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
