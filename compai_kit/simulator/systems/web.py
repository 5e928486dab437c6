"""Any web address: answers each path as the settings say, for probes and links.

`settings.systems.web` maps a path to `{"status", "body", "headers"}`; a body that is no text is
sent as JSON. Other paths are 404.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer, text_answer
from compai_kit.simulator.settings import SettingsError
from compai_kit.simulator.systems import System, SystemCall

_KEYS = {"status", "body", "headers"}


def check(settings: Mapping[str, Any]) -> None:
    for path, page in settings.items():
        if not isinstance(page, Mapping) or not set(page) <= _KEYS:
            msg = f"settings.systems.web[{path!r}]: expected an object of {', '.join(_KEYS)}"
            raise SettingsError(msg)


def answer(call: SystemCall) -> HttpResponse:
    page = call.settings.get(call.path)
    if page is None:
        return text_answer(404, "not found")
    body, headers = page.get("body", ""), page.get("headers", {})
    make = text_answer if isinstance(body, str) else json_answer
    return make(page.get("status", 200), body, headers)


WEB = System(name="web", prefix="/systems/web", check=check, answer=answer)
