"""From the words of a command line to an audit in its form, or to the advice why there is none."""

from __future__ import annotations

import io
import logging
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Literal, get_args

from compai_client import (
    BaseUrlError,
    CompAIError,
    ForbiddenError,
    NoAnswerError,
    RateLimitedError,
    ServerError,
    TokenError,
    UnauthorizedError,
)
from compai_dags.listing import UnexpectedListError
from compai_dags.overrides import read_overrides
from compai_dags.schedule import CADENCE_SETTING, cadence_of
from compai_kit.audit.access import client_of, settings_for
from compai_kit.audit.evidence import Heard
from compai_kit.audit.export import render_csv, render_json
from compai_kit.audit.model import Audit
from compai_kit.audit.run import run_audit
from compai_kit.audit.text import print_audit
from compai_kit.report.console import make_console, plain_console
from compai_kit.report.redact import redact

log = logging.getLogger(__name__)

Format = Literal["table", "json", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
COULD_NOT_RUN = (CompAIError, UnexpectedListError, OSError)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the command line says; `url` None: the environment says where Comp-AI is."""

    url: str | None
    api_prefix: str | None
    now: datetime


def audited(wish: Wish, environment: Mapping[str, str], *, heard: Heard) -> Audit:
    """Raises AddressError, or one of `COULD_NOT_RUN`."""
    settings = settings_for(wish.url, wish.api_prefix, environment)
    overrides = read_overrides(settings)
    cadence = cadence_of(settings.from_environment(CADENCE_SETTING))
    if cadence.problem:
        log.warning("%s", cadence.problem)
    with client_of(settings, is_given=wish.url is not None) as (client, address):
        return run_audit(
            client,
            address=address,
            now=wish.now.astimezone(UTC),
            allow_empty=settings.switch("COMP_AI_ALLOW_EMPTY"),
            cadence=cadence.cron,
            overrides=overrides,
            reproduce=_again(wish),
            heard=heard,
        )


def rendered(audit: Audit, form: Format, shown_on: IO[str] | None) -> str:
    """The audit as text. `shown_on`: what the table is made for; None: a file that is kept."""
    if form == "json":
        return render_json(audit)
    if form == "csv":
        return render_csv(audit)
    text = io.StringIO()
    console = plain_console(text) if shown_on is None else make_console(shown_on)
    with console.capture() as captured:
        print_audit(audit, console)
    return text.getvalue() + captured.get()


def advice_on(failure: Exception) -> str:
    """What failed and, where the message does not say so itself, what to do."""
    said = redact(str(failure))
    match failure:
        case BaseUrlError():
            advice = "Here these are --url and --api-prefix."
        case NoAnswerError():
            advice = "Is Comp-AI up, and is --url its address, seen from this machine?"
        case TokenError():
            advice = "Check the COMP_AI_KEYCLOAK_… and COMP_AI_CLIENT_… of the environment."
        case UnauthorizedError():
            advice = "Set a token of the right realm in COMP_AI_TOKEN, or the client of Keycloak."
        case ForbiddenError():
            advice = "Use the address of Comp-AI itself, or a caller that the proxy lets through."
        case RateLimitedError():
            advice = "Others use up the same limit: run the audit again when they are done."
        case ServerError():
            advice = "Nothing was judged; run the audit again when Comp-AI is well."
        case _:
            return said
    return f"{said.rstrip('.')}. {advice}"


def _again(wish: Wish) -> str:
    words = ["compai", "audit"]
    if wish.url is not None:
        words += ["--url", wish.url]
    if wish.api_prefix is not None:
        words += ["--api-prefix", wish.api_prefix]
    return shlex.join([*words, "--now", f"{wish.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"])
