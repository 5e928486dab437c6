"""Which scenarios the collected tests are, and which of them were chosen by name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from compai_kit.gate.model import Scenario
from compai_kit.pytest_plugin.markers import ScenarioMarkError, scenario_mark


def scenarios_of(items: Sequence[pytest.Item]) -> dict[str, Scenario]:
    """Node id → scenario. Scenarios that share DAG and name (parametrized ones) are told apart.

    Raises pytest.UsageError for a marker that does not name a scenario.
    """
    found = {item.nodeid: _scenario(item) for item in items}
    doubled = Counter((scenario.dag, scenario.name) for scenario in found.values())
    for item in items:
        scenario = found[item.nodeid]
        if doubled[scenario.dag, scenario.name] > 1:
            suffix = _parameters(item) or item.name
            found[item.nodeid] = _renamed(scenario, f"{scenario.name} [{suffix}]")
    return found


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The chosen node ids, and names that fit no scenario."""

    nodes: frozenset[str]
    unknown: tuple[str, ...]


def choose(scenarios: Sequence[Scenario], names: Sequence[str]) -> Choice:
    """Names may be a scenario's, `DAG/name`, a DAG's id or a node id; upper and lower case alike.

    A parametrized scenario is chosen by its common name as well. No names: all.
    """
    if not names:
        return Choice(nodes=frozenset(s.node for s in scenarios), unknown=())
    hits = {name: [s.node for s in scenarios if name.casefold() in _names(s)] for name in names}
    return Choice(
        nodes=frozenset(node for nodes in hits.values() for node in nodes),
        unknown=tuple(name for name, nodes in hits.items() if not nodes),
    )


def _names(scenario: Scenario) -> set[str]:
    plain = {scenario.name, scenario.name.partition(" [")[0]}
    full = {f"{scenario.dag}/{name}" for name in plain}
    return {name.casefold() for name in (*plain, *full, scenario.node, scenario.dag or "-")}


def _scenario(item: pytest.Item) -> Scenario:
    path, line, _ = item.location
    where = f"{path}:{(line or 0) + 1}"
    dag, name = None, item.name
    if (marker := item.get_closest_marker("scenario")) is not None:
        try:
            mark = scenario_mark(marker.args, marker.kwargs)
        except ScenarioMarkError as error:
            raise pytest.UsageError(f"{where}: {error}") from error
        dag, name = mark.dag_id, mark.name
    function = getattr(item, "function", None)
    promise = (getattr(function, "__doc__", None) or "").strip().partition("\n")[0]
    return Scenario(
        node=item.nodeid, dag=dag, name=name, where=Path(where).as_posix(), promise=promise
    )


def _parameters(item: pytest.Item) -> str:
    return str(item.callspec.id) if hasattr(item, "callspec") else ""


def _renamed(scenario: Scenario, name: str) -> Scenario:
    return Scenario(
        node=scenario.node,
        dag=scenario.dag,
        name=name,
        where=scenario.where,
        promise=scenario.promise,
    )
