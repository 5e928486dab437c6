"""What a scenario leaves for the verdict: calls that count, and logs without secrets."""

from dataclasses import dataclass, field
from typing import Any

from compai_kit.airflow_stack.errors import AirflowStackError
from compai_kit.airflow_stack.runs import TaskInstance
from compai_kit.pytest_plugin.evidence import Evidence
from compai_kit.simulator.control import LedgerEntry


def entry(method: str, path: str, *, operation: str | None = None, **more: Any) -> LedgerEntry:
    fields: dict[str, Any] = {
        "seq": 0,
        "at": "2026-01-01T00:00:00Z",
        "operation": operation,
        "method": method,
        "path": path,
        "query": "",
        "headers": {},
        "request_body": None,
        "caller": {"dag": "d"},
        "token": None,
        "status": 404,
        "response_body": None,
        "stored": [],
        "fault": None,
        "request_violations": [],
        "response_violations": [],
    }
    return LedgerEntry(**{**fields, **more})


def test_a_call_that_the_contract_does_not_know_is_a_violation() -> None:
    evidence = Evidence()

    evidence.add_ledger([entry("GET", "/api/v1/api/v1/tests")])

    assert evidence.violations() == [
        "no such route GET /api/v1/api/v1/tests: the contract does not know this call"
    ]


def test_looking_for_comp_ai_at_the_known_layouts_breaks_no_contract() -> None:
    """What the client does to name the right setting when the answers are not Comp-AI's."""
    looks = [entry("GET", f"{layout}/health") for layout in ("/api/v1", "/api/v1/comp-ai")]
    looks[1] = entry("GET", "/api/v1/comp-ai/health", request_violations=["no operation answers"])
    evidence = Evidence()

    evidence.add_ledger(looks)

    assert evidence.violations() == []
    assert evidence.calls == []


def test_only_a_look_is_left_out() -> None:
    evidence = Evidence()

    evidence.add_ledger(
        [
            entry("POST", "/api/v1/comp-ai/health"),
            entry("GET", "/somewhere/health"),
            entry("GET", "/health", operation="getHealth", request_violations=["header: x"]),
        ]
    )

    assert len(evidence.violations()) == 3


@dataclass
class FinishedRun:
    """A run as `Evidence` sees it; its log is what Airflow would answer."""

    lines: list[str]
    dag_id: str = "d"
    run_id: str = "manual__1"
    state: str = "failed"
    seconds: float = 2.0
    tasks: list[TaskInstance] = field(
        default_factory=lambda: [
            TaskInstance(task_id="t", map_index=-1, state="failed", try_number=2)
        ]
    )

    def log(self, task_id: str, *, map_index: int) -> list[str]:
        if not self.lines:
            raise AirflowStackError("gone")
        return self.lines


def log_tail(run: Any, *secrets: str) -> tuple[str, ...]:
    evidence = Evidence(secrets=secrets, runs=[run])
    evidence.keep_states(with_logs=True)
    (state,) = evidence.states
    return state.log_tail


def test_secrets_never_get_into_the_end_of_a_log() -> None:
    jwt = "eyJhbGciOiJub25lIn0" + ".eyJzdWIiOiJ4In0.x"
    lines = [f"token {jwt}", "posted to https://h/services/T0/B0/abcdefgh", "it was hush-hush"]
    tail = log_tail(FinishedRun([*lines, "password=hunter22"]), "hush-hush")
    assert tail == (
        "--- t, try 2 ---",
        "token ***",
        "posted to https://h/services/***",
        "it was ***",
        "password=***",
    )


def test_end_of_a_log_leaves_out_what_every_log_has() -> None:
    tail = log_tail(FinishedRun(["DAG bundles loaded: x", "ValueError: boom"]))
    assert tail == ("--- t, try 2 ---", "ValueError: boom")


def test_log_that_is_not_to_be_had_is_said() -> None:
    assert log_tail(FinishedRun([])) == ("--- t, try 2 ---", "(log not to be had: gone)")
