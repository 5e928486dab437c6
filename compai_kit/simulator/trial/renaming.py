"""Seed, settings and recordings with other names and other ids, so that nothing is known by heart.

Every new name is as long as the old one and lists keep their order: what happens stays the same,
and what is said changes everywhere at once. Names of the service itself (types, results, fixed
texts) stay.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.recordings import Recorded

# Columns with names that the owner of the data chose. Sources and links of evidence are made of
# others and change with those.
_NAMES = (
    ("frameworks", ("slug", "name", "scope")),
    ("requirements", ("code", "title", "description", "external_id")),
    ("controls", ("internal_id", "name", "description", "category", "external_id")),
    ("control_tests", ("name", "last_details")),
    ("remediation_tasks", ("assigned_to", "notes")),
)
# Lists are sorted by these, so their order is kept.
_SORTED = {
    "frameworks": "slug",
    "requirements": "code",
    "controls": "internal_id",
    "control_tests": "name",
}
_FOREIGN = {
    "framework_id": "frameworks",
    "requirement_id": "requirements",
    "control_id": "controls",
}
# Settings whose values are no names, though a repository may be called like one.
_CLOSED_SETS = {"failure", "protection"}
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
_CONTROL_ID = re.compile(r'("control_id"\s*:\s*)(-?\d+)(?=\s*[,}\]])')
_FIRST_OF_ARRAY = re.compile(r"(\A\s*\[\s*)(\d+)(?=\s*,)")
_INTEGER = re.compile(r"(\+|%2B)?(0*)(\d+)", re.IGNORECASE)


class Renaming:
    """`number` chooses one of very many renamings."""

    def __init__(
        self,
        seed: Mapping[str, Any],
        settings: Mapping[str, Mapping[str, Any]],
        *,
        words: Iterable[str],
        number: int,
    ) -> None:
        self._random = random.Random(number)  # noqa: S311  # a choice of names, no secret
        self._known = {table: {row["id"] for row in seed[table]} for table, _ in _NAMES}
        tables = (*self._known, "evidence")
        # Beyond all ids of the recordings, short of those that they use for an unknown control.
        self._shift = {table: self._random.randrange(10_000, 90_000) for table in tables}
        self._parts = {word: self._word(word) for word in words}
        self._whole: dict[str, str] = {}
        for table, columns in _NAMES:
            self._name(seed[table], table, columns)
        self._name_upstreams(settings)

    def seed(self, seed: Mapping[str, Any]) -> dict[str, Any]:
        return {
            table: [self._seed_row(table, row) for row in rows] if isinstance(rows, list) else rows
            for table, rows in seed.items()
        }

    def settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        renamed: dict[str, Any] = _walk(settings, self._text, keys=self._text)
        return renamed

    def recordings(self, recordings: Sequence[Recorded]) -> list[Recorded]:
        return [
            replace(r, request=self._request(r.request), response=self._response(r))
            for r in recordings
        ]

    def _name(self, rows: Sequence[Mapping[str, Any]], table: str, columns: Sequence[str]) -> None:
        for column in columns:
            old = sorted({row[column] for row in rows if row[column]})
            if _SORTED.get(table) == column:
                firsts = sorted(self._random.sample(string.ascii_letters, len(old)))
            else:
                firsts = [self._random.choice(string.ascii_letters) for _ in old]
            for text, first in zip(old, firsts, strict=True):
                self._whole.setdefault(text, first + self._letters(text[1:]))

    def _name_upstreams(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        for setting in settings.values():
            for name, repository in setting.get("github", {}).get("repositories", {}).items():
                owner, _, repo = name.partition("/")
                self._whole.setdefault(repo, self._letters(repo))
                self._parts[name] = f"{self._part(owner)}/{self._whole[repo]}"
                # The service writes the blanks down that somebody sent.
                self._parts[f"/ {repo} "] = f"/ {self._whole[repo]} "
                for text in (repository.get("commit") or {}).values():
                    self._parts.setdefault(text, self._letters(text))
            model = setting.get("model", {})
            for key in ("name", "answer", "failure_body"):
                if model.get(key):
                    self._parts.setdefault(model[key], self._letters(model[key]))

    def _word(self, word: str) -> str:
        return self._letters(word).lower()

    def _letters(self, text: str) -> str:
        """Other letters for the ASCII ones; everything else stays, so that lengths do."""
        return "".join(
            self._random.choice(string.ascii_letters) if char in string.ascii_letters else char
            for char in text
        )

    def _text(self, text: str) -> str:
        """A name as a whole, also in another case or between blanks; else the names in it."""
        bare = text.strip()
        if bare in self._whole:
            return text.replace(bare, self._whole[bare])
        for old, new in self._whole.items():
            if bare and bare in (old.upper(), old.lower()):
                return text.replace(bare, new.upper() if bare == old.upper() else new.lower())
        return self._part(text)

    def _part(self, text: str) -> str:
        for old, new in sorted(self._parts.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(old, new).replace(old.capitalize(), new.capitalize())
        return text

    def _id(self, table: str, number: int) -> int:
        known = table not in self._known or number in self._known[table]
        return number + self._shift[table] if known else number

    def _seed_row(self, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        renamed: dict[str, Any] = _walk(row, self._text)
        if "id" in row:
            renamed["id"] = self._id(table, row["id"])
        for key, parent in _FOREIGN.items():
            if key in row:
                renamed[key] = self._id(parent, row[key])
        return renamed

    def _request(self, request: HttpRequest) -> HttpRequest:
        segments = request.url_path.split("/")
        for index, segment in enumerate(segments[1:], start=1):
            table = {"controls": "controls", "tests": "control_tests"}.get(segments[index - 1])
            if table is not None:
                segments[index] = self._written_id(table, segment)
        pairs = [self._query_pair(*pair.partition("=")) for pair in request.query.split("&")]
        body = request.body.decode(errors="surrogateescape")
        for pattern in (_CONTROL_ID, _FIRST_OF_ARRAY):
            body = pattern.sub(
                lambda found: found[1] + self._written_id("controls", found[2]), body
            )
        body = _LITERAL.sub(self._literal, body)
        return replace(
            request,
            url_path="/".join(segments),
            query="&".join(pairs),
            body=body.encode(errors="surrogateescape"),
        )

    def _query_pair(self, key: str, equals: str, value: str) -> str:
        if key == "control_id":
            value = self._written_id("controls", value)
        elif key in ("category", "framework"):
            renamed = self._text(unquote(value))
            value = quote(renamed) if renamed != unquote(value) else value
        return key + equals + value

    def _written_id(self, table: str, text: str) -> str:
        """With the sign and the zeros that it was written with."""
        found = _INTEGER.fullmatch(text)
        if found is None:
            return text
        number = self._id(table, int(found[3]))
        return f"{found[1] or ''}{found[2]}{number}" if number != int(found[3]) else text

    def _literal(self, found: re.Match[str]) -> str:
        try:
            old = json.loads(found[0])
        except ValueError:
            return found[0]
        new = self._text(old)
        return found[0] if new == old else json.dumps(new)

    def _response(self, recorded: Recorded) -> HttpResponse:
        response = recorded.response
        if recorded.request.method == "HEAD":
            # Longer ids make other lengths.
            headers = {k: v for k, v in response.headers.items() if k != "content-length"}
            return replace(response, headers=headers)
        if not response.body or response.headers.get("content-type") != "application/json":
            return response
        renamed = _walk(self._shifted(json.loads(response.body)), self._text)
        return replace(response, body=json.dumps(renamed, ensure_ascii=False).encode())

    def _shifted(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._shifted(item) for item in value]
        if not isinstance(value, dict):
            return value
        shifted = {key: self._shifted(item) for key, item in value.items()}
        table = _table_of(value)
        if table is not None:
            shifted["id"] = self._id(table, value["id"])
        if "control_id" in value:
            shifted["control_id"] = self._id("controls", value["control_id"])
        if "evidence_ids" in value:
            shifted["evidence_ids"] = [self._id("evidence", id) for id in value["evidence_ids"]]
        return shifted


def _table_of(row: Mapping[str, Any]) -> str | None:
    """By a field that no other row shows."""
    if "id" not in row:
        return None
    marks = {
        "internal_id": "controls",
        "test_type": "control_tests",
        "collected_at": "evidence",
        "due_date": "remediation_tasks",
        "framework_slug": "requirements",
    }
    return next((table for mark, table in marks.items() if mark in row), None)


def _walk(value: Any, text: Callable[[str], str], keys: Callable[[str], str] = str) -> Any:
    """A JSON value with its strings replaced, and its keys where asked for."""
    again = partial(_walk, text=text, keys=keys)
    match value:
        case str():
            return text(value)
        case list():
            return [again(item) for item in value]
        case Mapping():
            return {
                keys(key): item if key in _CLOSED_SETS else again(item)
                for key, item in value.items()
            }
        case _:
            return value
