"""What was written is what is read: random sequences of calls against a small model of the data.

A wrong answer that has the right shape passes every schema; only a memory of what was sent finds
it. Wrong twins show that this memory is not blind.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from werkzeug.test import Client

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.text import trimmed

pytestmark = pytest.mark.slow

TOKEN = "static-token"
SETTINGS: dict[str, Any] = {
    "static_tokens": [TOKEN],
    "github": {
        "configured": True,
        "repositories": {"o/r": {"protection": "enabled", "commit": {"sha": "0abc"}}},
    },
    "okta": {"domain": "org.okta.test", "has_token": True},
    "aws": {"answers": True},
}
CONTROLS = [11, 12, 13, 14]
SEED = {
    "controls": [
        {"id": id, "internal_id": f"C-{id}", "name": f"Control {id}", "category": category}
        for id, category in zip(CONTROLS, ["a", "b", "a", None], strict=True)
    ],
    "control_tests": [
        {"id": 100 + n, "control_id": CONTROLS[n % 3], "name": f"Test {9 - n}"} for n in range(6)
    ],
}
UNKNOWN = 99
SETTINGS_OF_RUN = settings(
    max_examples=40,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# That a twin is found is enough; the shortest way to it takes minutes.
SETTINGS_OF_TWINS = settings(SETTINGS_OF_RUN, phases=[Phase.generate], report_multiple_bugs=False)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
urls = st.one_of(
    st.sampled_from(["", " ", "https://docs.example/a", " https://docs.example/b ", "å"]),
    st.integers(490, 500).map(lambda length: "u" * length),
)
controls = st.sampled_from(CONTROLS)


class Machine(RuleBasedStateMachine):
    """`create` is the simulator or a twin of it; the model knows what must be stored."""

    create: Callable[..., SimulatorApp] = SimulatorApp

    @initialize()
    def start(self) -> None:
        self.now = datetime(2026, 11, 25, 6, 0, 0, 123456, tzinfo=UTC)
        self.app = type(self).create(SEED, SETTINGS, clock=lambda: self.now)
        self.client = Client(self.app)
        self.results: dict[int, tuple[str | None, str | None]] = {
            test["id"]: (None, None) for test in SEED["control_tests"]
        }
        # Newest first, as it is listed.
        self.evidence: list[dict[str, Any]] = []
        self.last_id = 0

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Every call is later than the one before it."""
        self.now += timedelta(milliseconds=37)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        sent: dict[str, Any] = (
            {}
            if body is None
            else {
                "input_stream": io.BytesIO(json.dumps(body).encode()),
                "content_type": "application/json",
                "content_length": len(json.dumps(body)),
            }
        )
        response = self.client.open(path, method=method, headers=headers, **sent)
        return response.status_code, json.loads(response.get_data())

    def get(self, path: str) -> Any:
        status, body = self.call("GET", path)
        assert status == 200, (path, status, body)
        return body

    def stored(self, **row: Any) -> None:
        self.last_id += 1
        self.evidence.insert(0, {"id": self.last_id, **row})

    @rule(
        test_id=st.sampled_from([test["id"] for test in SEED["control_tests"]]),
        result=st.sampled_from(["pass", "fail", "skipped", " PASS ", "Fail"]),
        details=st.one_of(st.none(), texts),
    )
    def record_a_result(self, test_id: int, result: str, details: str | None) -> None:
        control_id = next(t["control_id"] for t in SEED["control_tests"] if t["id"] == test_id)
        path = f"/api/v1/controls/{control_id}/tests/{test_id}/result"
        status, row = self.call("POST", path, {"result": result, "details": details})
        assert (status, row["id"]) == (200, test_id)
        self.results[test_id] = (result.strip().lower(), trimmed(details or "") or None)
        assert (row["last_result"], row["last_details"]) == self.results[test_id]

    @rule(test_id=st.sampled_from([100, 105]), result=st.sampled_from(["pass", "passed"]))
    def a_result_that_is_refused_changes_nothing(self, test_id: int, result: str) -> None:
        status, _ = self.call(
            "POST", f"/api/v1/controls/14/tests/{test_id}/result", {"result": result}
        )
        assert status == (404 if result == "pass" else 400)

    @rule(
        control_id=controls,
        type=st.text("abc ", min_size=1, max_size=52).filter(str.strip),
        source=st.one_of(st.none(), texts),
        description=st.one_of(st.none(), texts),
    )
    def create_evidence(
        self, control_id: int, type: str, source: str | None, description: str | None
    ) -> None:
        body = {"control_id": control_id, "type": type} | {
            "source": source,
            "description": description,
        }
        status, created = self.call("POST", "/api/v1/evidence", body)
        if len(type.strip()) > 50:
            assert status == 500
            self.last_id += 1
            return
        self.stored(**body | {"type": type.strip(), "link_url": None})
        assert (status, created["id"], created["control_id"]) == (201, self.last_id, control_id)

    @rule(control_id=st.one_of(controls, st.just(UNKNOWN)), given=st.lists(urls, max_size=5))
    def scan_documents(self, control_id: int, given: list[str]) -> None:
        """A refused insert takes an id, ends the scan and keeps what was there before."""
        documents = [{"url": url} for url in given]
        status, answer = self.call(
            "POST", "/api/v1/scan/documents", {"control_id": control_id, "documents": documents}
        )
        ids: list[int] = []
        for url in filter(None, map(str.strip, given)):
            if control_id == UNKNOWN or len(url) > 494:
                self.last_id += 1
                assert status == 500
                assert answer["detail"] == f"Created {len(ids)} before error"
                return
            row = {"source": f"Scan: {url}", "description": url, "link_url": url}
            self.stored(control_id=control_id, type="document", **row)
            ids.append(self.last_id)
        assert (status, answer) == (200, {"evidence_ids": ids, "created": len(ids)})

    @rule(
        control_id=st.one_of(controls, st.just(UNKNOWN)),
        system=st.sampled_from(
            [
                ("github", "branch_protection", {"owner": "o", "repo": "r"}, "github:o/r"),
                ("okta", "groups_snapshot", {}, "okta:org.okta.test"),
                ("aws", "iam_summary", {}, "aws:iam:default"),
            ]
        ),
    )
    def collect_evidence(
        self, control_id: int, system: tuple[str, str, dict[str, str], str]
    ) -> None:
        name, wanted, more, source = system
        body = {"control_id": control_id, "evidence_type": wanted, **more}
        status, created = self.call("POST", f"/api/v1/integrations/{name}/evidence", body)
        if control_id == UNKNOWN:
            assert (status, created) == (500, {"error": "Failed to save evidence"})
            self.last_id += 1
            return
        self.stored(control_id=control_id, type=f"{name}_{wanted}", source=source)
        assert (status, created["id"]) == (201, self.last_id)

    @precondition(lambda self: self.evidence)
    @rule(limit=st.integers(0, 120), offset=st.integers(0, 8))
    def page_through_the_evidence(self, limit: int, offset: int) -> None:
        page = self.get(f"/api/v1/evidence?limit={limit}&offset={offset}")
        wanted = self.evidence[offset : offset + min(limit, 100)]
        assert [row["id"] for row in page] == [row["id"] for row in wanted]

    @rule(control_id=controls)
    def a_control_shows_its_own(self, control_id: int) -> None:
        listed = self.get(f"/api/v1/evidence?control_id={control_id}&limit=100")
        own = [row["id"] for row in self.evidence if row["control_id"] == control_id]
        assert [row["id"] for row in listed] == own[:100]
        names = [row["name"] for row in self.get(f"/api/v1/controls/{control_id}/tests")]
        assert names == sorted(names)
        assert self.get(f"/api/v1/controls/{control_id}")["requirements"] == []

    @invariant()
    def results_are_the_last_ones_written(self) -> None:
        rows = self.get("/api/v1/tests")
        shown = {row["id"]: (row["last_result"], row["last_details"]) for row in rows}
        assert shown == self.results
        keys = [(row["control_id"], row["name"]) for row in rows]
        assert keys == sorted(keys)

    @invariant()
    def evidence_is_what_was_written_newest_first(self) -> None:
        rows = self.get("/api/v1/evidence?limit=100")
        wanted = self.evidence[:100]
        assert len(rows) == len(wanted)
        pairs = zip(rows, wanted, strict=True)
        assert [{key: row[key] for key in want} for row, want in pairs] == wanted
        times = [row["collected_at"] for row in rows]
        assert times == sorted(times, reverse=True)

    @invariant()
    def evidence_closes_gaps(self) -> None:
        covered = {row["control_id"] for row in self.evidence}
        gaps = [row["id"] for row in self.get("/api/v1/controls/gaps")]
        assert gaps == [id for id in CONTROLS if id not in covered]
        assert [row["id"] for row in self.get("/api/v1/controls?category=a")] == [11, 13]

    @invariant()
    def every_answer_is_described(self) -> None:
        entries = self.app.ledger_entries()
        assert [e.response_violations for e in entries if e.response_violations] == []


