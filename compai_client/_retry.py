"""When a call is sent again, and after how long: pure decisions over values, nothing sleeps here.

The service's Retry-After overrules the back-off; the waits and the tries together stay in a budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

# `x-retry` of the contract: `safe` changes nothing, `repeatable` overwrites with the same,
# `never` adds a row each time it is processed.
RetryClass = Literal["safe", "repeatable", "never"]

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class Policy(Protocol):
    """The settings that retry decisions depend on."""

    @property
    def tries(self) -> int: ...
    @property
    def connect_timeout_s(self) -> float: ...
    @property
    def backoff_base_s(self) -> float: ...
    @property
    def backoff_cap_s(self) -> float: ...
    @property
    def retry_after_cap_s(self) -> float: ...
    @property
    def jitter(self) -> Callable[[float], float]: ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one try came to, as far as a retry depends on it.

    `status` None: no complete answer. `unsent`: provably no connection was established.
    `own_rate_limit`: Comp-AI itself refused it. `settled`: waiting cannot change it.
    """

    status: int | None = None
    unsent: bool = False
    own_rate_limit: bool = False
    settled: bool = False
    retry_after_s: float | None = None

    @property
    def maybe_processed(self) -> bool:
        """Whether the service may have acted on the request."""
        return not (self.unsent or self.own_rate_limit or self.status == 401)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Send again after `wait_s`, or stop; `why` is for the error's text, empty when obvious."""

    retry: bool
    wait_s: float = 0.0
    why: str = ""


def decide(retry: RetryClass, outcome: Outcome, attempt: int, policy: Policy) -> Decision:
    """Judge try number `attempt` (from 1) of an operation of class `retry`."""
    transient = outcome.status is None or outcome.status in RETRIED_STATUSES
    if not transient or outcome.settled:
        return Decision(retry=False)
    if retry == "never" and outcome.maybe_processed:
        return Decision(retry=False, why="Not repeated: it may have been processed")
    if attempt >= policy.tries:
        return Decision(retry=False, why=f"Gave up after {attempt} tries")
    return Decision(retry=True, wait_s=wait_before_next(outcome, attempt, policy))


def wait_before_next(outcome: Outcome, attempt: int, policy: Policy) -> float:
    """Full jitter over a doubling back-off, but never less than a (capped) Retry-After."""
    upper_s = min(policy.backoff_cap_s, policy.backoff_base_s * 2 ** (attempt - 1))
    wait_s = policy.jitter(upper_s)
    if outcome.retry_after_s is not None:
        wait_s = max(wait_s, min(outcome.retry_after_s, policy.retry_after_cap_s))
    return wait_s


def over_budget(*, elapsed_s: float, wait_s: float, try_s: float, budget_s: float) -> str:
    """Why a wait must not be started because it and a full try end after the budget; else empty."""
    if elapsed_s + wait_s + try_s <= budget_s:
        return ""
    return (
        f"The next wait of {seconds(wait_s)} was not started: with a try of up to "
        f"{seconds(try_s)} it would break the budget of {seconds(budget_s)} per call "
        f"({seconds(elapsed_s)} are used)"
    )


def seconds(value: float) -> str:
    """For messages: at most one decimal, and none that is zero."""
    return f"{value:.1f}".removesuffix(".0") + " s"


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header, given as seconds or as a date; None when it is neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
