"""Step 2: every DAG file parses, from the bundle, in every Airflow version, and does no harm."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compai_kit.airflow_stack.environments import ensure_environment
from compai_kit.bundle import build_bundle
from compai_kit.findings import Finding
from compai_kit.gate.fact_findings import fact_findings
from compai_kit.gate.model import Event, Note, Parsed, Step
from compai_kit.gate.parse import parse_bundle
from compai_kit.gate.parse_findings import no_dag_file, parse_findings
from compai_kit.gate.plan import GatePlan
from compai_kit.report.words import counted, listed


def parse_everywhere(
    plan: GatePlan, listen: Callable[[Event], None]
) -> tuple[Step, tuple[Parsed, ...], list[Finding]]:
    """Environments are made first, one at a time; the versions then parse side by side."""
    if not any(plan.dags_folder.glob("*.py")):
        finding = no_dag_file(plan.dags_folder, seen="no *.py at its top", reproduce=plan.command())
        empty = tuple(Parsed(airflow=version, files=()) for version in plan.versions)
        return Step(name="parse", outcome="findings", detail="no DAG file"), empty, [finding]
    pythons = [
        plan.python or ensure_environment(version, on_build=lambda text: listen(Note(text=text)))
        for version in plan.versions
    ]
    with tempfile.TemporaryDirectory(prefix="compai-parse-") as scratch:
        bundle = (Path(scratch) / "bundle").resolve()
        build_bundle(bundle, dags=plan.dags_folder)
        with ThreadPoolExecutor(len(pythons)) as pool:
            facts = tuple(
                pool.map(
                    lambda python: parse_bundle(
                        bundle, python=python, import_budget=plan.import_budget
                    ),
                    pythons,
                )
            )

    def reproduce(versions: Sequence[str]) -> str:
        return plan.for_versions(versions).command()

    parsed = tuple(one.parsed for one in facts)
    findings = parse_findings(parsed, bundle=bundle, dags=plan.dags_folder, reproduce=reproduce)
    findings += fact_findings(
        facts, dags=plan.dags_folder, import_budget=plan.import_budget, reproduce=reproduce
    )
    return _step(parsed, findings), parsed, findings


def blocked_dags(parsed: Parsed) -> tuple[str, ...]:
    """DAGs that cannot run because their file does not parse; the file is named like the DAG."""
    top_level = (entry for entry in parsed.files if "/" not in entry.file)
    return tuple(Path(entry.file).stem for entry in top_level if not entry.dag_ids)


def _step(parsed: Sequence[Parsed], findings: Sequence[Finding]) -> Step:
    files = len({entry.file for one in parsed for entry in one.files if entry.dag_ids})
    versions = listed(one.airflow for one in parsed)
    if findings:
        detail = f"{counted(len(findings), 'finding')} on Airflow {versions}"
        return Step(name="parse", outcome="findings", detail=detail)
    slowest = max(entry.seconds for one in parsed for entry in one.files)
    detail = f"{counted(files, 'DAG file')} on Airflow {versions}; slowest import {slowest:.2f} s"
    return Step(name="parse", outcome="ok", detail=detail)
