"""Small constructors for answers, so that media types are written down once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from compai_kit.contract.exchange import HttpResponse

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
LOGIN_PAGE = "<!doctype html><html><head><title>Sign in</title></head><body>Sign in</body></html>"


def json_bytes(value: Any) -> bytes:
    """Compact and unescaped, as the service writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        status=status, headers={"content-type": JSON, **(headers or {})}, body=json_bytes(value)
    )


def error_answer(status: int, error: str, *, detail: str | None = None) -> HttpResponse:
    """The service's own error body; keys in alphabetical order."""
    return json_answer(status, ({} if detail is None else {"detail": detail}) | {"error": error})


def text_answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        status=status, headers={"content-type": TEXT, **(headers or {})}, body=text.encode()
    )


def html_answer(status: int, page: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        status=status, headers={"content-type": HTML, **(headers or {})}, body=page.encode()
    )


def without_body(response: HttpResponse) -> HttpResponse:
    """The answer to HEAD: length and all other headers are those of the GET."""
    headers = {**response.headers, "content-length": str(len(response.body))}
    return HttpResponse(status=response.status, headers=headers, body=b"")


def empty_answer(status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status=status, headers=dict(headers or {}), body=b"")
