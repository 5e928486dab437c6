"""Whether the links that are to be evidence lead anywhere: Comp-AI never opens them.

A link is alive when a server answers below 400, after redirects. 401, 403 and 407 are alive too:
most documents lie behind a login, and a login page says no more about them. Everything else is
no evidence: a dead link, a host that may not be called, and what nobody had the time to look at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from compai_dags.web import Limits, Page, UnreachableError, Web
from compai_dags.web_guard import AddressRefusedError

_LIMITS = Limits(deadline_s=15.0, read_s=10.0, max_bytes=0, max_redirects=5)
_AT_ONCE = 8
# For all links of a job together; those that are left are looked at by the next try.
BUDGET_S = 600.0
_LOGIN = frozenset({401, 403, 407})
_TRANSIENT = frozenset({408, 425, 429})


@dataclass(frozen=True, kw_only=True)
class Link:
    """`said` is empty for a plain answer. `transient`: looking again later may help."""

    is_alive: bool
    said: str = ""
    transient: bool = False


def check_links(
    web: Web,
    urls: Sequence[str],
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.monotonic,
) -> list[Link]:
    """One for each URL, in order; ends within the budget and the time of one link."""
    end = clock() + budget_s

    def check(url: str) -> Link:
        if clock() >= end:
            said = f"not looked at, the {budget_s:g} s for the links of a job are over"
            return Link(is_alive=False, said=said, transient=True)
        return check_link(web, url)

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="link") as pool:
        return list(pool.map(check, urls))


def check_link(web: Web, url: str) -> Link:
    """By HEAD; servers that do not like it are asked by GET, whose body is not read."""
    try:
        page = web.fetch(url, method="HEAD", limits=_LIMITS)
        if page.status >= 400:
            page = web.fetch(url, limits=_LIMITS)
    except AddressRefusedError as refused:
        return Link(is_alive=False, said=f"not called: {refused}")
    except UnreachableError as failure:
        return Link(is_alive=False, said=str(failure), transient=failure.transient)
    return _judge(page)


def _judge(page: Page) -> Link:
    status = page.status
    if status in _LOGIN:
        return Link(is_alive=True, said=f"HTTP {status}: behind a login, not opened")
    if 200 <= status < 400:
        return Link(is_alive=True)
    said = f"{page.target} answers HTTP {status}"
    return Link(is_alive=False, said=said, transient=status >= 500 or status in _TRANSIENT)
