"""GitHub tests through Comp-AI's own integration, for installations without direct access.

Comp-AI answers 201 whatever it found; the truth is in the description of the row that it wrote.
That row is evidence whatever it says, so nothing is collected for a control without evidence: it
would leave the gap list for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from compai_client import (
    CompAI,
    CompAIError,
    EvidenceItem,
    EvidenceType,
    NoAnswerError,
    ServerError,
)
from compai_dags.checks.base import CheckContext, InvalidConfigError, config_object
from compai_dags.failures import collecting_observation_of
from compai_dags.outcomes import Observation, Outcome, Reason, error, not_configured
from compai_dags.rows import Row

# Rows can carry megabytes of extracted text, so few are asked for; 100 is Comp-AI's own cap.
_FEW = 10
_CAP = 100
# Long enough not to fill the newest 100 rows, which is all that export and mapping look at.
_REFRESH = timedelta(days=90)

_NAME = re.compile(r"[\w.-]+", re.ASCII)
_ENABLED = re.compile(r"Branch protection enabled on default branch: (?P<branch>\S.*)")
_SHARED = re.compile(
    r"Branch protection not configured or not accessible for branch: (?P<branch>\S.*)"
)
_COMMIT = re.compile(
    r"Default branch: (?P<branch>.*?)\. Last commit: (?P<sha>\S+) by (?P<author>.*?)\. .*",
    re.DOTALL,
)
_SHA = re.compile(r"[0-9a-f]{7,64}")

_DIRECT = "The Connection comp_ai_github would decide it: it reads GitHub's own fields"


@dataclass(frozen=True)
class _Repository:
    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


def branch_protection(row: Row, context: CheckContext) -> Observation:
    """PASS on "enabled"; the sentence for "absent" and "not readable" is the same: ERROR."""
    config = config_object(row)
    repository = _repository(config)
    unseen = _unseen_requirements(config)
    found = _collect(
        row, context, repository, "branch_protection", reuse_recent=_REFRESH if unseen else None
    )
    if isinstance(found, Observation):
        return found
    text = found.row.description or ""
    if enabled := _ENABLED.fullmatch(text):
        return _judge_enabled(config, repository, enabled["branch"], found, unseen)
    if shared := _SHARED.fullmatch(text):
        return found.bad(
            Reason.AMBIGUOUS,
            f"Could not verify: for branch {shared['branch']} of {repository} Comp-AI reports "
            "protection as 'not configured or not accessible', one sentence for both. Either "
            "protect the branch, or give Comp-AI's GITHUB_TOKEN admin read access to the "
            f"repository. {_DIRECT}.",
        )
    return found.unparsable()


def last_commit(row: Row, context: CheckContext) -> Observation:
    """Comp-AI's text has no date: it shows "reachable" at most, and passes where that is asked."""
    config = config_object(row)
    repository = _repository(config)
    suffices = _required(config) == {"reachable"}
    found = _collect(
        row, context, repository, "last_commit", reuse_recent=None if suffices else _REFRESH
    )
    if isinstance(found, Observation):
        return found
    commit = _COMMIT.fullmatch(found.row.description or "")
    if commit is None:
        return found.unparsable()
    if not _SHA.fullmatch(commit["sha"]):
        return found.bad(
            Reason.NOT_FOUND_OR_NO_ACCESS,
            f"Could not verify: Comp-AI read {repository}, but no commit of it "
            f"(evidence {found.row.id} says 'unknown').",
        )
    if not suffices:
        return found.bad(
            Reason.AMBIGUOUS,
            f"Could not verify the age of the last commit of {repository}: Comp-AI's evidence "
            f"names commit {commit['sha'][:12]}, but not its date. {_DIRECT}; or set "
            'config.require to "reachable" if that is what the control asks for.',
        )
    return found.passed(
        f"{repository} is reachable; its last commit is {commit['sha'][:12]} "
        f"(evidence {found.row.id}). The age of the commit was not examined."
    )


def _judge_enabled(
    config: dict[str, object],
    repository: _Repository,
    branch: str,
    found: _Found,
    unseen: list[str],
) -> Observation:
    wanted = config.get("branch")
    if wanted and wanted != branch:
        return found.bad(
            Reason.AMBIGUOUS,
            f"Could not verify: Comp-AI examines the default branch {branch} of {repository} only, "
            f"the test asks for branch {wanted}. {_DIRECT}.",
        )
    if unseen:
        return found.bad(
            Reason.AMBIGUOUS,
            f"Could not verify: branch {branch} of {repository} is protected, but Comp-AI does not "
            f"tell about {', '.join(unseen)}, which the test requires. {_DIRECT}.",
        )
    return found.passed(
        f"Branch protection is enabled on the default branch {branch} of {repository} "
        f"(evidence {found.row.id}). Warning: required approvals were not examined."
    )


def _repository(config: dict[str, object]) -> _Repository:
    wrong = [
        key
        for key in ("owner", "repo")
        if not isinstance(value := config.get(key), str)
        or not _NAME.fullmatch(value)
        or value in (".", "..")
    ]
    if wrong:
        keys = " and ".join(f"config.{key}" for key in wrong)
        raise InvalidConfigError(f"{keys} must be set to letters, digits, dot, dash or underscore")
    return _Repository(str(config["owner"]), str(config["repo"]))


def _required(config: dict[str, object]) -> set[str]:
    value = config.get("require") or []
    if isinstance(value, str):
        return {value}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return set(value)
    raise InvalidConfigError("config.require must be a string or a list of strings")


