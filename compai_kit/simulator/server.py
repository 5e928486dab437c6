"""Serves a simulator over HTTP on loopback, one thread per call, in the background of the caller's
process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server

from compai_kit.simulator.wire import ENVIRON_KEY, Wire
from compai_kit.simulator.wsgi import AlreadyAnsweredError


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    url: str


class _RequestHandler(WSGIRequestHandler):
    """Quiet; the ledger is the log."""

    # Set for good when the server is about to stop; each server has its own.
    stopping: threading.Event

    def make_environ(self) -> WSGIEnvironment:
        """As the service reads a request, not as http.server and werkzeug tidy it.

        A doubled slash at the start stays, and of two Authorization headers the first counts.
        """
        environ: WSGIEnvironment = super().make_environ()
        environ["RAW_URI"] = self.requestline.split()[1]
        given = self.headers.get_all("Authorization")
        if given:
            environ["HTTP_AUTHORIZATION"] = given[0]
        environ[ENVIRON_KEY] = Wire(self.connection, self.stopping)
        return environ

    def connection_dropped(
        self, error: BaseException, environ: WSGIEnvironment | None = None
    ) -> None:
        """A cut connection must really close; HTTP/1.1 would wait for the next request on it."""
        del environ
        if not isinstance(error, AlreadyAnsweredError):
            self.close_connection = True

    def send_response(self, code: int, message: str | None = None) -> None:
        """The date comes from the simulator's clock, and the service does not name itself."""
        self.send_response_only(code, message)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        del code, size


@contextmanager
def serve(
    app: WSGIApplication, *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[RunningSimulator]:
    """Port 0 takes a free one. Leaving the context stops the server and joins its thread."""
    stopping = threading.Event()
    handler = type("RequestHandler", (_RequestHandler,), {"stopping": stopping})
    server = make_server(host, port, app, threaded=True, request_handler=handler)
    thread = threading.Thread(
        target=server.serve_forever,
        # How long leaving the context may take.
        kwargs={"poll_interval": 0.02},
        name="simulator",
        daemon=True,
    )
    thread.start()
    try:
        yield RunningSimulator(f"http://{_url_host(host)}:{server.server_port}")
    finally:
        stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _url_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104  # recognised, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
