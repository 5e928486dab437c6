"""The sealed line behind a result: what goes in comes out, and what was touched does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from compai_dags.outcomes import Outcome
from compai_dags.trailer import MARK, EvidenceRef, Trailer, one_line, read_details, write_details

TRAILER = Trailer(
    outcome=Outcome.PASS,
    reason=None,
    prev="fail",
    prev_at=datetime(2026, 11, 24, 6, tzinfo=UTC),
    collected_at=datetime(2026, 11, 25, 6, tzinfo=UTC),
    run="manual__2026-11-25T06:00:00.123456+00:00",
    try_number=2,
    n_errors=0,
    kit="0.1.0",
)


def test_the_details_are_a_sentence_and_one_line_of_json() -> None:
    sentence, line = write_details("All is well.", TRAILER, "pass").split("\n")
    assert sentence == "All is well."
    assert line.startswith("compai-kit {")
    fields = json.loads(line.removeprefix(MARK))
    assert list(fields) == [
        "outcome", "reason", "prev", "prev_at", "collected_at", "run", "try", "n_errors", "kit",
        "sha256",
    ]  # fmt: skip
    assert fields["outcome"] == "PASS"
    assert fields["run"] == TRAILER.run
    assert fields["try"] == 2


def test_what_was_written_is_read_back() -> None:
    details = write_details("All is well – ✅.", TRAILER, "pass")
    assert read_details(details, "pass") == ("All is well – ✅.", TRAILER)


def test_a_quoted_text_stays_as_it_was() -> None:
    quoted = "Line 1\n\n  Line 2\twith a tab"
    details = write_details("Attested before:", TRAILER, "skipped", quoted=quoted)
    said, trailer = read_details(details, "skipped")
    assert said == f"Attested before:\n{quoted}"
    assert trailer == TRAILER


@pytest.mark.parametrize(
    ("change", "result"),
    [
        pytest.param(lambda text: text, "fail", id="the result was turned around"),
        pytest.param(lambda text: text, None, id="no result"),
        pytest.param(lambda text: text.replace("well", "bad"), "pass", id="another sentence"),
        pytest.param(lambda text: text.replace('"try":2', '"try":3'), "pass", id="another try"),
        pytest.param(lambda text: text + "\nSeen, Kim", "pass", id="a note below"),
        pytest.param(lambda text: "Seen, Kim\n" + text, "pass", id="a note above"),
        pytest.param(lambda text: text.split("\n")[1], "pass", id="the line alone"),
        pytest.param(lambda text: text[:-10], "pass", id="cut off"),
    ],
)
def test_a_touched_text_is_not_ours(change, result) -> None:
    touched = change(write_details("All is well.", TRAILER, "pass"))
    assert read_details(touched, result) == (touched, None)


@pytest.mark.parametrize("details", [None, "", "plain", "two\nlines", f"x\n{MARK}{{}}", MARK])
def test_other_texts_have_no_trailer(details) -> None:
    assert read_details(details, "pass") == (details or "", None)


def test_a_line_of_a_later_version_is_ours_too() -> None:
    details = write_details("Fine.", TRAILER, "pass")
    bare, _ = details.rsplit(',"sha256"', 1)
    from compai_dags.trailer import _seal

    body = bare.removeprefix(f"Fine.\n{MARK}") + ',"colour":"green"'
    later = f'Fine.\n{MARK}{body},"sha256":"{_seal("Fine.", body, "pass")}"}}'
    assert read_details(later, "pass") == ("Fine.", TRAILER)


def test_the_evidence_is_remembered() -> None:
    ref = EvidenceRef(id=12, content="0123456789abcdef", at=TRAILER.collected_at)
    trailer = msgspec.structs.replace(TRAILER, evidence=ref)
    details = write_details("Fine.", trailer, "pass")
    assert (
        '"evidence":{"id":12,"content":"0123456789abcdef","at":"2026-11-25T06:00:00Z"}' in details
    )
    assert read_details(details, "pass") == ("Fine.", trailer)


def test_a_line_from_before_evidence_was_kept_is_ours() -> None:
    """Written by version 0.1.0, to the byte."""
    details = (
        'Fine.\ncompai-kit {"outcome":"PASS","reason":null,"prev":null,"prev_at":null,'
        '"collected_at":"2026-11-25T06:00:00Z","run":"r","try":1,"n_errors":0,"kit":"0.1.0",'
        '"sha256":"61507815de51c17b"}'
    )
    said, trailer = read_details(details, "pass")
    assert said == "Fine."
    assert trailer is not None
    assert trailer.evidence is None


def test_a_sentence_can_be_stored() -> None:
    assert one_line("  NUL \x00 and\r\nlines\t") == "NUL   and lines"
    assert one_line("lone \ud800 surrogate") == "lone ? surrogate"
    assert len(one_line("long " * 1000)) <= 1500
    assert one_line("long " * 1000).endswith("…")
