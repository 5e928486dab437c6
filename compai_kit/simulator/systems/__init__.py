"""The systems that checks look at themselves: GitHub, Okta, Keycloak's admin API, any web address.

Each is one module: what it is called, which settings it takes, and how it answers. They have
nothing to do with `upstreams`, which is what Comp-AI says about such systems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.simulator.keycloak import Keycloak


@dataclass(frozen=True, slots=True)
class SystemCall:
    """One call to a system.

    `path` is without the system's prefix, still percent-encoded; `base_url` is the address with
    the prefix, as the caller knows it. `memory` lives until the simulator starts again. `hide`
    keeps a secret that is made on the way out of the ledger.
    """

    request: HttpRequest
    path: str
    base_url: str
    settings: Mapping[str, Any]
    memory: dict[str, Any]
    keycloak: Keycloak
    now: datetime
    hide: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class System:
    """`name` is its key in `settings.systems` and its operation in faults and the ledger.

    `check` raises SettingsError for settings that would be misread; `secrets` are values of them
    that must never reach the ledger.
    """

    name: str
    prefix: str
    check: Callable[[Mapping[str, Any]], None]
    answer: Callable[[SystemCall], HttpResponse]
    secrets: Callable[[Mapping[str, Any]], tuple[str, ...]] = field(default=lambda _: ())
