"""`http_probe`: a web address must answer as the test's config says: status, values, ages.

It is also what an `integration` test with a `url` means. What decides, in this order:

- No answer, 5xx, 408, 425, 429: ERROR. An outage is never a compliance result.
- 401 and 407, 403: ERROR (auth, permission). Whoever is not let in has not seen anything.
- A redirect: ERROR. It is not followed, because a login page at its end is not the thing.
- Any of these but an outage may be the expected `status`; then it is what was asserted.
- Any other status that is not expected: FAIL. It was asserted, and the answer is another.
- An answer that is not JSON, is cut, has nothing at a pointer, or holds a time stamp without a
  zone or in the future: ERROR. That was not seen, unless something else is proven false.
- A value or an age that is another: FAIL. PASS only when everything that is asserted holds.

`config.connection` names an Airflow Connection. Its password is sent (Basic with a login, else
Bearer) to the host that the Connection itself names, and to no other: a test's config is data, and
whoever edits it must not be able to send a secret anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from compai_client import SettingsError
from compai_dags.checks.base import CheckContext, InvalidConfigError
from compai_dags.checks.http_probe_body import Seen, UnseenError, decoded, judge, unread
from compai_dags.checks.http_probe_config import ProbeConfig, read_config
from compai_dags.connection import base_url_of
from compai_dags.outcomes import Observation, Outcome, Reason, error, verdict_of
from compai_dags.proof import Assertion, Proof
from compai_dags.rows import Row
from compai_dags.web import Limits, Page, UnreachableError
from compai_dags.web_guard import AddressRefusedError, target_of

TYPE = "http_probe"
_LIMITS = Limits(deadline_s=20.0)
_STATUS_ONLY = Limits(deadline_s=20.0, max_bytes=0)
_TRIES = 2
_PAUSE_S = 2.0
_REFUSED = {
    401: Reason.AUTH,
    403: Reason.PERMISSION,
    407: Reason.AUTH,
    408: Reason.UPSTREAM_5XX,
    425: Reason.UPSTREAM_5XX,
    429: Reason.RATE_LIMITED,
}
_TRANSIENT = frozenset({408, 425, 429})


def evaluate(row: Row, context: CheckContext) -> Observation:
    config = read_config(row)
    headers = _credentials(config, context) | {"Accept": "application/json, */*"}
    page = _look(config, headers, context)
    if isinstance(page, Observation):
        return page
    status = _status(page, config)
    if not status.assertion.holds:
        return _refusal(page) or _observation(page, [status, *unread(config)], context)
    if not config.reads_body:
        return _observation(page, [status], context)
    about = f"Could not verify: {page.target} answers HTTP {page.status}, but"
    if not page.is_whole:
        return error(
            Reason.TRUNCATED, f"{about} the answer has more than {_LIMITS.max_bytes} bytes."
        )
    try:
        body = decoded(page.body)
    except UnseenError as unseen:
        return error(Reason.MALFORMED, f"{about} {unseen}.")
    return _observation(page, [status, *judge(config, body, context.now())], context)


def _status(page: Page, config: ProbeConfig) -> Seen:
    expected = " or ".join(map(str, config.statuses))
    holds = page.status in config.statuses
    missed = "" if holds else f", expected {expected}"
    return Seen(
        assertion=Assertion(path="status", observed=page.status, expected=expected, holds=holds),
        said=f"answers HTTP {page.status}{missed}",
    )


def _look(
    config: ProbeConfig, headers: Mapping[str, str], context: CheckContext
) -> Page | Observation:
    """The answer, or why there is none; what may pass is tried once more."""
    limits = _LIMITS if config.reads_body else _STATUS_ONLY
    found: Page | Observation = error(Reason.BUG, "Could not verify: nothing was tried.")
    for attempt in range(_TRIES):
        if attempt:
            context.sleep(_PAUSE_S)
        try:
            found = context.web.fetch(
                config.url, method=config.method, headers=headers, limits=limits
            )
        except AddressRefusedError as refused:
            raise InvalidConfigError(f"config.url: {refused}") from None
        except UnreachableError as failure:
            reason = Reason.TIMEOUT if failure.transient else Reason.MALFORMED
            found = error(reason, f"Could not verify: {failure}.", transient=failure.transient)
            if not failure.transient:
                return found
            continue
        if not _is_outage(found.status):
            return found
    return found


def _is_outage(status: int) -> bool:
    return status >= 500 or status in _TRANSIENT


def _refusal(page: Page) -> Observation | None:
    """The ERROR that an unexpected status is; None when it says something about the thing."""
    about = f"Could not verify: {page.target} answers HTTP {page.status}"
    if page.status < 200:
        return error(Reason.MALFORMED, f"{about}.")
    if 300 <= page.status < 400:
        return error(
            Reason.MALFORMED,
            f"{about}, which is not followed: config.url must be the address that answers itself.",
        )
    if _is_outage(page.status):
        reason = _REFUSED.get(page.status, Reason.UPSTREAM_5XX)
        return error(reason, f"{about} after {_TRIES} tries.", transient=True)
    if page.status in _REFUSED:
        return error(
            _REFUSED[page.status],
            f"{about}: give the test a config.connection whose password is accepted there.",
        )
    return None


def _credentials(config: ProbeConfig, context: CheckContext) -> dict[str, str]:
    if config.connection is None:
        return {}
    name = f"Connection {config.connection}"
    try:
        fields = context.connection(config.connection)
        address = base_url_of(fields, name) if fields is not None else None
        home = target_of(address).origin if address else None
    except (SettingsError, AddressRefusedError) as wrong:
        text = str(wrong) if isinstance(wrong, SettingsError) else f"{name}: its host {wrong}"
        raise InvalidConfigError(f"config.connection: {text}") from None
    if fields is None:
        raise InvalidConfigError(f"config.connection: there is no Airflow {name}")
    if home is None:
        raise InvalidConfigError(
            f"config.connection: the {name} names no host, so its password is sent nowhere"
        )
    if home != target_of(config.url).origin:
        raise InvalidConfigError(
            f"config.connection: the {name} is for {home}, and its password is sent nowhere else"
        )
    if not fields.password:
        raise InvalidConfigError(f"config.connection: the {name} has no password")
    if fields.login:
        pair = f"{fields.login}:{fields.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
    if not fields.password.isascii() or not fields.password.isprintable():
        raise InvalidConfigError(
            f"config.connection: the {name} has a password that cannot be sent: it is not "
            "printable ASCII"
        )
    return {"Authorization": f"Bearer {fields.password}"}


def _observation(page: Page, seen: list[Seen], context: CheckContext) -> Observation:
    """The verdict on all that was asserted."""
    outcome = verdict_of(one.assertion for one in seen)
    sentence = f"{page.target} {'; '.join(one.said for one in seen if one.said)}."
    if outcome is Outcome.ERROR:
        return error(Reason.MALFORMED, f"Could not verify: {sentence}")
    if len(seen) == 1:
        sentence += " Nothing but the status was asserted."
    target = page.target
    return Observation(
        outcome=outcome,
        sentence=sentence,
        collected_at=context.now(),
        proof=Proof(
            type=TYPE,
            source=f"http:{target.origin.partition('://')[2]}{target.path}",
            assertions=tuple(one.assertion for one in seen),
            raw_sha256=hashlib.sha256(page.body).hexdigest(),
        ),
    )
