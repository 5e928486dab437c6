"""Where a finding is, as a file that a CI server can show.

A finding says in one text where it is: `dags/x.py:7`, `dag: scenario (tests/e2e/test_x.py:3)`,
`dag: operation`, an operation, a folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from compai_kit.findings import Finding
from compai_kit.gate.model import Verdict

_FILE = re.compile(r"^(?P<file>[^\s:()]+\.[a-z]{2,6})(?::(?P<line>\d+))?$")
_IN_PARENTHESES = re.compile(r"\((?P<file>[^\s:()]+):(?P<line>\d+)\)$")
_FILE_AND_LINE = re.compile(r"^(?P<file>.+):(?P<line>\d+)$")


class Place(Struct, frozen=True):
    """A file, as seen from the working directory, and a line when one is known."""

    file: str
    line: int | None = None


def place_of(finding: Finding) -> Place | None:
    """The file and line that the finding names; None when it names something else."""
    found = _FILE.search(finding.where) or _IN_PARENTHESES.search(finding.where)
    if found is None:
        return None
    return Place(_from_here(found["file"]), int(found["line"]) if found["line"] else None)


def nearest_place(finding: Finding, verdict: Verdict) -> Place:
    """The file where a reader would begin; some CI servers refuse what has none."""
    return place_of(finding) or next(_near(finding, verdict))


def _near(finding: Finding, verdict: Verdict) -> Iterator[Place]:
    dag = finding.where.partition(":")[0]
    for result in verdict.scenarios:
        if result.scenario.dag == dag and (at := _FILE_AND_LINE.search(result.scenario.where)):
            yield Place(_from_here(at["file"]), int(at["line"]))
    for parsed in verdict.parsed:
        for entry in parsed.files:
            if dag in entry.dag_ids:
                yield Place(_from_here(f"{verdict.dags}/{entry.file}"))
    contract = _from_here(verdict.contract)
    if finding.code.startswith("CK1") and contract and not Path(contract).is_absolute():
        yield Place(contract)
    yield Place(_from_here(verdict.dags))


def _from_here(file: str) -> str:
    """Empty stays empty."""
    if not file:
        return ""
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_posix()
