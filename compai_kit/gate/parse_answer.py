"""What the target Airflow's interpreter answers about a bundle, and how two answers differ."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from compai_kit.gate.model import Parsed, ParsedFile
from compai_kit.report.redact import redact, trimmed

UseKind = Literal["variable", "connection", "hook", "secret", "network"]
# The guard's own words, in the traceback of a file that did not swallow the refusal.
_REFUSAL = "ParseTimeRefusal: "
_MOST_DIFFERENCES = 3
_VALUE_WIDTH = 60


class Use(Struct, frozen=True):
    """Something that was refused at parse time; `frames` are the bundle's, inner first."""

    kind: UseKind
    what: str
    frames: tuple[tuple[str, int], ...] = ()


class Varying(Struct, frozen=True):
    """A line that Airflow's own check holds for different at every parse."""

    line: int
    code: str
    message: str


class BrokenRule(Struct, frozen=True):
    """A rule that is judged by reading the source."""

    file: str
    rule: str
    line: int
    seen: str


class FileAnswer(Struct, frozen=True):
    """One DAG file. `serialized`: what Airflow would store, by DAG; `cpu_s`: its import."""

    file: str
    dag_ids: tuple[str, ...]
    error: str | None
    seconds: float
    serialized: dict[str, Any]
    uses: tuple[Use, ...] = ()
    varying: tuple[Varying, ...] = ()
    cpu_s: float = 0.0
    heaviest: tuple[tuple[str, int], ...] = ()
    """packages that brought in the most modules, with the number"""

    @property
    def refused(self) -> bool:
        """Whether it has no DAG because the gate, or Airflow's own check, did not let it."""
        return bool(self.varying) or _REFUSAL in (self.error or "")


class Answer(Struct, frozen=True):
    """One interpreter's answer; the second one says nothing about costs and rules."""

    airflow: str
    files: tuple[FileAnswer, ...]
    bare_s: float = 0.0
    """CPU seconds of a bare DAG file's import"""
    limit_s: float = 0.0
    """CPU seconds that an import may take"""
    broken: tuple[BrokenRule, ...] = ()


class Changed(Struct, frozen=True):
    """A DAG that two parses made differently."""

    file: str
    dag_id: str
    differences: tuple[str, ...]


class ParseFacts(Struct, frozen=True):
    """All that one Airflow version has to say about a bundle."""

    airflow: str
    files: tuple[FileAnswer, ...]
    bare_s: float
    limit_s: float
    broken: tuple[BrokenRule, ...]
    changed: tuple[Changed, ...]

    @property
    def parsed(self) -> Parsed:
        """The part of it that every verdict shows."""
        return Parsed(
            airflow=self.airflow,
            files=tuple(
                ParsedFile(
                    file=entry.file,
                    dag_ids=entry.dag_ids,
                    error=redact(entry.error) if entry.error else None,
                    seconds=entry.seconds,
                    refused=entry.refused,
                )
                for entry in self.files
            ),
        )


def facts(first: Answer, again: Answer) -> ParseFacts:
    """Two interpreters' answers about the same bundle, put together."""
    others = {entry.file: entry for entry in again.files}
    return ParseFacts(
        airflow=first.airflow,
        files=first.files,
        bare_s=first.bare_s,
        limit_s=first.limit_s,
        broken=first.broken,
        changed=tuple(
            changed
            for entry in first.files
            if entry.file in others
            for changed in _changed(entry, others[entry.file])
        ),
    )


def _changed(first: FileAnswer, again: FileAnswer) -> Iterator[Changed]:
    if first.error or again.error or first.refused:
        return
    for dag_id in dict.fromkeys([*first.serialized, *again.serialized]):
        if dag_id not in first.serialized or dag_id not in again.serialized:
            found = ["only one of the two parses makes this DAG"]
        else:
            found = list(_differences("", first.serialized[dag_id], again.serialized[dag_id]))
        if found:
            more = len(found) - _MOST_DIFFERENCES
            tail = [f"and {more} more"] if more > 0 else []
            yield Changed(first.file, dag_id, (*found[:_MOST_DIFFERENCES], *tail))


def _differences(place: str, one: Any, other: Any) -> Iterator[str]:
    """`tasks.report.op_kwargs.when: 1 → 2`, one per place that differs."""
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _differences(_below(place, key), one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(_below(place, _name(pair[0], number)), *pair)
    else:
        yield f"{place or 'the DAG'}: {_shown(one)} → {_shown(other)}"


def _below(place: str, key: str) -> str:
    """Airflow's wrappers (`__var`) say nothing to a reader."""
    if key == "__var":
        return place
    return f"{place}.{key}" if place else key


def _name(value: Any, number: int) -> str:
    inside: Any = value.get("__var", value) if isinstance(value, Mapping) else {}
    task_id = inside.get("task_id") if isinstance(inside, Mapping) else None
    return str(task_id or number)


def _shown(value: Any) -> str:
    return trimmed(redact(repr(value)), lines=1, width=_VALUE_WIDTH)
