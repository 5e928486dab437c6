"""What a protected branch is held to, and the verdict in words that an auditor reads."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from compai_dags.checks.github_access import NAME
from compai_dags.checks.github_protection import Bypass, Facts, Layers
from compai_dags.outcomes import Observation, Outcome, Reason, error, verdict_of
from compai_dags.proof import Assertion, Proof

# What `config.require` can make mandatory; else it is a warning.
REQUIREMENTS = ("enforce_admins", "no_force_push", "no_deletion", "status_checks", "code_owners")
# Of a PASS these five are told where they do not hold; the rest only where a test requires it.
_WARNED_ABOUT = 5


class Demand(NamedTuple):
    """An assertion, and how it is said that it does not hold or could not be seen."""

    assertion: Assertion
    broken: str
    unknown: str


def demands_on(
    layers: Layers, facts: Facts, bypass: Bypass, *, least: int, required: frozenset[str]
) -> tuple[Demand, ...]:
    """What decides first: where the plan has no protection, nothing else can hold."""
    if layers.not_in_plan:
        said = layers.not_in_plan
        unavailable = Assertion(
            path="branch.protection", observed=said, expected="available", holds=False
        )
        return (Demand(unavailable, f"GitHub offers no protection on this plan ({said})", ""),)
    enough = facts.approvals >= least
    pull_request = Assertion(
        path="rules[pull_request] or protection.required_pull_request_reviews",
        observed=facts.pull_request,
        expected="present",
        holds=facts.pull_request,
    )
    approvals = Assertion(
        path="required_approving_review_count",
        observed=facts.approvals,
        expected=f"at least {least}",
        holds=True if enough else False if facts.approvals_are_known else None,
    )
    nobody = Assertion(
        path="protection.enforce_admins, bypass_pull_request_allowances, ruleset.bypass_actors",
        observed=bypass.state,
        expected="none",
        holds=None if bypass.state == "unknown" else bypass.state == "none",
        mandatory="enforce_admins" in required,
    )
    return (
        Demand(pull_request, "no pull request is required", "pull requests"),
        Demand(
            approvals,
            f"{_count(facts.approvals, 'approval')} required, {least} expected",
            "approvals",
        ),
        Demand(nobody, f"{bypass.who} may bypass it", f"who may bypass it ({bypass.who})"),
        *(
            Demand(
                Assertion(
                    path=path,
                    observed=holds,
                    expected="true",
                    holds=holds,
                    mandatory=name in required,
                ),
                broken,
                unknown,
            )
            for name, path, holds, broken, unknown in (
                (
                    "no_force_push",
                    "rules[non_fast_forward] or not protection.allow_force_pushes",
                    facts.no_force_push,
                    "force pushes are allowed",
                    "force pushes",
                ),
                (
                    "no_deletion",
                    "rules[deletion] or not protection.allow_deletions",
                    facts.no_deletion,
                    "deletion is allowed",
                    "deletion",
                ),
                (
                    "status_checks",
                    "rules[required_status_checks] or protection.required_status_checks",
                    facts.status_checks,
                    "no status check is required",
                    "status checks",
                ),
                (
                    "code_owners",
                    "rules[pull_request].require_code_owner_review or "
                    "protection.required_pull_request_reviews.require_code_owner_reviews",
                    facts.code_owners,
                    "no review by code owners is required",
                    "reviews by code owners",
                ),
            )
        ),
    )


def judged(
    demands: tuple[Demand, ...], *, place: str, layers: Layers, seen_at: datetime, proof: Proof
) -> Observation:
    """PASS and FAIL name what they saw, ERROR what could not be read and what would help."""
    mandatory = [demand for demand in demands if demand.assertion.mandatory]
    match verdict_of(proof.assertions):
        case Outcome.FAIL:
            return _failed(mandatory, place, layers, seen_at, proof)
        case Outcome.PASS:
            approvals = next(
                demand.assertion.observed
                for demand in demands
                if demand.assertion.path == "required_approving_review_count"
            )
            return Observation(
                outcome=Outcome.PASS,
                sentence=f"{_capital(place)} requires a pull request with "
                f"{_count(approvals, 'approval')}.{_warnings(demands)}",
                collected_at=seen_at,
                proof=proof,
            )
        case _:
            return _unread(mandatory, place, layers)


def _failed(
    mandatory: list[Demand], place: str, layers: Layers, seen_at: datetime, proof: Proof
) -> Observation:
    broken = [demand.broken for demand in mandatory if demand.assertion.holds is False]
    unknown = [demand.unknown for demand in mandatory if demand.assertion.holds is None]
    if layers.rules == () and layers.classic is None and not layers.not_in_plan:
        broken = ["no rule and no classic protection is active"]
    others = sorted({rule.type for rule in layers.rules or () if rule.type != "pull_request"})
    sentence = f"{_capital(place)} is not protected as required: {'; '.join(broken)}."
    if others and not layers.not_in_plan:
        sentence += f" Its other rules ({', '.join(others)}) do not make up for that."
    if unknown:
        sentence += f" Not readable: {', '.join(unknown)}."
    return Observation(
        outcome=Outcome.FAIL,
        reason=Reason.PLAN_UNAVAILABLE if layers.not_in_plan else None,
        sentence=sentence,
        collected_at=seen_at,
        proof=proof,
    )


def _unread(mandatory: list[Demand], place: str, layers: Layers) -> Observation:
    unknown = [demand.unknown for demand in mandatory if demand.assertion.holds is None]
    why = f" Not readable: {' and '.join(layers.unread)}." if layers.unread else ""
    # Who may bypass a ruleset is shown only to those who may change it.
    level = "read" if layers.unread else "write"
    return error(
        Reason.PERMISSION,
        f"Could not verify {', '.join(unknown)} of {place}.{why} Give the token of {NAME} the "
        f"repository permission Administration ({level}).",
    )


def _warnings(demands: tuple[Demand, ...]) -> str:
    optional = [demand for demand in demands[:_WARNED_ABOUT] if not demand.assertion.mandatory]
    broken = [demand.broken for demand in optional if demand.assertion.holds is False]
    unknown = [demand.unknown for demand in optional if demand.assertion.holds is None]
    parts = [*broken, *([f"not readable: {', '.join(unknown)}"] if unknown else [])]
    return f" Warning: {'; '.join(parts)}." if parts else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
