"""Every class of what nothing supports: one case that is listed, one almost like it that is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comp_ai_world import said_by_a_person, said_by_the_kit

from compai_client import ClientSettings, CompAI, StaticToken
from compai_dags.outcomes import Outcome
from compai_dags.trailer import Trailer, write_details
from compai_kit.audit.model import Audit, Entry
from compai_kit.audit.run import run_audit
from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import SimulatorControl
from compai_kit.simulator.server import serve

# Put together at run time, so that no scanner takes it for a real one.
TOKEN = ".".join(["simulated", "token", "of-the-tests"])
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ENABLED = "Branch protection enabled on default branch: main"
SHARED = "Branch protection not configured or not accessible for branch: main"
NO_COMMIT = "Default branch: main. Last commit: unknown by unknown. unknown"
GOOD = {"type": "policy", "source": "Handbook chapter 4"}
LISTED, INNOCENT = 1, 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """A control with a test, and a second control that differs in what decides."""

    code: str
    listed: dict[str, Any] = field(default_factory=dict)
    innocent: dict[str, Any] = field(default_factory=dict)
    type: str = "github_branch_protection"
    evidence_of_listed: list[dict[str, Any]] = field(default_factory=lambda: [GOOD])
    evidence_of_innocent: list[dict[str, Any]] = field(default_factory=lambda: [GOOD])
    says: str


def ago(**age: float) -> str:
    return f"{NOW - timedelta(**age):%Y-%m-%dT%H:%M:%SZ}"


def kit_pass(outcome: Outcome = Outcome.PASS, reason: str | None = None, **age: float) -> Any:
    """A pass with the sealed line of this kit."""
    at = ago(**age)
    trailer = Trailer(
        outcome=outcome,
        reason=reason,
        prev=None,
        prev_at=None,
        collected_at=None if reason else datetime.fromisoformat(at),
        run="scheduled__earlier",
        try_number=1,
        n_errors=0,
        kit="0.1.0",
    )
    details = write_details("Looked at.", trailer, "pass")
    return {"last_run_at": at, "last_result": "pass", "last_details": details}


def github_row(number: int, text: str, *, type: str = "github_branch_protection") -> dict[str, Any]:
    return {"id": number, "type": type, "source": "github:example-org/locked", "description": text}


PASSED = kit_pass(hours=1)
HOUR = ago(hours=1)
CASES = {
    "first generation, scheduled run": Case(
        code="CK501",
        listed=said_by_a_person(
            "pass", "Scheduled run (Airflow); test_type=github_branch_protection", at=HOUR
        ),
        innocent=PASSED,
        says="an earlier runner, which did not look: “Scheduled run (Airflow); test_type=github",
    ),
    "first generation, on a manual test": Case(
        code="CK501",
        type="manual",
        listed=said_by_a_person("pass", "Scheduled run (Airflow); test_type=manual", at=HOUR),
        innocent=said_by_a_person("pass", "Scheduled a run in Airflow, all good. /Kim", at=HOUR),
        says="an earlier runner",
    ),
    "first generation, over evidence that was good": Case(
        code="CK501",
        listed=said_by_a_person("pass", "Evidence collected; id=17", at=HOUR),
        evidence_of_listed=[github_row(17, ENABLED), github_row(16, SHARED)],
        innocent=PASSED,
        says="“Evidence collected; id=17”",
    ),
    "over evidence that says not configured": Case(
        code="CK502",
        listed=said_by_a_person("pass", "Evidence collected; id=17", at=HOUR),
        evidence_of_listed=[github_row(17, SHARED), GOOD],
        innocent=PASSED,
        evidence_of_innocent=[github_row(27, SHARED), GOOD],
        says=f"rests on evidence 17, which says: “{SHARED}”",
    ),
    "over a commit that nobody saw": Case(
        code="CK502",
        type="github_last_commit",
        listed=said_by_a_person("pass", "Evidence collected; id=17", at=HOUR),
        evidence_of_listed=[github_row(17, NO_COMMIT, type="github_last_commit"), GOOD],
        innocent=PASSED,
        says="rests on evidence 17",
    ),
    "a text that says no": Case(
        code="CK502",
        listed=said_by_a_person("pass", SHARED, at=HOUR),
        innocent=PASSED,
        says="Its own text says no: “Branch protection not configured",
    ),
    "a fail turned around, the error kept": Case(
        code="CK502",
        type="manual",
        listed=said_by_a_person("pass", '{"error":"GitHub integration not configured"}', at=HOUR),
        innocent=said_by_a_person("pass", "No error: the integration is configured.", at=HOUR),
        says="Its own text says no: “{",
    ),
    "a pass that never ran": Case(
        code="CK503",
        type="manual",
        listed={"last_result": "pass", "last_details": "Checked by the office team."},
        innocent=said_by_a_person("pass", "Checked by the office team.", at=HOUR),
        says="No run was ever recorded, yet a pass is stored",
    ),
    "a fail that never ran": Case(
        code="CK503",
        type="sonarqube_gate",
        listed={"last_result": "fail", "last_details": "Coverage 79.9 is under 80.5."},
        innocent=said_by_a_person("fail", "Coverage 79.9 is under 80.5.", at=HOUR),
        says="No run was ever recorded, yet a fail is stored",
    ),
    "stale": Case(
        code="CK504",
        listed=kit_pass(days=6),
        innocent=kit_pass(hours=29),
        says="by '0 6 * * *' two or more runs were missed since",
    ),
    "stale by its own schedule": Case(
        code="CK504",
        listed=kit_pass(days=16) | {"schedule": "weekly"},
        innocent=kit_pass(days=6) | {"schedule": "weekly"},
        says="by its schedule 'weekly' two or more runs were missed since",
    ),
    "somebody's word where a check could look": Case(
        code="CK505",
        listed=said_by_a_person("pass", "Rule is in force on main.", at=HOUR),
        innocent=said_by_a_person("fail", "Rule is not in force on main.", at=HOUR),
        says="saying “Rule is in force on main.”; a check could look",
    ),
    "somebody's word where a probe could look": Case(
        code="CK505",
        type="integration",
        listed=said_by_a_person("pass", "Counter moved.", at=HOUR)
        | {"config": {"url": "https://siem.test/health"}},
        innocent=said_by_a_person("pass", "Counter moved.", at=HOUR)
        | {"config": {"note": "see the wiki"}},
        says="saying “Counter moved.”; a check could look",
    ),
    "a line of the kit that somebody edited": Case(
        code="CK505",
        listed=PASSED | {"last_details": PASSED["last_details"].replace("Looked", "Peeked")},
        innocent=PASSED,
        says="A text of this kit that somebody edited, so that its seal is broken",
    ),
    "unchecked": Case(
        code="CK506",
        type="integration",
        listed=kit_pass(Outcome.NOT_CONFIGURED, "unchecked", hours=1),
        innocent=kit_pass(hours=1),
        says="COMP_AI_UNCHECKED_RESULT=pass asked for it",
    ),
    "an attestation that has aged": Case(
        code="CK507",
        type="manual",
        listed=said_by_a_person("pass", "Restored a backup. /Kim", at=ago(days=91)),
        innocent=said_by_a_person("pass", "Restored a backup. /Kim", at=ago(days=89)),
        says="due since",
    ),
    "an error body as a fail": Case(
        code="CK511",
        listed=said_by_a_person("fail", '{"error":"Unauthorized"}', at=HOUR),
        innocent=said_by_a_person("fail", "The error of yesterday is not fixed.", at=HOUR),
        says="the error of a call, not an observation: “{",
    ),
    "an exception as a fail": Case(
        code="CK511",
        listed=said_by_a_person("fail", "503 Server Error: Service Unavailable for url", at=HOUR),
        innocent=said_by_the_kit(Outcome.FAIL, "fail", "503 pages are unprotected", hours=1),
        says="“503 Server Error",
    ),
    "a gap that only negative rows close": Case(
        code="CK521",
        listed=PASSED,
        evidence_of_listed=[
            github_row(17, SHARED),
            github_row(18, NO_COMMIT, type="github_last_commit"),
        ],
        innocent=PASSED,
        evidence_of_innocent=[github_row(27, SHARED), github_row(28, ENABLED)],
        says="All 2 rows of evidence say nothing good; the newest, github_",
    ),
    "a gap that inventories of nothing close": Case(
        code="CK521",
        listed=PASSED,
        evidence_of_listed=[
            {
                "type": "okta_groups_snapshot",
                "source": "okta:example-org.okta.com",
                "description": "Okta groups snapshot: 0 groups. Sample: —.",
            }
        ],
        innocent=PASSED,
        evidence_of_innocent=[
            {
                "type": "okta_groups_snapshot",
                "source": "okta:example-org.okta.com",
                "description": "Okta groups snapshot: 1 groups. Sample: Everyone.",
            }
        ],
        says="“Okta groups snapshot: 0 groups.",
    ),
    "a gap, and no evidence at all": Case(
        code="CK521",
        listed=PASSED,
        evidence_of_listed=[github_row(17, SHARED)],
        innocent=PASSED,
        evidence_of_innocent=[],
        says=f"Its only row of evidence says nothing good; the newest, github_branch_protection 17"
        f": “{SHARED}”",
    ),
}


def world(case: Case) -> dict[str, Any]:
    halves = (
        (LISTED, case.listed, case.evidence_of_listed),
        (INNOCENT, case.innocent, case.evidence_of_innocent),
    )
    return {
        "controls": [
            {"id": number, "internal_id": f"EX-{number}", "name": "Control"}
            for number, _, _ in halves
        ],
        "control_tests": [
            {"id": number, "control_id": number, "name": "Test", "test_type": case.type, **test}
            for number, test, _ in halves
        ],
        "evidence": [{"control_id": number, **row} for number, _, rows in halves for row in rows],
    }


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorControl]:
    app = create_app({"controls": []}, {"static_tokens": [TOKEN]})
    with serve(app) as running, SimulatorControl(running.url) as control:
        yield control


def audit_of(simulator: SimulatorControl, seed: dict[str, Any]) -> Audit:
    simulator.reset(seed)
    settings = ClientSettings(sleep=lambda _: None)
    with CompAI(simulator.url, auth=StaticToken(TOKEN), settings=settings) as client:
        return run_audit(
            client,
            address=simulator.url,
            now=NOW,
            allow_empty=False,
            reproduce="compai audit",
            heard=lambda *_: None,
        )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_listed_and_its_double_is_not(simulator: SimulatorControl, case: Case) -> None:
    audit = audit_of(simulator, world(case))
    (entry,) = audit.unsupported
    assert (entry.code, entry.control) == (case.code, f"EX-{LISTED}")
    assert case.says in entry.why
    assert entry.fix
    assert not audit.is_clean


def test_every_class_has_a_case() -> None:
    assert {case.code for case in CASES.values()} == {
        "CK501", "CK502", "CK503", "CK504", "CK505", "CK506", "CK507", "CK511", "CK521",
    }  # fmt: skip


class TestCounts:
    def test_of_everything(self, simulator: SimulatorControl) -> None:
        tests = [
            {"id": 1, "test_type": "github_branch_protection", **PASSED},
            {"id": 2, "test_type": "github_branch_protection"},
            {
                "id": 3,
                "test_type": "github_branch_protection",
                **kit_pass(hours=29),
            },
            {"id": 4, "test_type": "sonarqube_gate", **said_by_a_person("pass", "ok", at=HOUR)},
            {"id": 5, "test_type": "manual", **said_by_a_person("fail", "no", at=HOUR)},
            {"id": 6, "test_type": "manual", **said_by_a_person("fail", '{"error":"x"}', at=HOUR)},
            {"id": 7, "test_type": "manual", **said_by_a_person("skipped", None, at=HOUR)},
            {"id": 8, "test_type": "manual", "last_result": "pass"},
        ]
        seed = {
            "controls": [
                {"id": number, "internal_id": f"EX-{number}", "name": "x"} for number in (1, 2, 3)
            ],
            "control_tests": [{"control_id": 1, "name": "Test", **test} for test in tests],
            "evidence": [{"control_id": 1, **GOOD}, {"control_id": 3, **github_row(9, SHARED)}],
        }
        counts = audit_of(simulator, seed).counts
        assert (counts.tests, counts.controls, counts.gaps, counts.gaps_hidden) == (8, 3, 1, 1)
        assert (counts.passes, counts.passes_unsupported) == (4, 1)
        assert (counts.fails, counts.fails_unsupported) == (2, 1)
        assert (counts.late, counts.not_ours, counts.could_not_be_judged) == (1, 1, 0)

    def test_nothing_stored_is_nothing_unsupported(self, simulator: SimulatorControl) -> None:
        seed = world(Case(code="", says=""))
        audit = audit_of(simulator, seed)
        assert audit.is_clean
        assert (audit.counts.passes, audit.counts.fails) == (0, 0)


# 70 tests as the first generation left them: nothing was set up, so that none could pass.
_TYPES = ("integration", "manual", "okta_users_snapshot", "github_last_commit", "aws_iam_summary")


def first_generation() -> dict[str, Any]:
    def stored(number: int) -> dict[str, Any]:
        if number <= 25:
            text = f"Scheduled run (Airflow); test_type={_TYPES[number % 2]}"
            if number % 5 == 0:
                text = f"Evidence collected; id={number}"
            return said_by_a_person("pass", text, at=ago(hours=3))
        if number <= 42:
            bodies = (
                '{"detail":"Set GITHUB_TOKEN","error":"GitHub integration not configured"}',
                '{"error":"Too many requests","retry_after_secs":60}',
                "401 Client Error: Unauthorized for url: http://comp-ai:3002/api/v1/tests",
                "HTTPConnectionPool(host='comp-ai', port=3002): Read timed out.",
            )
            return said_by_a_person("fail", bodies[number % 4], at=ago(hours=3))
        return {}  # lost to the rate limit

    return {
        "controls": [
            {"id": number, "internal_id": f"EX-{number:02}", "name": "x"} for number in range(1, 15)
        ],
        "control_tests": [
            {
                "id": number,
                "control_id": 1 + number % 14,
                "name": f"Test {number:02}",
                "test_type": _TYPES[number % len(_TYPES)],
                **stored(number),
            }
            for number in range(1, 71)
        ],
        "evidence": [
            {"id": number, "control_id": 1 + number % 14, "type": "document", "source": "x"}
            for number in range(5, 30, 5)
        ],
    }


def test_first_generation_of_which_nothing_is_honest(simulator: SimulatorControl) -> None:
    audit = audit_of(simulator, first_generation())
    counts = audit.counts
    assert counts.tests == 70
    assert (counts.passes, counts.passes_unsupported) == (25, 25)
    assert (counts.fails, counts.fails_unsupported) == (17, 17)

    def listed(result: str) -> list[int | None]:
        return sorted(e.test_id for e in audit.unsupported if e.result == result)

    assert listed("pass") == list(range(1, 26))
    assert listed("fail") == list(range(26, 43))
    assert {entry.code for entry in audit.unsupported} == {"CK501", "CK511"}


def test_texts_of_comp_ai_are_shown_without_secrets_and_control_codes(
    simulator: SimulatorControl,
) -> None:
    text = f'{{"error":"password": "{"hunter" * 2}"}} \x1b[31m= Bearer {"a1" * 20}'
    case = Case(code="CK511", listed=said_by_a_person("fail", text, at=HOUR), says="")
    entry: Entry = audit_of(simulator, world(case)).unsupported[0]
    for shown in (entry.said, entry.why):
        assert "hunterhunter" not in shown
        assert "a1a1a1" not in shown
        assert "\x1b" not in shown
