"""Fault × operation × DAG: what becomes of a run when one operation fails for good.

The operations' answers come from the contract, the faults on the wire from the simulator; each cell
plays the tasks of the DAG as Airflow would try them. `docs/faults.md` is this table; renew it with
`COMPAI_RENEW=1 pytest tests/unit/dags/test_faults.py`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from compai_client import ClientSettings, CompAIError
from compai_dags import alerting, control_tests, gap_analysis, scan
from compai_dags.decisions import RunIdentity
from compai_dags.failures import meaning_of
from compai_dags.scan_attach import RepeatedPageError
from compai_dags.task import PermanentError
from compai_kit.contract.load import load_contract
from compai_kit.simulator.control import Fault, SimulatorControl

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "faults.md"
TRIES = 3
# The second test has a fail that a person reported.
PROVEN_ID = 2
CONTRACT = load_contract()
PROVEN = {
    "last_run_at": "2026-11-20T06:00:00Z",
    "last_result": "fail",
    "last_details": "Nobody signed. /Kim",
}
ATTESTED = {
    "last_run_at": "2025-01-01T06:00:00Z",
    "last_result": "pass",
    "last_details": "Restored. /Kim",
}
GITHUB = {"github": {"configured": True, "repositories": {"o/r": {"protection": "enabled"}}}}
OKTA = {
    "okta": {
        "domain": "o.okta.com", "has_token": True,
        "users": [{"login": "kim@o.example", "status": "ACTIVE"}],
    }
}  # fmt: skip
AWS = {"aws": {"answers": True, "summary": {"AccountMFAEnabled": 1, "Users": 1}}}


class Play(NamedTuple):
    """A DAG in a world in which, without the fault, everything is well."""

    dag: str
    # The type of the control tests, or nothing for the other DAGs.
    test_type: str = ""
    config: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = {}
    overrides: bool = False
    # What was stored of the first test.
    stored: Mapping[str, Any] = {}


TESTS, ALERTS = "comp_ai_control_tests", "comp_ai_alerts"
SCAN, ANALYSIS = "comp_ai_scan_documents", "comp_ai_gap_analysis"
# Every operation that a DAG calls, in the world in which it does.
PLAYS: dict[tuple[str, str], Play] = {
    (TESTS, "listTests"): Play(TESTS, "integration"),
    (TESTS, "listControls"): Play(TESTS, "integration", overrides=True),
    (TESTS, "listEvidence"): Play(TESTS, "integration"),
    (TESTS, "createEvidence"): Play(TESTS, "integration"),
    (TESTS, "recordTestResult"): Play(TESTS, "integration"),
    (TESTS, "listControlTests"): Play(TESTS, "manual", stored=ATTESTED),
    (TESTS, "getControl"): Play(TESTS, "okta_users_snapshot", None, OKTA),
    (TESTS, "collectGithubEvidence"): Play(
        TESTS, "github_branch_protection", {"owner": "o", "repo": "r"}, GITHUB
    ),
    (TESTS, "collectOktaEvidence"): Play(TESTS, "okta_users_snapshot", None, OKTA),
    (TESTS, "collectAwsEvidence"): Play(TESTS, "aws_iam_summary", None, AWS),
    (ALERTS, "listTests"): Play(ALERTS),
    (ALERTS, "listGaps"): Play(ALERTS),
    (ALERTS, "listRemediation"): Play(ALERTS),
    (SCAN, "listEvidence"): Play(SCAN),
    (SCAN, "scanDocuments"): Play(SCAN),
    (ANALYSIS, "analyseGaps"): Play(ANALYSIS, settings={"model": {"configured": True}}),
}
COLLECTING = {"collectGithubEvidence", "collectOktaEvidence", "collectAwsEvidence"}


class Case(NamedTuple):
    """One way to fail: a documented answer, or a fault on the wire; `after` = it was processed."""

    what: str
    fault: Mapping[str, Any]
    # What the rules go by.
    kind: str
    after: bool = False


def cases(operation: str) -> Iterator[Case]:
    for status, response in CONTRACT.description_of(operation)["responses"].items():
        if int(status) < 300:
            continue
        for media, content in response["content"].items():
            value = next(iter(content["examples"].values()))["value"]
            fault = {"kind": "status", "status": int(status), "body": value}
            if status == "429":
                fault = {"kind": "rate_limit"}
            is_config = isinstance(value, dict) and "not configured" in value.get("error", "")
            kind = "not configured" if is_config else status
            yield Case(f"{status} {'text' if media == 'text/plain' else 'JSON'}", fault, kind)
    for kind in ("html", "redirect", "truncate", "wrong_shape", "reset", "hang_up"):
        yield Case(WIRE[kind], {"kind": kind}, kind)
    if CONTRACT.operations[operation].method == "POST":
        yield Case("processed, then no answer", {"kind": "reset", "when": "after"}, "reset", True)
        late = {"kind": "status", "status": 502, "body": {"error": "x"}, "when": "after"}
        yield Case("processed, then a 502", late, "502", True)


WIRE = {
    "html": "login page",
    "redirect": "redirect to a login",
    "truncate": "JSON that ends in the middle",
    "wrong_shape": "JSON of another shape",
    "reset": "connection reset",
    "hang_up": "closed without an answer",
}
CELLS = [(dag, operation, case) for dag, operation in PLAYS for case in cases(operation)]


@dataclass(frozen=True)
class Seen:
    """What a cell came to. `posted`: results stored; `rows`: evidence rows that were added."""

    error: str
    requests: int
    waited_s: int
    outcome: str
    posted: str
    rows: int
    state: str


@dataclass
class World:
    """A simulator with one control test (and a proven fail beside it), and the tries of tasks."""

    simulator: SimulatorControl
    task: Any
    waits: list[float]
    errors: list[str]

    def build(self, play: Play) -> None:
        url = f"{self.simulator.url}/systems/web/page"
        config = play.config if play.test_type != "integration" else {"url": url}
        test = {"control_id": 3, "test_type": play.test_type or "manual", "config": config}
        tests = [
            {**test, "id": 1, "name": "T", **play.stored},
            {**test, "id": 2, "name": "Proven", **PROVEN},
        ]
        seed = {
            "controls": [{"id": 3, "internal_id": "EX-3", "name": "Control"}],
            "control_tests": tests,
            "evidence": [{"id": 1, "control_id": 3, "type": "policy", "source": "Handbook"}],
            "remediation_tasks": [],
        }
        pages = {"/page": {"body": {}}, "/other": {"body": {}}}
        self.simulator.reset(seed, {**play.settings, "systems": {"web": pages}})
        # As in Airflow: by this a retry knows what its own run collected.
        self.task.run_started_at = datetime.now(UTC)
        self.task.environment["COMP_AI_PROBE_ALLOW"] = "127.0.0.1"
        self.task.environment["COMP_AI_POST_ATTESTATION_EXPIRY"] = "1"
        if play.overrides:
            said = {"EX-3": {"T": {"schedule": "daily"}}}
            self.task.environment["COMP_AI_TEST_OVERRIDES"] = json.dumps(said)

    def attempt(self, task_id: str, body: Callable[[Any], Any], map_index: int = -1) -> str:
        """The state of a task after the tries that Airflow would give it; its value is stored."""
        for number in range(1, TRIES + 1):
            identity = RunIdentity(run_id="run-1", try_number=number, is_last_try=number == TRIES)
            here = dataclasses.replace(
                self.task, task_id=task_id, map_index=map_index, identity=identity
            )
            try:
                value = body(here)
            except (
                CompAIError, PermanentError, RepeatedPageError,
                control_tests.ChunkIncompleteError, scan.JobIncompleteError,
            ) as failure:  # fmt: skip
                self.errors.append(type(failure).__name__)
                lasting = isinstance(failure, CompAIError) and not meaning_of(failure).transient
                if lasting or isinstance(failure, PermanentError):
                    return "failed"
            else:
                if value is not None:
                    here.push("return_value", value)
                return "success"
        return "failed"

    def play(self, dag: str) -> str:
        """The state of the run."""
        if dag == TESTS:
            self.attempt("list_control_tests", lambda t: control_tests.list_chunks(t, test_ids=[]))
            for part in self.task.pull("list_control_tests") or []:
                index = part["chunk"]
                self.attempt(
                    "evaluate_chunk", lambda t, n=index: control_tests.evaluate_chunk(t, n), index
                )
            return self.attempt("summarise", control_tests.summarise)
        if dag == ALERTS:
            states = [
                self.attempt("fetch_gaps", alerting.fetch_gaps),
                self.attempt("fetch_tests", alerting.fetch_tests),
                self.attempt("fetch_remediation", alerting.fetch_remediation),
            ]
            sent = self.attempt("send_alert", lambda t: alerting.send_alert(t, dry_run=False))
            return "green, a task red" if sent == "success" and "failed" in states else sent
        if dag == SCAN:
            urls = [f"{self.simulator.url}/systems/web/{name}" for name in ("page", "other")]
            form = {"control_id": 3, "urls": urls, "type": None}
            self.attempt("list_jobs", lambda t: scan.list_jobs(t, **form))
            for index, job in enumerate(self.task.pull("list_jobs")):
                self.attempt(
                    "scan_job", lambda t, job=job: scan.scan_job(t, job, dry_run=False), index
                )
            return self.attempt("summarise", scan.summarise)
        return self.attempt("analyse", lambda t: gap_analysis.analyse_gaps(t, framework=None))

    def told(self) -> dict[int, str]:
        """The outcome of each test that reported one."""
        records = self.task.xcoms.get(("evaluate_chunk", "outcomes", 0)) or []
        return {record["id"]: record["outcome"] for record in records}

    def outcome(self, dag: str) -> str:
        if dag == TESTS:
            records = self.task.xcoms.get(("evaluate_chunk", "outcomes", 0)) or []
            one = next((record for record in records if record["id"] == 1), None)
            if one is None:
                return "not evaluated"
            return one["outcome"] + (f" ({one['reason']})" if one.get("reason") else "")
        told = self.task.xcoms.get(("send_alert", "return_value", -1)) if dag == ALERTS else None
        if told is not None:
            known = {name: told[name] for name in ("gaps", "failed_tests")}
            return ", ".join(f"{n.replace('_', ' ')} {'unknown' if v is None else v}"
                             for n, v in known.items())  # fmt: skip
        if dag == SCAN:
            outcome = self.task.xcoms.get(("scan_job", scan.OUTCOME, 0)) or {}
            return f"attached {outcome.get('attached', 0)}" if outcome else "not scanned"
        kept = self.task.xcoms.get(("analyse", "return_value", -1))
        return kept["outcome"] if kept else "no analysis"


@pytest.fixture
def world(simulator: SimulatorControl, task: Any) -> World:
    waits: list[float] = []
    task.client_settings = ClientSettings(sleep=waits.append, jitter=lambda upper: upper)
    return World(simulator, task, waits, [])


@pytest.mark.parametrize(
    ("dag", "operation", "case"), CELLS, ids=lambda value: getattr(value, "what", value)
)
def test_cell(world: World, dag: str, operation: str, case: Case) -> None:
    play = PLAYS[dag, operation]
    world.build(play)
    before = {row["id"]: row for row in world.simulator.state()["control_tests"]}
    world.simulator.faults(Fault(operation=operation, count=None, **case.fault))

    state = world.play(dag)

    after = {row["id"]: row for row in world.simulator.state()["control_tests"]}
    evidence = [row for row in world.simulator.state()["evidence"] if row["id"] != 1]
    seen = Seen(
        error=next(iter(world.errors), "none"),
        requests=sum(call.operation == operation for call in world.simulator.ledger()),
        waited_s=round(sum(world.waits)),
        outcome=world.outcome(dag),
        posted=after[1]["last_result"] or "nothing",
        rows=len(evidence),
        state=state,
    )
    # An attestation is as much a person's as the fail beside it.
    own = (1, 2) if operation == "listControlTests" else (2,)
    untouched = all(before[number] == after[number] for number in own)
    check_promises(seen, dag, operation, case, untouched, evidence)
    if dag == TESTS:
        check_results(world.told(), before, after, state)
    assert seen == expected(dag, operation, case)


def check_promises(
    seen: Seen, dag: str, operation: str, case: Case, untouched: bool, evidence: list[Any]
) -> None:
    """What holds in every cell, whatever the rules below say."""
    if dag != TESTS:
        assert untouched, "only one DAG writes results"
    elif operation in {"getControl", "listControlTests", *COLLECTING} and not case.after:
        assert operation == "listControlTests" or seen.posted != "pass", "nobody looked"
        assert untouched, "an outage changes no proven fail"
    same = Counter((row["type"], row["source"], row["link_url"]) for row in evidence)
    # What Comp-AI collects says which test it was for only by when: one row for each.
    each = TESTS_EACH if operation in {"getControl", *COLLECTING} else 1
    assert max(same.values(), default=0) <= each, "a row was doubled"
    if "unknown" in seen.outcome or seen.outcome.startswith(("ERROR", "UNRECORDED", "not ", "no ")):
        assert seen.state != "success", "something is missing, and the run is green"


def check_results(
    told: Mapping[int, str], before: Mapping[int, Any], after: Mapping[int, Any], state: str
) -> None:
    """No false pass, no rewritten fail, nothing lost: of each test, in every cell."""
    for number, row in after.items():
        outcome = told.get(number)
        if outcome in ("PASS", "FAIL"):
            assert row["last_result"] == outcome.lower(), "the result is lost"
        elif row != before[number]:
            is_late = outcome == "UNRECORDED"
            assert is_late or row["last_result"] == "skipped", "nobody looked"
            assert is_late or number != PROVEN_ID, "a proven fail was rewritten"
        if outcome in (None, "ERROR", "UNRECORDED"):
            assert state == "failed", "something is missing, and the run is green"


@pytest.mark.parametrize(
    ("outcome", "stored", "state", "complaint"),
    [
        ("PASS", None, "success", "lost"),
        ("ERROR", "pass", "failed", "nobody looked"),
        ("ERROR", "skipped", "failed", "rewritten"),
        ("UNRECORDED", "fail", "success", "green"),
        (None, "fail", "success", "green"),
    ],
)
def test_what_breaks_a_promise_is_noticed(
    outcome: str | None, stored: str | None, state: str, complaint: str
) -> None:
    told = {} if outcome is None else {PROVEN_ID: outcome}
    before, after = ({PROVEN_ID: {"last_result": it}} for it in ("fail", stored))
    with pytest.raises(AssertionError, match=complaint):
        check_results(told, before, after, state)


# --- what is expected: by what the operation is for, and by the kind of failure -------------------

# What the client makes of an answer; the others are UNREADABLE (WrongShapeError).
ERRORS = {
    "400": "RejectedError", "404": "RejectedError", "413": "RejectedError",
    "415": "RejectedError", "422": "RejectedError", "401": "UnauthorizedError",
    "429": "RateLimitedError", "500": "ServerError", "502": "ServerError", "503": "ServerError",
    "not configured": "NotConfiguredError", "html": "HtmlAnswerError",
    "redirect": "RedirectedError", "truncate": "WrongShapeError",
    "wrong_shape": "WrongShapeError", "reset": "NoAnswerError", "hang_up": "NoAnswerError",
}  # fmt: skip
# The reason of the outcome; the others say nothing that can be used: malformed.
REASONS = {
    "401": "auth", "404": "not_found_or_no_access", "429": "rate_limited",
    "500": "upstream_5xx", "502": "upstream_5xx", "503": "upstream_5xx",
    "reset": "timeout", "hang_up": "timeout",
}  # fmt: skip
# Another try may help; everything else is the same tomorrow.
PASSING = frozenset({"429", "500", "502", "503", "reset", "hang_up"})
# The call was processed, but its answer cannot be read.
UNREADABLE = frozenset({"truncate", "wrong_shape"})
# Each world has two control tests.
TESTS_EACH = 2


class Cost(NamedTuple):
    """Requests and seconds of waiting of one call."""

    requests: int
    waited_s: int


def cost(operation: str, kind: str) -> Cost:
    """By the contract's retry class: 1, 2 and 4 s between tries, or three windows of a limit."""
    if kind == "429":
        return Cost(4, 180)
    if kind in PASSING and CONTRACT.operations[operation].retry != "never":
        return Cost(4, 7)
    return Cost(1, 0)


