"""What two interpreters answered becomes findings: one per defect, whatever it is seen through."""

from pathlib import Path
from typing import Any

from compai_kit.findings import Finding
from compai_kit.gate.fact_findings import fact_findings
from compai_kit.gate.parse_answer import (
    Answer,
    BrokenRule,
    Changed,
    FileAnswer,
    ParseFacts,
    Use,
    Varying,
    facts,
)


def _entry(file: str = "a.py", **fields: Any) -> FileAnswer:
    given = {"dag_ids": ("a",), "error": None, "seconds": 0.1, "serialized": {}, **fields}
    return FileAnswer(file=file, **given)


def _facts(airflow: str, *files: FileAnswer, **fields: Any) -> ParseFacts:
    given = {"bare_s": 0.03, "limit_s": 0.3, "broken": (), "changed": (), **fields}
    return ParseFacts(airflow=airflow, files=files, **given)


def _judge(*facts: ParseFacts, dags: Path = Path("my_dags")) -> list[Finding]:
    return fact_findings(
        facts,
        dags=dags,
        import_budget=10,
        reproduce=lambda versions: " ".join(["compai gate", *versions]),
    )


USE = Use("variable", "x", (("support/s.py", 3), ("a.py", 7)))


def test_files_that_do_no_harm_are_no_finding() -> None:
    assert _judge(_facts("3.3.2", _entry()), _facts("3.1.3", _entry())) == []


class TestUses:
    def test_line_of_the_caller_and_the_dag_file_that_led_there(self) -> None:
        (finding,) = _judge(_facts("3.3.2", _entry(uses=(USE,))))
        assert (finding.code, finding.where) == ("CK207", "support/s.py:3")
        assert finding.seen == "Variable x\ncalled from a.py:7\nAirflow 3.3.2"
        assert finding.reproduce == "compai gate 3.3.2"

    def test_same_use_on_two_versions_and_through_two_files_is_one_finding(self) -> None:
        other = Use("variable", "x", (("support/s.py", 3), ("b.py", 1)))
        files = (_entry(uses=(USE,)), _entry("b.py", uses=(other,)))
        (finding,) = _judge(_facts("3.3.2", *files), _facts("3.1.3", *files))
        assert finding.seen == "Variable x\ncalled from a.py:7, b.py:1\nAirflow 3.3.2 and 3.1.3"

    def test_client_is_not_blamed_for_who_uses_it(self) -> None:
        frames = (("compai_client/_transport.py", 80), ("a.py", 7))
        (finding,) = _judge(_facts("3.3.2", _entry(uses=(Use("network", "h:80", frames),))))
        assert (finding.code, finding.where) == ("CK211", "a.py:7")
        assert finding.seen == "network: h:80\nAirflow 3.3.2"

    def test_thread_without_a_line_is_the_files(self) -> None:
        (finding,) = _judge(_facts("3.3.2", _entry(uses=(Use("network", "h:80"),))))
        assert finding.where == "a.py"

    def test_secret_in_what_was_asked_for_is_masked(self) -> None:
        use = Use("network", "http://user:hunter22@host", (("a.py", 1),))
        (finding,) = _judge(_facts("3.3.2", _entry(uses=(use,))))
        assert "hunter22" not in finding.seen

    def test_place_is_that_in_the_readers_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").touch()
        use = Use("secret", "API_KEY", (("a.py", 1),))
        (finding,) = _judge(_facts("3.3.2", _entry(uses=(use,))), dags=tmp_path)
        assert (finding.code, finding.where) == ("CK210", f"{tmp_path}/a.py:1")
        assert finding.seen.startswith("environment variable API_KEY\n")


class TestVersions:
    VARYING = Varying(5, "now()", "datetime.now() in a DAG constructor")

    def test_what_airflow_itself_refuses(self) -> None:
        (finding,) = _judge(_facts("3.3.2", _entry(varying=(self.VARYING,))))
        assert (finding.code, finding.where) == ("CK212", "a.py:5")
        assert finding.seen == "now(): datetime.now() in a DAG constructor\nAirflow 3.3.2"

    def test_older_version_adds_nothing_to_what_the_newer_has_found_by_reading(self) -> None:
        changed = (Changed("a.py", "a", ("description: '1' → '2'",)),)
        found = _judge(
            _facts("3.3.2", _entry(varying=(self.VARYING,))),
            _facts("3.1.3", _entry(), changed=changed),
        )
        assert [finding.code for finding in found] == ["CK212"]

    def test_two_parses_that_differ(self) -> None:
        changed = (Changed("a.py", "a", ("description: '1' → '2'", "and 2 more")),)
        (finding,) = _judge(
            _facts("3.3.2", _entry(), changed=changed), _facts("3.1.3", _entry(), changed=changed)
        )
        assert (finding.code, finding.where) == ("CK213", "a.py")
        assert finding.seen == (
            "two parses of a differ:\ndescription: '1' → '2'\nand 2 more\nAirflow 3.3.2 and 3.1.3"
        )


