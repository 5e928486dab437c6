"""An audit for programs and spreadsheets: JSON by the published schema, CSV with one line each."""

from __future__ import annotations

import csv
import io

import msgspec

from compai_kit.audit.model import Audit, Entry

COLUMNS = (
    "code",
    "title",
    "control",
    "control_id",
    "test",
    "test_id",
    "test_type",
    "result",
    "at",
    "said",
    "why",
    "fix",
)
# A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render_json(audit: Audit) -> str:
    """Indented, with a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(audit), indent=2).decode("utf-8") + "\n"


def render_csv(audit: Audit) -> str:
    """A heading and one line per entry, as RFC 4180 has it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_cells(entry) for entry in audit.unsupported)
    return text.getvalue()


def _cells(entry: Entry) -> list[str]:
    values = msgspec.to_builtins(entry)
    return [_guarded(values[column]) for column in COLUMNS]


def _guarded(value: object) -> str:
    cell = "" if value is None else str(value)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
