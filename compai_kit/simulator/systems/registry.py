"""All systems by name, and which of them a path belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compai_kit.simulator.settings import SettingsError
from compai_kit.simulator.systems import System
from compai_kit.simulator.systems.github import GITHUB
from compai_kit.simulator.systems.keycloak_admin import KEYCLOAK_ADMIN
from compai_kit.simulator.systems.okta import OKTA
from compai_kit.simulator.systems.web import WEB

SYSTEMS: Mapping[str, System] = {
    system.name: system for system in (GITHUB, KEYCLOAK_ADMIN, OKTA, WEB)
}


def system_of(url_path: str) -> System | None:
    for system in SYSTEMS.values():
        if url_path == system.prefix or url_path.startswith(f"{system.prefix}/"):
            return system
    return None


def check_systems(settings: Mapping[str, object]) -> None:
    """Raises SettingsError; the message names the setting."""
    for name, section in settings.items():
        if name not in SYSTEMS:
            msg = f"settings.systems: unknown key {name!r}; known are {', '.join(SYSTEMS)}"
            raise SettingsError(msg)
        if not isinstance(section, Mapping):
            msg = f"settings.systems.{name}: expected an object"
            raise SettingsError(msg)
        SYSTEMS[name].check(section)


def secrets_of(settings: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What of these settings must never reach the ledger."""
    return tuple(
        secret
        for name, system in SYSTEMS.items()
        for secret in system.secrets(settings.get(name, {}))
    )
