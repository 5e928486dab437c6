"""`compai audit` as somebody types it: what it asks of Comp-AI, what it says, how it ends."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result
from comp_ai_world import said_by_a_person, said_by_the_kit

import compai_kit.report
from compai_dags.outcomes import Outcome
from compai_kit.cli.main import cli
from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import Fault, SimulatorControl
from compai_kit.simulator.server import serve

ROOT = Path(__file__).parents[3]
SCHEMA_FILE = Path(compai_kit.report.__file__).with_name("audit-report.schema.json")
TOKEN = ".".join(["simulated", "token", "of-the-tests"])
SECRET = "-".join(["simulated", "secret", "of", "the", "tests"])
NO_CREDENTIALS = dict.fromkeys(
    (
        "COMP_AI_BASE_URL", "COMP_AI_API_PREFIX", "COMP_AI_TOKEN", "COMP_AI_KEYCLOAK_URL",
        "COMP_AI_KEYCLOAK_REALM", "COMP_AI_CLIENT_ID", "COMP_AI_CLIENT_SECRET",
        "COMP_AI_ALLOW_EMPTY", "COMP_AI_TEST_OVERRIDES", "COMP_AI_CONTROL_TESTS_SCHEDULE",
    )
)  # fmt: skip
REALM = "lianel"
OLD_PASS = said_by_a_person("pass", "Evidence collected; id=1", at="2026-11-24T06:00:00Z")


def seed_of(*tests: dict[str, Any]) -> dict[str, Any]:
    return {
        "controls": [{"id": 1, "internal_id": "EX-SDL-01", "name": "Main branch is locked"}],
        "control_tests": [
            {"control_id": 1, "name": "Branch rule is on", "test_type": "manual", **test}
            for test in tests
        ],
        "evidence": [{"control_id": 1, "type": "policy"}],
    }


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    settings = {
        "static_tokens": [TOKEN],
        "keycloak": {"clients": {"airflow": SECRET}},
    }
    app = create_app({"controls": []}, settings)
    with serve(app) as running, SimulatorControl(running.url) as control:
        yield control


@pytest.fixture
def simulator(process: SimulatorControl) -> SimulatorControl:
    process.reset(seed_of(OLD_PASS))
    return process


Audit = Callable[..., Result]


@pytest.fixture
def audit(simulator: SimulatorControl) -> Audit:
    def run(*options: str, url: str | None = simulator.url, **environment: str | None) -> Result:
        given = () if url is None else ("--url", url)
        env = (
            NO_CREDENTIALS
            | {"COMP_AI_TOKEN": TOKEN, "COLUMNS": "120", "COMP_AI_BACKOFF_S": "0"}
            | environment
        )
        return CliRunner().invoke(cli, ["audit", *given, *options], env=env)

    return run


class TestReadOnly:
    def test_nothing_but_lists_is_asked_for(
        self, audit: Audit, simulator: SimulatorControl
    ) -> None:
        before = simulator.state()
        assert audit().exit_code == 1
        calls = simulator.ledger()
        assert {(call.method, call.operation) for call in calls} == {
            ("GET", name) for name in ("listTests", "listControls", "listGaps", "listEvidence")
        }
        assert [call.stored for call in calls if call.stored] == []
        assert [call.request_violations for call in calls if call.request_violations] == []
        assert simulator.state() == before

    def test_a_client_of_keycloak_posts_to_keycloak_only(
        self, audit: Audit, simulator: SimulatorControl
    ) -> None:
        result = audit(
            COMP_AI_TOKEN=None,
            COMP_AI_KEYCLOAK_URL=f"{simulator.url}/auth",
            COMP_AI_KEYCLOAK_REALM=REALM,
            COMP_AI_CLIENT_ID="airflow",
            COMP_AI_CLIENT_SECRET=SECRET,
        )
        assert result.exit_code == 1, result.stderr
        posted = {call.operation for call in simulator.ledger() if call.method != "GET"}
        assert posted == {"keycloakToken"}
        assert SECRET not in result.output

    def test_says_who_it_is(self, audit: Audit, simulator: SimulatorControl) -> None:
        audit()
        agents = {call.headers.get("user-agent", "") for call in simulator.ledger()}
        assert all(agent.endswith("(compai audit)") for agent in agents), agents


class TestExitCodes:
    def test_findings(self, audit: Audit) -> None:
        result = audit()
        assert result.exit_code == 1
        assert "CK501 Pass that nobody looked for: 1\n" in result.stdout
        assert "1 of 1 pass unsupported" in result.stdout
        assert "1 control test looked at" in result.stdout
        assert result.stderr == ""

    def test_nothing_unsupported(self, audit: Audit, simulator: SimulatorControl) -> None:
        passed = said_by_the_kit(Outcome.PASS, "pass", "Protected.", hours=1)
        simulator.reset(seed_of(passed | {"test_type": "github_branch_protection"}))
        result = audit()
        assert result.exit_code == 0
        assert "0 of 1 pass unsupported" in result.stdout

    def test_no_tests_is_no_clean_audit(self, audit: Audit, simulator: SimulatorControl) -> None:
        simulator.reset(seed_of())
        result = audit()
        assert result.exit_code == 3
        assert result.stdout == ""
        assert "could not run: 0 tests: wrong database or tenant?" in result.stderr
        assert audit(COMP_AI_ALLOW_EMPTY="1").exit_code == 0

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--format", "xml"), "'xml' is not one of 'table', 'json', 'csv'"),
            (("--now", "yesterday"), "--now: Invalid isoformat string"),
            (("--api-prefix", "api"), "--api-prefix must be empty or an absolute path"),
            (("--token", "x"), "No such option"),
        ],
    )
    def test_usage(self, audit: Audit, options: tuple[str, ...], words: str) -> None:
        result = audit(*options)
        assert result.exit_code == 2
        assert words in result.stderr

    def test_address_that_cannot_be_one_is_usage(self, audit: Audit) -> None:
        result = audit(url="comp-ai:3002")
        assert result.exit_code == 2
        assert "--url must be an absolute URL such as http://comp-ai.example:3002" in result.stderr

    def test_no_address_is_usage(self, audit: Audit) -> None:
        result = audit(url=None)
        assert result.exit_code == 2
        assert "--url is missing, and so is COMP_AI_BASE_URL in the environment" in result.stderr


class TestAddress:
    def test_environment_will_do(self, audit: Audit, simulator: SimulatorControl) -> None:
        assert audit(url=None, COMP_AI_BASE_URL=simulator.url).exit_code == 1

    def test_prefix_goes_with_the_address(self, audit: Audit, simulator: SimulatorControl) -> None:
        result = audit("--api-prefix", "/api/v1", url=None, COMP_AI_BASE_URL=simulator.url)
        assert result.exit_code == 2
        assert (
            "--api-prefix goes with --url; COMP_AI_API_PREFIX goes with COMP_AI_BASE_URL"
            in result.stderr
        )

    def test_address_of_the_command_line_wins_whole(self, audit: Audit) -> None:
        result = audit(COMP_AI_BASE_URL="http://elsewhere.test", COMP_AI_API_PREFIX="/elsewhere")
        assert result.exit_code == 1

    def test_wrong_prefix_is_named_with_the_right_one(
        self, audit: Audit, simulator: SimulatorControl
    ) -> None:
        result = audit("--api-prefix", "/api/v2")
        assert result.exit_code == 3
        assert "does not lead to Comp-AI" in result.stderr
        assert 'with api_prefix "/api/v1": set these' in result.stderr
        assert "Here these are --url and --api-prefix." in result.stderr


class TestCouldNotRun:
    def test_nobody_there(self, audit: Audit) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            result = audit(url=f"http://127.0.0.1:{port}")
        assert result.exit_code == 3
        assert "compai audit could not run: listTests GET /api/v1/tests: no answer" in result.stderr
        assert "Is Comp-AI up, and is --url its address, seen from this machine?" in result.stderr
        assert "Traceback" not in result.output

    def test_token_that_is_refused(self, audit: Audit) -> None:
        refused = ".".join(["another", "token", "of-the-tests"])
        result = audit(COMP_AI_TOKEN=refused)
        assert result.exit_code == 3
        assert "the token is refused (HTTP 401" in result.stderr
        assert "Set a token of the right realm in COMP_AI_TOKEN" in result.stderr
        assert refused not in result.output

    def test_wrong_secret(self, audit: Audit, simulator: SimulatorControl) -> None:
        wrong = "-".join(["simulated", "secret", "that", "is", "wrong"])
        result = audit(
            COMP_AI_TOKEN=None,
            COMP_AI_KEYCLOAK_URL=f"{simulator.url}/auth",
            COMP_AI_KEYCLOAK_REALM=REALM,
            COMP_AI_CLIENT_ID="airflow",
            COMP_AI_CLIENT_SECRET=wrong,
        )
        assert result.exit_code == 3
        assert "Check the COMP_AI_KEYCLOAK_… and COMP_AI_CLIENT_…" in result.stderr
        assert wrong not in result.output

    @pytest.mark.parametrize(
        ("environment", "words"),
        [
            (
                {"COMP_AI_TOKEN": None},
                "COMP_AI_TOKEN, or COMP_AI_KEYCLOAK_URL, COMP_AI_KEYCLOAK_REALM, "
                "COMP_AI_CLIENT_ID, COMP_AI_CLIENT_SECRET, must be set in the environment",
            ),
            (
                {"COMP_AI_CLIENT_SECRET": SECRET},
                "COMP_AI_TOKEN and COMP_AI_CLIENT_SECRET are both set in the environment",
            ),
            (
                {"COMP_AI_TOKEN": None, "COMP_AI_CLIENT_ID": "airflow"},
                "COMP_AI_KEYCLOAK_URL and COMP_AI_KEYCLOAK_REALM and COMP_AI_CLIENT_SECRET "
                "missing in the environment",
            ),
            ({"COMP_AI_TOKEN": f"{TOKEN}\n"}, "COMP_AI_TOKEN from the environment begins or ends"),
            ({"COMP_AI_TOKEN": "…"}, "holds a character that is not printable ASCII"),
        ],
        ids=["none", "both", "half", "padded", "not ASCII"],
    )
    def test_credentials_as_strict_as_in_the_dags(
        self,
        audit: Audit,
        simulator: SimulatorControl,
        environment: dict[str, str | None],
        words: str,
    ) -> None:
        result = audit(**environment)
        assert result.exit_code == 3
        assert words in result.stderr
        assert simulator.ledger() == []

    @pytest.mark.parametrize("operation", ["listTests", "listControls", "listGaps", "listEvidence"])
    def test_no_audit_of_a_part(
        self, audit: Audit, simulator: SimulatorControl, operation: str
    ) -> None:
        """What cannot be listed at all would be missing from the audit without a trace."""
        simulator.faults(Fault(kind="status", operation=operation, status=404, count=None))
        result = audit()
        assert result.exit_code == 3
        assert result.stdout == ""
        assert operation in result.stderr or "does not lead to Comp-AI" in result.stderr

    def test_login_page(self, audit: Audit, simulator: SimulatorControl) -> None:
        simulator.faults(Fault(kind="html", count=None))
        result = audit()
        assert result.exit_code == 3
        assert "A web page answers, such as a login form" in result.stderr

    def test_file_that_cannot_be_written(self, audit: Audit, tmp_path: Path) -> None:
        result = audit("--output", str(tmp_path / "nowhere" / "audit.csv"))
        assert result.exit_code == 3
        assert "nowhere/audit.csv" in result.stderr


def test_rate_limit_costs_time_and_no_row(audit: Audit, simulator: SimulatorControl) -> None:
    """Six controls that only negative rows keep off the gap list, two requests a second."""
    numbers = range(1, 7)
    simulator.reset(
        {
            "controls": [{"id": n, "internal_id": f"EX-{n}", "name": "x"} for n in (*numbers, 9)],
            "control_tests": [{"control_id": 1, "name": "x", **OLD_PASS}],
            "evidence": [
                *(
                    {
                        "control_id": n,
                        "type": "github_last_commit",
                        "description": "Default branch: main. Last commit: unknown by a. b",
                        "collected_at": "2026-11-01T00:00:00Z",
                    }
                    for n in numbers
                ),
                *({"control_id": 9, "type": "policy"} for _ in range(100)),
            ],
        },
        {"rate_limit": {"requests": 2, "window_s": 1}},
    )
    result = audit()
    assert result.exit_code == 1, result.stderr
    assert "6 gaps hidden by negative evidence" in result.stdout
    statuses = [call.status for call in simulator.ledger()]
    assert statuses.count(200) == 3 + 2
    assert 429 in statuses


class TestBadRows:
    @pytest.mark.parametrize(
        ("operation", "table"),
        [("listTests", "control_tests"), ("listControls", "controls"), ("listGaps", "controls")],
    )
    def test_row_that_cannot_be_read_is_a_finding(
        self, audit: Audit, simulator: SimulatorControl, operation: str, table: str
    ) -> None:
        passed = said_by_the_kit(Outcome.PASS, "pass", "Protected.", hours=1)
        simulator.reset(seed_of(passed | {"test_type": "github_branch_protection"}))
        good = simulator.state()[table] if operation != "listGaps" else []
        body = [*good, {"id": "nine", "name": "between us"}]
        simulator.faults(Fault(kind="wrong_shape", operation=operation, body=body, count=None))
        result = audit()
        assert result.exit_code == 1
        assert "CK531 Row that could not be judged: 1\n" in result.stdout
        assert f"{operation} row {len(good)}: " in result.stdout
        assert "1 row could not be judged" in result.stdout
        assert "between us" not in result.output


class TestForms:
    def test_json(self, audit: Audit) -> None:
        result = audit("--format", "json", "--now", "2026-11-25T09:00:00+02:00")
        report = json.loads(result.stdout)
        jsonschema_rs.validator_for(json.loads(SCHEMA_FILE.read_text("utf-8"))).validate(report)
        assert report["at"] == "2026-11-25T07:00:00Z"
        assert [entry["control"] for entry in report["unsupported"]] == ["EX-SDL-01"]
        assert report["reproduce"].endswith(" --now 2026-11-25T07:00:00Z")
        assert "1 of 1 pass unsupported" in result.stderr

    def test_csv_file(self, audit: Audit, simulator: SimulatorControl, tmp_path: Path) -> None:
        simulator.reset(seed_of(OLD_PASS | {"name": "=HYPERLINK(1) Å"}))
        file = tmp_path / "audit.csv"
        result = audit("--format", "csv", "--output", str(file))
        assert result.exit_code == 1
        assert result.stdout == ""
        (row,) = csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8"), newline=""))
        assert row["test"] == "'=HYPERLINK(1) Å"
        assert row["code"] == "CK501"

    def test_table_in_a_file(self, audit: Audit, tmp_path: Path) -> None:
        file = tmp_path / "audit.txt"
        result = audit("--output", str(file))
        assert result.stdout == ""
        assert "1 of 1 pass unsupported" in result.stderr
        assert "CK501 Pass that nobody looked for: 1\n" in file.read_text("utf-8")

    def test_time_without_a_zone_is_utc(self, audit: Audit) -> None:
        report = json.loads(audit("--format", "json", "--now", "2026-11-25T07:00:00").stdout)
        assert report["at"] == "2026-11-25T07:00:00Z"

    def test_age_is_judged_as_of_that_time(self, audit: Audit, simulator: SimulatorControl) -> None:
        attested = said_by_a_person("pass", "Restored. /Kim", at="2026-11-01T00:00:00Z")
        simulator.reset(seed_of(attested))
        assert audit("--now", "2026-11-25T00:00:00Z").exit_code == 0
        assert audit("--now", "2027-03-25T00:00:00Z").exit_code == 1


class TestSettingsOfTests:
    """What the DAGs are told about tests counts here as well."""

    SIX_DAYS_OLD = said_by_the_kit(Outcome.PASS, "pass", "Protected.", days=6)

    @pytest.fixture(autouse=True)
    def seed(self, simulator: SimulatorControl) -> None:
        simulator.reset(seed_of(self.SIX_DAYS_OLD | {"test_type": "github_branch_protection"}))

    @staticmethod
    def said(**settings: Any) -> str:
        return json.dumps({"EX-SDL-01": {"Branch rule is on": settings}})

    def test_without_any_it_is_stale(self, audit: Audit) -> None:
        assert "CK504 Stale pass: 1\n" in audit().stdout

    def test_schedule(self, audit: Audit) -> None:
        result = audit(COMP_AI_TEST_OVERRIDES=self.said(schedule="monthly"))
        assert result.exit_code == 0, result.output

    def test_cadence_of_the_dag(self, audit: Audit) -> None:
        result = audit(COMP_AI_CONTROL_TESTS_SCHEDULE="0 6 1 1 *")
        assert result.exit_code == 0, result.output

    def test_cadence_that_names_no_times_is_told(
        self, audit: Audit, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert audit(COMP_AI_CONTROL_TESTS_SCHEDULE="now and then").exit_code == 1
        assert "COMP_AI_CONTROL_TESTS_SCHEDULE 'now and then' names no regular times" in caplog.text

    def test_exception_for_a_manual_test(self, audit: Audit, simulator: SimulatorControl) -> None:
        """An aged attestation is excused while the exception lasts."""
        attested = said_by_a_person("pass", "Restored. /Kim", at="2026-01-01T00:00:00Z")
        simulator.reset(seed_of(attested))
        granted = {"reason": "No hardware until then", "expires": "2026-11-30"}
        overrides = self.said(exceptions=[granted])
        during = audit("--now", "2026-11-25", COMP_AI_TEST_OVERRIDES=overrides)
        assert during.exit_code == 0, during.output
        after = audit("--now", "2026-12-01", COMP_AI_TEST_OVERRIDES=overrides)
        assert "CK507 Attestation that has aged: 1\n" in after.stdout

    def test_mistake_stops_before_anything_is_asked(
        self, audit: Audit, simulator: SimulatorControl
    ) -> None:
        result = audit(COMP_AI_TEST_OVERRIDES=self.said(shedule="monthly"))
        assert result.exit_code == 3
        assert "COMP_AI_TEST_OVERRIDES in control 'EX-SDL-01', test 'Branch rule is on'" in (
            result.stderr
        )
        assert simulator.ledger() == []

    def test_name_that_matches_nothing_is_told(
        self, audit: Audit, caplog: pytest.LogCaptureFixture
    ) -> None:
        audit(COMP_AI_TEST_OVERRIDES=json.dumps({"EX-SDL-1": {"x": {}}}))
        assert "names what does not exist: Comp-AI has no control 'EX-SDL-1'" in caplog.text


def test_recorded_comp_ai(audit: Audit, simulator: SimulatorControl) -> None:
    """Real rows: passes without a run, passes on somebody's word; a person's fail is none."""
    simulator.reset(json.loads((ROOT / "tests/data/recorded.seed.json").read_text("utf-8")))
    report = json.loads(audit("--format", "json").stdout)
    listed = {(entry["code"], entry["test_id"]) for entry in report["unsupported"]}
    assert listed == {
        ("CK503", 4), ("CK503", 7), ("CK503", 11), ("CK505", 1), ("CK505", 5), ("CK505", 12),
    }  # fmt: skip
    counts = report["counts"]
    assert (counts["passes_unsupported"], counts["passes"]) == (5, 5)
    assert (counts["fails_unsupported"], counts["fails"]) == (1, 3)


def test_readme_shows_what_is_printed(audit: Audit, simulator: SimulatorControl) -> None:
    """All of it; only the address and the days differ, because the recording moves to today."""
    simulator.reset(json.loads((ROOT / "tests/data/recorded.seed.json").read_text("utf-8")))
    printed = audit().stdout.replace(simulator.url, "http://comp-ai:3002")
    section = (ROOT / "README.md").read_text("utf-8").partition("## Audit what is stored\n")[2]
    shown = section.split("```\n")[3]

    def without_days(text: str) -> str:
        return re.sub(r"2\d{3}-\d\d-\d\d([ T]\d\d:\d\d(:\d\dZ)?)?", "DAY", text)

    assert without_days(shown) == without_days(printed)
