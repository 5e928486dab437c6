"""Judges how DAG files behave while they are parsed, and what their source shows: pure.

One defect is one finding, however many versions and DAG files it is seen through.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from compai_kit.findings import Finding, make_finding
from compai_kit.gate.parse_answer import FileAnswer, ParseFacts, Use, UseKind
from compai_kit.report.redact import redact, trimmed
from compai_kit.report.words import listed

Reproduce = Callable[[Sequence[str]], str]
_CLIENT = "compai_client/"
_MOST_CALLERS = 3


@dataclass(frozen=True, kw_only=True)
class _Advice:
    code: str
    expected: str
    fix: str
    what: str = "{}"


_USES: dict[UseKind, _Advice] = {
    "variable": _Advice(
        code="CK207",
        what="Variable {}",
        expected="no Airflow Variable is read or written while the file is parsed",
        fix="read it inside the task, or as {{ var.value.NAME }} in a templated argument",
    ),
    "connection": _Advice(
        code="CK208",
        what="Connection {}",
        expected="no Connection is looked up while the file is parsed",
        fix="look it up inside the task, or give its id to the operator",
    ),
    "hook": _Advice(
        code="CK209",
        expected="no hook looks up its Connection while the file is parsed",
        fix="make and use the hook inside the task",
    ),
    "secret": _Advice(
        code="CK210",
        what="environment variable {}",
        expected="no secret is read from the environment while the file is parsed",
        fix="read it inside the task, where Airflow masks it; better, keep it in a Connection",
    ),
    "network": _Advice(
        code="CK211",
        what="network: {}",
        expected="no network is used while the file is parsed",
        fix="make the call inside a task; make a list that changes a mapped task (.expand)",
    ),
}
_RULES = {
    "unbounded-mapping": _Advice(
        code="CK215",
        expected="a mapped task has max_active_tis_per_dag(run) or a pool, or maps over chunks",
        fix="add max_active_tis_per_dagrun=N to the task, or map over chunks instead of items",
    ),
    "http-timeout": _Advice(
        code="CK216",
        expected="every HTTP call says how long it waits",
        fix="add timeout=SECONDS; HTTP operators and hooks: extra_options={'timeout': SECONDS}",
    ),
    "deferred-write": _Advice(
        code="CK217",
        expected="a write is sent by the worker, where it is sent once",
        fix="take deferrable=True away, or make the call in a @task",
    ),
    "retries-without-delay": _Advice(
        code="CK218",
        expected="retries come with the time to wait before each",
        fix="add retry_delay=timedelta(...), or a retry_policy; default_args will do",
    ),
}


def fact_findings(
    facts: Sequence[ParseFacts], *, dags: Path, import_budget: float, reproduce: Reproduce
) -> list[Finding]:
    """Findings over all versions. `reproduce` gets Airflow versions and gives a command."""
    judge = _Judge(facts=facts, dags=dags, budget=import_budget, reproduce=reproduce)
    return [*judge.uses(), *judge.varying(), *judge.changed(), *judge.costs(), *judge.rules()]


def place(dags: Path, file: str, line: int | None = None) -> str:
    """A file of the bundle as the reader knows it; compai_client is not in the DAG folder."""
    source = dags / file
    shown = str(source) if source.exists() else file
    return shown if line is None else f"{shown}:{line}"


@dataclass(frozen=True, kw_only=True)
class _Judge:
    facts: Sequence[ParseFacts]
    dags: Path
    budget: float
    reproduce: Reproduce

    def uses(self) -> Iterator[Finding]:
        """What was refused while the files were parsed."""
        versions: dict[tuple[UseKind, str, str], list[str]] = {}
        callers: dict[tuple[UseKind, str, str], list[str]] = {}
        for one, entry in self._entries():
            for use in entry.uses:
                where, outer = self._where_used(entry, use)
                key = (use.kind, use.what, where)
                versions.setdefault(key, []).append(one.airflow)
                callers.setdefault(key, []).extend(outer)
        for (kind, what, where), seen_by in versions.items():
            advice = _USES[kind]
            shown = advice.what.format(trimmed(redact(what), lines=1))
            through = _distinct(callers[kind, what, where])
            if through:
                more = f" and {len(through) - _MOST_CALLERS} more"
                shown += f"\ncalled from {', '.join(through[:_MOST_CALLERS])}"
                shown += more if len(through) > _MOST_CALLERS else ""
            yield self._finding(advice, where, shown, seen_by)

    def varying(self) -> Iterator[Finding]:
        """What Airflow's own check refuses."""
        hits: dict[tuple[str, str], list[str]] = {}
        for one, entry in self._entries():
            for value in entry.varying:
                where = place(self.dags, entry.file, value.line)
                shown = trimmed(redact(f"{value.code}: {value.message}"), lines=3)
                hits.setdefault((where, shown), []).append(one.airflow)
        advice = _Advice(
            code="CK212",
            expected="arguments of DAGs and tasks that are the same at every parse",
            fix="take the value inside the task, or from the run: {{ ts }}, {{ run_id }}",
        )
        for (where, shown), seen_by in hits.items():
            yield self._finding(advice, where, shown, seen_by)

    def changed(self) -> Iterator[Finding]:
        """DAGs that two parses made differently, where Airflow's own check saw nothing."""
        known = {entry.file for _, entry in self._entries() if entry.varying}
        hits: dict[tuple[str, str], tuple[list[str], str]] = {}
        for one in self.facts:
            for changed in one.changed:
                if changed.file not in known:
                    shown = "\n".join(
                        [f"two parses of {changed.dag_id} differ:", *changed.differences]
                    )
                    seen_by, _ = hits.setdefault((changed.file, changed.dag_id), ([], shown))
                    seen_by.append(one.airflow)
        advice = _Advice(
            code="CK213",
            expected="the same DAG at every parse",
            fix=(
                "build the DAG from constants: no clock, no random value, no object's repr,"
                " and sorted(...) around a set"
            ),
        )
        for (file, _), (seen_by, shown) in hits.items():
            yield self._finding(advice, place(self.dags, file), shown, seen_by)

    def costs(self) -> Iterator[Finding]:
        """Files whose import is over the budget."""
        hits: dict[str, list[tuple[str, str]]] = {}
        for one, entry in self._entries():
            if entry.cpu_s > one.limit_s:
                shown = (
                    f"Airflow {one.airflow}: {entry.cpu_s:.2f} s of CPU time,"
                    f" {entry.cpu_s / one.bare_s:.0f} × a bare DAG file{_heaviest(entry)}"
                )
                hits.setdefault(entry.file, []).append((one.airflow, shown))
        for file, seen in hits.items():
            yield make_finding(
                "CK214",
                where=place(self.dags, file),
                expected=f"an import of at most {self.budget:g} × that of a bare DAG file",
                seen="\n".join(text for _, text in seen),
                fix="import heavy packages, and compute, inside the tasks and not at the top",
                reproduce=self.reproduce([version for version, _ in seen]),
            )

    def rules(self) -> Iterator[Finding]:
        """What the source shows, in the DAG files and in their support code."""
        hits: dict[tuple[str, str, str], list[str]] = {}
        for one in self.facts:
            for broken in one.broken:
                where = place(self.dags, broken.file, broken.line)
                hits.setdefault((broken.rule, where, broken.seen), []).append(one.airflow)
        for (rule, where, seen), seen_by in hits.items():
            yield make_finding(
                _RULES[rule].code,
                where=where,
                expected=_RULES[rule].expected,
                seen=seen,
                fix=_RULES[rule].fix,
                reproduce=self.reproduce(_distinct(seen_by)),
            )

    def _entries(self) -> Iterator[tuple[ParseFacts, FileAnswer]]:
        return ((one, entry) for one in self.facts for entry in one.files)

    def _where_used(self, entry: FileAnswer, use: Use) -> tuple[str, list[str]]:
        """The user's own line, and the DAG file's when that is another."""
        own = [frame for frame in use.frames if not frame[0].startswith(_CLIENT)] or use.frames
        if not own:  # a thread that the file started
            return place(self.dags, entry.file), []
        inner, outer = own[0], own[-1]
        return place(self.dags, *inner), [] if outer == inner else [place(self.dags, *outer)]

    def _finding(self, advice: _Advice, where: str, shown: str, versions: Sequence[str]) -> Finding:
        versions = _distinct(versions)
        return make_finding(
            advice.code,
            where=where,
            expected=advice.expected,
            seen=f"{shown}\nAirflow {listed(versions)}",
            fix=advice.fix,
            reproduce=self.reproduce(versions),
        )


def _heaviest(entry: FileAnswer) -> str:
    packages = ", ".join(f"{name} ({count} modules)" for name, count in entry.heaviest)
    return f"; it brings in {packages}" if packages else ""


def _distinct(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(words))
