"""Exceptions of requests that no loopback server can cause in a test, made by hand."""

import ssl

import pytest
import requests
from requests import exceptions
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)

from compai_client._wire_errors import Failure, failure_from

URL = "https://comp-ai.example:8443/api/v1/tests"


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = "self-signed certificate"
    return error


def refused() -> NewConnectionError:
    error = NewConnectionError(None, "Failed to establish a new connection")  # type: ignore[arg-type]  # no pool
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


def wrapped(
    kind: type[exceptions.RequestException], reason: Exception
) -> requests.RequestException:
    return kind(MaxRetryError(None, URL, reason))  # type: ignore[arg-type]  # no pool


CASES: dict[str, tuple[requests.RequestException, Failure]] = {
    "certificate": (
        wrapped(exceptions.SSLError, SSLError(untrusted())),
        Failure(
            text="the certificate of comp-ai.example:8443 is not trusted (self-signed "
            "certificate); REQUESTS_CA_BUNDLE can name the right authority",
            unsent=True,
            settled=True,
        ),
    ),
    "no connection in time": (
        wrapped(exceptions.ConnectTimeout, ConnectTimeoutError("timed out")),
        Failure(text="comp-ai.example:8443 accepted no connection within 5 s", unsent=True),
    ),
    "refused": (
        wrapped(exceptions.ConnectionError, refused()),
        Failure(text="no connection to comp-ai.example:8443 (connection refused)", unsent=True),
    ),
    "proxy refused": (
        wrapped(exceptions.ProxyError, ProxyError("Cannot connect to proxy.", refused())),
        Failure(
            text="no connection to the environment's proxy for comp-ai.example:8443 "
            "(connection refused)",
            unsent=True,
        ),
    ),
    "proxy closed the tunnel": (
        wrapped(exceptions.ProxyError, ProxyError("x", OSError("Tunnel connection failed: 503"))),
        Failure(
            text="the environment's proxy for comp-ai.example:8443 closed the connection without "
            "an answer"
        ),
    ),
    "reset": (
        exceptions.ConnectionError(ProtocolError("x", ConnectionResetError(104, "x"))),
        Failure(text="comp-ai.example:8443 closed the connection without an answer"),
    ),
    "broken gzip": (
        exceptions.ContentDecodingError("x"),
        Failure(text="the answer of comp-ai.example:8443 broke off"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("error", "failure"), CASES.values(), ids=CASES)
def test_what_requests_raises(error: requests.RequestException, failure: Failure) -> None:
    assert failure_from(error, URL, connect_timeout_s=5, read_timeout_s=30) == failure


def test_an_error_that_names_itself_as_its_cause_ends() -> None:
    error = exceptions.ConnectionError()
    error.__context__ = error
    assert failure_from(error, URL, connect_timeout_s=5, read_timeout_s=30).unsent is False