class TestDifferences:
    @staticmethod
    def _changed(one: object, other: object, **fields: Any) -> tuple[Changed, ...]:
        return facts(
            Answer("3.3.2", (_entry(serialized={"a": one}, **fields),)),
            Answer("3.3.2", (_entry(serialized={"a": other}),)),
        ).changed

    def test_equal_dags_have_none(self) -> None:
        assert self._changed({"tasks": [1, {"x": 2}]}, {"tasks": [1, {"x": 2}]}) == ()

    def test_place_is_named_by_task_and_key(self) -> None:
        def dag(when: str) -> object:
            task = {"__type": "operator", "__var": {"task_id": "report", "op_args": [when]}}
            return {"tasks": [task], "dag_id": "a"}

        (changed,) = self._changed(dag("1"), dag("2"))
        assert changed == Changed("a.py", "a", ("tasks.report.op_args.0: '1' → '2'",))

    def test_long_values_and_long_lists_are_cut(self) -> None:
        one = {str(n): "x" * 100 for n in range(9)}
        (changed,) = self._changed(one, dict.fromkeys(one, "y"))
        assert len(changed.differences) == 4
        assert changed.differences[3] == "and 6 more"
        assert all(len(line) < 140 for line in changed.differences)

    def test_dag_that_only_one_parse_makes(self) -> None:
        (changed,) = facts(
            Answer("3.3.2", (_entry(serialized={"a": {}, "b": {}}),)),
            Answer("3.3.2", (_entry(serialized={"a": {}}),)),
        ).changed
        assert changed == Changed("a.py", "b", ("only one of the two parses makes this DAG",))

    def test_secret_in_a_value_is_masked(self) -> None:
        (changed,) = self._changed({"d": "password=hunter22"}, {"d": "none"})
        assert "hunter22" not in changed.differences[0]

    def test_file_that_was_refused_is_not_compared(self) -> None:
        assert self._changed({"a": 1}, {"a": 2}, error="x: ParseTimeRefusal: variable x") == ()


class TestCosts:
    def test_over_the_budget(self) -> None:
        slow = _entry(cpu_s=0.9, heaviest=(("pandas", 412), ("numpy", 130)))
        (finding,) = _judge(_facts("3.3.2", slow), _facts("3.1.3", slow))
        assert (finding.code, finding.where) == ("CK214", "a.py")
        assert finding.seen.splitlines() == [
            "Airflow 3.3.2: 0.90 s of CPU time, 30 × a bare DAG file;"
            " it brings in pandas (412 modules), numpy (130 modules)",
            "Airflow 3.1.3: 0.90 s of CPU time, 30 × a bare DAG file;"
            " it brings in pandas (412 modules), numpy (130 modules)",
        ]

    def test_within_the_budget(self) -> None:
        assert _judge(_facts("3.3.2", _entry(cpu_s=0.29))) == []


def test_broken_rule_is_one_finding_for_all_versions() -> None:
    broken = (BrokenRule("a.py", "http-timeout", 4, "requests.get(…) without a timeout"),)
    (finding,) = _judge(
        _facts("3.3.2", _entry(), broken=broken), _facts("3.1.3", _entry(), broken=broken)
    )
    assert (finding.code, finding.where) == ("CK216", "a.py:4")
    assert finding.seen == "requests.get(…) without a timeout"
    assert finding.reproduce == "compai gate 3.3.2 3.1.3"


def test_verdict_gets_what_parsed_without_secrets() -> None:
    one = _facts("3.3.2", _entry(error="ValueError: password=hunter22"))
    (entry,) = one.parsed.files
    assert entry.error == "ValueError: password=***"
    assert not entry.refused