def _unseen_requirements(config: dict[str, object]) -> list[str]:
    """What the test requires beyond "protected"; Comp-AI's text tells none of it."""
    approvals = ["min_approvals"] if config.get("min_approvals") else []
    return sorted(_required(config)) + approvals


@dataclass(frozen=True)
class _Found:
    """The evidence row that answers, and whether nothing but bad rows would be left without it."""

    row: EvidenceItem
    collected_at: datetime
    alone: bool

    def passed(self, sentence: str) -> Observation:
        return Observation(outcome=Outcome.PASS, sentence=sentence, collected_at=self.collected_at)

    def bad(self, reason: Reason, sentence: str) -> Observation:
        hides_gap = self.alone and _is_negative(self.row)
        if hides_gap:
            sentence += (
                " Note: evidence such as this is all the control has, and it keeps the control "
                "out of the gap list."
            )
        return msgspec.structs.replace(error(reason, sentence), hides_gap=hides_gap)

    def unparsable(self) -> Observation:
        return self.bad(
            Reason.MALFORMED,
            f"Could not verify: the text of evidence {self.row.id} is none that this kit knows "
            f"({(self.row.description or '')[:120]!r}).",
        )


def _collect(
    row: Row,
    context: CheckContext,
    repository: _Repository,
    evidence_type: EvidenceType,
    *,
    reuse_recent: timedelta | None = None,
) -> _Found | Observation:
    """Let Comp-AI look at GitHub and read back what it wrote, or say why that was not done.

    `reuse_recent`: where the answer cannot be a PASS, no row is added every day to hear it again.
    """
    client = context.client
    before = client.list_evidence(control_id=row.control_id, limit=_FEW)
    if not before and not context.always_collect:
        return not_configured(
            Reason.NO_EVIDENCE_YET,
            "Nothing was collected: the control has no evidence, and a row that Comp-AI writes, "
            "even a bad one, would take it off the gap list for ever. Attach evidence first, or "
            "set COMP_AI_COLLECT_EVIDENCE=always.",
        )
    wanted = _Wanted(row.control_id, f"github_{evidence_type}", f"github:{repository}")
    alone = all(_is_negative(item) for item in before) and len(before) < _FEW
    since = _reusable_since(context, reuse_recent)
    known = next((item for item in before if since and wanted.matches(item, since)), None)
    if known is not None:
        return _Found(known, known.collected_at, alone)
    evidence_id = _collect_once(client, repository, evidence_type, wanted, before)
    if isinstance(evidence_id, Observation):
        return evidence_id
    written = _read_back(client, row.control_id, evidence_id)
    if written is None:
        return error(
            Reason.MALFORMED,
            f"Could not verify: Comp-AI reported evidence {evidence_id}, but does not list it.",
        )
    return _Found(written, context.now(), alone)


def _reusable_since(context: CheckContext, reuse_recent: timedelta | None) -> datetime | None:
    """On a retry, what this run collected without posting its result is not collected again."""
    recent = context.now() - reuse_recent if reuse_recent else None
    return min((at for at in (recent, context.reuse_since) if at), default=None)


@dataclass(frozen=True)
class _Wanted:
    """What the row of a collecting call looks like."""

    control_id: int
    type: str
    source: str

    def matches(self, item: EvidenceItem, since: datetime | None = None) -> bool:
        return (
            item.control_id == self.control_id
            and item.type == self.type
            and item.source == self.source
            and (since is None or item.collected_at >= since)
        )


def _collect_once(
    client: CompAI,
    repository: _Repository,
    evidence_type: EvidenceType,
    wanted: _Wanted,
    before: list[EvidenceItem],
) -> int | Observation:
    """Collect; after a failure that may have written a row, look for it, then repeat once."""
    for is_repeat in (False, True):
        try:
            return client.collect_github_evidence(
                control_id=wanted.control_id,
                owner=repository.owner,
                repo=repository.name,
                evidence_type=evidence_type,
            ).id
        except CompAIError as failure:
            if is_repeat or not isinstance(failure, NoAnswerError | ServerError):
                return collecting_observation_of(
                    failure, doing=f"asking Comp-AI about {repository}"
                )
        written = _new_row(client, wanted, before)
        if written is not None:
            return written
    raise AssertionError("the second round returns")


def _new_row(client: CompAI, wanted: _Wanted, before: list[EvidenceItem]) -> int | None:
    known = {item.id for item in before}
    newest_known = max(known, default=0)
    rows = client.list_evidence(control_id=wanted.control_id, limit=_FEW)
    new = [item.id for item in rows if item.id > newest_known and wanted.matches(item)]
    return max(new, default=None)


def _read_back(client: CompAI, control_id: int, evidence_id: int) -> EvidenceItem | None:
    # The list is ordered by time; rows with a time in the future come before ours.
    for limit in (_FEW, _CAP):
        rows = client.list_evidence(control_id=control_id, limit=limit)
        for item in rows:
            if item.id == evidence_id:
                return item
        if len(rows) < limit:
            return None
    return None


def _is_negative(item: EvidenceItem) -> bool:
    """A row in which Comp-AI says that it saw nothing good; an unknown text is not called so."""
    text = item.description or ""
    if item.type == "github_branch_protection":
        return _SHARED.fullmatch(text) is not None
    commit = _COMMIT.fullmatch(text) if item.type == "github_last_commit" else None
    return commit is not None and not _SHA.fullmatch(commit["sha"])
