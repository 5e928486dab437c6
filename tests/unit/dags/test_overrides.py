"""COMP_AI_TEST_OVERRIDES: what it may say, what it does to the rows, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from compai_client import Control, SettingsError
from compai_dags.overrides import apply_overrides, parse_overrides, read_overrides
from compai_dags.rows import Exemption
from compai_dags.schedule import DAILY, Plan, plan_of
from compai_dags.settings import Places, Settings

NAME = "Branch rule is on"


def controls(*internal_ids: str) -> list[Control]:
    return [
        Control(
            id=number,
            internal_id=internal_id,
            name=internal_id,
            description=None,
            category=None,
            external_id=None,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number, internal_id in enumerate(internal_ids, start=1)
    ]


def settings(value: str | None) -> Settings:
    places = Places(
        environment={}, variable={"COMP_AI_TEST_OVERRIDES": value}.get, connection=lambda: None
    )
    return Settings(places)


@pytest.fixture
def apply(row, now):
    """What becomes of one row of control AC-3."""

    def apply(said: dict[str, Any], **over: Any):
        overrides = parse_overrides(json.dumps({"AC-3": {NAME: said}}))
        known = controls("AC-1", "AC-2", "AC-3")
        (result,) = apply_overrides([row(**over)], overrides, known, cadence=DAILY, now=now)
        return result

    return apply


class TestWhatIsSaidWins:
    def test_nothing_changes_without_a_word(self, apply, row) -> None:
        assert apply({}) == row()

    def test_config_key_by_key(self, apply) -> None:
        config = {"owner": "example-org", "repo": "demo-service", "branch": "old"}
        got = apply({"config": {"branch": "main", "min_approvals": 2, "repo": None}}, config=config)
        assert got.config == {"owner": "example-org", "branch": "main", "min_approvals": 2}

    @pytest.mark.parametrize("config", [None, "no json", 3, []])
    def test_config_alone_where_the_row_has_none_that_can_be_used(self, apply, config) -> None:
        assert apply({"config": {"url": "https://x.example"}}, config=config).config == {
            "url": "https://x.example"
        }

    def test_config_over_one_that_is_a_string(self, apply) -> None:
        got = apply({"config": {"branch": "main"}}, config='{"owner": "o", "repo": "r"}')
        assert got.config == {"owner": "o", "repo": "r", "branch": "main"}

    def test_schedule_and_time_zone(self, apply) -> None:
        got = apply({"schedule": "weekly", "timezone": "Europe/Berlin"}, schedule="hourly")
        assert got.schedule == "weekly"
        assert got.plan == plan_of("weekly", timezone="Europe/Berlin")

    def test_null_is_the_cadence_of_the_dag(self, apply) -> None:
        assert apply({"schedule": None}, schedule="hourly").plan == Plan()

    def test_a_time_zone_alone_shifts_the_rows_schedule(self, apply) -> None:
        for said in ({"timezone": "Asia/Tokyo"}, {"config": {"timezone": "Asia/Tokyo"}}):
            got = apply(said, schedule="weekly")
            assert got.plan == plan_of("weekly", timezone="Asia/Tokyo")

    def test_a_schedule_that_cannot_be_read_says_so(self, apply) -> None:
        assert apply({"schedule": "now and then"}).plan.problem == "invalid schedule 'now and then'"

    def test_exceptions(self, apply) -> None:
        said = [
            {"reason": "Archived.", "expires": "2026-12-31"},
            {"object": "robot@example", "reason": "Robot.", "expires": "2027-06-30"},
        ]
        assert apply({"exceptions": said}).exemptions == (
            Exemption(reason="Archived.", expires=date(2026, 12, 31)),
            Exemption(reason="Robot.", expires=date(2027, 6, 30), object="robot@example"),
        )

    def test_other_tests_and_other_controls_are_left_alone(self, row, now) -> None:
        said = parse_overrides(json.dumps({"AC-3": {NAME: {"schedule": "weekly"}}}))
        rows = [row(name="Another"), row(control_id=2)]
        known = controls("AC-1", "AC-2", "AC-3")
        assert apply_overrides(rows, said, known, cadence=DAILY, now=now) == rows


class TestLog:
    def test_says_what_was_overridden_without_the_values_of_a_config(self, apply, caplog) -> None:
        said: dict[str, Any] = {"config": {"url": "https://internal"}, "schedule": "weekly"}
        said["exceptions"] = [{"reason": "Archived.", "expires": "2026-12-31"}]
        apply(said)
        assert (
            f"control 3 test 5 {NAME!r}: config (url), schedule 'weekly', 1 exception from "
            "COMP_AI_TEST_OVERRIDES"
        ) in caplog.messages
        assert "internal" not in caplog.text

    def test_names_an_expired_exception(self, apply, caplog) -> None:
        apply(
            {
                "exceptions": [
                    {"reason": "Was archived.", "expires": "2026-11-24"},
                    {"reason": "Today.", "expires": "2026-11-25"},
                    {"reason": "Was a robot.", "expires": "2020-01-01", "object": "robot"},
                ]
            }
        )
        assert [message for message in caplog.messages if "expired" in message] == [
            f"control 3 test 5 {NAME!r}: the exception expired on 2026-11-24 and is ignored: "
            "Was archived.",
            f"control 3 test 5 {NAME!r}: the exception for 'robot' expired on 2020-01-01 and is "
            "ignored: Was a robot.",
        ]

    @pytest.mark.parametrize(
        ("said", "warned"),
        [
            ({"AC-33": {}}, "Comp-AI has no control 'AC-33'; it has 'AC-3'"),
            (
                {"AC-3": {"Branch rule is off": {}}},
                f"control 'AC-3' has no control test 'Branch rule is off'; it has {NAME!r}",
            ),
            ({"AC-2": {"Backup": {}}}, "control 'AC-2' has no control test 'Backup'"),
        ],
    )
    def test_warns_of_what_matches_nothing(self, row, now, caplog, said, warned) -> None:
        overrides = parse_overrides(json.dumps(said))
        known = controls("AC-1", "AC-2", "AC-3")
        apply_overrides([row()], overrides, known, cadence=DAILY, now=now)
        assert caplog.messages == [f"COMP_AI_TEST_OVERRIDES names what does not exist: {warned}"]


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{", "is not JSON: Expecting property name enclosed in double quotes at line 1, col"),
            ('{"A": {}}, "B"', "is not JSON: Extra data at line 1, column 10"),
            ('{"A": NaN}', "holds NaN, which is not JSON"),
            ('{"A": []}', "in control 'A': must be a JSON object"),
            ('{"A": {"T": 3}}', "in control 'A', test 'T': Expected `object`, got `int`"),
            ('{"A": {"T": {}, "T": {}}}', "has the key 'T' twice in one object"),
            ('{"A": {}, "A": {}}', "has the key 'A' twice in one object"),
            (
                '{"A": {"T": {"shedule": "daily"}}}',
                "in control 'A', test 'T': Object contains unknown field `shedule`",
            ),
            (
                '{"A": {"T": {"schedule": 5}}}',
                "in control 'A', test 'T': Expected `str | null`, got `int` - at `$.schedule`",
            ),
            (
                '{"A": {"T": {"config": "x"}}}',
                "in control 'A', test 'T': Expected `object`, got `str` - at `$.config`",
            ),
            (
                '{"A": {"T": {"exceptions": [{"expires": "2026-12-31"}]}}}',
                "Object missing required field `reason` - at `$.exceptions[0]`",
            ),
            (
                '{"A": {"T": {"exceptions": [{"reason": "x", "expires": "2026-12-31"}, '
                '{"reason": "x"}]}}}',
                "Object missing required field `expires` - at `$.exceptions[1]`",
            ),
            (
                '{"A": {"T": {"exceptions": [{"reason": "x", "expires": "next year"}]}}}',
                "Invalid RFC3339 encoded date - at `$.exceptions[0].expires`",
            ),
            (
                '{"A": {"T": {"exceptions": [{"reason": "x", "expires": "2026-12-31", "by": 1}]}}}',
                "Object contains unknown field `by` - at `$.exceptions[0]`",
            ),
            (
                '{"A": {"T": {"exceptions": [{"reason": " ", "expires": "2026-12-31"}]}}}',
                "in control 'A', test 'T': an empty reason - at `$.exceptions[0]`",
            ),
            (
                '{"A": {"T": {"exceptions": '
                '[{"reason": "x", "expires": "2026-12-31", "object": ""}]}}}',
                "in control 'A', test 'T': an empty object - at `$.exceptions[0]`",
            ),
            ("[" * 100_000, "must be a JSON object, an absolute path"),
            ('{"A":' * 100_000, "is nested too deeply"),
        ],
    )
    def test_with_its_place(self, text, problem) -> None:
        with pytest.raises(SettingsError) as raised:
            read_overrides(settings(text))
        assert str(raised.value).startswith("COMP_AI_TEST_OVERRIDES ")
        assert problem in str(raised.value)


class TestWhere:
    SAID = '{\n  "AC-3": {"T": {"schedule": "weekly"}}\n}\n'

    @pytest.mark.parametrize("value", [None, "", " \n "])
    def test_unset(self, value) -> None:
        assert read_overrides(settings(value)) == {}

    def test_json_of_several_lines(self) -> None:
        found = settings(self.SAID)
        assert read_overrides(found)["AC-3"]["T"].schedule == "weekly"
        assert found.origins == ["COMP_AI_TEST_OVERRIDES from an Airflow Variable"]

    @pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
    def test_a_file(self, tmp_path, form) -> None:
        path = tmp_path / "over rides.json"
        path.write_text("\ufeff" + self.SAID, encoding="utf-8")
        address = str(path) if form == "{}" else form.format(str(path).replace(" ", "%20"))
        assert read_overrides(settings(address))["AC-3"]["T"].schedule == "weekly"

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ("overrides.json", "must be a JSON object, an absolute path, or a file:// address"),
            ("file://elsewhere/etc/x", "must be a JSON object, an absolute path, or a file://"),
            ("https://x.example/overrides", "must be a JSON object, an absolute path, or a file"),
            ("/nowhere/overrides.json", "file /nowhere/overrides.json: No such file or directory"),
            ("/", "file /: Is a directory"),
        ],
    )
    def test_no_file(self, value, problem) -> None:
        with pytest.raises(SettingsError, match=problem):
            read_overrides(settings(value))

    def test_a_file_that_is_no_text(self, tmp_path) -> None:
        path = tmp_path / "binary"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(SettingsError, match="is not text in UTF-8"):
            read_overrides(settings(str(path)))


def test_the_documented_example_can_be_read() -> None:
    page = Path(__file__).parents[3] / "docs" / "schedules-and-overrides.md"
    example = page.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
    (override,) = parse_overrides(example)["CTL-ACCESS-001"].values()
    assert override.schedule == "weekly"
    assert override.exceptions[0].object == "break-glass"


def test_a_name_that_several_tests_share_covers_all_of_them_and_says_so(row, now, caplog) -> None:
    said = {"exceptions": [{"reason": "Moves next week.", "expires": "2026-12-31"}]}
    overrides = parse_overrides(json.dumps({"AC-3": {NAME: said}}))
    rows = [row(id=5), row(id=6), row(id=7, name="Another")]
    got = apply_overrides(rows, overrides, controls("AC-1", "AC-2", "AC-3"), cadence=DAILY, now=now)
    assert [len(result.exemptions) for result in got] == [1, 1, 0]
    assert (
        f"COMP_AI_TEST_OVERRIDES: control 'AC-3', test {NAME!r} names 2 control tests (5, 6); it "
        "holds for each of them"
    ) in caplog.text
