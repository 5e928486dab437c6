"""Steers a running simulator over its admin API, in this process, another one or a container."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import requests

from compai_kit.simulator.faults import Fault
from compai_kit.simulator.ledger import LedgerEntry
from compai_kit.simulator.slack import SlackMessage

__all__ = ["Fault", "LedgerEntry", "SimulatorControl", "SimulatorControlError", "SlackMessage"]


class SimulatorControlError(RuntimeError):
    """The simulator refused an admin call or could not be reached.

    The text says which call and why.
    """


class SimulatorControl:
    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # A proxy of the environment has no business with a simulator.
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def reset(
        self, seed: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """None is what the simulator was started with; settings are merged over those."""
        self._call("POST", "reset", {"seed": seed, "settings": settings})

    def ledger(self) -> list[LedgerEntry]:
        return [LedgerEntry(**entry) for entry in self._call("GET", "ledger")["entries"]]

    def state(self) -> dict[str, Any]:
        """What is stored now, in the shape of a seed."""
        return self._call("GET", "state")

    def faults(self, *faults: Fault) -> None:
        """Replaces all faults that were switched on; none at all switches them off."""
        self._call("PUT", "faults", {"faults": [fault.as_json() for fault in faults]})

    def slack_messages(self) -> list[SlackMessage]:
        return [SlackMessage(**message) for message in self._call("GET", "slack")["messages"]]

    def _call(self, method: str, name: str, body: Any = None) -> dict[str, Any]:
        url = f"{self.url}/_simulator/{name}"
        try:
            response = self._session.request(method, url, json=body, timeout=self._timeout_s)
        except requests.RequestException as error:
            msg = f"{method} {url}: no answer from the simulator ({type(error).__name__})"
            raise SimulatorControlError(msg) from error
        if response.status_code != 200:
            msg = f"{method} {url}: {response.status_code} {response.text[:500]}"
            raise SimulatorControlError(msg)
        answer: dict[str, Any] = response.json()
        return answer
