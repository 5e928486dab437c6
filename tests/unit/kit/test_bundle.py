"""The bundle holds exactly what is deployed, and building one never destroys anything else."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import compai_client
import compai_dags
from compai_kit.bundle import BundleError, build_bundle, changed_files, read_manifest
from compai_kit.cli.bundle import bundle as bundle_command


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    support = folder / "compai_dags"
    (support / "checks").mkdir(parents=True)
    (support / "__pycache__").mkdir()
    (support / "tests").mkdir()
    (folder / "first.py").write_text("# a DAG\n")
    (folder / "second.py").write_text("# another\n")
    (folder / "notes.txt").write_text("not deployed\n")
    (support / "__init__.py").touch()
    (support / "checks" / "one.py").write_text("ONE = 1\n")
    (support / "__pycache__" / "one.pyc").write_bytes(b"\0")
    (support / "tests" / "test_one.py").touch()
    return folder


def test_holds_dag_files_support_client_and_ignore_file(dags: Path, tmp_path: Path) -> None:
    manifest = build_bundle(tmp_path / "out", dags=dags)

    client = [name for name in manifest.files if name.startswith("compai_client/")]
    rest = sorted(set(manifest.files) - set(client))
    assert rest == [
        ".airflowignore",
        "compai_dags/__init__.py",
        "compai_dags/checks/one.py",
        "first.py",
        "second.py",
    ]
    assert manifest.dag_files == ("first.py", "second.py")
    source = Path(compai_client.__file__).parent
    assert sorted(client) == sorted(
        f"compai_client/{path.relative_to(source).as_posix()}"
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def test_manifest_has_the_digest_of_every_file(dags: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = build_bundle(out, dags=dags)

    on_disk = {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file()
    }
    on_disk.pop("manifest.json")
    assert on_disk == dict(manifest.files)
    assert read_manifest(out) == manifest


def test_same_sources_give_the_same_bytes(dags: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_bundle(tmp_path / name, dags=dags)

    one, two = ((tmp_path / name / "manifest.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_support_package_comes_from_the_import_path_when_the_folder_has_none(
    dags: Path, tmp_path: Path
) -> None:
    (dags / "compai_dags").rename(tmp_path / "elsewhere")

    manifest = build_bundle(tmp_path / "out", dags=dags)

    copied = (tmp_path / "out" / "compai_dags" / "__init__.py").read_bytes()
    assert copied == Path(compai_dags.__file__).read_bytes()
    assert "compai_dags/checks/one.py" not in manifest.files


def test_support_packages_of_the_folders_own_are_deployed(dags: Path, tmp_path: Path) -> None:
    for name in ("reports/__init__.py", "sql/one.sql", "tests/test_a.py", ".git/config"):
        (dags / name).parent.mkdir(exist_ok=True)
        (dags / name).touch()
    manifest = build_bundle(tmp_path / "out", dags=dags)
    assert {"reports/__init__.py", "sql/one.sql"} < manifest.files.keys()
    assert not {"tests/test_a.py", ".git/config"} & manifest.files.keys()
    assert manifest.dag_files == ("first.py", "second.py")


def test_a_client_beside_the_dag_files_is_the_one_that_is_bundled(
    dags: Path, tmp_path: Path
) -> None:
    """A bundle is a DAG folder, too: gating it must judge the client that lies in it."""
    (dags / "compai_client").mkdir()
    (dags / "compai_client" / "__init__.py").write_text("# of this deployment\n")

    manifest = build_bundle(tmp_path / "out", dags=dags)

    assert [name for name in manifest.files if name.startswith("compai_client/")] == [
        "compai_client/__init__.py"
    ]
    copied = (tmp_path / "out" / "compai_client" / "__init__.py").read_text()
    assert copied == "# of this deployment\n"


def test_the_bundle_of_a_bundle_is_the_same(dags: Path, tmp_path: Path) -> None:
    first = build_bundle(tmp_path / "first", dags=dags)

    assert build_bundle(tmp_path / "second", dags=tmp_path / "first") == first


def test_ignore_file_keeps_its_lines_and_always_covers_the_packages(
    dags: Path, tmp_path: Path
) -> None:
    (dags / ".airflowignore").write_text("# support code\ncompai_dags/\n*.sql\n")

    build_bundle(tmp_path / "out", dags=dags)

    lines = (tmp_path / "out" / ".airflowignore").read_text().splitlines()
    assert lines == ["# support code", "compai_dags/", "*.sql", "compai_client", "compai_dags"]


def test_ignore_file_that_covers_the_packages_stays_as_it_is(dags: Path, tmp_path: Path) -> None:
    (dags / ".airflowignore").write_text("compai_dags\ncompai_client\n")

    build_bundle(tmp_path / "out", dags=dags)

    lines = (tmp_path / "out" / ".airflowignore").read_text().splitlines()
    assert lines == ["compai_dags", "compai_client"]


def test_an_earlier_bundle_is_replaced_bytecode_included(dags: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_bundle(out, dags=dags)
    (out / "__pycache__").mkdir()
    (out / "__pycache__" / "first.pyc").write_bytes(b"\0")
    (dags / "second.py").unlink()

    build_bundle(out, dags=dags)

    assert not (out / "second.py").exists()
    assert not (out / "__pycache__").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_with_other_things_is_refused_untouched(dags: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine")

    with pytest.raises(BundleError, match="not empty and not an earlier bundle; nothing done"):
        build_bundle(out, dags=dags)

    assert [path.name for path in out.iterdir()] == ["precious.txt"]


def test_somebody_elses_manifest_does_not_make_a_folder_a_bundle(
    dags: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text(json.dumps({"files": {}}))

    with pytest.raises(BundleError, match="not an earlier bundle"):
        build_bundle(out, dags=dags)


def test_files_added_to_an_earlier_bundle_are_not_thrown_away(dags: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_bundle(out, dags=dags)
    (out / "hand_made.py").write_text("# added on the server")

    with pytest.raises(BundleError, match=r"not the bundle's: hand_made\.py; nothing done"):
        build_bundle(out, dags=dags)

    assert (out / "hand_made.py").exists()


def test_a_folder_without_dag_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no DAG files"):
        build_bundle(tmp_path / "out", dags=tmp_path)

    assert not (tmp_path / "out").exists()


def test_a_dag_file_must_not_hide_the_client(dags: Path, tmp_path: Path) -> None:
    (dags / "compai_client.py").touch()

    with pytest.raises(BundleError, match="the name of a package that the bundle brings along"):
        build_bundle(tmp_path / "out", dags=dags)


def test_changed_files_names_what_was_altered_added_and_lost(dags: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_bundle(out, dags=dags)
    assert changed_files(out) == []

    (out / "first.py").write_text("# altered\n")
    (out / "second.py").unlink()
    (out / "third.py").touch()

    assert changed_files(out) == ["first.py", "second.py", "third.py"]


def test_command_prints_the_dag_files_and_tells_where(dags: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    done = CliRunner().invoke(bundle_command, [str(out), "--dags", str(dags)])

    assert done.exit_code == 0
    assert done.stdout == "first.py\nsecond.py\n"
    assert f"{out}: " in done.stderr


def test_command_exits_3_when_it_could_not_run(dags: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(bundle_command, [str(tmp_path), "--dags", str(dags)])

    assert done.exit_code == 3
    assert done.stdout == ""
    assert "no bundle: " in done.stderr
