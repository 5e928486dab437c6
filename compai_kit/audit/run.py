"""Reads a Comp-AI and judges all that it stores. Nothing is written: only lists are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from compai_client import BadRow, CompAI, Control
from compai_dags import __version__
from compai_dags.listing import explain_misrouting, list_rows, select
from compai_dags.overrides import Overrides, apply_overrides
from compai_dags.rows import Row
from compai_dags.schedule import DAILY
from compai_kit.audit.evidence import ControlEvidence, Heard, look
from compai_kit.audit.judge import (
    Judgement,
    Negative,
    evidence_to_look_at,
    gap_entry,
    judge,
    shown,
)
from compai_kit.audit.model import UNJUDGED, Audit, Counts, Entry, in_order, make_entry

NO_OVERRIDES: Overrides = MappingProxyType({})


@dataclass(kw_only=True)
class _Controls:
    """The names of the controls, which of them are gaps, and what could not be read."""

    listed: list[Control]
    names: dict[int, str]
    gaps: set[int]
    unjudged: list[Entry] = field(default_factory=list)

    def name_of(self, control_id: int) -> str:
        return self.names.get(control_id, f"control {control_id}")


def run_audit(
    client: CompAI,
    *,
    address: str,
    now: datetime,
    allow_empty: bool,
    cadence: str = DAILY,
    overrides: Overrides = NO_OVERRIDES,
    reproduce: str,
    heard: Heard,
) -> Audit:
    """The audit of the Comp-AI that `client` reaches.

    `cadence` is when comp_ai_control_tests runs, as cron in UTC. Raises a `CompAIError` for what
    cannot be read at all, and an UnexpectedListError for an empty list of control tests unless
    `allow_empty`.
    """
    listing = select(list_rows(client, cadence=cadence), test_ids=(), allow_empty=allow_empty)
    controls = _read_controls(client)
    rows = apply_overrides(listing.rows, overrides, controls.listed, cadence=cadence, now=now)
    evidence = _questions(rows, controls)
    look(client, evidence.values(), heard)

    judgements = [
        judge(row, now, named=_named(row, evidence), name_of=controls.name_of) for row in rows
    ]
    results = [judgement.entry for judgement in judgements if judgement.entry is not None]
    hidden = list(_hidden_gaps(evidence.values(), controls))
    unjudged = [
        *_unjudged("listTests", listing.bad_rows, "every control test"),
        *controls.unjudged,
        *_unjudged_evidence(evidence.values(), controls),
    ]
    return Audit(
        kit=__version__,
        comp_ai=address,
        at=now,
        counts=_count(rows, judgements, results, controls, hidden, unjudged),
        unsupported=in_order([*results, *hidden, *unjudged]),
        reproduce=reproduce,
    )


def _read_controls(client: CompAI) -> _Controls:
    unjudged: list[Entry] = []

    def read(
        operation: str, ask: Callable[[Callable[[BadRow], None]], list[Control]], what: str
    ) -> list[Control]:
        bad: list[BadRow] = []
        found = explain_misrouting(client, lambda: ask(bad.append))
        lines = [f"row {row.index}: {row.reason}" for row in bad]
        unjudged.extend(_unjudged(operation, lines, what))
        return found

    listed = read(
        "listControls", lambda note: client.list_controls(on_bad_row=note), "every control"
    )
    gaps = read("listGaps", lambda note: client.list_gaps(on_bad_row=note), "every gap")
    return _Controls(
        listed=listed,
        names={control.id: shown(control.internal_id) for control in (*gaps, *listed)},
        gaps={control.id for control in gaps},
        unjudged=unjudged,
    )


def _questions(rows: Iterable[Row], controls: _Controls) -> dict[int, ControlEvidence]:
    """One question per control that has evidence: is any of it good, and what do its tests name?"""
    questions = {
        number: ControlEvidence(control_id=number)
        for number in controls.names
        if number not in controls.gaps
    }
    for row in rows:
        named = evidence_to_look_at(row)
        if named is not None and row.control_id in questions:
            questions[row.control_id].wanted.add(named)
    return questions


def _named(row: Row, evidence: dict[int, ControlEvidence]) -> Negative | None:
    named, about = evidence_to_look_at(row), evidence.get(row.control_id)
    return about.named.get(named) if about is not None and named is not None else None


def _hidden_gaps(evidence: Iterable[ControlEvidence], controls: _Controls) -> Iterator[Entry]:
    for about in evidence:
        if about.hides_gap and about.newest is not None:
            yield gap_entry(
                about.control_id,
                controls.name_of(about.control_id),
                len(about.negatives),
                about.newest,
            )


def _unjudged_evidence(evidence: Iterable[ControlEvidence], controls: _Controls) -> Iterator[Entry]:
    for about in evidence:
        if about.has_good:
            continue  # what cannot be read beside it changes nothing
        yield from _unjudged(
            "listEvidence",
            about.bad_rows,
            "every row of evidence of a control without a good one",
            control_id=about.control_id,
            control=controls.name_of(about.control_id),
        )


def _unjudged(
    operation: str,
    lines: Iterable[str],
    what: str,
    *,
    control_id: int | None = None,
    control: str = "",
) -> Iterator[Entry]:
    for line in lines:
        yield make_entry(
            UNJUDGED,
            control_id=control_id,
            control=control,
            why=f"{operation} {line}",
            fix=f"Correct the row in Comp-AI's database: {what} must be readable to be judged.",
        )


def _count(
    rows: list[Row],
    judgements: list[Judgement],
    results: list[Entry],
    controls: _Controls,
    hidden: list[Entry],
    unjudged: list[Entry],
) -> Counts:
    stored = [row.stored.result for row in rows]
    complained = [entry.result for entry in results]
    return Counts(
        tests=len(rows),
        passes=stored.count("pass"),
        passes_unsupported=complained.count("pass"),
        fails=stored.count("fail"),
        fails_unsupported=complained.count("fail"),
        controls=len(controls.names),
        gaps=len(controls.gaps),
        gaps_hidden=len(hidden),
        late=sum(judgement.is_late for judgement in judgements),
        not_ours=sum(judgement.is_not_ours for judgement in judgements),
        could_not_be_judged=len(unjudged),
    )
