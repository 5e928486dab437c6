"""What an operation declares (its parameters) and what it is handed (a call that passed every check
before it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.rejections import BodySpec, QueryType
from compai_kit.simulator.settings import Settings
from compai_kit.simulator.state import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Parameters have their types.

    Values are not judged yet. `subject` is who the token belongs to.
    """

    operation_id: str
    path: Mapping[str, int]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    subject: str
    now: datetime
    database: Database
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    handler: Callable[[Call], HttpResponse]
    query: Mapping[str, QueryType] = field(default_factory=dict)
    body: BodySpec | None = None
    public: bool = False
