"""`comp_ai_alerts` and Slack: what Slack would refuse is not sent, and a refusal is red."""

from typing import Any

import pytest
from comp_ai_world import (
    ALERTS_DAG,
    PERSONS_FAIL,
    ago,
    github_test,
    said,
    said_by_a_person,
    seed_of,
)

from compai_kit.simulator.control import Fault, SimulatorControl


def failing(number: int, name: str) -> dict[str, Any]:
    fail = said_by_a_person("fail", PERSONS_FAIL, at=ago(hours=2))
    return github_test(number, name=name, **fail)


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "more than Slack takes")
def test_many_long_names_fit_into_what_slack_takes(
    simulator: SimulatorControl, run_dag: Any
) -> None:
    """30 gaps and 30 fails with names of 300 characters; the log has them all."""
    filler = "x" * 290
    seed = seed_of(*(failing(n, f"Rule {n:02} &{filler}") for n in range(1, 31)), gaps=30)
    for control in seed["controls"]:
        control["name"] = f"{control['name']} <{filler}>"
    simulator.reset(seed)

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    [message] = simulator.slack_messages()
    blocks = message.payload["blocks"]
    sections = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    texts = [block["elements"][0]["text"] for block in blocks if block["type"] == "context"]
    assert len(blocks) <= 45
    assert max(map(len, sections)) <= 3_000
    assert sum(map(len, [*sections, *texts])) <= 12_000
    assert len(message.payload["text"]) <= 3_000
    assert all("… and" in text for text in sections[1:]), "what was cut is told"
    assert sum("Rule " in text or "CTL-" in text for text in sections) == 2, "both are shown"
    log = "\n".join(run.log("send_alert"))
    assert all(f"Rule {n:02} &{filler}" in log for n in range(1, 31))
    assert all(f"CTL-{100 + n}" in log for n in range(30))


@pytest.mark.core
@pytest.mark.scenario(ALERTS_DAG, "Slack refuses for good")
@pytest.mark.parametrize(
    ("status", "word", "hint"),
    [
        (404, "no_service", "create a new one and set SLACK_WEBHOOK_URL"),
        (410, "channel_is_archived", "unarchive the channel"),
        (403, "action_prohibited", "an administrator of the workspace"),
    ],
    ids=["404", "410", "403"],
)
def test_a_refusal_for_good_is_red_at_once(
    simulator: SimulatorControl, run_dag: Any, status: int, word: str, hint: str
) -> None:
    simulator.reset(seed_of(failing(1, "Branch rule is on")))
    simulator.faults(Fault(kind="status", operation="slack", status=status, body=word, count=None))

    run = run_dag(ALERTS_DAG)

    assert run.state == "failed"
    task = run.task("send_alert")
    assert (task.state, task.try_number) == ("failed", 1), "another try cannot help"
    assert len(simulator.slack_messages()) == 1
    log = "\n".join(run.log("send_alert"))
    assert f"HTTP {status} '{word}'" in log
    assert hint in log
    assert "Branch rule is on" in log, "the log has the message that Slack did not take"


@pytest.mark.scenario(ALERTS_DAG, "Slack refuses the blocks")
@pytest.mark.parametrize("plain_is_taken", [True, False], ids=["400 once", "400 twice"])
def test_refused_blocks_are_sent_as_plain_text_once(
    simulator: SimulatorControl, run_dag: Any, plain_is_taken: bool
) -> None:
    simulator.reset(seed_of(failing(1, "Branch rule is on")))
    refused = Fault(
        kind="status",
        operation="slack",
        status=400,
        body="invalid_blocks",
        count=1 if plain_is_taken else None,
    )
    simulator.faults(refused)

    run = run_dag(ALERTS_DAG)

    assert run.state == ("success" if plain_is_taken else "failed")
    blocks, plain = simulator.slack_messages()
    assert "blocks" in blocks.payload
    assert "blocks" not in plain.payload
    assert "Branch rule is on" in plain.payload["text"]


@pytest.mark.scenario(ALERTS_DAG, "Slack 429, then ok")
def test_slack_429_is_sent_again(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing(1, "Branch rule is on")))
    simulator.faults(Fault(kind="rate_limit", operation="slack", headers={"Retry-After": "1"}))

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    assert [message.status for message in simulator.slack_messages()] == [429, 200]


@pytest.mark.scenario(ALERTS_DAG, "a name that would page everybody")
def test_names_are_escaped(simulator: SimulatorControl, run_dag: Any) -> None:
    simulator.reset(seed_of(failing(1, "<!channel> & co")))

    run = run_dag(ALERTS_DAG)

    assert run.state == "success"
    assert "<!channel>" not in said(simulator)
    assert "&lt;!channel&gt; &amp; co" in said(simulator)
