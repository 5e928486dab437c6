"""Attach documents to a control, each once, whatever becomes of an answer.

A row of evidence cannot be deleted, and every call adds rows. So nothing is sent again on the word
of an answer, or of the lack of one: what is stored is looked at, and only what is missing is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from compai_client import (
    MAX_SCAN_DOCUMENTS,
    CallError,
    CompAI,
    NoAnswerError,
    PartlyCreatedError,
    RejectedError,
    ScanDocument,
    ServerError,
    UnusableAnswerError,
)
from compai_dags.scan_config import Document, link_key
from compai_dags.task import PermanentError

log = logging.getLogger(__name__)

# A row can carry megabytes of extracted text, so this is how many are held at a time.
_PAGE = 50
_MAX_PASSES = 3
# Comp-AI fails for one document; when it does for so many in a row, it fails altogether.
_MAX_REFUSED = 3


class UnknownControlError(PermanentError):
    """Comp-AI has no such control; asking again cannot help."""


class RepeatedPageError(Exception):
    """A page of evidence brings nothing new, so what follows it is out of reach for now."""


@dataclass(kw_only=True)
class Progress:
    """What became of the documents; right at any moment, also when an error is raised."""

    attached: list[Document] = field(default_factory=list)
    refused: list[Document] = field(default_factory=list)


def stored_links(client: CompAI, control_id: int) -> set[str]:
    """The links of all evidence of a control, as `link_key` writes them.

    A row that cannot be read raises: it may hold the very link that is looked for. Rows of one time
    may change places between two pages, so that one comes twice and another not at all; then all
    pages are read again. Raises RepeatedPageError for a full page with nothing new.
    """
    links: dict[int, str] = {}
    for _ in range(_MAX_PASSES):
        ids: list[int] = []
        while True:
            page = client.list_evidence(control_id=control_id, limit=_PAGE, offset=len(ids))
            links |= {item.id: link_key(item.link_url) for item in page if item.link_url}
            if len(page) >= _PAGE and {item.id for item in page}.issubset(ids):
                raise RepeatedPageError(
                    f"Comp-AI lists the same evidence of control {control_id} again, so it cannot "
                    "be told which links are there"
                )
            ids += [item.id for item in page]
            if len(page) < _PAGE:
                break
        if len(ids) == len(set(ids)):
            break
    return set(links.values())


def attach(
    client: CompAI, *, control_id: int, documents: Sequence[Document], progress: Progress
) -> None:
    """Attach what is not stored yet; the caller has left out what is.

    Raises UnknownControlError, and the client's errors: then `progress` says how far it came, and
    a later try that looks first goes on from there.
    """
    left = list(documents)
    refused_in_a_row = 0
    while left:
        chunk = left[:MAX_SCAN_DOCUMENTS]
        failure = _send(client, control_id, chunk)
        there = stored_links(client, control_id) if failure else set(map(_key, chunk))
        came = [document for document in chunk if _key(document) in there]
        missing = [document for document in chunk if _key(document) not in there]
        progress.attached += came
        left = missing + left[len(chunk) :]
        if failure is None:
            continue
        log.warning("%s of %s documents are attached after: %s", len(came), len(chunk), failure)
        if missing and not isinstance(failure, PartlyCreatedError):
            # Whoever is still at work on it would do again what is sent again now.
            raise failure
        if came or not missing:
            refused_in_a_row = 0
            continue
        _require_control(client, control_id)
        progress.refused.append(left.pop(0))
        refused_in_a_row += 1
        if refused_in_a_row == _MAX_REFUSED:
            raise failure


def _send(client: CompAI, control_id: int, chunk: Sequence[Document]) -> CallError | None:
    """What makes it unclear how much is stored; raises what says that nothing is."""
    try:
        client.scan_documents(
            control_id=control_id,
            documents=[ScanDocument(url=document.url, type=document.type) for document in chunk],
        )
    except (NoAnswerError, ServerError, UnusableAnswerError) as failure:
        return failure
    return None


def _require_control(client: CompAI, control_id: int) -> None:
    """An unknown control fails as a broken database does; only this tells them apart."""
    try:
        client.get_control(control_id=control_id)
    except RejectedError as failure:
        if failure.status == 404:
            raise UnknownControlError(f"Comp-AI has no control {control_id}") from None
        raise


def _key(document: Document) -> str:
    return link_key(document.url)
