"""Decoding: times, closed and open sets, bounds, and rows that do not fit."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from compai_client import (
    BadRow,
    Control,
    ControlTest,
    GapAnalysis,
    RemediationTask,
    WrongShapeError,
)
from compai_client._decoding import ShapeError, decode, decode_or_null, decode_rows

CONTROL = {
    "id": 1, "internal_id": "A", "name": "n", "description": None, "category": None,
    "external_id": None, "created_at": "2026-10-01T08:00:00Z",
}  # fmt: skip
TEST = {
    "id": 1, "control_id": 1, "name": "n", "test_type": "anything at all", "schedule": None,
    "last_run_at": None, "last_result": "pass", "last_details": None,
    "created_at": "2026-10-01T08:00:00Z", "updated_at": "2026-10-01T08:00:00Z",
}  # fmt: skip
TASK = {
    "id": 1, "control_id": 1, "assigned_to": None, "due_date": None, "status": "open",
    "notes": None, "created_at": "2026-10-01T08:00:00Z", "updated_at": "2026-10-01T08:00:00Z",
}  # fmt: skip


def control(**changes: Any) -> bytes:
    return json.dumps(CONTROL | changes).encode()


def control_test(**changes: Any) -> bytes:
    return json.dumps(TEST | changes).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25T00:55:45Z", (45, 0)),
        ("2026-11-25T00:55:45.250Z", (45, 250_000)),
        ("2026-11-25T00:55:45.367654Z", (45, 367_654)),
        ("2026-11-25T00:55:45.367654270Z", (45, 367_654)),
        ("2026-11-25T00:55:45.999999999Z", (46, 0)),
    ],
)
def test_times_have_0_3_6_or_9_fraction_digits(text: str, expected: tuple[int, int]) -> None:
    second, microsecond = expected
    created = decode(control(created_at=text), Control).created_at
    assert created == datetime(2026, 11, 25, 0, 55, second, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-11-25T00:55:45", "25/11/2026", "2026-11-25", "", 1795568449, None]
)
def test_a_time_without_zone_or_of_another_form_is_refused(text: Any) -> None:
    with pytest.raises(ShapeError, match=r"\$\.created_at"):
        decode(control(created_at=text), Control)


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1])
def test_ids_are_64_bit(number: int) -> None:
    assert decode(control(id=number), Control).id == number


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**63, 10**30, 1.0, "1", True, None])
def test_other_ids_are_refused(number: Any) -> None:
    with pytest.raises(ShapeError, match=r"\$\.id: Expected `int`"):
        decode(control(id=number), Control)


@pytest.mark.parametrize("result", ["pass", "fail", "skipped", None])
def test_results_are_a_closed_set(result: Any) -> None:
    assert decode(control_test(last_result=result), ControlTest).last_result == result


def test_another_result_is_refused_without_repeating_it() -> None:
    with pytest.raises(ShapeError) as caught:
        decode(control_test(last_result="my secret - at `$.id`"), ControlTest)
    assert str(caught.value) == "$.last_result: not in the closed set of values"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("config", [{"owner": "o"}, '{"owner": "o"}', [1], 3, False, None])
def test_config_is_any_json(config: Any) -> None:
    assert decode(control_test(config=config), ControlTest).config == config


def test_config_may_be_left_out_and_nothing_else() -> None:
    assert decode(control_test(), ControlTest).config is None
    for name in TEST:
        without = {key: value for key, value in TEST.items() if key != name}
        with pytest.raises(ShapeError, match=f"missing required field `{name}`"):
            decode(json.dumps(without).encode(), ControlTest)


def test_unknown_fields_are_ignored() -> None:
    assert decode(control_test(added_later={"a": 1}), ControlTest).id == 1


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("24/12/2026", date(2026, 12, 24)),
        ("09/01/0026", date(26, 1, 9)),
        ("31/02/2026", None),
        ("01/01/0000", None),
        ("01/01/+12345", None),
        ("2026-12-24", None),
        ("1/2/2026", None),
        ("24/12/2026\n", None),
        (None, None),
    ],
)
def test_due_date_as_a_date(text: str | None, due: date | None) -> None:
    task = decode(json.dumps(TASK | {"due_date": text}).encode(), RemediationTask)
    assert (task.due_date, task.due) == (text, due)


@pytest.mark.parametrize(
    ("model", "is_degraded"),
    [
        ("mock-model (Ollama unavailable)", True),
        ("mock", True),
        ("tinyllama", False),
        ("hammock", False),
    ],
)
def test_an_analysis_without_a_model_is_degraded(model: str, is_degraded: bool) -> None:
    body = json.dumps({"summary": "s", "model_used": model}).encode()
    assert decode(body, GapAnalysis).is_degraded is is_degraded


def test_null_is_a_task_that_is_not_there() -> None:
    assert decode_or_null(b" null\n", RemediationTask) is None
    assert decode_or_null(json.dumps(TASK).encode(), RemediationTask) is not None
    with pytest.raises(ShapeError, match=r"\$: Expected `object`, got `array`"):
        decode_or_null(b"[]", RemediationTask)


def test_models_are_frozen() -> None:
    with pytest.raises(AttributeError):
        decode(control(), Control).name = "x"  # type: ignore[misc]  # what is tested


# --- rows that do not decode -------------------------------------------------------------------

ROWS = [
    control(id=1),
    control(id="2"),
    b"null",
    control(id=4),
    b'{"id": 5}',
    control(id=6, created_at="yesterday, by ada@example.com"),
    control(id=7, name="\xff").replace(b"\\u00ff", b"\xff"),
    control(id=8),
]
BODY = b" [" + b" , ".join(ROWS) + b"]\n"


def test_good_rows_are_returned_and_bad_ones_are_told_by_place_and_type() -> None:
    bad: list[BadRow] = []
    rows = decode_rows(BODY, Control, bad.append)
    assert [row.id for row in rows] == [1, 4, 8]
    assert [(row.index, row.reason) for row in bad] == [
        (1, "$[1].id: Expected `int`, got `str`"),
        (2, "$[2]: Expected `object`, got `null`"),
        (4, "$[4]: Object missing required field `internal_id`"),
        (5, "$[5].created_at: Invalid RFC3339 encoded datetime"),
        (6, "$[6]: not UTF-8"),
    ]


def test_without_a_callback_the_first_bad_row_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"^\$\[1\]\.id: Expected `int`, got `str`$"):
        decode_rows(BODY, Control, None)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": "x"}', r"\$: Expected `array`, got `object`"),
        (b"null", r"\$: Expected `array`, got `null`"),
        (b"", r"\$: Input data was truncated"),
        (b"[", r"\$: Input data was truncated"),
        (b"[] x", r"\$: JSON is malformed"),
        (b'[{"added_later": ' + b"[" * 100_000, r"\$: nested too deeply"),
    ],
)
@pytest.mark.parametrize("on_bad_row", [None, lambda _: None])
def test_what_is_no_list_is_an_error_with_and_without_a_callback(
    body: bytes, text: str, on_bad_row: Any
) -> None:
    with pytest.raises(ShapeError, match=text):
        decode_rows(body, Control, on_bad_row)


def test_a_callback_that_raises_ends_the_call() -> None:
    def stop(row: BadRow) -> None:
        raise RuntimeError(row.reason)

    with pytest.raises(RuntimeError, match=r"\$\[1\]"):
        decode_rows(BODY, Control, stop)


def test_through_the_client(script: Any, connect: Any) -> None:
    server = script((200, BODY, {"content_type": "application/json"}))
    client = connect(server.url)
    bad: list[BadRow] = []
    assert len(client.list_gaps(on_bad_row=bad.append)) == 3
    assert len(bad) == 5
    with pytest.raises(WrongShapeError) as caught:
        client.list_gaps()
    assert caught.value.pointer == "$[1].id"
    assert str(caught.value) == (
        "listGaps GET /api/v1/controls/gaps: the answer has the wrong shape (HTTP 200, attempt 1): "
        "at $[1].id: Expected `int`, got `str`. Another service may be answering, or Comp-AI no "
        "longer keeps its contract"
    )


pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1"])
