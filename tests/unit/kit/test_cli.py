"""The command group: quick to start, honest about crashes."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from compai_kit.cli import main as main_module
from compai_kit.cli.entry import missing_extra
from compai_kit.cli.main import cli, main
from compai_kit.findings import CODES


def test_help_names_every_command_and_every_exit_code() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for word in ("gate", "bundle", "audit", "simulate", "explain"):
        assert f"\n  {word} " in result.output
    assert "0 as it should be, 1 findings, 2 usage, 3 could not run" in result.output


def test_help_imports_no_command() -> None:
    script = (
        "import sys; from compai_kit.cli.main import cli;"
        "cli(['--help'], standalone_mode=False);"
        "print('heavy' if 'requests' in sys.modules else '')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not done.stdout.rstrip().endswith("heavy")


@pytest.mark.parametrize("name", ["gate", "bundle", "audit", "simulate", "explain"])
def test_every_command_can_be_called(name: str) -> None:
    assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_version_is_said_by_a_checkout_as_well() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("compai, version 0")


def test_unknown_command_is_usage() -> None:
    assert CliRunner().invoke(cli, ["gaet"]).exit_code == 2


def test_explain_gives_the_long_text() -> None:
    result = CliRunner().invoke(cli, ["explain", "ck201"])
    assert result.exit_code == 0
    assert result.output == f"CK201: DAG file does not import\n\n{CODES['CK201'].explanation}\n"


def test_explain_without_a_code_lists_all() -> None:
    output = CliRunner().invoke(cli, ["explain"]).output
    assert [line.split()[0] for line in output.splitlines()] == list(CODES)


def test_page_of_all_findings_is_made_from_the_codes() -> None:
    page = Path(__file__).parents[3] / "docs" / "findings.md"
    result = CliRunner().invoke(cli, ["explain", "--markdown"])
    assert page.read_text("utf-8") == result.output, (
        "run: compai explain --markdown > docs/findings.md"
    )
    for entry in CODES.values():
        assert f"### {entry.code} {entry.title}\n" in result.output
        assert entry.explanation in result.output


@pytest.mark.parametrize(
    ("package", "arguments"),
    [("click", ["--version"]), ("rich", ["gate", "--list"]), ("werkzeug", ["simulate", "--help"])],
)
def test_installation_without_the_extra_says_which_one(package: str, arguments: list[str]) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['compai', *{arguments!r}];"
        "from compai_kit.cli.entry import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == (
        f"compai: the package {package} is not installed; it comes with the extra `kit`:\n"
        "  pip install 'compai-kit[kit]'\n"
    )


def test_module_of_ours_that_is_missing_is_no_missing_extra() -> None:
    assert missing_extra(ModuleNotFoundError("x", name="compai_kit.nowhere")) is None
    assert missing_extra(ImportError("x", name="rich")) is None
    assert missing_extra(None) is None


def test_explain_an_unknown_code_is_usage() -> None:
    result = CliRunner().invoke(cli, ["explain", "CK999"])
    assert result.exit_code == 2
    assert "no finding has the code CK999" in result.output


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("a bug of the kit"), 3, "ZeroDivisionError: a bug of the kit"),
        (click.UsageError("no such thing"), 2, "no such thing"),
        (click.FileError("x.yaml", "cannot be read"), 3, "x.yaml"),
        (KeyboardInterrupt(), 4, "interrupted"),
    ],
)
def test_no_way_out_is_mistaken_for_findings(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Python ends a crash with 1, and so does click an interrupt; 1 means "findings" here."""

    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(main_module, "cli", failing)
    monkeypatch.setattr(sys, "argv", ["compai"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert words in capsys.readouterr().err
