"""Answers that the contract allows but nobody expects, and answers that it does not allow.

Whatever one operation answers: only known errors leave a task, nobody gets a pass, a proven fail
stays as it is, no all clear is said, nothing is doubled, and no secret is told. `tox -e fuzz` plays
many more examples than `tox -e unit`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compai_client import CompAIError
from compai_dags import alerting, control_tests, gap_analysis, scan
from compai_dags.decisions import RunIdentity
from compai_dags.scan_attach import RepeatedPageError
from compai_dags.task import PermanentError
from compai_kit.contract.load import load_contract
from compai_kit.simulator.control import Fault

EXAMPLES = int(os.environ.get("COMPAI_FUZZ_EXAMPLES") or 8)
# Of a task without a wait; a hang takes longer.
pytestmark = pytest.mark.slow

DEADLINE_S = 30.0
CONTRACT = load_contract()
# Everything that a task may end with; whatever else leaves it is a defect.
KNOWN_ERRORS = (
    CompAIError,
    PermanentError,
    RepeatedPageError,
    control_tests.ChunkIncompleteError,
    scan.JobIncompleteError,
)
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # `tox -e fuzz` names a seed, which this would overrule.
    derandomize="COMPAI_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
PROVEN = {
    "last_run_at": "2026-11-20T06:00:00Z",
    "last_result": "fail",
    "last_details": "Nobody signed. /Kim",
}
GITHUB = {"github": {"configured": True, "repositories": {"o/r": {"protection": "absent"}}}}


def allowed_answers(operation: str) -> st.SearchStrategy[Any]:
    """What the contract allows, by Schemathesis' generator."""
    responses = CONTRACT.description_of(operation)["responses"]
    content = next(r["content"] for status, r in responses.items() if int(status) < 300)
    schema_of = content["application/json"]["schema"]
    body = {"required": True, "content": {"application/json": {"schema": schema_of}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "answers", "version": "1"},
        "paths": {
            "/": {"post": {"requestBody": body, "responses": {"200": {"description": "any"}}}}
        },
    }
    config = schemathesis.Config.from_dict({"generation": {"mode": "positive"}})
    schema = schemathesis.openapi.from_dict(document, config=config)
    return schema["/"]["POST"].as_strategy().map(lambda case: json.dumps(case.body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
RAW = ["", "null", "[", "[]", "{}", "[null]", "[[]]", "[{}]", '{"id":1,"id":2}', "\ufeff[]", "[] x",
       "NaN", "[NaN]", "1e999", '"\\ud800"', "<html><title>Sign in</title></html>", '{"error":"x"}',
       "[" * 2000, '[{"id":1}]', '{"items":[],"total":0}']  # fmt: skip
wrong_answers = st.sampled_from(RAW) | json_values.map(json.dumps)


def answers(operation: str) -> st.SearchStrategy[tuple[str, str]]:
    """(text, media type)"""
    media = st.sampled_from(["application/json"] * 6 + ["text/html", "text/plain", ""])
    return st.tuples(allowed_answers(operation) | wrong_answers, media)


@pytest.fixture
def play(simulator: Any, task: Any, caplog: pytest.LogCaptureFixture, token: str) -> Any:
    """A new world; `answer` lets one operation answer oddly, `run` plays a task in it."""

    def play(world: dict[str, Any], over: dict[str, Any]) -> None:
        caplog.clear()
        task.xcoms.clear()
        task.variables.clear()
        simulator.reset(world, over)
        task.environment["COMP_AI_PROBE_ALLOW"] = "127.0.0.1"

    def answer(operation: str, said: tuple[str, str]) -> None:
        text, media = said
        status = 201 if operation in ("createEvidence", "collectGithubEvidence") else 200
        simulator.faults(
            Fault(
                kind="status",
                operation=operation,
                status=status,
                body=text,
                count=None,
                headers={"content-type": media},
            )
        )

    def run(task_id: str, step: Callable[[Any], Any], map_index: int = -1) -> None:
        here = dataclasses.replace(
            task, task_id=task_id, map_index=map_index, identity=RunIdentity(run_id="run-1")
        )
        began, value, told = time.monotonic(), None, ""
        try:
            value = step(here)
        except KNOWN_ERRORS as failure:
            told = str(failure)
        assert time.monotonic() - began < DEADLINE_S
        assert token not in told
        if value is not None:
            here.push("return_value", value)
        assert token not in caplog.text

    play.answer, play.run, play.task = answer, run, task  # type: ignore[attr-defined]  # one fixture for three
    return play


def world(simulator: Any, test_type: str) -> dict[str, Any]:
    config = {"owner": "o", "repo": "r"}
    if test_type == "integration":
        config = {"url": f"{simulator.url}/systems/web/page"}
    test = {"control_id": 3, "test_type": test_type, "config": config}
    return {
        "controls": [{"id": 3, "internal_id": "EX-3", "name": "Control"}],
        "control_tests": [
            {**test, "id": 1, "name": "T"},
            {**test, "id": 2, "name": "Proven", **PROVEN},
        ],
        "evidence": [{"id": 1, "control_id": 3, "type": "policy", "source": "Handbook"}],
        "remediation_tasks": [],
    }


# In a world in which nothing may pass: the branch is not protected, or the page is locked.
@pytest.mark.parametrize(
    ("test_type", "operation"),
    [
        ("github_branch_protection", "listTests"),
        ("github_branch_protection", "listEvidence"),
        ("github_branch_protection", "collectGithubEvidence"),
        ("github_branch_protection", "recordTestResult"),
        ("integration", "listTests"),
        ("integration", "recordTestResult"),
    ],
)
def test_control_tests(simulator: Any, play: Any, test_type: str, operation: str) -> None:
    @fuzzed
    @given(answers(operation))
    def odd(said: tuple[str, str]) -> None:
        locked = {"systems": {"web": {"/page": {"status": 401}}}}
        play(world(simulator, test_type), GITHUB | locked)
        before = simulator.state()["control_tests"]
        play.answer(operation, said)
        play.run("list_control_tests", lambda t: control_tests.list_chunks(t, test_ids=[]))
        for part in play.task.pull("list_control_tests") or []:
            number = part["chunk"]
            evaluate = partial(control_tests.evaluate_chunk, chunk=number)
            play.run("evaluate_chunk", evaluate, number)
        play.run("summarise", control_tests.summarise)

        after = simulator.state()["control_tests"]
        assert after[1] == before[1], "a proven fail"
        assert after[0]["last_result"] in (None, "skipped"), "nobody saw anything good"
        counts = play.task.xcoms.get(("summarise", "return_value", -1))
        if counts is not None:
            assert counts["passed"] == 0
            assert counts["total"] == sum(counts.values()) - counts["total"]

    odd()


@pytest.mark.parametrize("operation", ["listTests", "listGaps", "listRemediation"])
def test_alerts(simulator: Any, play: Any, caplog: Any, operation: str) -> None:
    @fuzzed
    @given(answers(operation))
    def odd(said: tuple[str, str]) -> None:
        play(world(simulator, "integration"), {})
        play.answer(operation, said)
        play.run("fetch_gaps", alerting.fetch_gaps)
        play.run("fetch_tests", alerting.fetch_tests)
        play.run("fetch_remediation", alerting.fetch_remediation)
        play.run("send_alert", lambda t: alerting.send_alert(t, dry_run=False))

        told = play.task.xcoms["send_alert", "return_value", -1]
        assert told["all_clear"] is False
        assert told["has_issues"] is True
        assert "No gaps, no failed tests" not in caplog.text
        assert {type(told[name]) for name in ("gaps", "failed_tests")} <= {int, type(None)}

    odd()


@pytest.mark.parametrize("operation", ["listEvidence", "scanDocuments"])
def test_scan(simulator: Any, play: Any, operation: str) -> None:
    @fuzzed
    @given(answers(operation))
    def odd(said: tuple[str, str]) -> None:
        pages = {"systems": {"web": {"/page": {"body": {}}}}}
        play(world(simulator, "manual"), pages)
        play.answer(operation, said)
        url = f"{simulator.url}/systems/web/page"
        form = {"control_id": 3, "urls": [url], "type": None}
        play.run("list_jobs", lambda t: scan.list_jobs(t, **form))
        (job,) = play.task.pull("list_jobs")
        play.run("scan_job", lambda t: scan.scan_job(t, job, dry_run=False), 0)
        play.run("summarise", scan.summarise)

        links = Counter(row["link_url"] for row in simulator.state()["evidence"])
        assert links[url] <= 1

    odd()


def test_gap_analysis(simulator: Any, play: Any) -> None:
    @fuzzed
    @given(answers("analyseGaps"))
    def odd(said: tuple[str, str]) -> None:
        play(world(simulator, "manual"), {})
        play.answer("analyseGaps", said)
        play.run("analyse", lambda t: gap_analysis.analyse_gaps(t, framework=None))

        told = play.task.xcoms.get(("analyse", "return_value", -1))
        if told is not None and told["outcome"] == "analysed":
            answer = json.loads(said[0])
            assert answer["summary"].strip()
            assert not answer["model_used"].startswith("mock")

    odd()
