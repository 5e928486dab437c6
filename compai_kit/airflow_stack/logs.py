"""Airflow's structured task log as plain lines: pure functions over what the REST API returns."""

from collections.abc import Iterable, Mapping
from typing import Any


def plain_lines(content: Iterable[Any]) -> list[str]:
    """One line per event and one per exception in it; group markers are left out.

    Each entry is a mapping (`event`, `error_detail`, …) or, from older log files, a string.
    """
    lines: list[str] = []
    for entry in content:
        if not isinstance(entry, Mapping):
            lines.extend(str(entry).splitlines())
            continue
        event = str(entry.get("event", ""))
        if not event.startswith(("::group::", "::endgroup::")):
            lines.extend(event.splitlines())
        lines.extend(_exceptions(entry.get("error_detail")))
    return lines


def _exceptions(error_detail: object) -> list[str]:
    if not isinstance(error_detail, list):
        return []
    return [
        f"{link.get('exc_type')}: {link.get('exc_value')}"
        for link in error_detail
        if isinstance(link, Mapping)
    ]


def tail(lines: list[str], count: int) -> str:
    """The last lines as one text."""
    return "\n".join(lines[-count:])
