"""Settings per test and exceptions, which no API of Comp-AI can write: COMP_AI_TEST_OVERRIDES.

JSON: control internal_id → test name → {config, schedule, timezone, exceptions}. What it says wins
over the row of Comp-AI. A mistake in it stops the run: an exception must not be lost in silence.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import msgspec

from compai_client import Control, SettingsError
from compai_dags.rows import Exemption, Row, settings_in
from compai_dags.schedule import plan_of
from compai_dags.settings import Settings

log = logging.getLogger(__name__)

SETTING = "COMP_AI_TEST_OVERRIDES"
_FEW = 5


class Override(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said about one test; what is left out stays as Comp-AI has it.

    `config` is laid over the row's, key by key; null takes a key away. `schedule` null: whenever
    the DAG runs.
    """

    config: dict[str, Any] = {}
    schedule: str | msgspec.UnsetType | None = msgspec.UNSET
    timezone: str | msgspec.UnsetType | None = msgspec.UNSET
    exceptions: tuple[Exemption, ...] = ()


# control internal_id -> test name -> what is said about it
Overrides = Mapping[str, Mapping[str, Override]]


def read_overrides(settings: Settings) -> Overrides:
    """The overrides; none when the setting is unset. Raises SettingsError, naming the place."""
    value = settings.json_text(SETTING)
    return {} if value is None else parse_overrides(_text_of(value))


def parse_overrides(text: str) -> Overrides:
    """Strictly: an unknown key, a key that comes twice, a missing reason or expiry is refused."""
    try:
        decoded = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except json.JSONDecodeError as wrong:
        raise SettingsError(
            SETTING, f"is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}"
        ) from None
    except RecursionError:
        raise SettingsError(SETTING, "is nested too deeply") from None
    return {
        control: {
            test: _override(control, test, said)
            for test, said in _object(tests, f"control {control!r}").items()
        }
        for control, tests in _object(decoded, "the whole").items()
    }


def apply_overrides(
    rows: list[Row],
    overrides: Overrides,
    controls: Iterable[Control],
    *,
    cadence: str,
    now: datetime,
) -> list[Row]:
    """The rows as they are in force; what matches nothing, and what has expired, is logged."""
    by_id: defaultdict[str, list[int]] = defaultdict(list)
    for control in controls:
        by_id[control.internal_id].append(control.id)
    said: dict[tuple[int, str], Override] = {}
    for internal_id, tests in overrides.items():
        if internal_id not in by_id:
            _warn(f"Comp-AI has no control {internal_id!r}", internal_id, by_id)
            continue
        ids: defaultdict[str, list[int]] = defaultdict(list)
        for row in rows:
            if row.control_id in by_id[internal_id]:
                ids[row.name].append(row.id)
        for name, override in tests.items():
            if name not in ids:
                _warn(f"control {internal_id!r} has no control test {name!r}", name, ids)
            elif len(ids[name]) > 1:
                log.warning(
                    "%s: control %r, test %r names %s control tests (%s); it holds for each "
                    "of them",
                    *(SETTING, internal_id, name, len(ids[name]), ", ".join(map(str, ids[name]))),
                )
            said |= {(control_id, name): override for control_id in by_id[internal_id]}
    return [
        row if override is None else _overridden(row, override, cadence, now)
        for row in rows
        for override in [said.get((row.control_id, row.name))]
    ]


def _overridden(row: Row, override: Override, cadence: str, now: datetime) -> Row:
    config, schedule = row.config, row.schedule
    if override.config:
        laid_over = settings_in(row.config) | override.config
        config = {key: value for key, value in laid_over.items() if value is not None}
    if override.schedule is not msgspec.UNSET:
        schedule = override.schedule
    timezone = settings_in(config).get("timezone")
    if override.timezone is not msgspec.UNSET:
        timezone = override.timezone
    log.info("%s: %s from %s", row, ", ".join(_words(override)) or "nothing", SETTING)
    for exemption in override.exceptions:
        if exemption.expires < now.date():
            whom = f" for {exemption.object!r}" if exemption.object else ""
            log.warning(
                "%s: the exception%s expired on %s and is ignored: %s",
                *(row, whom, exemption.expires, exemption.reason),
            )
    return msgspec.structs.replace(
        row,
        config=config,
        schedule=schedule,
        exemptions=override.exceptions,
        plan=plan_of(schedule, timezone=timezone, cadence=cadence),
    )


def _words(override: Override) -> Iterator[str]:
    """What is said, for the log; of the config only the keys."""
    if override.config:
        yield f"config ({', '.join(sorted(override.config))})"
    if override.schedule is not msgspec.UNSET:
        yield f"schedule {override.schedule!r}"
    if override.timezone is not msgspec.UNSET:
        yield f"timezone {override.timezone!r}"
    if number := len(override.exceptions):
        yield f"{number} exception{'s' if number > 1 else ''}"


def _warn(problem: str, wanted: str, there_are: Collection[str]) -> None:
    near = get_close_matches(wanted, there_are, n=1) or sorted(there_are)[:_FEW]
    hint = f"; it has {', '.join(map(repr, near))}" if near else ""
    log.warning("%s names what does not exist: %s%s", SETTING, problem, hint)


def _text_of(value: str) -> str:
    """The JSON text itself, or what is in the file that is named."""
    if value.lstrip().startswith("{"):
        return value
    address = urlsplit(value)
    path = Path(unquote(address.path) if address.scheme == "file" else value)
    is_elsewhere = address.scheme == "file" and address.netloc not in ("", "localhost")
    if is_elsewhere or not path.is_absolute():
        raise SettingsError(
            SETTING, "must be a JSON object, an absolute path, or a file:// address on this machine"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as failure:
        raise SettingsError(SETTING, f"file {path}: {failure.strerror}") from None
    except ValueError:
        raise SettingsError(SETTING, f"file {path}: is not text in UTF-8") from None


def _override(control: str, test: str, said: object) -> Override:
    where = f"control {control!r}, test {test!r}"
    try:
        override = msgspec.convert(said, Override)
    except msgspec.ValidationError as wrong:
        raise SettingsError(SETTING, f"in {where}: {wrong}") from None
    for number, exemption in enumerate(override.exceptions):
        for name, text in (("reason", exemption.reason), ("object", exemption.object)):
            if text is not None and not text.strip():
                raise SettingsError(
                    SETTING, f"in {where}: an empty {name} - at `$.exceptions[{number}]`"
                )
    return override


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(SETTING, f"in {what}: must be a JSON object")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SettingsError(SETTING, f"has the key {twice!r} twice in one object")
    return unique


def _refuse(constant: str) -> NoReturn:
    raise SettingsError(SETTING, f"holds {constant}, which is not JSON")
