"""Let Comp-AI look at another system and read back the evidence row that it wrote.

Every collecting call adds a row, and no row can be deleted. So it is never repeated blindly, and
never made for a control without evidence: even a bad row would end its gap for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from compai_client import (
    CompAI,
    CompAIError,
    CreateEvidenceResponse,
    EvidenceItem,
    NoAnswerError,
    ServerError,
)
from compai_dags.checks.base import CheckContext
from compai_dags.checks.collected_texts import is_negative
from compai_dags.failures import collecting_observation_of
from compai_dags.outcomes import Observation, Outcome, Reason, error, not_configured

# Rows can carry megabytes of extracted text, so few are asked for; 100 is Comp-AI's own cap.
_FEW = 10
_CAP = 100
# Long enough not to fill the newest 100 rows, which is all that export and mapping look at.
_REFRESH = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked, of `target` as messages call it, by one collecting `call` of the client.

    `type` and `source` are those of the row that answers; a source that ends in a colon stands for
    all that begin so, where only Comp-AI knows the rest. Where `can_pass` is False, a row that
    says so is not added every day.
    """

    control_id: int
    target: str
    type: str
    source: str
    call: Callable[[CompAI], CreateEvidenceResponse]
    can_pass: bool

    def is_answered_by(self, item: EvidenceItem) -> bool:
        if (item.control_id, item.type) != (self.control_id, self.type):
            return False
        source = item.source or ""
        return (
            source.startswith(self.source) if self.source.endswith(":") else source == self.source
        )


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The row that answers; `hides_gap`: the control has nothing but rows as bad as this one."""

    row: EvidenceItem
    seen_at: datetime
    hides_gap: bool


def collect(request: Request, context: CheckContext) -> Collected | Observation:
    """The row, or the outcome that says why there is none."""
    client = context.client
    before = client.list_evidence(control_id=request.control_id, limit=_FEW)
    if not before and not context.always_collect:
        return not_configured(
            Reason.NO_EVIDENCE_YET,
            "Nothing was collected: the control has no evidence, and a row that Comp-AI writes, "
            "even a bad one, would take it off the gap list for ever. Attach evidence first, or "
            "set COMP_AI_COLLECT_EVIDENCE=always.",
        )
    has_nothing_good = len(before) < _FEW and all(map(is_negative, before))
    row = _still_good(request, context, before)
    seen_at = row.collected_at if row is not None else context.now()
    if row is None:
        evidence_id = _ask(client, request, before)
        if isinstance(evidence_id, Observation):
            return evidence_id
        row = _read_back(client, request.control_id, evidence_id)
        if row is None:
            return error(
                Reason.MALFORMED,
                f"Could not verify: Comp-AI reported evidence {evidence_id}, but does not list it.",
            )
    return Collected(row=row, seen_at=seen_at, hides_gap=has_nothing_good and is_negative(row))


def passed(collected: Collected, sentence: str) -> Observation:
    return Observation(outcome=Outcome.PASS, sentence=sentence, collected_at=collected.seen_at)


def failed(collected: Collected, sentence: str) -> Observation:
    return Observation(
        outcome=Outcome.FAIL,
        sentence=sentence + _note(collected),
        collected_at=collected.seen_at,
        hides_gap=collected.hides_gap,
    )


def undecided(collected: Collected, reason: Reason, sentence: str) -> Observation:
    """An ERROR: what the row tells is neither a pass nor a finding."""
    observation = error(reason, sentence + _note(collected))
    return msgspec.structs.replace(observation, hides_gap=collected.hides_gap)


def unparsable(collected: Collected) -> Observation:
    text = (collected.row.description or "")[:120]
    return undecided(
        collected,
        Reason.MALFORMED,
        f"Could not verify: the text of evidence {collected.row.id} is none that this kit knows "
        f"({text!r}).",
    )


def _note(collected: Collected) -> str:
    if not collected.hides_gap:
        return ""
    return (
        " Note: evidence such as this is all the control has, and it keeps the control "
        "out of the gap list."
    )


def _still_good(
    request: Request, context: CheckContext, rows: list[EvidenceItem]
) -> EvidenceItem | None:
    """A row that spares a call: of this run's earlier try, or one that a new one would repeat."""
    for row in rows:
        if not request.is_answered_by(row):
            continue
        if context.reuse_since is not None and row.collected_at >= context.reuse_since:
            return row
        is_recent = row.collected_at >= context.now() - _REFRESH
        if not request.can_pass and is_recent and not is_negative(row):
            return row
    return None


def _ask(client: CompAI, request: Request, before: list[EvidenceItem]) -> int | Observation:
    """Collect; after a failure that may have written a row, look for it, then repeat once."""
    try:
        return request.call(client).id
    except (NoAnswerError, ServerError):
        written = _new_row(client, request, before)
    except CompAIError as failure:
        return _not_collected(failure, request)
    if written is not None:
        return written
    try:
        return request.call(client).id
    except CompAIError as failure:
        return _not_collected(failure, request)


def _not_collected(failure: CompAIError, request: Request) -> Observation:
    return collecting_observation_of(failure, doing=f"asking Comp-AI about {request.target}")


def _new_row(client: CompAI, request: Request, before: list[EvidenceItem]) -> int | None:
    newest_known = max((item.id for item in before), default=0)
    rows = client.list_evidence(control_id=request.control_id, limit=_FEW)
    new = [row.id for row in rows if row.id > newest_known and request.is_answered_by(row)]
    return max(new, default=None)


def _read_back(client: CompAI, control_id: int, evidence_id: int) -> EvidenceItem | None:
    # The list is ordered by time; rows with a time in the future come before ours.
    for limit in (_FEW, _CAP):
        rows = client.list_evidence(control_id=control_id, limit=limit)
        for row in rows:
            if row.id == evidence_id:
                return row
        if len(rows) < limit:
            return None
    return None
