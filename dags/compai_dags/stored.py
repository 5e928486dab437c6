"""Who wrote the result that Comp-AI holds, and what that makes it worth."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from compai_dags.outcomes import Outcome
from compai_dags.trailer import Trailer, one_line, read_details

_SAID_LIMIT = 200

# The texts of the runner before this kit. It posted a pass without having looked, and a fail
# whenever a call failed; Comp-AI writes the keys of its error bodies in either order.
_FIRST_GENERATION = {
    "pass": re.compile(
        r"Scheduled run \(Airflow\); test_type=|(?:Okta |AWS )?[Ee]vidence collected; id="
    ),
    "fail": re.compile(
        r'\{\s*"(?:error|detail)"\s*:|\d{3} (?:Client|Server) Error\b|HTTPS?ConnectionPool\('
        r"|\('Connection aborted\."
    ),
}
_NAMED_EVIDENCE = re.compile(r"(?:Okta |AWS )?[Ee]vidence collected; id=(\d{1,18})\b", re.ASCII)


class Author(StrEnum):
    """Whose result is stored."""

    NOBODY = "nobody"
    KIT = "kit"
    FIRST_GENERATION = "first_generation"
    OTHER = "other"


class Stored(Struct, frozen=True, kw_only=True):
    """A stored result, small enough to travel: the details only as far as a decision needs them."""

    author: Author
    result: str | None
    at: datetime | None
    trailer: Trailer | None = None
    # The first line of what was said, for people.
    said: str = ""

    @property
    def is_proven_fail(self) -> bool:
        """A fail that only an observation, an exception or a person may change."""
        if self.author is Author.KIT:
            return self.trailer is not None and self.trailer.outcome is Outcome.FAIL
        return self.author is Author.OTHER and self.result == "fail"


NEVER_RUN = Stored(author=Author.NOBODY, result=None, at=None)


def read_stored(*, result: str | None, details: str | None, at: datetime | None) -> Stored:
    """Judge the author by the text. Without a time nothing ever ran, whatever the result says."""
    said, trailer = read_details(details, result)
    if at is None:
        author = Author.NOBODY
    elif trailer is not None:
        author = Author.KIT
    elif _is_first_generation(result, said):
        author = Author.FIRST_GENERATION
    elif result is None and not said:
        author = Author.NOBODY
    else:
        author = Author.OTHER
    return Stored(
        author=author,
        result=result,
        at=at,
        trailer=trailer if author is Author.KIT else None,
        said=one_line(said, limit=_SAID_LIMIT),
    )


def _is_first_generation(result: str | None, text: str) -> bool:
    # A person who turned the result around kept the text, so both have to fit.
    pattern = _FIRST_GENERATION.get(result or "")
    return pattern is not None and pattern.match(text) is not None


def evidence_named_in(text: str) -> int | None:
    """The id of the evidence that a first-generation pass rests on, where its text names one."""
    match = _NAMED_EVIDENCE.match(text)
    return int(match[1]) if match else None


def tells_of_a_failed_call(text: str) -> bool:
    """Whether a text is an error body or the text of an exception, and no observation."""
    return _FIRST_GENERATION["fail"].match(text) is not None
