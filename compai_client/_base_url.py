"""Do base URL and prefix lead to Comp-AI? Reads two answers and names the fix when they do not.

The mistakes are those of record: the prefix twice, the prefix missing behind the public proxy
(where /api/v1/tests belongs to another service), a login page, http where https is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from compai_client._errors import (
    CallError,
    ForbiddenError,
    HtmlAnswerError,
    RedirectedError,
    RejectedError,
    UnauthorizedError,
    UnusableAnswerError,
)
from compai_client._models import Health
from compai_client._operations import SERVICE_PREFIX

SERVICE = "comp-ai-service"
PROXY_PREFIX = "/api/v1/comp-ai"

_NO_SUCH_PLACE = (RedirectedError, RejectedError, HtmlAnswerError)
_ANOTHER_SERVICE = (ForbiddenError, UnusableAnswerError)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A base URL with its prefix."""

    base_url: str
    api_prefix: str

    def __str__(self) -> str:
        return f'base_url "{self.base_url}" with api_prefix "{self.api_prefix}"'


def is_comp_ai(health: Health | CallError) -> bool:
    """Whether the health answer is Comp-AI's own."""
    return isinstance(health, Health) and health.service == SERVICE


def is_misrouted(health: Health | CallError, probe: CallError | None) -> bool:
    """Whether the two answers show another place than Comp-AI; a failing Comp-AI is not that."""
    if is_comp_ai(health):
        # What else can be wrong then is Comp-AI's, or of something that only watches over it.
        return isinstance(probe, _NO_SUCH_PLACE)
    if isinstance(probe, UnauthorizedError):
        return probe.error != "Unauthorized"  # Comp-AI's 401 says exactly this
    return isinstance(health, Health) or isinstance(probe, _NO_SUCH_PLACE + _ANOTHER_SERVICE)


def alternatives(target: Target, probe: CallError | None) -> list[Target]:
    """The two known layouts below the same root, over https where http redirects to it."""
    base = target.base_url.rstrip("/")
    root = base.partition(SERVICE_PREFIX)[0] if SERVICE_PREFIX in urlsplit(base).path else base
    if isinstance(probe, RedirectedError) and _only_adds_tls(root, probe.location):
        root = root.replace("http:", "https:", 1)
    tried = Target(base_url=base, api_prefix=target.api_prefix.rstrip("/"))
    known = [Target(base_url=root, api_prefix=prefix) for prefix in (SERVICE_PREFIX, PROXY_PREFIX)]
    return [other for other in known if other != tried]


def explain(
    target: Target,
    health: Health | CallError,
    probe: CallError | None,
    answers_at: Callable[[Target], bool],
) -> str:
    """What was seen, what it means, and the setting that works, which is asked for here."""
    works = next((other for other in alternatives(target, probe) if answers_at(other)), None)
    fix = (
        f"Comp-AI answers at {works}: set these"
        if works
        else f'In Comp-AI\'s own network use its address with api_prefix "{SERVICE_PREFIX}"; '
        f'through the public proxy use api_prefix "{PROXY_PREFIX}"'
    )
    meaning = _meaning(target, health, probe)
    return f"{target} does not lead to Comp-AI: {_seen(health, probe)}. {meaning}. {fix}."


def _only_adds_tls(root: str, location: str | None) -> bool:
    here, there = urlsplit(root), urlsplit(location or "")
    return (here.scheme, there.scheme) == ("http", "https") and here.hostname == there.hostname


def _seen(health: Health | CallError, probe: CallError | None) -> str:
    if probe is not None:
        return f"{probe.method} {probe.path} gave HTTP {probe.status}, {probe.what}"
    name = health.service[:80] if isinstance(health, Health) else "?"
    return f'the health answer names the service "{name}"'


def _meaning(target: Target, health: Health | CallError, probe: CallError | None) -> str:
    in_base = SERVICE_PREFIX in urlsplit(target.base_url).path
    if in_base and target.api_prefix.startswith(SERVICE_PREFIX):
        return "The prefix is doubled: base_url must end before /api/v1, api_prefix adds it"
    if isinstance(probe, RedirectedError):
        return f"It redirects to {probe.location or 'nowhere'}: https is meant, or a login page"
    if isinstance(probe, HtmlAnswerError):
        return "A web page answers, such as a login form: this address is for people"
    if isinstance(probe, RejectedError) and probe.status == 404:
        if is_comp_ai(health):
            return "Comp-AI is there, but not under this prefix: it is missing or wrong"
        return "Nothing answers under this path: the prefix is missing or wrong, or base_url is"
    return "Another service answers: the prefix is missing or wrong, or base_url is"
