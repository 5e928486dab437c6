"""The evidence behind a pass: one row per content, stored before the result that rests on it.

No row can be deleted, and the lists show the newest 100 only. So a row is added when what it says
has changed, or when the newest that says the same is too old; and only ever for a pass: any row at
all takes its control off the gap list.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from compai_client import (
    BadRow,
    CallError,
    CompAI,
    EvidenceItem,
    NoAnswerError,
    RedirectedError,
    ServerError,
    UnusableAnswerError,
)
from compai_dags import __version__
from compai_dags.checks.base import InvalidConfigError, config_object
from compai_dags.outcomes import Observation, Outcome, Reason, error, verdict_of
from compai_dags.proof import Assertion, Proof, content_sha256
from compai_dags.rows import Row
from compai_dags.trailer import EvidenceRef, one_line

log = logging.getLogger(__name__)

# Limits of the columns, in characters; beyond them Comp-AI answers 500.
_MAX_TYPE = 50
_MAX_SOURCE = 500
# A row can carry megabytes of extracted text, so this is how many are held at a time.
_PAGE = 50
_DEFAULT_REFRESH_DAYS = 90
_MAX_REFRESH_DAYS = 3_650
_DIGITS = 16


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of evidence states, for machines; unknown fields are ignored, versions can mix."""

    kit: str
    run: str
    observed_at: datetime
    raw_sha256: str
    content_sha256: str
    assertions: tuple[Assertion, ...]


def write_evidence(sentence: str, statement: Statement) -> str:
    """The description of a row: one sentence for people, one line of JSON."""
    return f"{one_line(sentence)}\n{msgspec.json.encode(statement).decode('utf-8')}"


def read_evidence(description: str | None) -> tuple[str, Statement] | None:
    """What `write_evidence` was given; None for every other text."""
    sentence, newline, line = (description or "").partition("\n")
    if not newline or line != line.strip():
        return None
    try:
        statement = msgspec.json.decode(line, type=Statement)
    except msgspec.DecodeError:
        return None
    return (sentence, statement) if statement.observed_at.tzinfo is not None else None


def fitted(proof: Proof) -> Proof:
    """The proof with texts that Comp-AI can store; what is cut stays distinct by its hash."""
    fit = msgspec.structs.replace(
        proof,
        type=_fit(proof.type, _MAX_TYPE),
        source=_fit(proof.source, _MAX_SOURCE),
        link_url=None if proof.link_url is None else _fit(proof.link_url, len(proof.link_url) + 1),
    )
    return proof if fit == proof else fit


def _fit(text: str, limit: int) -> str:
    flat = one_line(text, limit=len(text) + 1)
    if len(flat) <= limit:
        return flat
    digits = hashlib.sha256(flat.encode("utf-8")).hexdigest()[:_DIGITS]
    return f"{flat[: limit - _DIGITS - 1]}…{digits}"


def evidence_refresh(row: Row) -> timedelta:
    """How long evidence that says the same will do: `evidence_refresh` days, else 90.

    Raises InvalidConfigError.
    """
    config = {} if row.config is None else config_object(row)
    days = config.get("evidence_refresh", _DEFAULT_REFRESH_DAYS)
    if type(days) is not int or not 1 <= days <= _MAX_REFRESH_DAYS:
        raise InvalidConfigError(
            f"config.evidence_refresh must be a whole number of days from 1 to {_MAX_REFRESH_DAYS}"
        )
    return timedelta(days=days)


def vetted(row: Row, observation: Observation) -> Observation:
    """A pass with a proof is held to it; one that cannot become evidence is none.

    Raises InvalidConfigError when the test asks for an impossible `evidence_refresh`.
    """
    proof = observation.proof
    if observation.outcome is not Outcome.PASS or proof is None:
        return observation
    if verdict_of(proof.assertions) is not Outcome.PASS:
        return error(
            Reason.BUG,
            "Could not verify: the check has a defect (its pass is not what it proved).",
        )
    evidence_refresh(row)
    content_sha256(fitted(proof))
    return observation


class _Known(msgspec.Struct, frozen=True):
    """A row that some check wrote; what it takes to see whether another would say the same."""

    id: int
    at: datetime
    type: str
    source: str | None
    content: str


class _Listed(msgspec.Struct, frozen=True):
    """What is known about a control: everything that is younger than `since`."""

    since: datetime
    rows: list[_Known]


