"""Between WSGI and plain values: nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.rejections import MAX_BODY_BYTES
from compai_kit.simulator.wire import reason

# One byte more than the service takes is enough to know that it is too much; the server drains the
# rest.
_READ_LIMIT = MAX_BODY_BYTES + 1


class ConnectionCutError(ConnectionAbortedError):
    """Raised out of the application: the server closes the connection without an answer."""


class AlreadyAnsweredError(ConnectionAbortedError):
    """Raised out of the application: the server goes on with the next call on the connection."""


def read_request(environ: WSGIEnvironment) -> HttpRequest:
    return HttpRequest(
        method=environ["REQUEST_METHOD"],
        url_path=_raw_path(environ),
        query=environ.get("QUERY_STRING", ""),
        headers=_headers(environ),
        body=_body(environ),
    )


def write_response(response: HttpResponse, start_response: StartResponse) -> Iterable[bytes]:
    headers = {"content-length": str(len(response.body)), **response.headers}
    start_response(f"{response.status} {reason(response.status)}", list(headers.items()))
    return [response.body]


def dated(response: HttpResponse, now: datetime) -> HttpResponse:
    """With the date of the simulator's clock, unless a fault brought another one."""
    date = format_datetime(now.astimezone(UTC), usegmt=True)
    return HttpResponse(
        status=response.status, headers={"date": date, **response.headers}, body=response.body
    )


def _raw_path(environ: WSGIEnvironment) -> str:
    """As sent, percent-encoding kept: the service matches routes before it decodes."""
    raw: str | None = environ.get("RAW_URI")
    if raw is None or not raw.startswith("/"):
        path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        return quote(path.encode("latin-1"), safe="/+:@!$&'()*,;=~-._")
    return raw.partition("?")[0].partition("#")[0]


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """Blanks around a value are no part of it."""
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value.strip(" \t")
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key].strip(" \t")
    return headers


def _body(environ: WSGIEnvironment) -> bytes:
    if environ.get("wsgi.input_terminated"):
        limit = _READ_LIMIT
    else:
        length = environ.get("CONTENT_LENGTH") or "0"
        limit = min(int(length), _READ_LIMIT) if length.isdecimal() else 0
    body: bytes = environ["wsgi.input"].read(limit) if limit else b""
    return body