def test_what_was_written_is_what_is_read() -> None:
    run_state_machine_as_test(Machine, settings=SETTINGS_OF_RUN)


class ForgetsDetails(SimulatorApp):
    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id == "recordTestResult" and call.body["details"] == "":
            return json_answer(200, call.database.control_tests[call.path["test_id"]].as_json())
        return super().perform(call)


class DropsEveryFifthRow(SimulatorApp):
    """Answers as if it were stored."""

    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id == "createEvidence" and call.database._last_ids["evidence"] % 5 == 4:
            answer = super().perform(replace(call, database=call.database.copy()))
            call.database.use_id("evidence")
            return answer
        return super().perform(call)


class ScanUndoesItself(SimulatorApp):
    """All or nothing, as one would wish."""

    def perform(self, call: Call) -> HttpResponse:
        before = dict(call.database.evidence)
        answer = super().perform(call)
        if answer.status == 500:
            call.database.evidence = before
        return answer


class OnlyGoodEvidenceCloses(SimulatorApp):
    def perform(self, call: Call) -> HttpResponse:
        if call.operation_id != "listGaps":
            return super().perform(call)
        twin = call.database.copy()
        twin.evidence = {id: row for id, row in twin.evidence.items() if row.type != "document"}
        return super().perform(replace(call, database=twin))


class OldestFirst(SimulatorApp):
    def perform(self, call: Call) -> HttpResponse:
        answer = super().perform(call)
        if call.operation_id == "listEvidence" and answer.status == 200:
            return json_answer(200, json.loads(answer.body)[::-1])
        return answer


TWINS = [ForgetsDetails, DropsEveryFifthRow, ScanUndoesItself, OnlyGoodEvidenceCloses, OldestFirst]


@pytest.mark.parametrize("twin", TWINS)
def test_a_twin_that_forgets_is_found(twin: type[SimulatorApp]) -> None:
    machine = type("MachineOfATwin", (Machine,), {"create": twin})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=SETTINGS_OF_TWINS)
