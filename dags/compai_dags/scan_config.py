"""Which documents belong to which control: the setting, or the form of a run by hand.

Everything is checked before anything is attached, and every mistake is named by its place:
whoever reads "job 2, documents[3].url" finds it without seeing an address in a log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from compai_client import SettingsError
from compai_dags.web_guard import AddressRefusedError, target_of

SETTING = "COMP_AI_SCAN_DOCUMENTS_CONFIG"
FORM = "The form"
# Comp-AI stores "Scan: " and the address in 500 characters, and answers 500 to what is longer.
MAX_URL = 494
MAX_TYPE = 50
# Airflow maps a task over 1,024 values at most.
MAX_JOBS = 1_000
_JOB_KEYS = {"control_id", "documents"}
_DOCUMENT_KEYS = {"url", "type"}
_INT64 = 2**63
_SHOWN_PROBLEMS = 20
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A link that is to be evidence; `place` is where it stands, `type` None is "document"."""

    url: str
    place: str
    type: str | None = None

    def __str__(self) -> str:
        """Without the query: what is shared by a link often has its key there."""
        return f"{self.place} {target_of(self.url)}"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The documents of one control; `number` counts the jobs from 1."""

    number: int
    control_id: int
    documents: list[Document]

    def __str__(self) -> str:
        return f"job {self.number} (control {self.control_id})"


def link_key(url: str) -> str:
    """What makes two links the same: case of the host, default port and escapes do not matter."""
    url = url.strip()
    try:
        target = target_of(url)
    except AddressRefusedError:
        return url
    fragment = urlsplit(url).fragment
    link = f"{target.url}#{fragment}" if fragment else target.url
    return _ESCAPE.sub(lambda escape: escape[0].upper(), link)


def read_jobs(text: str) -> list[Job]:
    """One job or a list of them. Raises a SettingsError that names every place that is wrong."""
    try:
        decoded = json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as wrong:
        raise SettingsError(
            SETTING, f"is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}"
        ) from None
    except RecursionError:
        raise SettingsError(SETTING, "is nested too deeply") from None
    if isinstance(decoded, list):
        jobs = [_job(value, number) for number, value in enumerate(decoded, start=1)]
    else:
        jobs = [_job(decoded, 1)]
    _refuse(SETTING, [problem for _, problems in jobs for problem in problems])
    if len(jobs) > MAX_JOBS:
        raise SettingsError(SETTING, f"has {len(jobs)} jobs, more than {MAX_JOBS}")
    return [job for job, _ in jobs if job is not None]


def read_form(*, control_id: Any, urls: list[Any], type: str | None) -> list[Job]:
    """The one job of a run by hand; none when the form is empty. Raises a SettingsError."""
    if control_id is None and not urls:
        return []
    if control_id is None or not urls:
        raise SettingsError(FORM, "must have both control_id and urls, or neither")
    documents = [{"url": url, "type": type} for url in urls]
    job, problems = _job({"control_id": control_id, "documents": documents}, 1)
    _refuse(FORM, problems)
    return [job] if job is not None else []


def _job(value: Any, number: int) -> tuple[Job | None, list[str]]:
    where = f"job {number}"
    if not isinstance(value, dict):
        return None, [f"{where} is no object with control_id and documents"]
    problems = list(_unknown(value, _JOB_KEYS, where))
    control_id, given = value.get("control_id"), value.get("documents")
    if type(control_id) is not int or not 0 < control_id < _INT64:
        problems.append(f"{where}, control_id: must be the number of a control")
    if not isinstance(given, list):
        problems.append(f"{where}, documents: must be a list")
        given = []
    documents: list[Document] = []
    for index, item in enumerate(given):
        document, wrong = _document(item, where, f"documents[{index}]")
        problems += wrong
        documents += [document] if document is not None else []
    if problems or type(control_id) is not int:
        return None, problems
    return Job(number=number, control_id=control_id, documents=_distinct(documents)), []


def _document(item: Any, job: str, place: str) -> tuple[Document | None, list[str]]:
    """None without a problem: it is blank."""
    where = f"{job}, {place}"
    if isinstance(item, str):
        item = {"url": item}
    if not isinstance(item, dict):
        return None, [f"{where}: must be an address, or an object with url and type"]
    problems = list(_unknown(item, _DOCUMENT_KEYS, where))
    url, kind = item.get("url"), item.get("type")
    if kind is not None and (
        not isinstance(kind, str) or len(kind.strip()) > MAX_TYPE or not kind.isprintable()
    ):
        problems.append(f"{where}.type: must be text of at most {MAX_TYPE} characters")
    if not isinstance(url, str):
        return None, [*problems, f"{where}.url: must be text"]
    url = url.strip()
    if not url:
        return None, problems
    if len(url) > MAX_URL:
        problems.append(f"{where}.url: has {len(url)} characters, Comp-AI takes {MAX_URL}")
    try:
        target_of(url)
    except AddressRefusedError as refused:
        problems.append(f"{where}.url: {refused}")
    if problems:
        return None, problems
    return Document(url=url, place=place, type=(kind or "").strip() or None), []


def _distinct(documents: list[Document]) -> list[Document]:
    """The first of those that are the same link."""
    first: dict[str, Document] = {}
    for document in documents:
        first.setdefault(link_key(document.url), document)
    return list(first.values())


def _unknown(value: dict[str, Any], known: set[str], where: str) -> Iterator[str]:
    for key in sorted(set(value) - known):
        yield f"{where}: {key[:40]!r} is none of {', '.join(sorted(known))}"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    double = next((key for key in keys if keys.count(key) > 1), None)
    if double is not None:
        raise SettingsError(SETTING, f"has {double[:40]!r} twice in one object")
    return dict(pairs)


def _refuse(setting: str, problems: list[str]) -> None:
    if not problems:
        return
    lines = problems[:_SHOWN_PROBLEMS]
    if len(problems) > len(lines):
        lines.append(f"… and {len(problems) - len(lines)} more")
    raise SettingsError(setting, "cannot be used, nothing was attached:\n" + "\n".join(lines))