def expected(dag: str, operation: str, case: Case) -> Seen:
    if dag == TESTS and operation in ("listTests", "listControls"):
        return not_listed(operation, case.kind, "not evaluated", "failed")
    if dag == TESTS:
        return in_a_chunk(operation, case)
    if dag == ALERTS:
        outcome, state = {
            "listTests": ("gaps 0, failed tests unknown", "failed"),
            "listGaps": ("gaps unknown, failed tests 1", "failed"),
            # Only the overdue list is missing, and the message says so.
            "listRemediation": ("gaps 0, failed tests 1", "green, a task red"),
        }[operation]
        return not_listed(operation, case.kind, outcome, state)
    if dag == SCAN:
        return in_a_scan(operation, case)
    return not_listed(operation, case.kind, "no analysis", "failed")


def not_listed(operation: str, kind: str, outcome: str, state: str) -> Seen:
    """A task with one call: it is repeated by the client, then by Airflow, where that may help."""
    one, tries = cost(operation, kind), TRIES if kind in PASSING else 1
    error, requests = ERRORS[kind], one.requests * tries
    if operation == "listTests" and kind not in PASSING and kind != "401":
        # What is no answer of Comp-AI's makes the client look whether the address is right.
        requests += 1
        error = error if kind in UNREADABLE else "BaseUrlError"
    return Seen(error, requests, one.waited_s * tries, outcome, "nothing", 0, state)


