"""GitHub tests with the Connection comp_ai_github, in a real Airflow: its own fields decide."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comp_ai_world import (
    TESTS_DAG,
    collected_evidence,
    github_test,
    number_of_calls,
    said_by_a_person,
    seed_of,
    stored_tests,
    summary,
    typed_test,
)
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from compai_kit.simulator.control import SimulatorControl

TOKEN = "simulated-secret-of-github"
LOCKED = {"branches": {"main": {"protection": {"approvals": 2}}}}
RULES = {"rulesets": [{"id": 7, "rules": [{"type": "non_fast_forward"}]}]}


def github_of(repositories: dict[str, Any], **over: Any) -> dict[str, Any]:
    return {"systems": {"github": {"tokens": {TOKEN: {}}, "repositories": repositories, **over}}}


def connection(simulator: SimulatorControl, path: str = "", **fields: str) -> dict[str, Any]:
    host = f"{simulator.url}/systems/github{path}"
    return {
        "comp_ai_github": {"conn_type": "http", "host": host, **(fields or {"password": TOKEN})}
    }


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "GitHub read directly, three days")
def test_githubs_own_fields_decide(simulator: SimulatorControl, run_dag: Any) -> None:
    """Comp-AI would call all of these branches "not configured or not accessible"."""
    week_ago = f"{datetime.now(UTC) - timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    fresh = {"branches": {"main": {"committed_at": week_ago}}}
    commit = {"config": {"owner": "example-org", "repo": "fresh"}}
    simulator.reset(
        seed_of(
            github_test(1, repo="locked"),
            github_test(2, repo="open"),
            github_test(3, repo="rules-only"),
            typed_test(4, "github_last_commit", **commit),
            has_evidence=False,
        ),
        github_of(
            {
                "example-org/locked": LOCKED,
                "example-org/open": {},
                "example-org/rules-only": RULES,
                "example-org/fresh": fresh,
            }
        ),
    )

    for day in range(3):
        run = run_dag(TESTS_DAG, connections=connection(simulator))
        assert run.state == "success", "findings are no broken run"
        assert summary(run) == {"passed": 2, "failed": 2, "total": 4}
        rows = collected_evidence(simulator)
        assert len(rows) == 2, f"evidence of the passes alone, once; day {day}"

    stored = stored_tests(simulator)
    assert [stored[n]["last_result"] for n in (1, 2, 3, 4)] == ["pass", "fail", "fail", "pass"]
    assert "requires a pull request with 2 approvals." in stored[1]["last_details"]
    assert "no rule and no classic protection is active." in stored[2]["last_details"]
    assert "Its other rules (non_fast_forward) do not make up" in stored[3]["last_details"]
    assert "is 7 days old" in stored[4]["last_details"]
    assert {row["source"] for row in rows} == {
        "github:example-org/locked@main",
        "github:example-org/fresh@main",
    }
    assert number_of_calls(simulator, "collectGithubEvidence") == 0
    assert TOKEN not in "\n".join(text for _, text in run.every_text())


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "protection that GitHub does not show")
def test_what_github_does_not_show_is_never_a_pass(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """The branch is protected; the token may not read how."""
    before = said_by_a_person("pass", "Looked at in May. /Kim", at="2026-05-01T09:00:00Z")
    weak = {"permissions": ["metadata", "contents"]}
    simulator.reset(
        seed_of(github_test(1, repo="locked", **before), github_test(2, repo="ruled")),
        github_of(
            {
                "example-org/locked": LOCKED,
                "example-org/ruled": {
                    "rulesets": [{"id": 7, "rules": [{"type": "pull_request", "approvals": 1}]}]
                },
            },
            tokens={TOKEN: weak},
        ),
    )

    run = run_dag(TESTS_DAG, connections=connection(simulator))

    assert run.state == "failed"
    stored = stored_tests(simulator)
    assert stored[1]["last_result"] == "skipped"
    assert stored[1]["last_details"].startswith("[error:permission] Could not verify")
    assert "Administration (read)" in stored[1]["last_details"]
    assert stored[2]["last_result"] == "pass", "its rules can be read, and they suffice"
    assert [row["source"] for row in collected_evidence(simulator)] == [
        "github:example-org/ruled@main"
    ]


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "an Enterprise server, by a GitHub App")
def test_an_app_reads_an_enterprise_server(simulator: SimulatorControl, run_dag: Any) -> None:
    """Airflow's own `jwt` and `cryptography` sign; the token is fetched once per chunk."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    simulator.reset(
        seed_of(github_test(1, repo="locked"), github_test(2, repo="open")),
        github_of(
            {"example-org/locked": LOCKED, "example-org/open": {}},
            app={"id": "12", "public_key": public.decode(), "installations": {"34": {}}},
        ),
    )
    # As people paste it into a form of one line.
    extra = {"app_id": 12, "installation_id": 34, "private_key": pem.replace("\n", "\\n")}

    run = run_dag(TESTS_DAG, connections=connection(simulator, "/api/v3", extra=json.dumps(extra)))

    assert run.state == "success"
    stored = stored_tests(simulator)
    assert [stored[n]["last_result"] for n in (1, 2)] == ["pass", "fail"]
    paths = [call.path for call in simulator.ledger() if call.operation == "github"]
    assert all(path.startswith("/systems/github/api/v3/") for path in paths)
    assert sum(path.endswith("/access_tokens") for path in paths) == 1
    shown = "\n".join(text for _, text in run.every_text())
    assert "simulated-secret-installation" not in shown
    assert not [line for line in pem.splitlines()[1:-1] if line in shown]
