"""Replays recordings in the order of the calls and tells what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from compai_kit.contract.exchange import HttpRequest
from compai_kit.contract.recordings import Recorded
from compai_kit.simulator.app import create_app
from compai_kit.simulator.operations import OPERATIONS
from compai_kit.simulator.trial.compare import problems
from compai_kit.simulator.trial.effects import Effects
from compai_kit.simulator.trial.processes import (
    AppFactory,
    Clock,
    Process,
    Processes,
    send,
    started,
)
from compai_kit.simulator.trial.requests import rebuilt

# Recorded calls that are no operation of Comp-AI.
BESIDES = frozenset({"routing", "keycloak_token", "keycloak_introspection", "keycloak_revocation"})


@dataclass(frozen=True, slots=True)
class Outcome:
    recorded: Recorded
    problems: list[str]

    def __str__(self) -> str:
        return f"{self.recorded.name} ({self.recorded.scenario}): {'; '.join(self.problems)}"


def replay(
    recordings: Sequence[Recorded],
    *,
    settings: Mapping[str, Mapping[str, Any]],
    seed: Mapping[str, Any],
    create: AppFactory = create_app,
) -> list[Outcome]:
    """Sends what can be answered, over HTTP; everything else that was written is applied.

    `settings` are those of the simulators, by the recordings' names. Raises EffectError.
    """
    clock = Clock(start_of(recordings))
    started_at = clock.now
    with started(settings, seed, clock=clock, create=create) as processes:
        return list(_replayed(recordings, processes, clock, started_at))


def start_of(recordings: Sequence[Recorded]) -> datetime:
    """The date of the first answer; the odd microseconds make every time show six digits."""
    first = parsedate_to_datetime(recordings[0].response.headers["date"])
    return first.replace(microsecond=123456)


def _replayed(
    recordings: Sequence[Recorded], processes: Processes, clock: Clock, started_at: datetime
) -> Iterator[Outcome]:
    effects = Effects(recordings)
    for recorded in recordings:
        clock.now = started_at + timedelta(milliseconds=recorded.at_ms)
        process = processes.by_setting.get(recorded.setting)
        if process is None or not (is_known(recorded) or _is_limited(recorded)):
            if recorded.writes:
                effects.apply(recorded, processes.database)
            continue
        _use_up_the_limit(recorded, process)
        got = send(process.url, rebuilt(recorded, process))
        # The limiter answers before any operation is asked for.
        if is_known(recorded) or recorded.response.status == 429:
            yield Outcome(recorded, problems(recorded, got, started_at=started_at))


def is_known(recorded: Recorded) -> bool:
    return recorded.operation in BESIDES or recorded.operation_id in OPERATIONS


def _is_limited(recorded: Recorded) -> bool:
    return recorded.setting.startswith("limit_")


def _use_up_the_limit(recorded: Recorded, process: Process) -> None:
    before = recorded.preceded_by or {"count": 0}
    for _ in range(before["count"]):
        headers = {name.lower(): value for name, value in before["headers"].items()}
        send(process.url, HttpRequest(method="GET", url_path=before["path"], headers=headers))