def in_a_chunk(operation: str, case: Case) -> Seen:
    """A call for each test; a chunk goes on, and what went wrong turns the run red at the end."""
    kind, collecting = case.kind, operation in COLLECTING
    reason = REASONS.get(kind, "malformed")
    is_never = CONTRACT.operations[operation].retry == "never"
    one, tries = cost(operation, kind), TRIES if kind in PASSING else 1
    if is_never and kind in PASSING and kind != "429":
        # Nobody knows whether it was processed: look, and repeat once what is not there.
        one = Cost(2, 0)
    requests, waited = one.requests * TESTS_EACH * tries, one.waited_s * TESTS_EACH * tries
    error = "ChunkIncompleteError" if kind in PASSING else "ChunkFailedError"
    # Evidence comes first, and both tests rest on the same row.
    rows = 1 if operation == "recordTestResult" else 0

    if is_never and (case.after or (kind in UNREADABLE and not collecting)):
        # It was processed, so looking finds the row and nothing is repeated.
        each = TESTS_EACH if collecting else 1
        return Seen("none", each, 0, "PASS", "pass", each, "success")
    if case.after:
        # A result can be posted again, and the next try reads that it is there.
        return Seen(error, one.requests * TESTS_EACH, 7 * TESTS_EACH, "PASS", "pass", 1, "success")
    if operation == "listControlTests":
        # Only the test that has no proven fail is an attestation; its words stay as they are.
        requests, waited = one.requests * tries, one.waited_s * tries
        return Seen(error, requests, waited, f"ERROR ({reason})", "pass", 0, "failed")
    if operation == "getControl":
        # Whether the control is about second factors is not known, so nothing is collected.
        return Seen(error, requests, waited, f"ERROR ({reason})", "skipped", 0, "failed")
    if collecting and kind in ("not configured", "400", "422"):
        why = "integration" if kind == "not configured" else "config"
        return Seen("none", requests, 0, f"NOT_CONFIGURED ({why})", "skipped", 0, "success")
    if collecting:
        rows = TESTS_EACH if kind in UNREADABLE else 0
        return Seen(error, requests, waited, f"ERROR ({reason})", "skipped", rows, "failed")
    if operation == "recordTestResult" and kind == "401":
        # Without a token nothing can be recorded: the rest of the chunk is not tried.
        return Seen(error, 1, 0, "ERROR (auth)", "nothing", rows, "failed")
    posted = "pass" if operation == "recordTestResult" and kind in UNREADABLE else "nothing"
    return Seen(error, requests, waited, f"UNRECORDED ({reason})", posted, rows, "failed")


