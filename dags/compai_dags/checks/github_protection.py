"""What protects a branch on GitHub: rulesets and the classic protection, merged into facts.

Both layers hold at the same time and the stricter one wins, so a fact is true when either layer
shows it, false when both were read and neither does, and unknown otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from compai_dags.checks.outside import OutsideError
from compai_dags.outcomes import Reason

T = TypeVar("T")


class Switch(msgspec.Struct, frozen=True):
    enabled: bool


class Allowances(msgspec.Struct, frozen=True):
    users: list[Any] = []
    teams: list[Any] = []
    apps: list[Any] = []

    def __len__(self) -> int:
        return len(self.users) + len(self.teams) + len(self.apps)


class Reviews(msgspec.Struct, frozen=True):
    # Absent on servers that are too old to tell.
    required_approving_review_count: int | None = None
    require_code_owner_reviews: bool = False
    # Left out when nobody was put on the list; whoever may read the protection sees the list.
    bypass_pull_request_allowances: Allowances | None = None


class StatusChecks(msgspec.Struct, frozen=True):
    contexts: list[str] = []
    checks: list[Any] = []


class Classic(msgspec.Struct, frozen=True):
    required_pull_request_reviews: Reviews | None = None
    required_status_checks: StatusChecks | None = None
    enforce_admins: Switch | None = None
    allow_force_pushes: Switch | None = None
    allow_deletions: Switch | None = None


class Rule(msgspec.Struct, frozen=True):
    type: str
    parameters: dict[str, Any] = {}
    ruleset_id: int | None = None


class PullRequestParameters(msgspec.Struct, frozen=True):
    required_approving_review_count: int
    require_code_owner_review: bool = False


class StatusCheckParameters(msgspec.Struct, frozen=True):
    required_status_checks: list[Any] = []


class Bypass(NamedTuple):
    """Whether somebody is not held, and `who`: the actors, or why they are unknown."""

    state: Literal["none", "exists", "unknown"]
    who: str


NO_LAYER = Bypass("unknown", "no layer asks for enough approvals")


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What GitHub showed. `rules` None: unreadable; `classic` None: absent or unreadable.

    `unread` says what could not be read and why; `not_in_plan` is GitHub's refusal to protect.
    """

    rules: tuple[Rule, ...] | None
    classic: Classic | None
    classic_is_known: bool
    not_in_plan: str = ""
    unread: tuple[str, ...] = ()

    @property
    def are_known(self) -> bool:
        return self.rules is not None and self.classic_is_known


@dataclass(frozen=True, kw_only=True)
class Facts:
    """True, False, or None where it was not observed. `approvals` is the most that is asked for."""

    pull_request: bool | None
    approvals: int
    approvals_are_known: bool
    no_force_push: bool | None
    no_deletion: bool | None
    status_checks: bool | None
    code_owners: bool | None


def merged(layers: Layers) -> Facts:
    """The facts of both layers. Raises OutsideError for a rule in another shape than documented."""
    classic, rules = layers.classic or Classic(), layers.rules or ()
    reviews = classic.required_pull_request_reviews
    pull_requests = [pull_request_of(rule) for rule in rules if rule.type == "pull_request"]
    counts = [parameters.required_approving_review_count for parameters in pull_requests]
    classic_count = reviews.required_approving_review_count if reviews is not None else 0
    types = {rule.type for rule in rules}

    def fact(*shown: bool | None) -> bool | None:
        if any(shown):
            return True
        return False if layers.are_known and None not in shown else None

    return Facts(
        pull_request=fact(bool(pull_requests), reviews is not None),
        approvals=max([*counts, classic_count or 0], default=0),
        approvals_are_known=layers.are_known and classic_count is not None,
        no_force_push=fact("non_fast_forward" in types, _is_off(layers, "allow_force_pushes")),
        no_deletion=fact("deletion" in types, _is_off(layers, "allow_deletions")),
        status_checks=fact(_has_rule_checks(rules), _has_checks(classic)),
        code_owners=fact(
            any(parameters.require_code_owner_review for parameters in pull_requests),
            reviews is not None and reviews.require_code_owner_reviews,
        ),
    )


def _is_off(layers: Layers, switch: str) -> bool | None:
    """Without classic protection nothing is off by it; a field that is absent tells nothing."""
    if layers.classic is None:
        return False
    value: Switch | None = getattr(layers.classic, switch)
    return None if value is None else not value.enabled


def _has_checks(classic: Classic) -> bool:
    checks = classic.required_status_checks
    return checks is not None and bool(checks.contexts or checks.checks)


def _has_rule_checks(rules: Iterable[Rule]) -> bool:
    return any(
        _parameters(rule, StatusCheckParameters).required_status_checks
        for rule in rules
        if rule.type == "required_status_checks"
    )


def pull_request_of(rule: Rule) -> PullRequestParameters:
    """Raises OutsideError."""
    return _parameters(rule, PullRequestParameters)


def _parameters(rule: Rule, kind: type[T]) -> T:
    try:
        return msgspec.convert(rule.parameters, kind)
    except msgspec.ValidationError as problem:
        raise OutsideError(
            Reason.MALFORMED, f"GitHub describes a rule {rule.type} in another shape: {problem}"
        ) from None
