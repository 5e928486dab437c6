"""Airflow's structured task log as plain lines: pure functions over what the REST API returns."""

from collections.abc import Iterable, Mapping
from typing import Any

_GROUP = "::group::"
_END_OF_GROUP = "::endgroup::"
_SOURCES = "Log message source details"  # where Airflow looked for the log; not the task's words


def plain_lines(content: Iterable[Any]) -> list[str]:
    """One line per event and one per exception in it, without group markers and log locations.

    Each entry is a mapping (`event`, `error_detail`, …) or, from older log files, a string. When
    Airflow found nothing but can tell where it looked, that is what comes back.
    """
    lines: list[str] = []
    about_sources: list[str] = []
    target = lines
    for entry in content:
        if not isinstance(entry, Mapping):
            lines.extend(str(entry).splitlines())
            continue
        event = str(entry.get("event", ""))
        if event.startswith(_GROUP):
            target = about_sources if _SOURCES in event else lines
        elif event.startswith(_END_OF_GROUP):
            target = lines
        else:
            target.extend(event.splitlines())
        target.extend(_exceptions(entry.get("error_detail")))
    return lines or about_sources


def _exceptions(error_detail: object) -> list[str]:
    """`ExceptionType: its text`, for each exception of the chain."""
    if not isinstance(error_detail, list):
        return []
    return [
        f"{link.get('exc_type')}: {link.get('exc_value')}"
        for link in error_detail
        if isinstance(link, Mapping)
    ]


def texts_in(value: object) -> str:
    """Every text in a JSON value, keys included, one per line and as it is: nothing is escaped."""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}\n{texts_in(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "\n".join(map(texts_in, value))
    return "" if value is None else str(value)


def tail(lines: list[str], count: int) -> str:
    """The last lines as one text."""
    return "\n".join(lines[-count:])
