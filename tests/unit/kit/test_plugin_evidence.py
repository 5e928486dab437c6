"""Which of the simulator's ledger entries count as calls of a scenario."""

from typing import Any

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
