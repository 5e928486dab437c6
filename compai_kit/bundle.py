"""The bundle: what is deployed, and therefore what is gated, as one flat folder with a manifest.

DAG files, their support package and the client lie side by side, because Airflow puts the DAG
folder on the import path and nothing else.
"""

import hashlib
import importlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

MANIFEST = "manifest.json"
PACKAGES = ("compai_client", "compai_dags")
_KIND = "compai-bundle"
_LEFT_OUT = frozenset({"__pycache__", "tests"})
_IGNORE_FILE = ".airflowignore"


class BundleError(Exception):
    """A bundle cannot be built or read; the message says what is in the way."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a bundle holds: the SHA-256 of each file, by its path in the bundle."""

    version: str
    files: Mapping[str, str]

    @property
    def dag_files(self) -> tuple[str, ...]:
        """The files that Airflow parses for DAGs."""
        return tuple(name for name in self.files if "/" not in name and name.endswith(".py"))


def build_bundle(out: Path, *, dags: Path) -> Manifest:
    """Write the bundle of the DAG folder `dags` to `out`, replacing an earlier bundle there.

    Raises `BundleError` for a folder without DAG files and for an `out` that holds anything else.
    """
    sources = dict(_sources(dags))
    _refuse_foreign(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its place and moved there, so that nobody ever sees half a bundle.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        fresh = Path(scratch) / "fresh"
        for name, content in sources.items():
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        manifest = Manifest(
            version=_kit_version(),
            files={name: _digest(content) for name, content in sorted(sources.items())},
        )
        (fresh / MANIFEST).write_text(_rendered(manifest))
        if out.exists():
            out.rename(Path(scratch) / "earlier")
        fresh.rename(out)
    return manifest


def read_manifest(bundle: Path) -> Manifest:
    """The manifest of a bundle; `BundleError` when the folder has none."""
    try:
        document: object = json.loads((bundle / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise BundleError(f"{bundle} is not a bundle: no readable {MANIFEST} in it") from error
    match document:
        case {"kind": "compai-bundle", "version": str(version), "files": dict(files)}:
            return Manifest(version=version, files=files)
    raise BundleError(f"{bundle} is not a bundle: its {MANIFEST} is of another kind")


def changed_files(bundle: Path) -> list[str]:
    """Files of a bundle that are missing, altered, or not in its manifest."""
    manifest = read_manifest(bundle)
    present = {name: _digest((bundle / name).read_bytes()) for name in _files_below(bundle)}
    present.pop(MANIFEST)
    names = manifest.files.keys() | present.keys()
    return sorted(name for name in names if manifest.files.get(name) != present.get(name))


def _sources(dags: Path) -> Iterator[tuple[str, bytes]]:
    dag_files = sorted(dags.glob("*.py"))
    if not dag_files:
        raise BundleError(f"{dags} holds no DAG files (*.py at its top)")
    for dag_file in dag_files:
        if dag_file.stem in PACKAGES:
            raise BundleError(f"{dag_file} has the name of a package that the bundle brings along")
        yield dag_file.name, dag_file.read_bytes()
    yield _IGNORE_FILE, _ignore_lines(dags / _IGNORE_FILE).encode()
    for folder in _folders(dags):
        for inside in _files_below(folder):
            yield f"{folder.name}/{inside}", (folder / inside).read_bytes()


def _folders(dags: Path) -> Iterator[Path]:
    """What lies beside the DAG files is what Airflow would import there; the packages must be."""
    beside = [path for path in sorted(dags.iterdir()) if path.is_dir() and _is_deployed(path)]
    yield from beside
    present = {path.name for path in beside}
    yield from (_imported_folder(package) for package in PACKAGES if package not in present)


def _is_deployed(folder: Path) -> bool:
    return not folder.name.startswith(".") and folder.name not in _LEFT_OUT


def _files_below(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not _LEFT_OUT.intersection(inside.parts):
            yield inside.as_posix()


def _imported_folder(package: str) -> Path:
    module = importlib.import_module(package)
    if not module.__file__:
        raise BundleError(f"the imported {package} is not a regular package (no __init__.py)")
    return Path(module.__file__).parent


def _ignore_lines(written: Path) -> str:
    """The folder's own ignore file, plus the packages: Airflow must not parse those for DAGs.

    Without a slash at the end: Airflow 3.1.3 does not take a pattern with one for the folder.
    """
    lines = written.read_text().splitlines() if written.is_file() else []
    covered = {line.strip().lstrip("/") for line in lines}
    lines += [package for package in PACKAGES if package not in covered]
    return "\n".join(lines) + "\n"


def _refuse_foreign(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise BundleError(f"{out} is not a folder")
    if not any(out.iterdir()):
        return
    try:
        known = read_manifest(out).files
    except BundleError as error:
        raise BundleError(f"{out} is not empty and not an earlier bundle; nothing done") from error
    foreign = [name for name in _files_below(out) if name not in known and name != MANIFEST]
    if foreign:
        raise BundleError(
            f"{out} is an earlier bundle, but these files in it are not the bundle's: "
            f"{', '.join(foreign)}; nothing done"
        )


def _kit_version() -> str:
    try:
        return metadata.version("compai-kit")
    except metadata.PackageNotFoundError:
        return "0+checkout"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _rendered(manifest: Manifest) -> str:
    document = {"kind": _KIND, "version": manifest.version, "files": dict(manifest.files)}
    return json.dumps(document, indent=2) + "\n"
