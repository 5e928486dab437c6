"""What an Airflow version made of the DAG files becomes findings that a stranger can act on."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from compai_kit.findings import Finding
from compai_kit.gate.model import Parsed, ParsedFile
from compai_kit.gate.parse_findings import import_fault, parse_findings

BUNDLE = Path("/bundle")


def _traceback(exception: str, *frames: tuple[str, int]) -> str:
    lines = ["Traceback (most recent call last):"]
    for file, line in [("/env/airflow/dagbag.py", 405), *frames]:
        lines += [f'  File "{file}", line {line}, in <module>', "    some code: here"]
    return "\n".join([*lines, exception, ""])


def _file(name: str, *dag_ids: str, error: str | None = None) -> ParsedFile:
    return ParsedFile(file=name, dag_ids=dag_ids, error=error, seconds=0.1)


def _judge(
    *parsed: tuple[str, Sequence[ParsedFile]],
    dags: Path = Path("my_dags"),
    here: Sequence[str] = (),
) -> list[Finding]:
    return parse_findings(
        [Parsed(airflow=version, files=tuple(files)) for version, files in parsed],
        bundle=BUNDLE,
        dags=dags,
        reproduce=lambda versions: " ".join(["compai gate", *versions]),
        importable_here=lambda module: module in here,
    )


def test_dags_that_parse_are_no_finding() -> None:
    assert _judge(("3.3.2", [_file("a.py", "a")]), ("3.1.3", [_file("a.py", "a")])) == []


def test_import_error_names_the_innermost_line_of_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "compai_dags").mkdir()
    (tmp_path / "compai_dags" / "slack.py").touch()
    error = _traceback(
        "ValueError: bad",
        ("/bundle/a.py", 3),
        ("/bundle/compai_dags/slack.py", 17),
        ("/env/re.py", 9),
    )
    (finding,) = _judge(("3.3.2", [_file("a.py", error=error)]), dags=tmp_path)
    assert (finding.code, finding.where) == ("CK201", f"{tmp_path}/compai_dags/slack.py:17")
    assert finding.seen == "ValueError: bad\nAirflow 3.3.2\nstops a.py"
    assert finding.reproduce == "compai gate 3.3.2"


def test_same_import_error_on_two_versions_is_one_finding() -> None:
    files = [_file("a.py", error=_traceback("ValueError: bad", ("/bundle/a.py", 3)))]
    (finding,) = _judge(("3.3.2", files), ("3.1.3", files))
    assert finding.seen == "ValueError: bad\nAirflow 3.3.2 and 3.1.3"


def test_broken_support_module_is_one_finding_that_lists_the_files_it_stops() -> None:
    error = _traceback("ValueError: bad", ("/bundle/compai_dags/slack.py", 17))
    files = [_file("a.py", error=error), _file("b.py", error=error)]
    (finding,) = _judge(("3.3.2", files), ("3.1.3", files))
    assert finding.where == "compai_dags/slack.py:17"
    assert finding.seen == "ValueError: bad\nAirflow 3.3.2 and 3.1.3\nstops a.py and b.py"


def test_place_of_the_installed_package_is_noise() -> None:
    error = _traceback("ImportError: cannot import name 'x' from 'y' (/env/y.py)")
    fault = import_fault(error, file="a.py", bundle=BUNDLE)
    assert fault.exception == "ImportError: cannot import name 'x' from 'y'"


def test_syntax_error_keeps_its_line_and_text() -> None:
    error = (
        _traceback("", ("/bundle/a.py", 2)).rstrip()
        + "\n          ^\nSyntaxError: invalid syntax\n"
    )
    fault = import_fault(error, file="a.py", bundle=BUNDLE)
    assert (fault.file, fault.line, fault.exception) == ("a.py", 2, "SyntaxError: invalid syntax")


def test_multi_line_exception_is_kept_short() -> None:
    error = _traceback("ValueError: one\ntwo\nthree\nfour\nfive\nsix", ("/bundle/a.py", 2))
    fault = import_fault(error, file="a.py", bundle=BUNDLE)
    assert fault.exception.splitlines()[-1] == "… and 2 more lines"


def test_secret_in_an_exception_is_masked() -> None:
    error = _traceback("ValueError: password=hunter22", ("/bundle/a.py", 2))
    assert import_fault(error, file="a.py", bundle=BUNDLE).exception == "ValueError: password=***"


@pytest.mark.parametrize(
    ("exception", "fix"),
    [
        (
            "ModuleNotFoundError: No module named 'compai_kit'",
            "the kit is not in the Airflow image: import only what",
        ),
        (
            "ModuleNotFoundError: No module named 'werkzeug'",
            "the kit is not in the Airflow image, and werkzeug is here only because the kit",
        ),
        (
            "ModuleNotFoundError: No module named 'pandas.core'",
            "pandas is neither in the Airflow image nor in the bundle",
        ),
        (
            "ImportError: cannot import name 'result' from 'airflow.sdk' (/env/sdk.py)",
            "Airflow 3.1.3 has no result in airflow.sdk; Airflow 3.3.2 has it: import",
        ),
        (
            "AttributeError: module 'airflow.sdk' has no attribute 'result'",
            "Airflow 3.1.3 has no result in airflow.sdk; Airflow 3.3.2 has it: import",
        ),
        (
            "ModuleNotFoundError: No module named 'airflow.sdk.exceptions'",
            "Airflow 3.1.3 has no module airflow.sdk.exceptions; Airflow 3.3.2 has it",
        ),
        ("KeyError: 'X'", "correct the line"),
    ],
)
def test_fix_fits_the_exception(exception: str, fix: str) -> None:
    (finding,) = _judge(
        ("3.3.2", [_file("a.py", "a")]),
        ("3.1.3", [_file("a.py", error=_traceback(exception, ("/bundle/a.py", 1)))]),
        here=["werkzeug"],
    )
    assert finding.fix.startswith(fix)


def test_file_without_a_dag() -> None:
    (finding,) = _judge(("3.3.2", [_file("a.py")]), ("3.1.3", [_file("a.py")]))
    assert (finding.code, finding.where) == ("CK202", "a.py")
    assert finding.seen == "the file imports and makes no DAG (Airflow 3.3.2 and 3.1.3)"


def test_support_code_that_is_parsed_is_one_finding_per_package() -> None:
    support = [_file("compai_dags/a.py"), _file("compai_dags/checks/b.py")]
    (finding,) = _judge(("3.3.2", [_file("a.py", "a")]), ("3.1.3", [_file("a.py", "a"), *support]))
    assert (finding.code, finding.where) == ("CK206", "compai_dags")
    assert finding.seen == "Airflow 3.1.3 parses 2 files of compai_dags"
    assert finding.fix.startswith("write compai_dags into .airflowignore, without a slash")


def test_dag_id_used_twice() -> None:
    error = (
        "AirflowDagDuplicatedIdException: Ignoring DAG a from /bundle/b.py"
        " - also found in /bundle/a.py"
    )
    (finding,) = _judge(("3.3.2", [_file("a.py", "a"), _file("b.py", error=error)]))
    assert (finding.code, finding.where) == ("CK203", "b.py")
    assert finding.seen == "Ignoring DAG a from b.py - also found in a.py (Airflow 3.3.2)"


@pytest.mark.parametrize("dag_ids", [("b",), ("a", "b")])
def test_file_name_and_dag_id_differ(dag_ids: tuple[str, ...]) -> None:
    (finding,) = _judge(("3.3.2", [_file("a.py", *dag_ids)]))
    assert (finding.code, finding.expected) == ("CK204", "one DAG, a")


def test_empty_folder_is_not_green() -> None:
    (finding,) = _judge(("3.3.2", []), ("3.1.3", []))
    assert (finding.code, finding.where) == ("CK205", "my_dags")