class EvidenceKeeper:
    """Keeps evidence for the passes of one chunk; lists a control once at most.

    What the result of a test remembers is not asked for: an unchanged test costs no request here.
    """

    def __init__(self, *, client: CompAI, now: Callable[[], datetime], run_id: str) -> None:
        self._client = client
        self._now = now
        self._run_id = run_id
        self._listed: dict[int, _Listed] = {}

    def keep(
        self,
        row: Row,
        observation: Observation,
        *,
        before: EvidenceRef | None,
        refresh: timedelta,
    ) -> EvidenceRef:
        """The evidence for this pass, stored if need be. Raises a `CompAIError` if there is none.

        `before` is what the stored result of this test rests on.
        """
        assert observation.proof is not None  # noqa: S101 - the caller has looked
        proof = fitted(observation.proof)
        content, since = content_sha256(proof), self._now() - refresh
        if before is not None and before.content == content[:_DIGITS] and before.at > since:
            return before
        # Equal evidence counts when it is newer than what the stored result rests on. It is there
        # when that result was lost, or when another test of the control saw the same.
        newer_than = before.id if before is not None else 0

        def find() -> EvidenceRef | None:
            same = [
                known
                for known in self._known(row.control_id, since)
                if (known.type, known.source, known.content) == (proof.type, proof.source, content)
                and known.id > newer_than
                and known.at > since
            ]
            newest = max(same, key=lambda known: known.id, default=None)
            return None if newest is None else _ref(newest)

        return find() or self._store(row, observation, proof, content, find)

    def _store(
        self,
        row: Row,
        observation: Observation,
        proof: Proof,
        content: str,
        find: Callable[[], EvidenceRef | None],
    ) -> EvidenceRef:
        statement = Statement(
            kit=__version__,
            run=self._run_id,
            observed_at=observation.collected_at or self._now(),
            raw_sha256=proof.raw_sha256,
            content_sha256=content,
            assertions=proof.assertions,
        )
        description = write_evidence(observation.sentence, statement)
        may_repeat = True
        while True:
            try:
                return self._create(row, proof, content, description)
            except (NoAnswerError, ServerError, RedirectedError, UnusableAnswerError) as failure:
                stored = self._look(row, failure, find)
                if stored is not None:
                    return stored
                if not may_repeat or isinstance(failure, RedirectedError | UnusableAnswerError):
                    raise
            may_repeat = False

    def _create(self, row: Row, proof: Proof, content: str, description: str) -> EvidenceRef:
        created = self._client.create_evidence(
            control_id=row.control_id,
            type=proof.type,
            source=proof.source,
            description=description,
            link_url=proof.link_url,
        )
        known = _Known(created.id, created.collected_at, proof.type, proof.source, content)
        self._listed[row.control_id].rows.append(known)
        log.info("%s: evidence %s stored (%s of %s)", row, known.id, known.type, known.source)
        return _ref(known)

    def _look(
        self, row: Row, failure: CallError, find: Callable[[], EvidenceRef | None]
    ) -> EvidenceRef | None:
        """Whether the row is there although no good answer came. Never repeated blindly."""
        self._listed.pop(row.control_id, None)
        stored = find()
        found = "is there" if stored is not None else "is not there"
        log.warning("%s: the evidence %s after: %s", row, found, failure)
        return stored

    def _known(self, control_id: int, since: datetime) -> list[_Known]:
        listed = self._listed.get(control_id)
        if listed is None or listed.since > since:
            listed = _Listed(since, self._list(control_id, since))
            self._listed[control_id] = listed
        return listed.rows

    def _list(self, control_id: int, since: datetime) -> list[_Known]:
        """The newest rows first, page by page, until they are too old to matter."""
        found: dict[int, _Known] = {}
        seen: set[int] = set()
        while True:
            bad: list[BadRow] = []
            page = self._client.list_evidence(
                control_id=control_id, limit=_PAGE, offset=len(seen), on_bad_row=bad.append
            )
            new = {item.id for item in page} - seen
            seen |= new
            found |= {item.id: known for item in page if (known := _read(item)) is not None}
            is_last = len(page) + len(bad) < _PAGE or not new
            if is_last or min(item.collected_at for item in page) <= since:
                return list(found.values())


def _read(item: EvidenceItem) -> _Known | None:
    """A row counts as ours when what it asserts is what its hash says."""
    read = read_evidence(item.description)
    if read is None:
        return None
    statement = read[1]
    proof = Proof(
        type=item.type,
        source=item.source or "",
        assertions=statement.assertions,
        raw_sha256=statement.raw_sha256,
    )
    if content_sha256(proof) != statement.content_sha256:
        return None
    return _Known(item.id, item.collected_at, item.type, item.source, statement.content_sha256)


def _ref(known: _Known) -> EvidenceRef:
    return EvidenceRef(id=known.id, content=known.content[:_DIGITS], at=known.at)
