"""The tasks of comp_ai_alerts, one after the other, without Airflow."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from compai_client import CompAIError, SettingsError
from compai_dags import alerting
from compai_dags.alert_state import VARIABLE
from compai_dags.alerting import Channels, StatusUnknownError
from compai_dags.analysis_state import LastAnalysis, write_analysis
from compai_dags.decisions import RunIdentity, decide, trailer_of
from compai_dags.outcomes import Observation, Outcome
from compai_dags.slack_delivery import SlackRefusedError, SlackUnavailableError
from compai_dags.stored import NEVER_RUN
from compai_dags.trailer import write_details
from compai_kit.simulator.control import Fault

WEBHOOK_PATH = "/slack/services/T000/B000/not-a-secret"
FETCHES = ("fetch_gaps", "fetch_tests", "fetch_remediation")


def verified(number: int = 1, outcome: Outcome = Outcome.PASS) -> dict:
    observed = datetime.now(UTC) - timedelta(minutes=30)
    observation = Observation(outcome=outcome, sentence="Looked at.", collected_at=observed)
    decision = decide(observation, NEVER_RUN)
    assert decision.result is not None
    trailer = trailer_of(decision, NEVER_RUN, RunIdentity(run_id="run-1"))
    return {
        "id": number,
        "control_id": 3,
        "name": f"Test {number}",
        "test_type": "github_branch_protection",
        "last_result": decision.result,
        "last_details": write_details(decision.sentence, trailer, decision.result),
        "last_run_at": f"{observed:%Y-%m-%dT%H:%M:%SZ}",
    }


@pytest.fixture
def start(simulator, seed, task):
    """Comp-AI with these tests, as of today; Slack is set up."""

    def start(*tests: dict, gaps: int = 0, remediation=()) -> None:
        start_seed = seed(*tests, gaps=gaps)
        start_seed["recorded_at"] = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
        start_seed["remediation_tasks"] = list(remediation)
        simulator.reset(start_seed)
        task.environment["SLACK_WEBHOOK_URL"] = simulator.url + WEBHOOK_PATH

    return start


@pytest.fixture
def run(task):
    """The whole DAG in its order; the XCom of send_alert."""

    def run(*, dry_run: bool = False):
        task.xcoms.clear()
        for task_id in FETCHES:
            here = dataclasses.replace(task, task_id=task_id)
            try:
                here.push("return_value", getattr(alerting, task_id)(here))
            except CompAIError:
                continue
        alerting.send_alert(dataclasses.replace(task, task_id="send_alert"), dry_run=dry_run)
        return result(task)

    return run


def result(task) -> dict:
    return task.xcoms["send_alert", "return_value", -1]


@pytest.fixture
def sent(simulator):
    """The texts that Slack took, first words only."""

    def sent() -> list[str]:
        return [m.payload["text"].split("\n")[0] for m in simulator.slack_messages()]

    return sent


def headline(simulator) -> str:
    return simulator.slack_messages()[-1].payload["text"].split("\n")[1]


def down(operation: str, **over) -> Fault:
    values = {"status": 503, "body": {"error": "down"}, "count": None} | over
    return Fault(kind="status", operation=operation, **values)


class TestSummary:
    def test_all_verified(self, run, start, simulator) -> None:
        start(verified(1), verified(2))
        assert run() == {
            "gaps": 0, "failed_tests": 0, "has_issues": False, "delivered": True, "all_clear": True,
        }  # fmt: skip
        assert headline(simulator) == "No gaps, no failed tests — 2 of 2 tests verified on schedule"

    def test_findings(self, run, start, simulator) -> None:
        start(verified(1), verified(2, Outcome.FAIL), gaps=3)
        assert run() == {
            "gaps": 3, "failed_tests": 1, "has_issues": True, "delivered": True, "all_clear": False,
        }  # fmt: skip
        assert headline(simulator) == (
            "1 failing (1 new) · 3 gaps — 2 of 2 tests verified on schedule"
        )

    def test_the_result_has_fixed_types(self, run, start) -> None:
        start(verified(1))
        kinds = {name: type(value) for name, value in run().items()}
        assert kinds == {
            "gaps": int, "failed_tests": int, "has_issues": bool, "delivered": bool,
            "all_clear": bool,
        }  # fmt: skip

    def test_gaps_whose_rows_cannot_be_read_are_gaps(self, run, start, simulator) -> None:
        start(verified(1))
        body = [{"id": "x"}, 3]
        simulator.faults(Fault(kind="status", operation="listGaps", status=200, body=body))
        assert run()["gaps"] == 2

    def test_overdue_work_mentions_its_owner(self, run, start, simulator, task) -> None:
        work = {"id": 1, "control_id": 3, "assigned_to": "Kim", "status": "open"}
        start(verified(1), remediation=[work | {"due_date": "2026-01-31"}])
        task.environment["COMP_AI_SLACK_OWNERS"] = '{"Kim": "U012ABC"}'
        run()
        blocks = json.dumps(simulator.slack_messages()[-1].payload["blocks"])
        assert "due 2026-01-31" in blocks
        assert "<@U012ABC>" in blocks

    def test_remediation_rows_that_cannot_be_read_are_counted(self, run, start, simulator) -> None:
        start(verified(1))
        body = [{"id": "x"}]
        simulator.faults(Fault(kind="status", operation="listRemediation", status=200, body=body))
        run()
        text = simulator.slack_messages()[-1].payload["text"]
        assert "Remediation tasks that cannot be read: 1. They may be overdue." in text

    def test_the_last_gap_analysis_is_offered(self, run, start, simulator, task) -> None:
        start(verified(1))
        task.variables["comp_ai_gap_analysis_last"] = write_analysis(
            LastAnalysis(
                at=datetime(2026, 11, 22, tzinfo=UTC), framework=None, model="gpt-4o",
                degraded=False, summary="Begin with <MFA>.",
            )
        )  # fmt: skip
        run()
        text = simulator.slack_messages()[-1].payload["text"]
        assert "Gap analysis of 2026-11-22 (model gpt-4o" in text
        assert "Begin with &lt;MFA&gt;." in text

    def test_an_analysis_that_cannot_be_read_is_left_out(
        self, run, start, simulator, task, caplog
    ) -> None:
        start(verified(1))
        task.variables["comp_ai_gap_analysis_last"] = "{"
        assert run()["delivered"] is True
        assert "Gap analysis" not in simulator.slack_messages()[-1].payload["text"]
        assert "comp_ai_gap_analysis_last is unreadable" in caplog.text


class TestNewStillResolved:
    """Over several runs; the memory is the Variable comp_ai_alerts_state."""

    def test_new_then_still_then_resolved(self, run, start, simulator) -> None:
        texts = []
        for outcome in (Outcome.FAIL, Outcome.FAIL, Outcome.PASS, Outcome.PASS):
            start(verified(1, outcome), gaps=1 if outcome is Outcome.FAIL else 0)
            run()
            texts.append(simulator.slack_messages()[-1].payload["text"])
        first, second, third, fourth = texts
        assert "1 failing (1 new) · 1 gap" in first
        assert "Failing: new (1)" in first
        assert "New gaps: controls without evidence (1)" in first
        assert "1 failing · 1 gap" in second
        assert "Still failing (1)" in second
        assert "Gaps: controls without evidence (1)" in second
        assert "Resolved since last (1)" in third
        assert "Gaps closed since last (1)" in third
        assert "No gaps, no failed tests" in third
        assert "since last" not in fourth

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ({"status": 404, "body": "no_active_hooks"}, SlackRefusedError),
            ({"status": 500, "body": "oops", "count": 3}, SlackUnavailableError),
        ],
        ids=["refused", "unavailable"],
    )
    def test_it_is_new_until_it_was_delivered(
        self, run, start, simulator, monkeypatch, fault, error
    ) -> None:
        monkeypatch.setattr("time.sleep", lambda _: None)
        start(verified(1, Outcome.FAIL), gaps=1)
        simulator.faults(Fault(kind="status", operation="slack", **fault))
        with pytest.raises(error):
            run()
        run()
        text = simulator.slack_messages()[-1].payload["text"]
        assert "1 failing (1 new)" in text
        assert "New gaps: controls without evidence (1)" in text
        run()
        assert "Still failing (1)" in simulator.slack_messages()[-1].payload["text"]

    def test_what_is_resolved_is_told_until_it_was_delivered(self, run, start, simulator) -> None:
        start(verified(1, Outcome.FAIL))
        run()
        start(verified(1))
        simulator.faults(Fault(kind="status", operation="slack", status=404, body="no_service"))
        with pytest.raises(SlackRefusedError):
            run()
        run()
        assert "Resolved since last (1)" in simulator.slack_messages()[-1].payload["text"]

    def test_without_a_webhook_the_log_is_where_it_is_delivered(
        self, run, start, task, caplog
    ) -> None:
        start(verified(1, Outcome.FAIL))
        del task.environment["SLACK_WEBHOOK_URL"]
        run()
        assert "Failing: new (1)" in caplog.text
        caplog.clear()
        run()
        assert "Failing: new (1)" not in caplog.text
        assert "Still failing (1)" in caplog.text

    def test_an_outage_leaves_what_is_new_new(self, run, start, simulator) -> None:
        """Its message lists the tests, but nobody can see from it whether that is all."""
        start(verified(1, Outcome.FAIL))
        simulator.faults(down("listGaps"))
        for _ in range(2):
            with pytest.raises(StatusUnknownError):
                run()
        simulator.faults()
        run()
        assert "1 failing (1 new)" in simulator.slack_messages()[-1].payload["text"]

    def test_what_was_unknown_is_remembered_as_it_was(self, run, start, simulator) -> None:
        start(verified(1, Outcome.FAIL), gaps=1)
        run()
        simulator.faults(down("listGaps"), down("listTests"))
        with pytest.raises(StatusUnknownError):
            run()
        simulator.faults()
        run()
        text = simulator.slack_messages()[-1].payload["text"]
        assert "Still failing (1)" in text
        assert "Gaps: controls without evidence (1)" in text

    def test_a_state_of_another_version_makes_all_new(
        self, run, start, simulator, task, caplog
    ) -> None:
        start(verified(1, Outcome.FAIL))
        run()
        state = json.loads(task.variables[VARIABLE])
        task.variables[VARIABLE] = json.dumps(state | {"version": 1})
        run()
        assert "1 failing (1 new)" in simulator.slack_messages()[-1].payload["text"]
        assert "comp_ai_alerts_state is unreadable, all is taken as new" in caplog.text

    def test_dry_run_makes_nothing_old(self, run, start, simulator) -> None:
        start(verified(1, Outcome.FAIL))
        run(dry_run=True)
        run()
        assert "1 failing (1 new)" in simulator.slack_messages()[-1].payload["text"]


class TestUnknown:
    def test_is_red_and_prints_no_zero(self, run, start, simulator, task, sent) -> None:
        start(verified(1), gaps=5)
        simulator.faults(down("listTests"))
        with pytest.raises(StatusUnknownError, match="listTests failed: HTTP 503 after 4 attempts"):
            run()
        assert result(task) == {
            "gaps": 5, "failed_tests": None, "has_issues": True, "delivered": True,
            "all_clear": False,
        }  # fmt: skip
        assert sent() == ["Compliance status UNKNOWN"]
        assert headline(simulator) == "gaps: 5; tests: unknown"

    def test_gaps_that_are_no_list_are_unknown(self, run, start, simulator, task) -> None:
        start(verified(1))
        simulator.faults(
            Fault(kind="status", operation="listGaps", status=200, body={"gaps": []}, count=None)
        )
        with pytest.raises(StatusUnknownError, match="listGaps failed: HTTP 200"):
            run()
        assert result(task)["gaps"] is None
        assert result(task)["all_clear"] is False

    def test_is_posted_once_per_incident_and_once_on_recovery(
        self, run, start, simulator, sent
    ) -> None:
        start(verified(1))
        run()
        simulator.faults(down("listTests"))
        for _ in range(3):
            with pytest.raises(StatusUnknownError):
                run()
        simulator.faults()
        run()
        run()
        titles = [title.split(" 20")[0] for title in sent()]
        assert titles == [
            "Compliance status",
            "Compliance status UNKNOWN",
            "Compliance status",
            "Compliance status",
        ]
        texts = [message.payload["text"] for message in simulator.slack_messages()]
        assert "Last good summary" in texts[1]
        assert "nothing open, 1 of 1 tests verified on schedule" in texts[1]
        assert ["Recovered: the status was unknown since" in text for text in texts] == [
            False, False, True, False,
        ]  # fmt: skip

    def test_recovery_is_told_from_its_beginning_also_when_slack_was_down_as_well(
        self, run, start, simulator, task
    ) -> None:
        start(verified(1))
        simulator.faults(
            down("listTests"),
            Fault(kind="status", operation="slack", status=404, body="no_service", count=1),
        )
        with pytest.raises(SlackRefusedError):
            run()
        since = json.loads(task.variables[VARIABLE])["incident"]["since"]
        simulator.faults()
        run()
        text = simulator.slack_messages()[-1].payload["text"]
        assert f"Recovered: the status was unknown since {since[:10]} {since[11:16]} UTC" in text
        assert "(listTests failed)" in text

    def test_without_a_webhook_recovery_is_told_once_as_well(
        self, run, start, simulator, task, caplog
    ) -> None:
        start(verified(1))
        del task.environment["SLACK_WEBHOOK_URL"]
        simulator.faults(down("listTests"))
        with pytest.raises(StatusUnknownError):
            run()
        simulator.faults()
        for told in (True, False):
            caplog.clear()
            run()
            assert ("Recovered: the status was unknown" in caplog.text) is told

    def test_a_message_that_slack_refused_is_posted_the_next_time(
        self, run, start, simulator, task, sent
    ) -> None:
        start(verified(1))
        simulator.faults(
            down("listTests"),
            Fault(kind="status", operation="slack", status=404, body="no_active_hooks"),
        )
        with pytest.raises(SlackRefusedError, match="no_active_hooks"):
            run()
        assert result(task)["delivered"] is False
        with pytest.raises(StatusUnknownError):
            run()
        assert sent() == ["Compliance status UNKNOWN"] * 2

    def test_an_unreadable_state_says_too_much_rather_than_too_little(
        self, run, start, simulator, task, sent, caplog
    ) -> None:
        start(verified(1))
        simulator.faults(down("listTests"))
        for _ in range(2):
            task.variables[VARIABLE] = "{broken"
            with pytest.raises(StatusUnknownError):
                run()
        assert sent() == ["Compliance status UNKNOWN"] * 2
        assert "comp_ai_alerts_state is unreadable" in caplog.text

    def test_the_call_that_failed_is_named_also_when_it_is_the_second_of_a_list(
        self, run, start, simulator, task
    ) -> None:
        start(verified(1))
        task.environment["COMP_AI_TEST_OVERRIDES"] = '{"EX-3": {"Test 1": {"schedule": "weekly"}}}'
        simulator.faults(down("listControls"))
        with pytest.raises(StatusUnknownError, match="listControls failed: HTTP 503 after 4"):
            run()
        assert headline(simulator) == "gaps: 0; tests: unknown"

    def test_a_missing_setting_is_unknown_too(self, run, start, task, monkeypatch) -> None:
        start(verified(1))

        def refuse(_task) -> None:
            raise SettingsError("COMP_AI_BASE_URL", "is not set")

        monkeypatch.setattr(type(task), "client", refuse)
        with pytest.raises(
            StatusUnknownError, match=r"listGaps could not be made, .*: COMP_AI_BASE_URL is not set"
        ):
            run()

    def test_a_task_that_left_nothing_is_unknown(self, start, task) -> None:
        start(verified(1))
        with pytest.raises(StatusUnknownError, match="Its task ended without a report"):
            alerting.send_alert(task, dry_run=False)

    @pytest.mark.parametrize(
        ("fetch", "operation"),
        [
            ("fetch_gaps", "listGaps"),
            ("fetch_tests", "listTests"),
            ("fetch_remediation", "listRemediation"),
        ],
    )
    def test_a_fetch_that_fails_turns_its_own_task_red(
        self, start, simulator, task, fetch, operation
    ) -> None:
        """Airflow tries again only what was raised."""
        start(verified())
        simulator.faults(Fault(kind="status", operation=operation, status=500, count=None))
        with pytest.raises(CompAIError):
            getattr(alerting, fetch)(task)

    def test_remediation_alone_does_not_matter(self, run, start, simulator) -> None:
        start(verified(1))
        simulator.faults(down("listRemediation"))
        assert run()["all_clear"] is True
        assert "Overdue remediation: unknown." in simulator.slack_messages()[-1].payload["text"]


class TestDelivery:
    def test_without_a_webhook_the_log_is_the_message(self, run, start, task, sent, caplog) -> None:
        start(verified(1, Outcome.FAIL))
        del task.environment["SLACK_WEBHOOK_URL"]
        assert run()["delivered"] is False
        assert sent() == []
        lines = [r for r in caplog.records if r.name == "compai_dags.alerting"]
        assert {record.levelno for record in lines} == {logging.WARNING}
        assert "1 failing (1 new) — 1 of 1 tests verified on schedule" in [r.message for r in lines]

    def test_when_nothing_is_open_the_log_does_not_warn(self, run, start, task, caplog) -> None:
        start(verified(1))
        del task.environment["SLACK_WEBHOOK_URL"]
        run()
        lines = [r for r in caplog.records if r.name == "compai_dags.alerting"]
        assert {record.levelno for record in lines} == {logging.INFO}

    def test_slack_that_refuses_turns_the_task_red(self, run, start, simulator, task) -> None:
        start(verified(1))
        simulator.faults(
            Fault(kind="status", operation="slack", status=404, body="no_service", count=None)
        )
        with pytest.raises(SlackRefusedError, match="set SLACK_WEBHOOK_URL"):
            run()
        assert result(task)["delivered"] is False
        assert json.loads(task.variables[VARIABLE])["last_good"] is not None

    @pytest.mark.parametrize(
        "setting",
        [
            "COMP_AI_ALERTS_MODE", "COMP_AI_SLACK_OWNERS", "COMP_AI_HEARTBEAT_URL",
            "SLACK_WEBHOOK_URL",
        ],
    )  # fmt: skip
    def test_a_wrong_setting_is_named_before_anything_is_sent_and_the_log_has_the_message(
        self, run, start, simulator, task, sent, caplog, setting
    ) -> None:
        start(verified(1, Outcome.FAIL))
        task.environment[setting] = "not right"
        with pytest.raises(SettingsError, match=setting):
            run()
        assert sent() == []
        assert "Failing: new (1)" in caplog.text
        assert result(task)["delivered"] is False
        task.environment[setting] = simulator.url + WEBHOOK_PATH
        if setting != "SLACK_WEBHOOK_URL":
            del task.environment[setting]
        run()
        assert headline(simulator).startswith("1 failing (1 new)")

    def test_the_webhook_is_hidden(self, run, start, simulator, task) -> None:
        start(verified(1))
        run()
        assert task.hidden == [simulator.url + WEBHOOK_PATH]
        assert "not-a-secret" not in repr(task.xcoms)
        assert "not-a-secret" not in repr(task.variables)

    def test_no_secret_is_shown_by_what_holds_it(self, task) -> None:
        task.environment |= {
            "SLACK_WEBHOOK_URL": "https://hooks.example/services/not-a-secret",
            "COMP_AI_HEARTBEAT_URL": "https://beats.example/not-a-secret",
        }
        assert "not-a-secret" not in repr(Channels.read(task.settings))

    def test_dry_run_sends_and_remembers_nothing(self, run, start, task, sent, caplog) -> None:
        start(verified(1))
        assert run(dry_run=True)["delivered"] is False
        assert sent() == []
        assert task.variables == {}
        assert "No gaps, no failed tests" in caplog.text

    def test_a_full_text_stays_in_the_log(self, run, start, caplog) -> None:
        start(*(verified(number, Outcome.FAIL) for number in range(1, 61)))
        run()
        for number in range(1, 61):
            assert f"- Test {number} (control 3, test {number}): Looked at." in caplog.text


class TestChangesMode:
    @pytest.fixture(autouse=True)
    def _changes(self, task) -> None:
        task.environment["COMP_AI_ALERTS_MODE"] = "changes"

    def test_says_it_once(self, run, start, sent) -> None:
        start(verified(1, Outcome.FAIL))
        assert [run()["delivered"] for _ in range(3)] == [True, False, False]
        assert len(sent()) == 1

    def test_says_what_changed(self, run, start, sent) -> None:
        start(verified(1, Outcome.FAIL))
        run()
        start(verified(2, Outcome.FAIL))
        assert run()["delivered"] is True

    def test_says_what_is_overdue_every_day(self, run, start) -> None:
        work = {"id": 1, "control_id": 3, "assigned_to": None, "status": "open"}
        start(verified(1), remediation=[work | {"due_date": "2026-01-31"}])
        assert [run()["delivered"] for _ in range(2)] == [True, True]

    @pytest.mark.parametrize(
        ("age", "is_sent"),
        [(timedelta(days=7), True), (timedelta(days=6, hours=23, minutes=59), True),
         (timedelta(days=6), False)],
    )  # fmt: skip
    def test_shows_a_sign_of_life_every_week(self, run, start, task, age, is_sent) -> None:
        """By the run of that day: it may begin some seconds earlier than the one a week ago."""
        start(verified(1))
        run()
        state = json.loads(task.variables[VARIABLE])
        state["sent"]["at"] = (datetime.now(UTC) - age).isoformat()
        task.variables[VARIABLE] = json.dumps(state)
        assert run()["delivered"] is is_sent

    def test_what_is_no_longer_new_is_no_change(self, run, start) -> None:
        start(verified(1, Outcome.FAIL), verified(2, Outcome.FAIL), gaps=2)
        assert [run()["delivered"] for _ in range(2)] == [True, False]

    def test_says_what_is_resolved_once(self, run, start) -> None:
        start(verified(1, Outcome.FAIL))
        run()
        start(verified(1))
        assert [run()["delivered"] for _ in range(2)] == [True, False]

    def test_says_a_fail_that_returned_before_anybody_heard_of_its_end(
        self, run, start, simulator
    ) -> None:
        start(verified(1, Outcome.FAIL))
        run()
        start(verified(1))
        simulator.faults(Fault(kind="status", operation="slack", status=404, body="no_service"))
        with pytest.raises(SlackRefusedError):
            run()
        start(verified(1, Outcome.FAIL))
        assert run()["delivered"] is False, "what was told is what is: it fails"


class TestHeartbeat:
    @pytest.fixture
    def heartbeat(self, simulator, task):
        """The simulator's /health stands in for a dead-man's switch."""
        task.environment["COMP_AI_HEARTBEAT_URL"] = f"{simulator.url}/health"
        return lambda: sum(entry.path == "/health" for entry in simulator.ledger())

    def test_follows_a_delivered_summary(self, run, start, heartbeat) -> None:
        start(verified(1))
        run()
        assert heartbeat() == 1

    def test_follows_a_summary_that_is_in_the_log_only(self, run, start, task, heartbeat) -> None:
        start(verified(1))
        del task.environment["SLACK_WEBHOOK_URL"]
        run()
        assert heartbeat() == 1

    def test_does_not_follow_what_was_not_delivered(self, run, start, simulator, heartbeat) -> None:
        start(verified(1))
        run(dry_run=True)
        simulator.faults(Fault(kind="status", operation="slack", status=404, body="no_service"))
        with pytest.raises(SlackRefusedError):
            run()
        assert heartbeat() == 0

    def test_its_address_is_hidden(self, run, start, task, heartbeat) -> None:
        start(verified(1))
        run()
        assert task.environment["COMP_AI_HEARTBEAT_URL"] in task.hidden

    def test_does_not_follow_an_outage(self, run, start, simulator, heartbeat) -> None:
        start(verified(1))
        simulator.faults(down("listTests"))
        with pytest.raises(StatusUnknownError):
            run()
        assert heartbeat() == 0

    @pytest.mark.parametrize("kind", ["status", "reset"])
    def test_its_failure_is_a_warning(self, run, start, simulator, heartbeat, caplog, kind) -> None:
        start(verified(1))
        simulator.faults(
            Fault(kind=kind, operation="getHealth", status=500 if kind == "status" else None)
        )
        assert run()["delivered"] is True
        assert "COMP_AI_HEARTBEAT_URL" in caplog.text
