"""The work of the tasks of comp_ai_scan_documents: read the jobs, run each, give the verdict."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from compai_client import CompAI, CompAIError
from compai_dags.listing import explain_misrouting
from compai_dags.scan_attach import Progress, RepeatedPageError, attach, stored_links
from compai_dags.scan_config import SETTING, Document, Job, link_key, read_form, read_jobs
from compai_dags.scan_links import Link, check_links
from compai_dags.task import PermanentError, Task
from compai_dags.web import Web
from compai_dags.web_guard import Allowed

log = logging.getLogger(__name__)

LIST_TASK = "list_jobs"
JOB_TASK = "scan_job"
OUTCOME = "outcome"
_SHOWN = 20


class JobOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one job in its last try; `trouble` has a line for each document or call.

    `already` are links that the control had before that try.
    """

    number: int
    control_id: int
    attached: int = 0
    already: int = 0
    not_evidence: int = 0
    trouble: list[str] = []

    def __str__(self) -> str:
        return (
            f"job {self.number} (control {self.control_id}): {self.attached} attached, "
            f"{self.already} there already, {self.not_evidence} not evidence"
        )


class JobFailedError(PermanentError):
    """Documents could not be attached; no further try would help."""


class JobIncompleteError(Exception):
    """Another try may help; what is attached is not attached again."""


class ScanFailedError(PermanentError):
    """At least one job failed; the text names each with its reasons."""


def list_jobs(
    task: Task, *, control_id: int | None, urls: list[str], type: str | None
) -> list[dict[str, Any]]:
    """The jobs of this run: those of the form, else those of the setting, else none.

    All are checked before any is run; a wrong one raises a SettingsError that names the place.
    """
    jobs = read_form(control_id=control_id, urls=urls, type=type)
    if not jobs:
        text = task.settings.json_text(SETTING)
        if text is None:
            log.info("%s is not set: there is nothing to scan.", SETTING)
            return []
        jobs = read_jobs(text)
    Allowed.read(task.settings)
    log.info("%s jobs, %s documents", len(jobs), sum(len(job.documents) for job in jobs))
    plain: list[dict[str, Any]] = msgspec.to_builtins(jobs)
    return plain


def scan_job(task: Task, plain: dict[str, Any], *, dry_run: bool) -> None:
    """Attach what is alive and not there yet; the outcome is stored before anything is raised.

    `dry_run` looks at everything and attaches nothing.
    """
    run = _JobRun(msgspec.convert(plain, Job), Web(Allowed.read(task.settings)), dry_run=dry_run)
    is_done = False
    try:
        with task.client() as client:
            run.run(client)
        is_done = True
    except (CompAIError, PermanentError, RepeatedPageError) as failure:
        run.trouble.append(str(failure))
        raise
    finally:
        if not is_done and not run.trouble:
            # Airflow's time-out, or a defect: what did not end must not count as done.
            run.trouble.append(f"it was broken off: see the log of {JOB_TASK}")
        outcome = run.outcome
        log.log(logging.WARNING if outcome.trouble else logging.INFO, "%s", outcome)
        task.push(OUTCOME, msgspec.to_builtins(outcome))
    if run.trouble:
        kind = JobIncompleteError if run.may_get_better else JobFailedError
        raise kind(f"{outcome}\n{_listed(outcome.trouble)}")


class _JobRun:
    """One try of one job."""

    def __init__(self, job: Job, web: Web, *, dry_run: bool) -> None:
        self.trouble: list[str] = []
        self.may_get_better = False
        self._job = job
        self._web = web
        self._dry_run = dry_run
        self._already = 0
        self._not_evidence = 0
        self._progress = Progress()

    @property
    def outcome(self) -> JobOutcome:
        return JobOutcome(
            number=self._job.number,
            control_id=self._job.control_id,
            attached=len(self._progress.attached),
            already=self._already,
            not_evidence=self._not_evidence + len(self._progress.refused),
            trouble=list(self.trouble),
        )

    def run(self, client: CompAI) -> None:
        control_id = self._job.control_id
        there = explain_misrouting(client, lambda: stored_links(client, control_id))
        new = [document for document in self._job.documents if link_key(document.url) not in there]
        self._already = len(self._job.documents) - len(new)
        alive = self._alive(new)
        if self._dry_run:
            for document in alive:
                log.info("dry_run: would be attached: %s", document)
            return
        try:
            attach(client, control_id=control_id, documents=alive, progress=self._progress)
        finally:
            self.trouble += [
                f"{document}: Comp-AI cannot store it" for document in self._progress.refused
            ]

    def _alive(self, documents: list[Document]) -> list[Document]:
        links = check_links(self._web, [document.url for document in documents])
        for document, link in zip(documents, links, strict=True):
            self._note(document, link)
        return [d for d, link in zip(documents, links, strict=True) if link.is_alive]

    def _note(self, document: Document, link: Link) -> None:
        if not link.is_alive:
            self._not_evidence += 1
            self.trouble.append(f"{document} is not evidence: {link.said}")
            self.may_get_better = self.may_get_better or link.transient
        elif link.said:
            log.info("%s: %s", document, link.said)


def summarise(task: Task) -> None:
    """Count what became of the jobs; raises when one of them failed, naming each."""
    jobs = task.pull(LIST_TASK)
    if jobs is None:
        raise ScanFailedError(f"{LIST_TASK} delivered no jobs, so nothing was scanned: see its log")
    outcomes = [
        _outcome(job, task.pull(JOB_TASK, key=OUTCOME, map_index=index))
        for index, job in enumerate(msgspec.convert(jobs, list[Job]))
    ]
    failed = [outcome for outcome in outcomes if outcome.trouble]
    for outcome in outcomes:
        log.log(logging.WARNING if outcome.trouble else logging.INFO, "%s", outcome)
    task.push(
        "return_value",
        {
            "jobs": len(outcomes),
            "failed": len(failed),
            "attached": sum(outcome.attached for outcome in outcomes),
            "already": sum(outcome.already for outcome in outcomes),
            "not_evidence": sum(outcome.not_evidence for outcome in outcomes),
        },
    )
    if failed:
        lines = [line for outcome in failed for line in (f"{outcome}:", *outcome.trouble)]
        raise ScanFailedError(f"{len(failed)} of {len(outcomes)} jobs failed\n{_listed(lines)}")


def _outcome(job: Job, reported: Any) -> JobOutcome:
    if reported is not None:
        return msgspec.convert(reported, JobOutcome)
    return JobOutcome(
        number=job.number,
        control_id=job.control_id,
        trouble=[f"it ended without a report: see the log of {JOB_TASK}"],
    )


def _listed(lines: list[str]) -> str:
    shown = lines[:_SHOWN]
    if len(lines) > _SHOWN:
        shown.append(f"… and {len(lines) - _SHOWN} more, see the log")
    return "\n".join(shown)
