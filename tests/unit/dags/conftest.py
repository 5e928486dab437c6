"""A simulated Comp-AI for the work of the DAGs, and builders for the values that it is about."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compai_client import ClientSettings, CompAI, StaticToken
from compai_dags.connection import ConnectionFields
from compai_dags.decisions import RunIdentity, decide, trailer_of
from compai_dags.outcomes import Observation, Outcome
from compai_dags.rows import Row
from compai_dags.settings import Places, Settings
from compai_dags.stored import NEVER_RUN, Stored, read_stored
from compai_dags.trailer import write_details
from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import SimulatorControl
from compai_kit.simulator.server import serve

NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
# Put together at run time, so that no scanner takes it for a real one.
TOKEN = ".".join(["simulated", "token", "of-the-tests"])
EMPTY_SEED: dict[str, Any] = {
    "recorded_at": "2026-11-25T00:00:00Z",
    "controls": [],
    "control_tests": [],
    "evidence": [],
    "remediation_tasks": [],
}


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[SimulatorControl]:
    app = create_app(EMPTY_SEED, {"static_tokens": [TOKEN]})
    with serve(app) as running, SimulatorControl(running.url) as control:
        yield control


@pytest.fixture
def simulator(simulator_process: SimulatorControl) -> SimulatorControl:
    """Empty, one valid token, no faults."""
    simulator_process.reset()
    return simulator_process


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def impatient() -> ClientSettings:
    """Tries as in production, waits as in a test."""
    return ClientSettings(sleep=lambda _: None, jitter=lambda _: 0.0)


@pytest.fixture
def client(simulator: SimulatorControl, impatient: ClientSettings) -> Iterator[CompAI]:
    with CompAI(simulator.url, auth=StaticToken(TOKEN), settings=impatient) as client:
        yield client


@pytest.fixture
def seed() -> Callable[..., dict[str, Any]]:
    """A seed around control tests: their controls are made up, with evidence where asked."""

    def build(
        *tests: dict[str, Any], evidence: list[dict[str, Any]] | None = None, gaps: int = 0
    ) -> dict[str, Any]:
        control_ids = sorted({test["control_id"] for test in tests})
        gap_ids = range(900, 900 + gaps)
        rows = [
            {"id": number, "type": "document", "control_id": control_id}
            for number, control_id in enumerate(control_ids, start=1)
        ]
        return {
            "recorded_at": "2026-11-25T00:00:00Z",
            "controls": [
                {"id": number, "internal_id": f"EX-{number}", "name": f"Control {number}"}
                for number in [*control_ids, *gap_ids]
            ],
            "control_tests": list(tests),
            "evidence": [
                {"collected_at": "2026-11-20T00:00:00Z", **row}
                for row in (rows if evidence is None else evidence)
            ],
            "remediation_tasks": [],
        }

    return build


@pytest.fixture
def row() -> Callable[..., Row]:
    def build(test_type: str = "github_branch_protection", **over: Any) -> Row:
        values: dict[str, Any] = {
            "id": 5,
            "control_id": 3,
            "name": "Branch rule is on",
            "test_type": test_type,
            "schedule": None,
            "config": {"owner": "example-org", "repo": "demo-service"},
            "stored": NEVER_RUN,
        }
        return Row(**(values | over))

    return build


@pytest.fixture
def ours() -> Callable[..., Stored]:
    """A result that this kit stored: through the same code as in production."""

    def build(
        outcome: Outcome,
        *,
        at: datetime = NOW - timedelta(hours=1),
        run: str = "run-1",
        **over: Any,
    ) -> Stored:
        observed = at if outcome in (Outcome.PASS, Outcome.FAIL) else None
        values: dict[str, Any] = {"sentence": "Looked at.", "collected_at": observed}
        observation = Observation(outcome=outcome, **(values | over))
        unchecked = over.get("reason") in ("unknown_type", "no_check")
        decision = decide(observation, NEVER_RUN, unchecked_pass=unchecked)
        assert decision.result is not None
        trailer = trailer_of(decision, NEVER_RUN, RunIdentity(run_id=run))
        details = write_details(decision.sentence, trailer, decision.result)
        stored = read_stored(result=decision.result, details=details, at=at)
        assert stored.trailer is not None
        return stored

    return build


@pytest.fixture
def theirs() -> Callable[..., Stored]:
    """A result that somebody else stored."""

    def build(
        result: str, details: str | None = "Seen by a person.", at: datetime | None = NOW
    ) -> Stored:
        return read_stored(result=result, details=details, at=at)

    return build


@dataclass
class MemoryTask:
    """A task try in memory: XComs and Variables are dictionaries."""

    simulator: SimulatorControl
    client_settings: ClientSettings
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    connections: dict[str, ConnectionFields] = field(default_factory=dict)
    xcoms: dict[tuple[str, str, int], Any] = field(default_factory=dict)
    task_id: str = "task"
    map_index: int = -1
    identity: RunIdentity = field(default_factory=lambda: RunIdentity(run_id="run-1"))
    run_started_at: datetime | None = None
    is_started_by_hand: bool = True
    log_url: str | None = None
    hidden: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(
            Places(
                environment=self.environment,
                variable=self.variables.get,
                connection=lambda: None,
            )
        )

    @contextmanager
    def client(self) -> Iterator[CompAI]:
        with CompAI(
            self.simulator.url, auth=StaticToken(TOKEN), settings=self.client_settings
        ) as client:
            yield client

    def connection(self, name: str) -> ConnectionFields | None:
        return self.connections.get(name)

    def hide(self, secret: str) -> None:
        self.hidden.append(secret)

    def push(self, key: str, value: object) -> None:
        self.xcoms[self.task_id, key, self.map_index] = value

    def pull(self, task_id: str, *, key: str = "return_value", map_index: int = -1) -> Any:
        return self.xcoms.get((task_id, key, map_index))

    def store_new(self, url: str, content: bytes) -> bool:
        path = Path(url.removeprefix("file://"))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def read_variable(self, name: str) -> str | None:
        return self.variables.get(name)

    def write_variable(self, name: str, value: str) -> None:
        self.variables[name] = value


@pytest.fixture
def task(simulator: SimulatorControl, impatient: ClientSettings) -> MemoryTask:
    return MemoryTask(simulator, impatient)


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
