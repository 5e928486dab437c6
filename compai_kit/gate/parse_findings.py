"""Judges what the Airflow versions made of the DAG files: pure, values in, findings out."""

import importlib.util
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

from compai_kit.findings import Finding, make_finding
from compai_kit.gate.fact_findings import place
from compai_kit.gate.model import Parsed, ParsedFile
from compai_kit.report.redact import redact, trimmed
from compai_kit.report.words import listed

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_INSTALLED_AT = re.compile(r" \(/[^()]*\)$", re.MULTILINE)
_DUPLICATE = "AirflowDagDuplicatedIdException"
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<module>[^']+)'")
_NO_NAME = re.compile(
    r"(?:ImportError: cannot import name '(?P<name>[^']+)' from '(?P<module>[^']+)'"
    r"|AttributeError: module '(?P<module2>[^']+)' has no attribute '(?P<name2>[^']+)')"
)


@dataclass(frozen=True, kw_only=True)
class ImportFault:
    """An import error, taken apart: the innermost line of the bundle, and the exception's text."""

    file: str
    line: int | None
    exception: str


def import_fault(error: str, *, file: str, bundle: Path) -> ImportFault:
    """Take a traceback apart; frames outside the bundle (Airflow's, the import system's) go."""
    place: tuple[str, int | None] = (file, None)
    for frame in _FRAME.finditer(error):
        path = Path(frame["file"])
        if path.is_relative_to(bundle):
            place = (path.relative_to(bundle).as_posix(), int(frame["line"]))
    text = "\n".join(_exception_lines(error.strip().splitlines())).replace(f"{bundle}/", "")
    text = _INSTALLED_AT.sub("", text)
    return ImportFault(
        file=place[0], line=place[1], exception=trimmed(redact(text), lines=4, width=300)
    )


def parse_findings(
    parsed: Sequence[Parsed],
    *,
    bundle: Path,
    dags: Path,
    reproduce: Callable[[Sequence[str]], str],
    importable_here: Callable[[str], bool] | None = None,
) -> list[Finding]:
    """Findings over all versions; one that several versions share is reported once.

    `reproduce` gets Airflow versions and gives a command; `importable_here` tells whether the
    kit's own interpreter has a module.
    """
    return _Judge(
        parsed=parsed,
        bundle=bundle,
        dags=dags,
        reproduce=reproduce,
        importable_here=importable_here or _importable_here,
    ).findings()


def no_dag_file(dags: Path, *, seen: str, reproduce: str) -> Finding:
    """An empty deployment."""
    return make_finding(
        "CK205",
        where=str(dags),
        expected="at least one DAG file",
        seen=seen,
        fix="point --dags at the folder with the DAG files; look at its .airflowignore",
        reproduce=reproduce,
    )


@dataclass(frozen=True, kw_only=True)
class _Judge:
    parsed: Sequence[Parsed]
    bundle: Path
    dags: Path
    reproduce: Callable[[Sequence[str]], str]
    importable_here: Callable[[str], bool]

    def findings(self) -> list[Finding]:
        if not any(one.files for one in self.parsed):
            versions = [one.airflow for one in self.parsed]
            return [
                no_dag_file(
                    self.dags,
                    seen=f"Airflow {listed(versions)} finds none",
                    reproduce=self.reproduce(versions),
                )
            ]
        faults: dict[ImportFault, list[tuple[str, str]]] = {}
        found: list[Finding] = []
        for one in self.parsed:
            for entry in one.files:
                if entry.error and not entry.refused and _DUPLICATE not in entry.error:
                    fault = import_fault(entry.error, file=entry.file, bundle=self.bundle)
                    faults.setdefault(fault, []).append((one.airflow, entry.file))
        found += [self._import_error(fault, hits) for fault, hits in faults.items()]
        found += self._shared(self._without_dag)
        found += self._support_code()
        found += self._shared(self._duplicate)
        found += self._shared(self._misnamed)
        return found

    def _shared(
        self, judge: Callable[[ParsedFile], tuple[str, str, str, str] | None]
    ) -> list[Finding]:
        """Apply one rule to all files of all versions."""
        hits: dict[tuple[str, tuple[str, str, str, str]], list[str]] = {}
        for one in self.parsed:
            for entry in one.files:
                if (texts := judge(entry)) is not None:
                    hits.setdefault((entry.file, texts), []).append(one.airflow)
        return [
            make_finding(
                code,
                where=self._where(file),
                expected=expected,
                seen=f"{seen} (Airflow {listed(versions)})",
                fix=fix,
                reproduce=self.reproduce(versions),
            )
            for (file, (code, expected, seen, fix)), versions in hits.items()
        ]

    def _import_error(self, fault: ImportFault, hits: Sequence[tuple[str, str]]) -> Finding:
        versions = _distinct(version for version, _ in hits)
        importers = [file for file in _distinct(file for _, file in hits) if file != fault.file]
        through = f"\nstops {listed(importers)}" if importers else ""
        return make_finding(
            "CK201",
            where=self._where(fault.file, fault.line),
            expected="every DAG file imports in the target Airflow, from the bundle alone",
            seen=f"{fault.exception}\nAirflow {listed(versions)}{through}",
            fix=self._import_fix(fault.exception, versions),
            reproduce=self.reproduce(versions),
        )

    def _import_fix(self, exception: str, versions: list[str]) -> str:
        good = [one.airflow for one in self.parsed if one.airflow not in versions]
        newer = f"; Airflow {listed(good)} has it" if good else ""
        if match := _NO_MODULE.search(exception):
            module = match["module"]
            top = module.partition(".")[0]
            if top == "airflow":
                return f"Airflow {listed(versions)} has no module {module}{newer}: {_ADAPTER}"
            if top == "compai_kit":
                return f"the kit is not in the Airflow image: {_MOVE}"
            if self.importable_here(top):
                return (
                    f"the kit is not in the Airflow image, and {top} is here only because"
                    f" the kit brings it: {_MOVE}"
                )
            return f"{top} is neither in the Airflow image nor in the bundle: {_MOVE}"
        if match := _NO_NAME.search(exception):
            name, module = match["name"] or match["name2"], match["module"] or match["module2"]
            if module.partition(".")[0] == "airflow":
                return f"Airflow {listed(versions)} has no {name} in {module}{newer}: {_ADAPTER}"
        return "correct the line; Airflow runs the top of a DAG file without network or Variables"

    @staticmethod
    def _without_dag(entry: ParsedFile) -> tuple[str, str, str, str] | None:
        if entry.error or entry.refused or entry.dag_ids or "/" in entry.file:
            return None
        return (
            "CK202",
            "one DAG",
            "the file imports and makes no DAG",
            "call the DAG function at the end of the file, or move support code to compai_dags/",
        )

    def _support_code(self) -> list[Finding]:
        """One finding per package that .airflowignore does not keep out."""
        hits: dict[str, dict[str, int]] = {}
        for one in self.parsed:
            for entry in one.files:
                folder, slash, _ = entry.file.partition("/")
                if slash and not entry.error and not entry.refused and not entry.dag_ids:
                    per_version = hits.setdefault(folder, {})
                    per_version[one.airflow] = per_version.get(one.airflow, 0) + 1
        return [
            make_finding(
                "CK206",
                where=self._where(folder),
                expected="only DAG files are parsed as DAG files",
                seen=", ".join(
                    f"Airflow {version} parses {count} files of {folder}"
                    for version, count in per_version.items()
                ),
                fix=f"write {folder} into .airflowignore, without a slash at the end",
                reproduce=self.reproduce(list(per_version)),
            )
            for folder, per_version in hits.items()
        ]

    def _duplicate(self, entry: ParsedFile) -> tuple[str, str, str, str] | None:
        if not entry.error or _DUPLICATE not in entry.error:
            return None
        seen = redact(entry.error.strip().splitlines()[-1].replace(f"{self.bundle}/", ""))
        return ("CK203", "a dag_id of its own", seen.partition(": ")[2], "rename one of the two")

    @staticmethod
    def _misnamed(entry: ParsedFile) -> tuple[str, str, str, str] | None:
        stem = Path(entry.file).stem
        if not entry.dag_ids or entry.dag_ids == (stem,):
            return None
        return (
            "CK204",
            f"one DAG, {stem}",
            f"dag_id {listed(entry.dag_ids)}",
            f"rename one, one DAG per file (or list {entry.file} in .airflowignore)",
        )

    def _where(self, file: str, line: int | None = None) -> str:
        return place(self.dags, file, line)


def _exception_lines(lines: Sequence[str]) -> Sequence[str]:
    """What follows the last frame and its indented source lines; all, when there is no frame."""
    last_frame = max((n for n, line in enumerate(lines) if _FRAME.search(line)), default=-1)
    rest = lines[last_frame + 1 :]
    return list(dropwhile(lambda line: line.startswith(" "), rest))


_MOVE = "import only what Airflow, compai_client and compai_dags bring"
_ADAPTER = "import it either way in one adapter module, or do without"


def _importable_here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
