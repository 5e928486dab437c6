"""Faults as values: which call gets which, and what the spoiled answer looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import empty_answer, json_answer
from compai_kit.simulator.faults import (
    Fault,
    FaultBoard,
    FaultError,
    fault_from_json,
    replacement,
    spoiled,
)


def taken(board: FaultBoard, *operations: str | None) -> list[int | None]:
    """The statuses of the faults that these calls to Comp-AI get, one after the other."""
    faults = [board.take(operation, is_api=True) for operation in operations]
    return [fault and fault.status for fault in faults]


def test_after_and_count_place_a_fault_in_the_order_of_calls() -> None:
    board = FaultBoard((Fault(kind="status", after=1, count=2, status=503),))
    assert taken(board, *["listTests"] * 5) == [None, 503, 503, None, None]


def test_a_fault_waits_for_its_turn_behind_the_ones_before_it() -> None:
    board = FaultBoard(
        (
            Fault(kind="status", status=500),
            Fault(kind="status", status=502),
            Fault(kind="status", status=503, after=1),
        )
    )
    assert taken(board, *["listTests"] * 5) == [500, 502, None, 503, None]


def test_calls_of_other_operations_neither_take_nor_count() -> None:
    board = FaultBoard((Fault(kind="status", operation="listGaps", after=1, status=500),))
    calls = ["listTests", "listGaps", None, "listGaps", "listGaps"]
    assert taken(board, *calls) == [None, None, None, 500, None]


def test_a_fault_without_count_stays() -> None:
    board = FaultBoard((Fault(kind="status", count=None, status=500),))
    assert taken(board, *["listTests", None] * 3) == [500] * 6


def test_a_star_is_for_comp_ai_only() -> None:
    board = FaultBoard((Fault(kind="reset", count=None),))
    assert board.take("slack", is_api=False) is None
    assert board.take("keycloakToken", is_api=False) is None


LISTED = json_answer(200, [{"id": 1}])


def test_status_body_and_headers_are_what_was_asked_for() -> None:
    text = replacement(
        Fault(kind="status", status=503, body="busy", headers={"Retry-After": "7"}), window_s=60
    )
    assert (text.status, text.body, text.headers["retry-after"]) == (503, b"busy", "7")
    assert text.headers["content-type"].startswith("text/plain")
    value = replacement(Fault(kind="status", status=409, body={"error": "no"}), window_s=60)
    assert (value.status, json.loads(value.body)) == (409, {"error": "no"})
    assert replacement(Fault(kind="status", status=502, body=""), window_s=60) == empty_answer(502)
    assert replacement(Fault(kind="status"), window_s=60).status == 500


def test_html_is_a_login_page_with_status_200_unless_told_otherwise() -> None:
    page = replacement(Fault(kind="html"), window_s=60)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"Sign in" in page.body
    other = replacement(Fault(kind="html", status=502, body="<p>no</p>"), window_s=60)
    assert (other.status, other.body) == (502, b"<p>no</p>")


def test_a_redirect_leads_to_a_login_unless_told_otherwise() -> None:
    moved = replacement(Fault(kind="redirect"), window_s=60, login_url="http://k/login")
    assert (moved.status, moved.headers["location"]) == (302, "http://k/login")
    assert moved.headers["content-type"] == "text/html; charset=utf-8"
    given = Fault(kind="redirect", status=307, headers={"Location": "/elsewhere"})
    other = replacement(given, window_s=60, login_url="http://k/login")
    assert (other.status, other.headers["location"]) == (307, "/elsewhere")


@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        (Fault(kind="slow"), 2.0),
        (Fault(kind="drip"), 0.05),
        (Fault(kind="stall"), 600.0),
        (Fault(kind="duplicate"), 0.0),
        (Fault(kind="slow", delay_s=0.5), 0.5),
        (Fault(kind="reset"), 0.0),
    ],
)
def test_every_kind_has_its_own_delay(fault: Fault, wait_s: float) -> None:
    assert fault.wait_s == wait_s


def test_a_rate_limit_is_comp_ais_own_refusal() -> None:
    own = replacement(Fault(kind="rate_limit"), window_s=3)
    assert (own.status, own.headers["retry-after"]) == (429, "3")
    assert json.loads(own.body) == {"error": "Too many requests", "retry_after_secs": 3}
    given = replacement(Fault(kind="rate_limit", headers={"Retry-After": "1"}), window_s=3)
    assert given.headers["retry-after"] == "1"
    assert json.loads(given.body)["retry_after_secs"] == 1


def test_truncated_json_is_no_json() -> None:
    answer = spoiled(Fault(kind="truncate"), LISTED)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


@pytest.mark.parametrize(
    ("value", "shape"),
    [([{"id": 1}], {"items": [{"id": 1}], "total": 1}), ({"id": 1}, [{"id": 1}])],
)
def test_a_wrong_shape_is_json_all_the_same(value: Any, shape: Any) -> None:
    answer = spoiled(Fault(kind="wrong_shape"), json_answer(200, value))
    assert json.loads(answer.body) == shape


def test_a_wrong_shape_can_be_given() -> None:
    answer = spoiled(Fault(kind="wrong_shape", body=[{"id": "1"}]), LISTED)
    assert json.loads(answer.body) == [{"id": "1"}]


def test_an_answer_without_json_gets_some() -> None:
    page = HttpResponse(status=404)
    answer = spoiled(Fault(kind="wrong_shape"), page)
    assert json.loads(answer.body) == {"unexpected": True}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "a fault is an object, got list"),
        ({}, "fault: kind is missing"),
        ({"kind": "explode"}, "fault kind 'explode'; known are status, html, redirect,"),
        ({"kind": "slow", "operation": "list_tests"}, "fault operation 'list_tests'; known"),
        ({"kind": "slow", "delay": 1}, "fault: unknown key 'delay'"),
        ({"kind": "slow", "when": "later"}, "fault when 'later'; known are before, after"),
        ({"kind": "slow", "after": "1"}, "fault: after and count are whole numbers"),
        ({"kind": "slow", "count": 0}, "fault: after and delay_s must not be negative, count"),
        ({"kind": "status", "status": 20}, "fault: status 20 is no HTTP status"),
        ({"kind": "redirect", "status": 200}, "fault redirect: status 200 redirects nobody"),
        (
            {"kind": "clock_skew"},
            "fault: clock_skew needs a skew_s other than 0, and no other",
        ),
        ({"kind": "slow", "skew_s": 5}, "fault: clock_skew needs a skew_s other than 0"),
        ({"kind": "drip", "piece_bytes": 0}, "fault: piece_bytes must be at least 1"),
        (
            {"kind": "token_revoked", "operation": "slack"},
            "fault token_revoked: slack knows neither tokens nor a limit",
        ),
    ],
)
def test_a_fault_that_could_never_happen_is_refused(raw: Any, message: str) -> None:
    with pytest.raises(FaultError) as caught:
        fault_from_json(raw)
    assert str(caught.value).startswith(message)


def test_a_fault_survives_json() -> None:
    fault = Fault(kind="status", operation="slack", count=None, status=410, body="gone")
    assert fault_from_json(json.loads(json.dumps(fault.as_json()))) == fault