def in_a_scan(operation: str, case: Case) -> Seen:
    kind = case.kind
    if operation == "scanDocuments":
        if case.after or kind in UNREADABLE:
            return Seen("none", 1, 0, "attached 2", "nothing", 2, "success")
        if kind == "500":
            # Its number is not believed: what is not stored is sent once more.
            return Seen("JobFailedError", 2, 0, "attached 0", "nothing", 0, "failed")
    return not_listed(operation, kind, "attached 0", "failed")


# --- the page -----------------------------------------------------------------------------------

HEAD = """# Faults

What becomes of a DAG's run when one operation of Comp-AI fails for good: every answer that the
contract documents, and every fault on the wire.
A stalled or dripping connection is to a DAG what a reset one is; how the client meets those is in
`tests/contract/test_client_matrix.py`.
Each world has two control tests, one of them with a fail that a person reported, and Airflow gives
each task three tries.

This page is made by `tests/unit/dags/test_faults.py`, which also says by which rules it is so.
In none of its CELLS cells is there a wrong verdict, a lost result in a green run, or a row of
evidence that is there twice.

- *error*: the first exception that ends a try of the task that calls.
- *requests* and *waits*: of this operation over all tries of the run, and the seconds between them.
- *stored*: the result of the first test in Comp-AI; *rows*: the rows of evidence that were added.
"""
COLUMNS = ("fault", "error", "requests", "waits", "outcome", "stored", "rows", "run")


