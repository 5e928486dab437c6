"""An audit as a table, as JSON by a published schema, and as CSV that no spreadsheet executes."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from rich.console import Console

import compai_kit.report
from compai_kit.audit.command import rendered
from compai_kit.audit.export import COLUMNS, render_csv, render_json
from compai_kit.audit.model import Audit, Counts, Entry, audit_schema, in_order, make_entry
from compai_kit.audit.progress import Progress
from compai_kit.audit.text import summary_line

SCHEMA_FILE = Path(compai_kit.report.__file__).with_name("audit-report.schema.json")
NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
LET = "Let comp_ai_control_tests evaluate it: it stores what it observes."
ENTRY = make_entry(
    "CK501",
    control_id=3,
    control="EX-SDL-01",
    test_id=5,
    test="Branch rule is on",
    test_type="github_branch_protection",
    result="pass",
    at=NOW,
    said="Evidence collected; id=17",
    why="Written by an earlier runner, which did not look: “Evidence collected; id=17”",
    fix=LET,
)
GAP = make_entry(
    "CK521",
    control_id=4,
    control="EX-SDL-02",
    at=NOW,
    why="Its only row of evidence says nothing good",
    fix="Treat the control as a gap: attach evidence that shows it at work.",
)


def entry(**over: Any) -> Entry:
    fields = {"control_id": 1, "control": "EX-1", "why": "w", "fix": "f"} | over
    return make_entry("CK501", **fields)


def audit_of(*entries: Entry, **counts: int) -> Audit:
    names = (
        "tests", "passes", "passes_unsupported", "fails", "fails_unsupported", "controls", "gaps",
        "gaps_hidden", "late", "not_ours", "could_not_be_judged",
    )  # fmt: skip
    return Audit(
        kit="0.1.0",
        comp_ai="http://comp-ai:3002/api/v1",
        at=NOW,
        counts=Counts(**(dict.fromkeys(names, 0) | counts)),
        unsupported=in_order(entries),
        reproduce="compai audit --url http://comp-ai:3002 --now 2026-11-25T07:00:00Z",
    )


AUDIT = audit_of(
    GAP,
    ENTRY,
    tests=70,
    passes=42,
    passes_unsupported=25,
    fails=1,
    late=1,
    not_ours=2,
    gaps_hidden=1,
)


def table(audit: Audit) -> str:
    return rendered(audit, "table", None)


class TestTable:
    def test_whole(self) -> None:
        assert table(AUDIT) == (
            "Comp-AI http://comp-ai:3002/api/v1, 2026-11-25 07:00 UTC\n"
            "\n"
            "CK501 Pass that nobody looked for: 1\n"
            "  control    test               stored  on          why\n"
            "  EX-SDL-01  Branch rule is on  pass    2026-11-25  "
            "Written by an earlier runner, which did not look: “Evidence\n"
            "                                                    collected; id=17”\n"
            f"  → {LET}\n"
            "\n"
            "CK521 Gap closed by negative evidence only: 1\n"
            "  control    test  stored  on          why\n"
            "  EX-SDL-02  -     -       2026-11-25  Its only row of evidence says nothing good\n"
            "  → Treat the control as a gap: attach evidence that shows it at work.\n"
            "\n"
            "25 of 42 passes unsupported · 0 of 1 fail unsupported · 1 gap hidden by negative "
            "evidence — 70 control tests looked at\n"
            "Not listed: 1 pass of this kit missed one run, and will be stale after the next.\n"
            "Not judged: 2 passes of other systems or people, of a type without a check here.\n"
            "Again: compai audit --url http://comp-ai:3002 --now 2026-11-25T07:00:00Z; "
            "`compai explain CODE` says more about a class.\n"
        )

    def test_nothing_unsupported_is_short(self) -> None:
        assert table(audit_of(tests=3, passes=2, fails=1)) == (
            "Comp-AI http://comp-ai:3002/api/v1, 2026-11-25 07:00 UTC\n"
            "\n"
            "0 of 2 passes unsupported · 0 of 1 fail unsupported · 0 gaps hidden by negative "
            "evidence — 3 control tests looked at\n"
        )

    def test_what_could_not_be_judged_is_in_the_summary(self) -> None:
        counts = {"tests": 1, "passes": 1, "could_not_be_judged": 2}
        assert "· 2 rows could not be judged — 1 control test looked at" in summary_line(
            audit_of(**counts)
        )

    def test_nothing_of_comp_ai_is_markup(self) -> None:
        text = table(audit_of(entry(test="[bold]:smile: [/]", control="[red]EX[/red]")))
        assert "[bold]:smile: [/]" in text
        assert "[red]EX[/red]" in text

    def test_one_class_has_one_heading_and_what_to_do_per_kind(self) -> None:
        text = table(audit_of(entry(fix="Do a.", test="one"), entry(fix="Do b.", test="another")))
        assert text.count("CK501 ") == text.count("control  test") == 1
        assert "Pass that nobody looked for: 2\n" in text
        assert "→ Do a.\n" in text
        assert "→ Do b.\n" in text

    def test_long_names_are_folded_and_not_cut(self) -> None:
        text = table(audit_of(entry(test="ξ" * 90, control="Y" * 70)))
        assert (text.count("ξ"), text.count("Y")) == (90, 70)


class TestJson:
    def test_published_schema_is_that_of_the_code(self) -> None:
        published = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
        by_code = json.loads(json.dumps(audit_schema()))
        assert published == by_code, "write audit_schema() to the file, or make a new version"

    def test_audit_conforms_to_the_published_schema(self) -> None:
        validator = jsonschema_rs.validator_for(json.loads(SCHEMA_FILE.read_text("utf-8")))
        audit = json.loads(render_json(AUDIT))
        validator.validate(audit)
        assert audit["schema"] == "compai-audit/1"
        assert audit["counts"]["passes_unsupported"] == 25
        assert audit["unsupported"][0] == {
            "code": "CK501",
            "title": "Pass that nobody looked for",
            "control_id": 3,
            "control": "EX-SDL-01",
            "test_id": 5,
            "test": "Branch rule is on",
            "test_type": "github_branch_protection",
            "result": "pass",
            "at": "2026-11-25T07:00:00Z",
            "said": "Evidence collected; id=17",
            "why": ENTRY.why,
            "fix": LET,
        }
        assert not validator.is_valid(audit | {"schema": "compai-audit/2"})
        assert not validator.is_valid(audit | {"counts": {}})


class TestCsv:
    def test_line_per_entry(self) -> None:
        heading, first, second = csv.reader(io.StringIO(render_csv(AUDIT)))
        assert tuple(heading) == COLUMNS
        assert first[:8] == [
            "CK501", "Pass that nobody looked for", "EX-SDL-01", "3", "Branch rule is on", "5",
            "github_branch_protection", "pass",
        ]  # fmt: skip
        assert second[:8] == ["CK521", GAP.title, "EX-SDL-02", "4", "", "", "", ""]

    @pytest.mark.parametrize("sign", list("=+-@\t\r"))
    def test_formula_is_a_text(self, sign: str) -> None:
        rows = csv.reader(io.StringIO(render_csv(audit_of(entry(test=f"{sign}cmd|'/c calc'!A1")))))
        assert list(rows)[1][4] == f"'{sign}cmd|'/c calc'!A1"

    def test_sign_inside_a_text_is_left_alone(self) -> None:
        rows = csv.reader(io.StringIO(render_csv(audit_of(entry(test="a=b", said="1 + 1")))))
        row = list(rows)[1]
        assert (row[4], row[9]) == ("a=b", "1 + 1")

    def test_quotes_commas_and_letters_survive(self) -> None:
        name = 'Återkommande, "viktigt" ✅'
        assert list(csv.reader(io.StringIO(render_csv(audit_of(entry(test=name))))))[1][4] == name


def test_order_does_not_depend_on_that_of_comp_ai() -> None:
    entries = [entry(control=name, test=test) for name in "ba" for test in "yx"]
    assert in_order(entries) == in_order(reversed(entries))
    assert [(e.control, e.test) for e in in_order([*entries, GAP])][:2] == [("a", "x"), ("a", "y")]


class TestProgress:
    def test_terminal_shows_how_far_it_is_and_clears_it(self) -> None:
        file = io.StringIO()
        terminal = Console(file=file, force_terminal=True, width=100, color_system=None)
        with Progress(terminal) as progress:
            progress.hear(1, 3)
            progress.refresh()
        shown = file.getvalue()
        assert "evidence of controls" in shown
        assert "1/3" in shown
        assert shown.rstrip("\n").endswith("\x1b[2K"), "the line is taken away again"

    def test_elsewhere_nothing_is_said(self) -> None:
        file = io.StringIO()
        with Progress(Console(file=file, force_terminal=False)) as progress:
            progress.hear(1, 3)
        assert file.getvalue() == ""
