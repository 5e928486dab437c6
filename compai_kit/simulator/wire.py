"""The caller's connection, for answers that do not arrive as they should."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.faults import Fault

# Where the server leaves the connection for the application.
ENVIRON_KEY = "compai.wire"
# How often a waiting call looks whether there is still somebody to wait for.
_TICK_S = 0.02
# How long a connection that was kept alive waits for its next request.
_KEPT_OPEN_S = 5.0


class Wire:
    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def reset(self) -> None:
        """Closes at once and with RST, whatever was sent or received before."""
        linger_for_no_time = struct.pack("ii", 1, 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
        os.close(self._connection.detach())

    def wait(self, seconds: float, going_on: Callable[[], bool]) -> bool:
        """False as soon as the caller is gone, the server stops or nothing is going on any more."""
        ends_at = time.monotonic() + seconds
        while going_on() and not self._caller_is_gone():
            left = ends_at - time.monotonic()
            if left <= 0:
                return True
            if self._stopping.wait(min(left, _TICK_S)):
                return False
        return False

    def has_more(self, going_on: Callable[[], bool]) -> bool:
        """Whether another request comes over the connection before long."""
        ends_at = time.monotonic() + _KEPT_OPEN_S
        while going_on() and not self._caller_is_gone() and time.monotonic() < ends_at:
            if self._is_readable():
                return True
            if self._stopping.wait(_TICK_S):
                return False
        return False

    def _is_readable(self) -> bool:
        return bool(select.select([self._connection], [], [], 0)[0])

    def _caller_is_gone(self) -> bool:
        """More bytes may wait behind the request; then somebody is still there."""
        try:
            return self._is_readable() and self._connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True


def send_oddly(
    fault: Fault, response: HttpResponse | None, wire: Wire, going_on: Callable[[], bool]
) -> bool:
    """Whatever the fault makes of an answer; true if the connection is still good for another call.

    Raises ConnectionError when the caller closes first.
    """
    match fault.kind:
        case "reset":
            wire.reset()
        case "stall":
            wire.wait(fault.wait_s, going_on)
        case "drip" if response is not None:
            _drip(fault, response, wire, going_on)
        case "duplicate" if response is not None:
            whole = http_bytes(response, {"connection": "keep-alive"})
            if not fault.wait_s:
                # In one piece: a caller that is quick with its next call must not win the race.
                wire.send(whole + whole)
                return wire.has_more(going_on)
            wire.send(whole)
            if wire.wait(fault.wait_s, going_on):
                wire.send(whole)
                return wire.has_more(going_on)
    return False


def _drip(fault: Fault, response: HttpResponse, wire: Wire, going_on: Callable[[], bool]) -> None:
    whole = http_bytes(response, {"connection": "close"})
    head = len(whole) - len(response.body)
    wire.send(whole[:head])
    for start in range(head, len(whole), fault.piece_bytes):
        if not wire.wait(fault.wait_s, going_on):
            return
        wire.send(whole[start : start + fault.piece_bytes])


def http_bytes(response: HttpResponse, headers: Mapping[str, str]) -> bytes:
    """The answer as it goes over the wire; a length that it brings (HEAD) is kept."""
    all_headers = {"content-length": str(len(response.body)), **response.headers, **headers}
    lines = [f"HTTP/1.1 {response.status} {reason(response.status)}"]
    lines += [f"{name}: {value}" for name, value in all_headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + response.body


def reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
