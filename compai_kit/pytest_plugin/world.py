"""The simulated Comp-AI that DAGs are pointed at, and how they are pointed. Needs no pytest."""

import importlib
import importlib.util
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from compai_kit.contract.load import load_contract
from compai_kit.pytest_plugin.evidence import Evidence
from compai_kit.report.redact import SIMULATED_PREFIX
from compai_kit.simulator.control import SimulatorControl
from compai_kit.simulator.seed import EMPTY_SEED
from compai_kit.simulator.server import serve

if TYPE_CHECKING:
    from compai_kit.simulator.app import SimulatorApp

REALM = "lianel"
CLIENT_ID = "airflow"
# A scenario should not wait a minute for a second try of a task, nor seconds for one of a call.
STACK_ENVIRONMENT: Mapping[str, str] = {
    "COMP_AI_TASK_RETRY_DELAY_S": "1",
    "COMP_AI_BACKOFF_S": "0.2",
}


class SimulatorFactoryError(Exception):
    """`--simulator` does not name something that makes a simulator."""


@dataclass(frozen=True, kw_only=True)
class SimulatedCompAI:
    """A running simulator and the credentials it accepts, made for this session."""

    url: str
    client_secret: str = field(repr=False)
    webhook_path: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The Airflow Variables that point the DAGs at it.

        Variables and not environment: an environment variable would overrule what a scenario sets.
        """
        return {
            "COMP_AI_BASE_URL": self.url,
            "COMP_AI_KEYCLOAK_URL": f"{self.url}/auth",
            "COMP_AI_KEYCLOAK_REALM": REALM,
            "COMP_AI_CLIENT_ID": CLIENT_ID,
            "COMP_AI_CLIENT_SECRET": self.client_secret,
            "SLACK_WEBHOOK_URL": f"{self.url}{self.webhook_path}",
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log, finding or report may show."""
        return (self.client_secret, self.webhook_path.rpartition("/")[2])


@contextmanager
def simulated(factory: str, *, contract: Path | None = None) -> Iterator[SimulatedCompAI]:
    """Serve what `factory` (module:name) makes, with an empty database, on a free port."""
    make = load_factory(factory)
    client_secret = f"{SIMULATED_PREFIX}{secrets.token_hex(12)}"
    app = make(
        EMPTY_SEED,
        {"keycloak": {"realm": REALM, "clients": {CLIENT_ID: client_secret}}},
        contract=load_contract(contract),
    )
    with serve(app) as running:
        yield SimulatedCompAI(
            url=running.url,
            client_secret=client_secret,
            webhook_path=f"/slack/services/T00000000/B00000000/{secrets.token_hex(12)}",
        )


def load_factory(name: str) -> "type[SimulatorApp]":
    """The callable behind `module:name` or `file.py:name`. Raises SimulatorFactoryError."""
    module_name, colon, attribute = name.rpartition(":")
    if not colon or not module_name or not attribute:
        raise SimulatorFactoryError(f"--simulator takes module:factory, got {name!r}")
    try:
        module = _loaded(module_name)
    except (ImportError, OSError) as error:
        raise SimulatorFactoryError(f"--simulator {name}: {error}") from error
    if not callable(factory := getattr(module, attribute, None)):
        raise SimulatorFactoryError(f"--simulator {name}: {module_name} has no such factory")
    made: type[SimulatorApp] = factory
    return made


def _loaded(module_name: str) -> ModuleType:
    """A module by name; or a file, which need not be on the import path."""
    if not module_name.endswith(".py"):
        return importlib.import_module(module_name)
    file = Path(module_name)
    loader = SourceFileLoader(file.stem, str(file))
    spec = importlib.util.spec_from_loader(file.stem, loader)
    module = importlib.util.module_from_spec(spec or ModuleSpec(file.stem, loader))
    loader.exec_module(module)
    return module


class RecordingControl(SimulatorControl):
    """A SimulatorControl that keeps the calls for the verdict when a scenario resets in between."""

    def __init__(self, url: str, evidence: Evidence) -> None:
        super().__init__(url)
        self._evidence = evidence

    def reset(
        self, seed: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """None is what the session was started with; settings are merged over those."""
        self.keep_calls()
        super().reset(seed=seed, settings=settings)

    def forget(self) -> None:
        """Start from the session's own state; calls of earlier tests are not this test's."""
        super().reset()

    def keep_calls(self) -> None:
        """Hand over the calls since the last reset."""
        self._evidence.add_ledger(self.ledger())
