"""Ask a web address that came from data: guarded, pinned, bounded in time and size.

A name is resolved once, every address that it has is judged, and the connection goes to one of
these: a name that resolves differently a moment later changes nothing. Host header, SNI and
certificate check keep the name. Each redirect is judged as if it had been given.

Proxies of the environment are not used: a proxy resolves names itself, behind the guard's back.
A .netrc is not read. REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are honoured, as requests does.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from compai_client import SettingsError
from compai_dags import __version__
from compai_dags.web_guard import AddressRefusedError, Allowed, Target, target_of

_CHUNK = 65536
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_ADDRESSES = 4
_CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

Method = Literal["GET", "HEAD"]
Resolve = Callable[[str, int], Sequence[str]]


class UnreachableError(Exception):
    """No usable answer; the text has no query. `transient`: asking again later may help."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`deadline_s` holds for everything: resolving, redirects, and an answer that drips in.

    With a `max_bytes` of 0 the body is not read at all.
    """

    connect_s: float = 5.0
    read_s: float = 15.0
    deadline_s: float = 30.0
    max_bytes: int = 1024 * 1024
    max_redirects: int = 0


@dataclass(frozen=True, kw_only=True)
class Page:
    """What came back. `headers` are case-insensitive; `is_whole` False: the body was cut."""

    target: Target
    status: int
    headers: Message
    body: bytes = b""
    is_whole: bool = True

    @property
    def is_redirect(self) -> bool:
        return self.status in _REDIRECTS


_DEFAULTS = Limits()


def addresses_of(host: str, port: int) -> list[str]:
    """What the name resolves to; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Web:
    """Threads may share it; each call has a connection of its own."""

    def __init__(self, allowed: Allowed, *, resolve: Resolve = addresses_of) -> None:
        self.allowed = allowed
        self._resolve = resolve

    def fetch(
        self,
        url: str,
        *,
        method: Method = "GET",
        headers: Mapping[str, str] | None = None,
        limits: Limits = _DEFAULTS,
    ) -> Page:
        """The answer of any status; a redirect is one unless `limits` let it be followed.

        `headers` go to the given address only, not to where it redirects to. Raises
        AddressRefusedError before anything is sent, and UnreachableError.
        """
        target = target_of(url)
        flight = _Flight()
        # A thread, because a name server that is silent cannot be timed out otherwise.
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="web")
        try:
            asked = worker.submit(self._follow, target, method, headers or {}, limits, flight)
            return asked.result(timeout=limits.deadline_s)
        except TimeoutError:
            raise UnreachableError(f"{target}: no answer within {limits.deadline_s:g} s") from None
        finally:
            flight.end()
            worker.shutdown(wait=False)

    def _follow(
        self,
        target: Target,
        method: Method,
        headers: Mapping[str, str],
        limits: Limits,
        flight: _Flight,
    ) -> Page:
        first = target
        for _ in range(limits.max_redirects + 1):
            given = headers if target.origin == first.origin else {}
            page = self._ask(target, method, given, limits, flight)
            location = page.headers.get("Location")
            if not page.is_redirect or not location or not limits.max_redirects:
                return page
            target = _next(target, location)
        raise UnreachableError(
            f"{first}: more than {limits.max_redirects} redirects", transient=False
        )

    def _ask(
        self,
        target: Target,
        method: Method,
        headers: Mapping[str, str],
        limits: Limits,
        flight: _Flight,
    ) -> Page:
        try:
            addresses = self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as failure:
            again = getattr(failure, "errno", None) == socket.EAI_AGAIN
            raise UnreachableError(f"{target}: the host has no address", transient=again) from None
        self.allowed.check(target, addresses)
        context = self._tls if target.scheme == "https" else None
        connection = _Pinned(target, addresses, context, limits, flight)
        try:
            connection.request(
                method,
                target.path_and_query,
                headers={
                    "User-Agent": f"compai-kit/{__version__}",
                    "Accept": "*/*",
                    # Plain bytes, so that the limit holds for what is read and for what it means.
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                    **headers,
                },
            )
            return _read(target, connection.getresponse(), limits)
        except ssl.SSLCertVerificationError as failure:
            raise UnreachableError(
                f"{target}: its certificate is not accepted ({failure.verify_message})",
                transient=False,
            ) from None
        except (OSError, http.client.HTTPException) as failure:
            raise UnreachableError(f"{target}: no answer ({type(failure).__name__})") from None
        finally:
            connection.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        named = next((name for name in _CA_BUNDLES if os.environ.get(name)), None)
        bundle = Path(os.environ[named] if named else DEFAULT_CA_BUNDLE_PATH)
        try:
            if bundle.is_dir():
                return ssl.create_default_context(capath=bundle)
            return ssl.create_default_context(cafile=bundle)
        except OSError:
            raise SettingsError(
                named or "the CA bundle of requests", "names no file of certificates"
            ) from None


class _Flight:
    """The connection that is open, so that the deadline can end it from another thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._is_over = False

    def holds(self, opened: socket.socket) -> None:
        self._socket = opened
        if self._is_over:
            self.end()

    def end(self) -> None:
        self._is_over = True
        if self._socket is not None:
            try:
                # Of the plain class: that of TLS takes away what the other thread is reading from.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return  # it has ended already


class _Pinned(http.client.HTTPConnection):
    """Connects to the addresses that were judged; all the rest goes by the name."""

    def __init__(
        self,
        target: Target,
        addresses: Sequence[str],
        context: ssl.SSLContext | None,
        limits: Limits,
        flight: _Flight,
    ) -> None:
        super().__init__(target.host, target.port)
        if context is not None:
            self.default_port = http.client.HTTPS_PORT
        self._addresses = addresses[:_MAX_ADDRESSES]
        self._context = context
        self._limits = limits
        self._flight = flight

    def connect(self) -> None:
        opened = self._open()
        opened.settimeout(self._limits.read_s)
        self._flight.holds(opened)
        if self._context is not None:
            opened = self._context.wrap_socket(opened, server_hostname=self.host)
            self._flight.holds(opened)
        self.sock = opened

    def _open(self) -> socket.socket:
        failed: OSError = OSError("no address")
        for address in self._addresses:
            try:
                return socket.create_connection((address, self.port), self._limits.connect_s)
            except OSError as failure:
                failed = failure
        raise failed


def _next(target: Target, location: str) -> Target:
    try:
        following = target_of(urljoin(target.url, location))
    except (AddressRefusedError, ValueError) as refused:
        raise AddressRefusedError(f"{target}: it redirects to what {refused}") from None
    if target.scheme == "https" and following.scheme == "http":
        raise AddressRefusedError(f"{target}: it redirects from https to http, {following}")
    return following


def _read(target: Target, response: http.client.HTTPResponse, limits: Limits) -> Page:
    body = bytearray()
    if not limits.max_bytes:
        return Page(target=target, status=response.status, headers=response.headers, is_whole=False)
    while len(body) <= limits.max_bytes and (piece := response.read(_CHUNK)):
        body += piece
    is_whole = len(body) <= limits.max_bytes
    if is_whole and response.length:
        raise UnreachableError(f"{target}: the answer broke off")
    return Page(
        target=target,
        status=response.status,
        headers=response.headers,
        body=bytes(body[: limits.max_bytes]),
        is_whole=is_whole,
    )
