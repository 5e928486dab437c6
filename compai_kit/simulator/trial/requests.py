"""Recorded requests with what was left out of them: tokens, client secrets, huge bodies."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlencode

from compai_kit.contract.exchange import HttpRequest
from compai_kit.contract.recordings import Recorded
from compai_kit.simulator.trial.processes import CLIENT_ID, Process

_SHORTENED = re.compile(rb"\.\.\. \[shortened in this recording, (\d+) bytes were sent\]")
_ODD_TOKEN = "<token with non-ASCII characters>"  # noqa: S105  # a placeholder of the recordings


def rebuilt(recorded: Recorded, process: Process) -> HttpRequest:
    headers = dict(recorded.request.headers)
    if recorded.token in ("valid", "garbage", "expired", "revoked", "malformed"):
        token = process.tokens.get(recorded.token, process.tokens["valid"])
        value = headers.get("authorization", "").replace("<token>", token)
        headers["authorization"] = value.replace(_ODD_TOKEN, f"{token}é")
    elif recorded.token == "basic":  # noqa: S105  # the name of a scheme
        credentials = base64.b64encode(f"{CLIENT_ID}:{process.secret}".encode()).decode()
        headers["authorization"] = f"Basic {credentials}"
    return replace(recorded.request, headers=headers, body=_body(recorded, process))


def _body(recorded: Recorded, process: Process) -> bytes:
    body = recorded.request.body
    shortened = _SHORTENED.search(body)
    if shortened:
        return b'{"pad":"' + b"x" * (int(shortened[1]) - 10) + b'"}'
    media_type = recorded.request.headers.get("content-type")
    if media_type == "application/x-www-form-urlencoded" and b"client" in body:
        return _form(recorded, process)
    return body


def _form(recorded: Recorded, process: Process) -> bytes:
    """Which token and whether the secret was wrong is told by the scenario only."""
    form = {name: values[0] for name, values in parse_qs(recorded.request.body.decode()).items()}
    if form.get("client_secret") == "<client_secret>":
        form["client_secret"] = "no" if "wrong" in recorded.scenario else process.secret
    if form.get("token") == "<token>":
        kinds = ("garbage", "expired", "revoked")
        kind = next((kind for kind in kinds if kind in recorded.scenario), "valid")
        form["token"] = process.tokens[kind]
    return urlencode(form).encode()
