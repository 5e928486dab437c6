"""A control test as it travels between tasks: small, typed, without the details of others."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from compai_client import ControlTest
from compai_dags.schedule import DAILY, Plan, plan_of
from compai_dags.stored import Stored, read_stored


class Exemption(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """An exception that somebody granted: until `expires`, inclusive, and with a reason.

    `object` None covers the whole test, else one object of it (a login, a repository).
    """

    reason: str
    expires: date
    object: str | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One control test; `stored` is what its last result is worth.

    `schedule`, `config` and `exemptions` are those in force; `plan` is what the schedule means.
    """

    id: int
    control_id: int
    name: str
    test_type: str
    schedule: str | None
    config: Any
    stored: Stored
    exemptions: tuple[Exemption, ...] = ()
    plan: Plan = Plan()

    @property
    def kind(self) -> str:
        """The test type as it is compared: case and surrounding space do not matter."""
        return self.test_type.strip().casefold()

    def __str__(self) -> str:
        return f"control {self.control_id} test {self.id} {self.name!r}"


def read_row(test: ControlTest, *, cadence: str = DAILY) -> Row:
    """The row with the words of its result; `without_words` leaves what a decision needs.

    `cadence` is when the DAG runs, as cron in UTC.
    """
    timezone = settings_in(test.config).get("timezone")
    return Row(
        id=test.id,
        control_id=test.control_id,
        name=test.name,
        test_type=test.test_type,
        schedule=test.schedule,
        config=test.config,
        stored=read_stored(result=test.last_result, details=test.last_details, at=test.last_run_at),
        plan=plan_of(test.schedule, timezone=timezone, cadence=cadence),
    )


def settings_in(config: object) -> dict[str, Any]:
    """The settings that a test's config holds; some installations store it as a JSON string."""
    if isinstance(config, str):
        try:
            config = msgspec.json.decode(config)
        except msgspec.DecodeError:
            return {}
    return config if isinstance(config, dict) else {}


def without_words(row: Row) -> Row:
    return msgspec.structs.replace(row, stored=msgspec.structs.replace(row.stored, said=""))


def to_xcom(rows: list[Row]) -> list[dict[str, Any]]:
    """Plain data: Airflow serialises neither Structs nor enums the same way in every version."""
    plain: list[dict[str, Any]] = msgspec.to_builtins(rows)
    return plain


def from_xcom(plain: object) -> list[Row]:
    return msgspec.convert(plain, list[Row])
