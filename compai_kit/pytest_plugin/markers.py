"""What the marker `scenario` may be given. Needs no pytest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALLOWED = '@pytest.mark.scenario("dag_id", "name")'


class ScenarioMarkError(ValueError):
    """The marker's arguments do not name a scenario; the text shows allowed and given."""


@dataclass(frozen=True, kw_only=True)
class ScenarioMark:
    """Which DAG a test runs, and what the verdict calls it."""

    dag_id: str
    name: str


def scenario_mark(args: Sequence[object], kwargs: Mapping[str, object]) -> ScenarioMark:
    """The marker's arguments as a value; both may also be given by keyword."""
    given = ", ".join([*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())])
    names = ("dag_id", "name")
    values = {**dict(zip(names, args, strict=False)), **kwargs}
    doubled = set(names[: len(args)]) & set(kwargs)
    if len(args) > len(names) or doubled or set(values) != set(names):
        raise ScenarioMarkError(f"allowed: {ALLOWED}; given: scenario({given})")
    dag_id, name = values["dag_id"], values["name"]
    if not (isinstance(dag_id, str) and isinstance(name, str) and dag_id and name.strip()):
        raise ScenarioMarkError(
            f"allowed: {ALLOWED}, two texts that are not empty; given: scenario({given})"
        )
    if "/" in dag_id or "\n" in name:
        raise ScenarioMarkError(
            f"allowed: {ALLOWED}, a dag_id without / and a name of one line;"
            f" given: scenario({given})"
        )
    return ScenarioMark(dag_id=dag_id, name=name)
