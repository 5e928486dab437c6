"""What the alert says, and that the words of the all clear are earned."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from compai_dags.alert_state import Incident, LastGood
from compai_dags.alerts import compose, compose_unknown, good_summary
from compai_dags.facts import Facts, Failure, Gap, Work
from compai_dags.listing import Listing
from compai_dags.message import render_text
from compai_dags.outcomes import Outcome
from compai_dags.status import headline
from compai_dags.status import test_status as status_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ALL_CLEAR = re.compile(r"no gaps|no failed tests|all clear", re.IGNORECASE)
FAILED = {"status": 503, "attempts": 4, "message": "it failed."}
GAP = Gap(id=2, internal_id="EX-IAM-02", name="Access review")


@pytest.fixture
def say(now):
    """The text of the message for these tests and gaps."""

    def say(*rows, gaps=(), bad_rows=(), remediation=(), recovered=None) -> list[str]:
        listing = Listing(rows=list(rows), bad_rows=list(bad_rows))
        facts = Facts(gaps=list(gaps), tests=listing, remediation=remediation, now=now)
        tests = status_of(listing, now)
        return render_text(compose(facts, tests, facts.gaps, recovered=recovered))

    return say


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
            "stale", "never run",
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
            "1 failing · 1 could not be verified · 2 gaps · 1 not configured · 1 unproven · "
            "1 stale · 1 late · 1 never run · 1 unreadable — 2 of 9 tests verified on schedule"
        )

    def test_a_gap_alone(self, say, verified) -> None:
        assert say(verified(1), gaps=[GAP])[1] == ("1 gap — 1 of 1 tests verified on schedule")


class TestSections:
    def test_failing_says_since_when_nobody_looked(self, say, row, ours, theirs, now) -> None:
        old = now - 5 * DAY
        lines = say(
            row(id=1, name="A", stored=ours(Outcome.FAIL, sentence="One bypass.")),
            row(id=2, name="B", stored=ours(Outcome.FAIL, sentence="One bypass.", at=old)),
            row("sonarqube_gate", id=3, name="C", stored=theirs("fail", "Coverage.", old)),
        )
        assert lines[2:] == [
            "Failing (3)",
            "  - A (control 3, test 1): One bypass.",
            "  - B (control 3, test 2): One bypass. [not re-verified since 2026-11-20]",
            "  - C (control 3, test 3): Coverage. "
            "[reported 2026-11-20 by a person or another system]",
        ]

    def test_what_could_not_be_verified_says_why_and_what_was_before(self, say, row, ours) -> None:
        lines = say(row(stored=ours(Outcome.ERROR, reason="timeout", sentence="No answer.")))
        assert lines[3] == ("  - Branch rule is on (control 3, test 5): [error:timeout] No answer.")

    def test_a_gap_that_only_bad_evidence_hides(self, say, row, ours) -> None:
        stored = ours(Outcome.ERROR, reason="ambiguous", hides_gap=True)
        lines = say(row(stored=stored))
        assert "Gaps that only negative evidence hides (1)" in lines

    def test_overdue_work_comes_after_failing(self, say, row, ours) -> None:
        works = [
            Work(control_id=2, assigned_to="Kim Example", due=date(2026, 11, 1)),
            Work(control_id=3, assigned_to=None, due=date(2026, 11, 24)),
            Work(control_id=4, assigned_to="Kim Example", due=date(2026, 11, 25)),
            Work(control_id=5, assigned_to="Kim Example", due=None),
        ]
        lines = say(
            row(stored=ours(Outcome.FAIL, sentence="One bypass.")), gaps=[GAP], remediation=works
        )
        assert lines[2:] == [
            "Failing (1)",
            "  - Branch rule is on (control 3, test 5): One bypass.",
            "Overdue remediation (2)",
            "  - control 2: due 2026-11-01, 24 d overdue (Kim Example)",
            "  - control 3: due 2026-11-24, 1 d overdue",
            "Gaps: controls without evidence (1)",
            "  - EX-IAM-02 Access review",
        ]

    def test_a_failing_test_names_who_mends_its_control(self, say, row, ours) -> None:
        works = [Work(control_id=3, assigned_to="Kim Example", due=None)]
        lines = say(row(stored=ours(Outcome.FAIL, sentence="No.")), remediation=works)
        assert lines[3].endswith("No. [owner: Kim Example]")

    def test_missing_remediation_is_unknown_and_blocks_nothing(self, say, verified, now) -> None:
        failure = Failure(
            call="listRemediation", status=500, attempts=4, at=now, message="It failed."
        )
        lines = say(verified(1), remediation=failure)
        assert lines[1].startswith("No gaps, no failed tests")
        assert lines[-1] == (
            "Overdue remediation: unknown. listRemediation failed: HTTP 500 after 4 attempts, "
            "2026-11-25 07:00 UTC: It failed."
        )

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

    def test_names_stay_on_one_line(self, say, row, theirs) -> None:
        lines = say(row(name="two\nlines\x00", stored=theirs("fail", "a\nb")))
        assert lines[3].startswith("  - two lines  (control 3, test 5): a b [reported")

    def test_recovery_is_told(self, say, verified, now) -> None:
        lines = say(verified(1), recovered=Incident(since=now - DAY, calls=["listTests"]))
        assert lines[-1] == "Recovered: the status was unknown since 2026-11-24 07:00 UTC."


class TestUnknown:
    @pytest.fixture
    def say(self, now):
        def say(*, gaps=None, tests=None, last_good=None) -> list[str]:
            facts = Facts(
                gaps=Failure(call="listGaps", at=now, **FAILED) if gaps is None else gaps,
                tests=Failure(call="listTests", at=now, **FAILED) if tests is None else tests,
                remediation=[],
                now=now,
            )
            return render_text(compose_unknown(facts, last_good=last_good))

        return say

    def test_what_was_not_fetched_is_unknown_and_never_0(self, say) -> None:
        lines = say(gaps=[GAP] * 5)
        assert lines[:2] == ["Compliance status UNKNOWN", "gaps: 5; tests: unknown"]
        assert (
            "  - listTests failed: HTTP 503 after 4 attempts, 2026-11-25 07:00 UTC: it failed."
            in lines
        )
        assert lines[-1] == "The last good summary is not known."

    def test_neither(self, say) -> None:
        assert say()[1] == "gaps: unknown; tests: unknown"

    def test_tests_alone_are_not_an_all_clear(self, say, verified, now) -> None:
        lines = say(
            tests=Listing(rows=[verified(1)], bad_rows=[]),
            last_good=LastGood(at=now - DAY, summary="nothing open, 1 of 1 tests verified"),
        )
        assert lines[1] == "gaps: unknown; tests: 1 of 1 tests verified on schedule"
        assert lines[-1] == (
            "Last good summary, 2026-11-24 07:00 UTC: nothing open, 1 of 1 tests verified"
        )
        assert not ALL_CLEAR.search("\n".join(lines))

    def test_known_findings_are_still_listed(self, say, row, ours) -> None:
        listing = Listing(rows=[row(stored=ours(Outcome.FAIL))], bad_rows=[])
        lines = say(tests=listing)
        assert lines[1] == "gaps: unknown; tests: 1 failing, 1 of 1 tests verified on schedule"
        assert "Failing (1)" in lines

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
