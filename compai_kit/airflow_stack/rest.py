"""One HTTP session with Airflow's REST API: token, one refresh on 401, timeouts, errors."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import requests

from compai_kit.airflow_stack.errors import ApiError, ApiUnreachableError

_UNAUTHORIZED = 401
_FIRST_ERROR = 400
_DETAIL_LENGTH = 500
_PAGE = 100  # Airflow's own upper limit


class RestSession:
    """Calls below one base URL; usable from several threads."""

    def __init__(self, url: str, *, user: str, password: str, timeout_s: float = 15.0) -> None:
        self.url = url.rstrip("/")
        self._credentials = {"username": user, "password": password}
        self._timeout_s = timeout_s
        self._http = requests.Session()
        self._http.trust_env = False  # neither proxies nor ~/.netrc
        self._lock = threading.Lock()
        self._one_write_at_a_time = threading.Lock()
        self._token: str | None = None

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int | bool] | None = None,
        authenticated: bool = True,
    ) -> Any:
        """The decoded answer (None for an empty one); raises `ApiError`, `ApiUnreachableError`."""
        # Two writes at once can block each other in the api-server: see processes.py, _SPLIT_SINCE.
        with nullcontext() if method == "GET" else self._one_write_at_a_time:
            token = self._current_token() if authenticated else None
            answer = self._send(method, path, json=json, params=params, token=token)
            if answer.status_code == _UNAUTHORIZED and token:
                token = self._current_token(stale=token)
                answer = self._send(method, path, json=json, params=params, token=token)
        return self._decoded(answer, method, path)

    def pages(self, path: str, *, items: str) -> Iterator[dict[str, Any]]:
        """Every element of a paged collection."""
        offset = 0
        while True:
            page = self.call("GET", path, params={"limit": _PAGE, "offset": offset})
            yield from page[items]
            offset += len(page[items])
            if not page[items] or offset >= page["total_entries"]:
                return

    def _current_token(self, *, stale: str | None = None) -> str:
        with self._lock:
            if self._token is None or self._token == stale:
                answer = self._send("POST", "/auth/token", json=self._credentials)
                self._token = str(self._decoded(answer, "POST", "/auth/token")["access_token"])
            return self._token

    def _send(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int | bool] | None = None,
        token: str | None = None,
    ) -> requests.Response:
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            return self._http.request(
                method,
                self.url + path,
                json=json,
                params=params,
                headers=headers,
                timeout=self._timeout_s,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            reason = f"{type(error).__name__}: {error}"[:_DETAIL_LENGTH]
            message = f"Airflow did not answer {method} {path} at {self.url} ({reason})"
            raise ApiUnreachableError(message) from error

    @staticmethod
    def _decoded(answer: requests.Response, method: str, path: str) -> Any:
        if answer.status_code >= _FIRST_ERROR:
            detail = answer.text.strip()[:_DETAIL_LENGTH]
            raise ApiError(method=method, path=path, status=answer.status_code, detail=detail)
        if not answer.content:
            return None
        try:
            return answer.json()
        except requests.JSONDecodeError as error:
            detail = f"not JSON: {answer.text[:_DETAIL_LENGTH]!r}"
            raise ApiError(
                method=method, path=path, status=answer.status_code, detail=detail
            ) from error
