"""Reads from GitHub what protects a branch, layer by layer, and who may bypass it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from compai_dags.checks.github_access import read_as, refused, said_by
from compai_dags.checks.github_config import Repository
from compai_dags.checks.github_protection import (
    NO_LAYER,
    Bypass,
    Classic,
    Layers,
    Reviews,
    Rule,
    pull_request_of,
)
from compai_dags.checks.outside import Answer, Outside, OutsideError, words_of
from compai_dags.outcomes import Reason

# GitHub's own words, as far as they decide.
_NOT_PROTECTED = "branch not protected"
_NO_BRANCH = "branch not found"
_NOT_IN_PLAN = "upgrade to github"


class Actor(msgspec.Struct, frozen=True):
    bypass_mode: str = "always"


class Ruleset(msgspec.Struct, frozen=True):
    # Shown only to those who may change the ruleset.
    bypass_actors: list[Actor] | None = None


class Branch(msgspec.Struct, frozen=True):
    protected: bool


class Reader:
    """Reads one branch. Every method raises OutsideError for what is no answer about it."""

    def __init__(self, github: Outside, repository: Repository, branch: str) -> None:
        self._github = github
        self._repository = repository
        self._branch = branch
        self._base = f"repos/{repository}"
        self._name = quote(branch, safe="")

    def layers(self) -> Layers:
        rules, rules_refused = self._rules()
        is_protected = self._is_protected()
        answer = self._github.get(f"{self._base}/branches/{self._name}/protection")
        words = words_of(answer).lower()
        plan = next((a for a in (answer, rules_refused) if a and _is_not_in_plan(a)), None)
        if answer.status == 404 and words == _NO_BRANCH:
            raise self._no_branch()
        if answer.status not in (200, 403, 404):
            raise refused(answer, self._place)
        absent = is_protected is False or (answer.status == 404 and words == _NOT_PROTECTED)
        classic = _classic_of(answer) if answer.status == 200 else None
        unread = []
        if rules_refused is not None:
            unread.append(f"its rules ({said_by(rules_refused)})")
        if classic is None and not absent:
            unread.append(f"its classic protection ({said_by(answer)})")
        return Layers(
            rules=rules,
            classic=classic,
            classic_is_known=classic is not None or absent,
            not_in_plan=said_by(plan) if plan is not None else "",
            unread=tuple(unread),
        )

    def bypass(self, layers: Layers, least: int) -> Bypass:
        """Whether somebody is held by no layer that asks for at least so many approvals.

        One such layer that nobody may bypass is enough.
        """
        found: list[Bypass] = []
        for bypass in self._bypasses(layers, least):
            if bypass.state == "none":
                return bypass
            found.append(bypass)
        unknown = [bypass for bypass in found if bypass.state == "unknown"]
        return (unknown or found or [NO_LAYER])[0]

    def _rules(self) -> tuple[tuple[Rule, ...] | None, Answer | None]:
        rules: list[Rule] = []
        path = f"{self._base}/rules/branches/{self._name}"
        for answer in self._github.pages(path, params={"per_page": 100}):
            if answer.status in (403, 404):
                return None, answer
            if answer.status != 200:
                raise refused(answer, self._place)
            rules += read_as(answer, list[Rule], "the rules of a branch")
        return tuple(rules), None

    def _is_protected(self) -> bool | None:
        answer = self._github.get(f"{self._base}/branches/{self._name}")
        if answer.status == 200:
            return read_as(answer, Branch, "a branch").protected
        if answer.status == 404 and words_of(answer).lower() == _NO_BRANCH:
            raise self._no_branch()
        if answer.status not in (403, 404):
            raise refused(answer, self._place)
        return None

    def _bypasses(self, layers: Layers, least: int) -> Iterator[Bypass]:
        """Of each layer that asks for enough approvals by itself; rulesets only when asked for."""
        classic = layers.classic
        reviews = classic.required_pull_request_reviews if classic is not None else None
        if classic and reviews and (reviews.required_approving_review_count or 0) >= least:
            yield _classic_bypass(classic, reviews)
        enough = [
            rule.ruleset_id
            for rule in layers.rules or ()
            if rule.type == "pull_request" and _approvals_of(rule) >= least
        ]
        for ruleset_id in dict.fromkeys(enough):
            yield self._ruleset_bypass(ruleset_id)

    def _ruleset_bypass(self, ruleset_id: int | None) -> Bypass:
        if ruleset_id is None:
            return Bypass("unknown", "a rule names no ruleset")
        answer = self._github.get(f"{self._base}/rulesets/{ruleset_id}")
        if answer.status in (403, 404):
            return Bypass("unknown", f"ruleset {ruleset_id} is not readable ({said_by(answer)})")
        if answer.status != 200:
            raise refused(answer, f"ruleset {ruleset_id} of {self._repository}")
        actors = read_as(answer, Ruleset, "a ruleset").bypass_actors
        if actors is None:
            return Bypass("unknown", f"GitHub does not show it for ruleset {ruleset_id}")
        if not actors:
            return Bypass("none", f"ruleset {ruleset_id}")
        exempt = sum(actor.bypass_mode == "exempt" for actor in actors)
        trace = f", {exempt} of them without a trace" if exempt else ""
        return Bypass("exists", f"{_count(len(actors), 'actor')} of ruleset {ruleset_id}{trace}")

    @property
    def _place(self) -> str:
        return f"branch {self._branch} of {self._repository}"

    def _no_branch(self) -> OutsideError:
        return OutsideError(
            Reason.NOT_FOUND_OR_NO_ACCESS,
            f"GitHub knows no branch {self._branch} of {self._repository}",
        )


def _classic_of(answer: Answer) -> Classic:
    """Each part may be left out; an object without any is no protection that asks for nothing."""
    parts = {"url", *Classic.__struct_fields__}
    if not isinstance(answer.body, dict) or parts.isdisjoint(answer.body):
        raise OutsideError(Reason.MALFORMED, "GitHub describes a protection in another shape")
    return read_as(answer, Classic, "a protection")


def _classic_bypass(classic: Classic, reviews: Reviews) -> Bypass:
    allowances = reviews.bypass_pull_request_allowances
    if classic.enforce_admins is None:
        return Bypass("unknown", "GitHub does not show whether the classic protection binds admins")
    if not classic.enforce_admins.enabled:
        return Bypass("exists", "admins, whom the classic protection does not bind")
    if allowances:
        return Bypass("exists", f"{_count(len(allowances), 'actor')} of the classic protection")
    return Bypass("none", "the classic protection")


def _approvals_of(rule: Rule) -> int:
    return pull_request_of(rule).required_approving_review_count


def _is_not_in_plan(answer: Answer) -> bool:
    return answer.status == 403 and words_of(answer).lower().startswith(_NOT_IN_PLAN)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
