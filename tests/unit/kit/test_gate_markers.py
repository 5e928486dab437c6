"""The scenario marker's arguments, and the decision about Docker."""

import pytest

from compai_kit.pytest_plugin.markers import ScenarioMark, ScenarioMarkError, scenario_mark


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("d", "n"), {}),
        (("d",), {"name": "n"}),
        ((), {"dag_id": "d", "name": "n"}),
    ],
)
def test_marker_takes_two_texts(args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    assert scenario_mark(args, kwargs) == ScenarioMark(dag_id="d", name="n")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        (("d",), {}),
        (("d", "n", "x"), {}),
        (("d", "n"), {"name": "n"}),
        (("d", "n"), {"other": "x"}),
        (("d", None), {}),
        (("", "n"), {}),
        (("d", " "), {}),
        (("d/e", "n"), {}),
        (("d", "two\nlines"), {}),
    ],
)
def test_anything_else_is_refused_showing_allowed_and_given(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    with pytest.raises(ScenarioMarkError, match=r"allowed: @pytest\.mark\.scenario.*; given: scen"):
        scenario_mark(args, kwargs)