def page() -> str:
    lines = [HEAD.replace("CELLS", str(len(CELLS)))]
    for (dag, operation), cells in groupby(CELLS, key=lambda cell: cell[:2]):
        lines += ["", f"## `{dag}`: {operation}", "", f"| {' | '.join(COLUMNS)} |"]
        lines.append("|" + "---|" * len(COLUMNS))
        merged: dict[Seen, list[str]] = {}
        for _, _, case in cells:
            merged.setdefault(expected(dag, operation, case), []).append(case.what)
        for seen, what in merged.items():
            facts = (*dataclasses.astuple(seen)[:2], f"{seen.waited_s} s")
            cells_of = (", ".join(what), *map(str, facts), seen.outcome, seen.posted)
            lines.append(f"| {' | '.join(cells_of)} | {seen.rows} | {seen.state} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_what_is_expected() -> None:
    if os.environ.get("COMPAI_RENEW"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "renew it: see the head of this file"


def test_every_operation_that_a_dag_calls_is_in_the_matrix() -> None:
    """By the client's methods that the code of the DAGs names."""
    code = "".join(
        file.read_text(encoding="utf-8")
        for file in (Path(__file__).parents[3] / "dags").rglob("*.py")
    )
    called = {
        operation
        for operation in CONTRACT.operations
        if f"client.{re.sub('([A-Z])', lambda m: '_' + m[1].lower(), operation)}(" in code
    }
    assert called == {operation for _, operation in PLAYS}
