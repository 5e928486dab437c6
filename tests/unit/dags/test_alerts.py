"""What the alert says, and that the words of the all clear are earned."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from compai_dags.alert_state import AlertState, Incident, LastGood
from compai_dags.alerts import compose, compose_unknown, good_summary, view_of
from compai_dags.analysis_state import LastAnalysis
from compai_dags.changes import Known
from compai_dags.facts import Facts, Failure, Gap, Remediation, Work
from compai_dags.kept_fails import Attempt
from compai_dags.listing import Listing
from compai_dags.message import Message, render_text
from compai_dags.outcomes import Outcome
from compai_dags.rows import Exemption
from compai_dags.schedule import plan_of
from compai_dags.status import headline
from compai_dags.status import test_status as status_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ALL_CLEAR = re.compile(r"no gaps|no failed tests|all clear", re.IGNORECASE)
FAILED = {"status": 503, "attempts": 4, "message": "it failed."}
GAP = Gap(id=2, internal_id="EX-IAM-02", name="Access review")


@pytest.fixture
def message(now):
    """The message for these tests and gaps; `known` is what was told before."""

    def message(
        *rows, gaps=(), bad_rows=(), works=(), remediation=None, known=None, **over
    ) -> Message:
        listing = Listing(rows=list(rows), bad_rows=list(bad_rows))
        facts = Facts(
            gaps=list(gaps),
            tests=listing,
            remediation=remediation or Remediation(works=list(works)),
            now=now,
        )
        return compose(view_of(facts, known or AlertState()), **over)

    return message


@pytest.fixture
def say(message):
    """Its text."""
    return lambda *rows, **over: render_text(message(*rows, **over))


@pytest.fixture
def told(now):
    """A state in which these tests and gaps were told some days ago."""

    def told(*tests: int, gaps: tuple[int, ...] = (), days: int = 12) -> AlertState:
        since = (now - days * DAY).date()
        return AlertState(
            tests={n: Known(name=f"Test {n}", since=since, told=True) for n in tests},
            gaps={n: Known(name=f"EX-{n} Control {n}", since=since, told=True) for n in gaps},
        )

    return told


def section(lines: list[str], title: str) -> list[str]:
    """The lines of one section, without their bullets."""
    start = next(n for n, line in enumerate(lines) if re.fullmatch(rf"{title} \(\d+\)", line))
    body = []
    for line in lines[start + 1 :]:
        if not line.startswith("  - "):
            break
        body.append(line.removeprefix("  - "))
    return body


def titles(lines: list[str]) -> list[str]:
    return [line.rpartition(" (")[0] for line in lines if re.fullmatch(r"[^-].* \(\d+\)", line)]


@pytest.fixture
def verified(row, ours):
    return lambda number=1: row(id=number, name=f"Test {number}", stored=ours(Outcome.PASS))


class TestAllClear:
    def test_is_said_with_the_coverage(self, say, verified) -> None:
        lines = say(verified(1), verified(2))
        assert lines == [
            "Compliance status 2026-11-25",
            "No gaps, no failed tests — 2 of 2 tests verified on schedule",
        ]

    def test_attestations_and_results_of_others_do_not_block_it(
        self, say, verified, row, theirs, ours
    ) -> None:
        lines = say(
            verified(1),
            row("manual", id=2, name="Rehearsal", config=None),
            row("sonarqube_gate", id=3, name="Gate", stored=theirs("pass")),
            row(id=4, stored=ours(Outcome.NOT_APPLICABLE)),
        )
        assert lines[1] == "No gaps, no failed tests — 1 of 3 tests verified on schedule"
        assert "  - Rehearsal (control 3, test 2): never attested" in lines
        assert "  - Gate (control 3, test 3): pass of 2026-11-25, type sonarqube_gate" in lines
        assert lines[-1] == "Not applicable: 1."

    @pytest.mark.parametrize(
        "spoiler",
        [
            "gap", "unreadable gap", "unreadable test", "no tests", "failing", "failing elsewhere",
            "failing by a person", "error", "not configured", "unproven", "unchecked", "late",
            "stale", "never run", "negative evidence",
        ],
    )  # fmt: skip
    def test_is_not_said_when_anything_is_open(
        self, say, verified, row, ours, theirs, now, spoiler
    ) -> None:
        old = now - 3 * DAY
        rows = {
            "failing": row(stored=ours(Outcome.FAIL)),
            "failing elsewhere": row("sonarqube_gate", stored=theirs("fail", at=old)),
            "failing by a person": row("manual", stored=theirs("fail", at=old)),
            "error": row(stored=ours(Outcome.ERROR, reason="timeout")),
            "not configured": row(stored=ours(Outcome.NOT_CONFIGURED, reason="config")),
            "unproven": row("integration", stored=theirs("pass", "Evidence collected; id=1")),
            "unchecked": row(stored=ours(Outcome.NOT_CONFIGURED, reason="no_check")),
            "late": row(stored=ours(Outcome.PASS, at=now - 30 * HOUR)),
            "stale": row(stored=ours(Outcome.PASS, at=old)),
            "never run": row(stored=theirs("pass", at=None)),
            "negative evidence": row(stored=ours(Outcome.NOT_APPLICABLE, hides_gap=True)),
        }
        listed = [] if spoiler == "no tests" else [verified(1)]
        if spoiler in rows:
            listed.append(rows[spoiler])
        lines = say(
            *listed,
            gaps=[GAP] if "gap" in spoiler else [],
            bad_rows=["row 1: $.id"] if spoiler == "unreadable test" else [],
        )
        assert not ALL_CLEAR.search("\n".join(lines))

    def test_attestations_alone_do_not_earn_it(self, say, row, theirs, now) -> None:
        attested = row("manual", stored=theirs("pass", "Seen. /Kim", at=now - DAY))
        text = "\n".join(say(attested))
        assert "nothing was verified — 0 of 0 tests verified on schedule" in text
        assert not ALL_CLEAR.search(text)

    def test_an_empty_list_is_asked_about(self, say) -> None:
        assert say()[1] == "0 control tests: wrong database or tenant?"


class TestHeadline:
    def test_order_and_coverage(self, say, verified, row, ours, theirs, now) -> None:
        lines = say(
            verified(1),
            row(id=2, stored=ours(Outcome.FAIL)),
            row(id=3, stored=ours(Outcome.ERROR, reason="timeout")),
            row(id=4, stored=ours(Outcome.NOT_CONFIGURED, reason="config")),
            row(id=5, stored=theirs("pass", "Evidence collected; id=1")),
            row(id=6, stored=ours(Outcome.PASS, at=now - 3 * DAY)),
            row(id=7, stored=ours(Outcome.PASS, at=now - 30 * HOUR)),
            row(id=8),
            row("manual", id=9, config=None),
            gaps=[GAP, GAP],
            bad_rows=["row 9: $.id"],
        )
        assert lines[1] == (
            "1 failing (1 new) · 1 could not be verified · 2 gaps · 1 not configured · "
            "1 unproven · 1 stale · 1 late · 1 never run · 1 unreadable — "
            "2 of 9 tests verified on schedule"
        )

    def test_says_how_many_are_new(self, say, row, ours, told) -> None:
        failing = [row(id=number, stored=ours(Outcome.FAIL)) for number in (1, 2, 3)]
        unsure = [row(id=n, stored=ours(Outcome.ERROR, reason="timeout")) for n in (4, 5)]
        lines = say(*failing, *unsure, gaps=[GAP], known=told(1, 2))
        assert lines[1] == (
            "3 failing (1 new) · 2 could not be verified · 1 gap — "
            "3 of 5 tests verified on schedule"
        )

    def test_nothing_new_is_not_counted(self, say, row, ours, told) -> None:
        lines = say(row(id=1, stored=ours(Outcome.FAIL)), known=told(1))
        assert lines[1] == "1 failing — 1 of 1 tests verified on schedule"

    def test_a_gap_alone(self, say, verified) -> None:
        assert say(verified(1), gaps=[GAP])[1] == ("1 gap — 1 of 1 tests verified on schedule")


class TestOrder:
    """New fails, what is overdue, what still fails, the rest, and what is resolved last."""

    def test_of_all_sections(self, say, verified, row, ours, theirs, told, now) -> None:
        ended = Exemption(reason="Migration.", expires=date(2026, 11, 1))
        lines = say(
            row(id=2, stored=ours(Outcome.FAIL)),
            row(id=3, stored=ours(Outcome.FAIL)),
            row(id=4, stored=ours(Outcome.ERROR, reason="ambiguous", hides_gap=True)),
            row(id=5, stored=ours(Outcome.NOT_CONFIGURED, reason="config")),
            row(id=6, stored=ours(Outcome.PASS), plan=plan_of("every full moon")),
            row(id=7, stored=theirs("pass", "Evidence collected; id=1")),
            row(id=8, stored=ours(Outcome.PASS, at=now - 3 * DAY)),
            row(id=9, stored=ours(Outcome.PASS, at=now - 30 * HOUR)),
            row(id=10),
            row("manual", id=11, config=None),
            row("sonarqube_gate", id=12, stored=theirs("pass")),
            row(id=13, stored=ours(Outcome.PASS), exemptions=(ended,)),
            verified(14),
            row(id=15, stored=ours(Outcome.NOT_APPLICABLE)),
            bad_rows=[],
            gaps=[GAP, Gap(id=4, internal_id="EX-4", name="Backups")],
            works=[Work(control_id=2, assigned_to="Kim", due=date(2026, 11, 1))],
            known=told(3, 14, 15, gaps=(2, 6)),
        )
        assert titles(lines) == [
            "Failing: new",
            "Overdue remediation",
            "Still failing",
            "Could not be verified",
            "Not configured",
            "Invalid schedules",
            "Unproven",
            "Stale: two scheduled runs or more missed",
            "Late: not verified on schedule",
            "Never run",
            "New gaps: controls without evidence",
            "Gaps: controls without evidence",
            "Gaps that only negative evidence hides",
            "Attestations due",
            "Not ours: results of other systems",
            "Exceptions that end or have ended",
            "Resolved since last",
            "No longer failing, but not verified",
            "Gaps closed since last",
        ]

    def test_still_failing_begins_with_the_oldest(self, say, row, ours, now) -> None:
        since = {1: now - DAY, 2: now - 9 * DAY, 3: now - 2 * DAY}
        known = AlertState(
            tests={n: Known(name="x", since=day.date(), told=True) for n, day in since.items()}
        )
        rows = [row(id=n, name=f"T{n}", stored=ours(Outcome.FAIL, sentence="No.")) for n in since]
        assert section(say(*rows, known=known), "Still failing") == [
            "T2 (control 3, test 2): No. [failing for 9 days]",
            "T3 (control 3, test 3): No. [failing for 2 days]",
            "T1 (control 3, test 1): No. [failing for 1 day]",
        ]


class TestFailing:
    def test_says_since_when_nobody_looked(self, say, row, ours, theirs, now) -> None:
        old = now - 5 * DAY
        lines = say(
            row(id=1, name="A", stored=ours(Outcome.FAIL, sentence="One bypass.")),
            row(id=2, name="B", stored=ours(Outcome.FAIL, sentence="One bypass.", at=old)),
            row("sonarqube_gate", id=3, name="C", stored=theirs("fail", "Coverage.", old)),
        )
        assert section(lines, "Failing: new") == [
            "B (control 3, test 2): One bypass. [not re-verified since 2026-11-20]",
            "C (control 3, test 3): Coverage. [reported 2026-11-20 by a person or another system]",
            "A (control 3, test 1): One bypass.",
        ]

    def test_names_who_mends_it_until_when(self, say, row, ours, told) -> None:
        works = [
            Work(control_id=3, assigned_to="Kim Example", due=date(2026, 12, 1)),
            Work(control_id=3, assigned_to="Lou Example", due=None),
        ]
        fail = row(id=5, stored=ours(Outcome.FAIL, sentence="No."))
        assert section(say(fail, works=works), "Failing: new") == [
            "Branch rule is on (control 3, test 5): No. [due 2026-12-01; owner: Kim Example]"
        ]
        assert section(say(fail, works=works, known=told(5)), "Still failing") == [
            "Branch rule is on (control 3, test 5): No. "
            "[failing for 12 days; due 2026-12-01; owner: Kim Example]"
        ]

    def test_says_that_it_is_overdue(self, say, row, ours) -> None:
        works = [Work(control_id=3, assigned_to=None, due=date(2026, 11, 24))]
        lines = say(row(id=5, stored=ours(Outcome.FAIL, sentence="No.")), works=works)
        assert section(lines, "Failing: new")[0].endswith("No. [due 2026-11-24, 1 day overdue]")

    def test_a_fail_that_was_reported_before_today_is_as_old_as_the_report(
        self, message, row, theirs, now
    ) -> None:
        """Also after the memory was lost."""
        stored = theirs("fail", "Two are missing.", now - 5 * DAY)
        listing = Listing(rows=[row(id=5, stored=stored)], bad_rows=[])
        facts = Facts(gaps=[], tests=listing, remediation=Remediation(), now=now)
        changes = view_of(facts, AlertState()).test_changes
        assert changes is not None
        assert changes.since(5) == date(2026, 11, 20)

    def test_says_why_it_could_not_be_verified_again(self, message, row, ours, theirs, now) -> None:
        """Nothing was posted over it, so Comp-AI does not know that somebody looked."""
        old = now - 5 * DAY
        attempt = Attempt(at=now - HOUR, reason="timeout", said="Okta gave no answer.")
        before = Attempt(at=old - HOUR, reason="timeout", said="Okta gave no answer.")
        rows = [
            row(id=1, name="A", stored=ours(Outcome.FAIL, sentence="No.", at=old)),
            row(id=2, name="B", stored=theirs("fail", "No.", old)),
            row(id=3, name="C", stored=ours(Outcome.FAIL, sentence="No.", at=old)),
        ]
        facts = Facts(
            gaps=[], tests=Listing(rows=rows, bad_rows=[]), remediation=Remediation(), now=now
        )
        attempts = {1: attempt, 2: attempt, 3: before}
        lines = render_text(compose(view_of(facts, AlertState(), attempts)))
        why = ", because timeout: Okta gave no answer (2026-11-25)]"
        assert section(lines, "Failing: new") == [
            f"A (control 3, test 1): No. [not re-verified since 2026-11-20{why}",
            "B (control 3, test 2): No. [reported 2026-11-20 by a person or another system, "
            f"not verified since{why}",
            "C (control 3, test 3): No. [not re-verified since 2026-11-20]",
        ]

    def test_names_stay_on_one_line(self, say, row, theirs) -> None:
        lines = say(row(name="two\nlines\x00", stored=theirs("fail", "a\nb")))
        assert lines[3].startswith("  - two lines  (control 3, test 5): a b [reported")

    def test_owners_are_called_for_what_is_new_or_overdue_only(
        self, message, row, ours, told
    ) -> None:
        works = [Work(control_id=n, assigned_to="Kim", due=date(2026, 11, 1)) for n in (3, 2, 4)]
        found = message(
            row(id=1, stored=ours(Outcome.FAIL)),
            row(id=2, stored=ours(Outcome.FAIL)),
            gaps=[GAP, Gap(id=4, internal_id="EX-4", name="Backups")],
            works=works,
            known=told(2, gaps=(4,)),
        )
        assert {part.title for part in found.sections if part.calls_owners} == {
            "Failing: new",
            "Overdue remediation",
            "New gaps: controls without evidence",
        }


class TestGaps:
    BACKUPS = Gap(id=4, internal_id="EX-4", name="Backups")

    def test_new_ones_come_first_with_owner_and_due_date(self, say, verified, told) -> None:
        works = [Work(control_id=2, assigned_to="Kim", due=date(2026, 12, 1))]
        lines = say(verified(1), gaps=[self.BACKUPS, GAP], works=works, known=told(gaps=(4,)))
        assert section(lines, "New gaps: controls without evidence") == [
            "EX-IAM-02 Access review [due 2026-12-01; owner: Kim]"
        ]
        assert section(lines, "Gaps: controls without evidence") == [
            "EX-4 Backups [a gap for 12 days]"
        ]

    def test_what_is_closed_is_told_as_far_as_the_list_tells(self, say, verified, told) -> None:
        lines = say(verified(1), known=told(gaps=(7,)))
        assert section(lines, "Gaps closed since last") == [
            "EX-7 Control 7: has evidence now, or is no longer listed; was a gap for 12 days"
        ]
        assert lines[1].startswith("No gaps, no failed tests")

    def test_a_gap_that_bad_evidence_closed_is_hidden(self, say, row, ours, told) -> None:
        stored = ours(Outcome.ERROR, reason="ambiguous", hides_gap=True, sentence="Unclear.")
        lines = say(row(stored=stored), known=told(gaps=(3,)))
        name = "Branch rule is on (control 3, test 5)"
        assert section(lines, "Gaps that only negative evidence hides") == [
            f"{name}: [error:ambiguous] Unclear."
        ]
        assert section(lines, "Gaps closed since last") == [
            f"EX-3 Control 3: only negative evidence hides it ({name}), was a gap for 12 days"
        ]

    def test_a_gap_is_hidden_whatever_the_standing_of_the_test(self, say, row, ours) -> None:
        stored = ours(Outcome.NOT_CONFIGURED, reason="config", hides_gap=True)
        lines = say(row(stored=stored))
        assert "Gaps that only negative evidence hides (1)" in lines
        assert "1 hidden gap" in lines[1]

    def test_an_unreadable_row_may_be_any_gap(self, say, verified, told) -> None:
        unreadable = Gap(id=None, internal_id="?", name="unreadable row: $.id")
        lines = say(verified(1), gaps=[unreadable], known=told(gaps=(7,)))
        assert section(lines, "Gaps: controls without evidence") == ["? unreadable row: $.id"]
        assert "closed" not in "\n".join(lines)


class TestResolved:
    """Only a pass that was observed ends a fail; what else became of it is said."""

    def test_a_verified_pass(self, say, row, ours, told) -> None:
        lines = say(row(id=5, stored=ours(Outcome.PASS)), known=told(5))
        assert section(lines, "Resolved since last") == [
            "Branch rule is on (control 3, test 5): pass observed 2026-11-25, "
            "had failed for 12 days"
        ]
        assert "No longer failing" not in "\n".join(lines)

    @pytest.mark.parametrize(
        ("became", "words"),
        [
            (
                "error",
                "now could not be verified, had failed for 12 days: [error:timeout] Silence.",
            ),
            ("n/a", "now not applicable, had failed for 12 days: [n/a] Archived."),
            ("config", "now not configured, had failed for 12 days: [config] No owner."),
            ("old pass", "now late, had failed for 12 days: Looked at."),
            ("their pass", "now unproven, had failed for 12 days: Seen by a person."),
            ("other pass", "another system says pass of 2026-11-25, had failed for 12 days"),
            ("attested", "attested 2026-11-25 by a person, had failed for 12 days"),
            ("deleted", "Test 5: no longer listed by Comp-AI, had failed for 12 days"),
        ],
    )
    def test_anything_else_is_not(self, say, row, ours, theirs, told, now, became, words) -> None:
        rows = {
            "error": [row(stored=ours(Outcome.ERROR, reason="timeout", sentence="Silence."))],
            "n/a": [row(stored=ours(Outcome.NOT_APPLICABLE, sentence="Archived."))],
            "config": [
                row(stored=ours(Outcome.NOT_CONFIGURED, reason="config", sentence="No owner."))
            ],
            "old pass": [row(stored=ours(Outcome.PASS, at=now - 30 * HOUR))],
            "their pass": [row(stored=theirs("pass"))],
            "other pass": [row("sonarqube_gate", stored=theirs("pass"))],
            "attested": [row("manual", config=None, stored=theirs("pass"))],
            "deleted": [row(id=99)],
        }[became]
        lines = say(*rows, known=told(5))
        [line] = section(lines, "No longer failing, but not verified")
        assert line.endswith(words)
        assert "Resolved since last" not in "\n".join(lines)

    def test_a_row_that_cannot_be_read_may_be_any_test(self, say, verified, told) -> None:
        text = "\n".join(say(verified(1), bad_rows=["row 1: $.id"], known=told(5)))
        assert "Resolved" not in text
        assert "No longer" not in text

    def test_another_database_ends_nothing(self, say, told) -> None:
        """It has neither tests nor gaps."""
        text = "\n".join(say(known=told(5, gaps=(2,))))
        assert "0 control tests: wrong database or tenant?" in text
        assert "Resolved" not in text
        assert "closed" not in text
        assert "No longer" not in text


class TestSections:
    def test_what_could_not_be_verified_says_why_and_what_was_before(self, say, row, ours) -> None:
        lines = say(row(stored=ours(Outcome.ERROR, reason="timeout", sentence="No answer.")))
        assert lines[3] == ("  - Branch rule is on (control 3, test 5): [error:timeout] No answer.")

    def test_what_the_runner_of_before_wrote_is_named(self, say, row, theirs) -> None:
        lines = say(
            row(id=1, stored=theirs("pass", "Evidence collected; id=1")),
            row(id=2, stored=theirs("fail", '{"error": "repo API error"}')),
            row(id=3, stored=theirs("pass", "Looks fine to me.")),
        )
        by = "written by the runner before this one, without a check"
        assert section(lines, "Unproven") == [
            f"Branch rule is on (control 3, test 1): pass of 2026-11-25, {by}",
            f"Branch rule is on (control 3, test 2): fail of 2026-11-25, {by}",
            "Branch rule is on (control 3, test 3): pass of 2026-11-25, "
            "the word of a person or another system, not observed",
        ]

    def test_overdue_work_names_what_is_open_there(self, say, row, ours) -> None:
        works = [
            Work(control_id=3, assigned_to=None, due=date(2026, 11, 24)),
            Work(control_id=2, assigned_to="Kim Example", due=date(2026, 11, 1)),
            Work(control_id=6, assigned_to="Kim Example", due=date(2026, 11, 23)),
            Work(control_id=4, assigned_to="Kim Example", due=date(2026, 11, 25)),
            Work(control_id=5, assigned_to="Kim Example", due=None),
        ]
        lines = say(row(stored=ours(Outcome.FAIL)), gaps=[GAP], works=works)
        assert section(lines, "Overdue remediation") == [
            "control 2 (gap EX-IAM-02 Access review): due 2026-11-01, 24 days overdue "
            "[owner: Kim Example]",
            "control 6: due 2026-11-23, 2 days overdue [owner: Kim Example]",
            "control 3 (failing: Branch rule is on): due 2026-11-24, 1 day overdue",
        ]

    def test_overdue_work_is_open_but_takes_no_all_clear(self, message, verified) -> None:
        works = [Work(control_id=2, assigned_to="Kim", due=date(2026, 11, 1))]
        found = message(verified(1), works=works)
        assert found.is_open
        assert found.headline.startswith("No gaps, no failed tests")

    def test_missing_remediation_is_unknown_and_blocks_nothing(self, say, verified, now) -> None:
        failure = Failure(
            call="listRemediation", status=500, attempts=4, at=now, message="It failed."
        )
        lines = say(verified(1), remediation=failure)
        assert lines[1].startswith("No gaps, no failed tests")
        assert lines[-1] == (
            "Overdue remediation: unknown. Owners and due dates are missing as well. "
            "listRemediation failed: HTTP 500 after 4 attempts, 2026-11-25 07:00 UTC: It failed."
        )

    def test_remediation_that_cannot_be_read_may_be_overdue(self, say, verified) -> None:
        remediation = Remediation(unreadable_rows=2, unreadable_dates=[9, 4, 9])
        assert say(verified(1), remediation=remediation)[-2:] == [
            "Remediation tasks that cannot be read: 2. They may be overdue.",
            "Remediation tasks whose due date names no day: control 4, 9.",
        ]

    def test_attestations(self, say, row, theirs, now) -> None:
        lines = say(
            row("manual", id=1, config=None, stored=theirs("pass", at=now - 100 * DAY)),
            row("manual", id=2, config=None, stored=theirs("pass", at=now - 10 * DAY)),
            row("manual", id=3, config=None),
            row("manual", id=4, config=None, stored=theirs("skipped", at=now - DAY)),
        )
        assert [line for line in lines if "attest" in line.lower()] == [
            "Attestations due (3)",
            "  - Branch rule is on (control 3, test 1): attested 2026-08-17, due since 2026-11-15",
            "  - Branch rule is on (control 3, test 3): never attested",
            "  - Branch rule is on (control 3, test 4): skipped of 2026-11-24 is no attestation",
            "Current attestations: 1.",
        ]

    def test_a_schedule_that_cannot_be_read_is_named(self, say, row, ours) -> None:
        lines = say(row(stored=ours(Outcome.PASS), plan=plan_of("every full moon")))
        assert section(lines, "Invalid schedules") == [
            "Branch rule is on (control 3, test 5): invalid schedule 'every full moon'; "
            "it runs whenever the DAG does"
        ]

    def test_recovery_follows_the_headline(self, say, verified, now) -> None:
        incident = Incident(since=now - DAY, calls=["listGaps", "listTests"], posted=True)
        lines = say(verified(1), recovered=incident)
        assert lines[2] == (
            "Recovered: the status was unknown since 2026-11-24 07:00 UTC "
            "(listGaps and listTests failed)."
        )


class TestExceptions:
    def exemption(self, now, days: int, **over) -> Exemption:
        return Exemption(reason="Vendor ticket 12.", expires=(now + days * DAY).date(), **over)

    def test_those_in_force_are_a_footnote(self, say, row, ours, now) -> None:
        lines = say(
            row(id=1, stored=ours(Outcome.NOT_APPLICABLE), exemptions=(self.exemption(now, 40),)),
            row(id=2, stored=ours(Outcome.PASS), exemptions=(self.exemption(now, 90, object="x"),)),
        )
        assert lines[-2:] == [
            "Not applicable: 1.",
            "Exceptions in force: 2, the next one ends 2027-01-04.",
        ]
        assert "Exceptions that end or have ended" not in titles(lines)

    def test_those_that_end_within_14_days_or_have_ended_are_listed(
        self, say, row, ours, now
    ) -> None:
        exemptions = (
            self.exemption(now, 15),
            self.exemption(now, 14),
            self.exemption(now, 0, object="ci-bot"),
            self.exemption(now, -1, object="kim@example.org"),
        )
        lines = say(row(stored=ours(Outcome.PASS), exemptions=exemptions))
        name, why = "Branch rule is on (control 3, test 5)", "Reason: Vendor ticket 12."
        assert section(lines, "Exceptions that end or have ended") == [
            f"{name}: the exception for k…@example.org ended 2026-11-24, no longer in force. {why}",
            f"{name}: the exception for ci-bot ends today. {why}",
            f"{name}: the exception for the whole test ends 2026-12-09, in 14 days. {why}",
        ]

    def test_none_at_all_is_not_mentioned(self, say, verified) -> None:
        assert "xception" not in "\n".join(say(verified(1)))

    def test_a_pass_that_rested_on_one_says_that_it_has_ended(self, say, row, ours, now) -> None:
        stored = ours(Outcome.NOT_APPLICABLE, reason="exception", at=now - HOUR)
        lines = say(row(stored=stored, exemptions=(self.exemption(now, -1),)))
        assert section(lines, "Late: not verified on schedule") == [
            "Branch rule is on (control 3, test 5): not looked at since 2026-11-25; "
            "the exception of then has ended"
        ]


class TestAnalysis:
    def analysis(self, now, summary: str = "Begin with MFA.\nThen backups.", **over):
        values = {"framework": None, "model": "gpt-4o", "degraded": False, "at": now - 3 * DAY}
        return LastAnalysis(**(values | over), summary=summary)

    def test_is_a_note_in_the_words_of_the_model(self, say, verified, now) -> None:
        assert say(verified(1), analysis=self.analysis(now))[-1] == (
            "Gap analysis of 2026-11-22 (model gpt-4o; about the gaps of every framework): "
            "Begin with MFA. Then backups."
        )

    def test_the_framework_is_no_filter_and_not_told_as_one(self, say, verified, now) -> None:
        assert say(verified(1), analysis=self.analysis(now, framework="soc2"))[-1].startswith(
            "Gap analysis of 2026-11-22 (model gpt-4o, asked with soc2 in mind; "
            "about the gaps of every framework): "
        )

    def test_is_short(self, say, verified, now) -> None:
        note = say(verified(1), analysis=self.analysis(now, "word " * 400))[-1]
        assert len(note) < 500
        assert note.endswith("…")

    def test_an_old_one_says_its_age(self, say, verified, now) -> None:
        note = say(verified(1), analysis=self.analysis(now, at=now - 20 * DAY))[-1]
        assert "every framework), 20 days old: Begin" in note

    def test_a_canned_text_is_none(self, say, verified, now) -> None:
        canned = self.analysis(now, "All is fine.", model="mock-canned", degraded=True)
        assert say(verified(1), analysis=canned)[-1] == (
            "Gap analysis of 2026-11-22: DEGRADED, no model answered; its canned text is left out."
        )

    def test_an_empty_one_says_so(self, say, verified, now) -> None:
        assert say(verified(1), analysis=self.analysis(now, " "))[-1].endswith(
            ": the model wrote nothing."
        )

    def test_a_model_gives_no_all_clear(self, say, row, ours, now) -> None:
        failing = row(stored=ours(Outcome.FAIL))
        text = "\n".join(say(failing, analysis=self.analysis(now, "There are no gaps at all.")))
        assert not ALL_CLEAR.search(text)
        assert "left out, because it says that all is well" in text


class TestUnknown:
    @pytest.fixture
    def say(self, now):
        def say(*, gaps=None, tests=None, last_good=None, known=None) -> list[str]:
            facts = Facts(
                gaps=Failure(call="listGaps", at=now, **FAILED) if gaps is None else gaps,
                tests=Failure(call="listTests", at=now, **FAILED) if tests is None else tests,
                remediation=Remediation(),
                now=now,
            )
            view = view_of(facts, known or AlertState())
            return render_text(compose_unknown(view, last_good=last_good))

        return say

    def test_what_was_not_fetched_is_unknown_and_never_0(self, say) -> None:
        lines = say(gaps=[GAP] * 5)
        assert lines[:2] == ["Compliance status UNKNOWN", "gaps: 5; tests: unknown"]
        assert (
            "  - listTests failed: HTTP 503 after 4 attempts, 2026-11-25 07:00 UTC: it failed."
            in lines
        )
        assert lines[2] == "The last good summary is not known."

    def test_neither(self, say) -> None:
        assert say()[1] == "gaps: unknown; tests: unknown"

    def test_tests_alone_are_not_an_all_clear(self, say, verified, now) -> None:
        lines = say(
            tests=Listing(rows=[verified(1)], bad_rows=[]),
            last_good=LastGood(at=now - DAY, summary="nothing open, 1 of 1 tests verified"),
        )
        assert lines[1] == "gaps: unknown; tests: 1 of 1 tests verified on schedule"
        assert lines[2] == (
            "Last good summary, 2026-11-24 07:00 UTC: nothing open, 1 of 1 tests verified"
        )
        assert not ALL_CLEAR.search("\n".join(lines))

    def test_known_findings_are_still_listed(self, say, row, ours) -> None:
        listing = Listing(rows=[row(stored=ours(Outcome.FAIL))], bad_rows=[])
        lines = say(tests=listing)
        assert lines[1] == "gaps: unknown; tests: 1 failing, 1 of 1 tests verified on schedule"
        assert "Failing: new (1)" in lines

    def test_what_was_not_fetched_is_neither_resolved_nor_closed(
        self, say, verified, told, now
    ) -> None:
        known = told(1, gaps=(2,))
        assert "Gaps closed since last (1)" in say(gaps=[], known=known)
        assert "Resolved since last (1)" not in say(gaps=[], known=known)
        tests = Listing(rows=[verified(1)], bad_rows=[])
        assert "Resolved since last (1)" in say(tests=tests, known=known)
        assert "Gaps closed since last (1)" not in say(tests=tests, known=known)

    def test_an_error_text_stays_on_one_line(self, say, now) -> None:
        failure = Failure(
            call="listTests", status=500, attempts=4, at=now, message="a\n* forged line"
        )
        assert any(line.endswith(": a * forged line") for line in say(tests=failure))

    def test_a_task_without_a_report_says_so(self, now) -> None:
        failure = Failure(call="listGaps", status=None, attempts=None, at=now, message="See log.")
        assert str(failure) == "listGaps could not be made, 2026-11-25 07:00 UTC: See log."
        silent = Failure(call="listGaps", status=None, attempts=4, at=now, message="Reset.")
        assert "no answer after 4 attempts" in str(silent)


def test_what_an_outage_quotes_does_not_sound_like_an_all_clear(verified, now) -> None:
    tests = status_of(Listing(rows=[verified(1)], bad_rows=[]), now)
    assert ALL_CLEAR.search(headline(tests, []))
    assert good_summary(tests, []) == "nothing open, 1 of 1 tests verified on schedule"
    assert good_summary(tests, [GAP]) == headline(tests, [GAP])
