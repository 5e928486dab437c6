"""The route table, and the limiter that sits behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compai_kit.simulator.operations import OPERATIONS
from compai_kit.simulator.ratelimit import RateLimit, caller_key
from compai_kit.simulator.routing import OPERATION_IDS, ROUTES, match_route
from compai_kit.simulator.settings import RateLimitSettings

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_the_table_has_all_operations_of_the_service() -> None:
    assert len(OPERATION_IDS) == 35
    assert set(OPERATIONS) <= OPERATION_IDS


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/api/v1/controls/gaps", "listGaps"),
        ("HEAD", "/api/v1/controls/gaps", "listGaps"),
        ("GET", "/api/v1/controls/gaps/tests", "listControlTests"),
        ("POST", "/api/v1/controls/1/tests/2/result", "recordTestResult"),
        ("GET", "/api/v1/evidence", "listEvidence"),
        ("POST", "/api/v1/evidence", "createEvidence"),
        ("POST", "/api/v1/evidence/upload", "uploadEvidence"),
        ("PATCH", "/api/v1/controls/%20", "updateControl"),
    ],
)
def test_a_call_finds_its_operation(method: str, path: str, operation: str) -> None:
    found = match_route(method, path)
    assert found is not None
    assert found.operation_id == operation


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//api/v1/tests",
        "/api/v1/tests/",
        "/API/V1/TESTS",
        "/api/v1/%74ests",
        "/api/v1/controls//tests",
        "/api/v1/comp-ai/tests",
    ],
)
def test_nothing_is_forgiven_in_a_path(path: str) -> None:
    assert match_route("GET", path) is None


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/v1/tests", "GET,HEAD"),
        ("/api/v1/evidence", "GET,HEAD,POST"),
        ("/api/v1/controls/1", "GET,HEAD,PATCH"),
        ("/api/v1/scan/documents", "POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(path: str, allow: str) -> None:
    found = match_route("DELETE", path)
    assert found is not None
    assert (found.operation_id, found.allow) == (None, allow)


def test_no_two_templates_of_the_same_length_capture_differently() -> None:
    """What makes "fewest parameters wins" the same as the service's segment by segment match."""
    for template in ROUTES:
        example = template.replace("{id}", "1").replace("{test_id}", "2")
        found = match_route("GET", example)
        assert found is not None
        assert found.template == template


def test_a_window_starts_with_the_first_request_and_refusals_do_not_extend_it() -> None:
    limit = RateLimit(RateLimitSettings(requests=2, window_s=3))
    seconds = [0, 1, 2, 2.9, 3, 3.5, 4]
    refused = [limit.refuses("unknown", NOW + timedelta(seconds=s)) for s in seconds]
    assert refused == [False, False, True, True, False, False, True]


def test_callers_have_windows_of_their_own() -> None:
    limit = RateLimit(RateLimitSettings(requests=1, window_s=60))
    assert not limit.refuses("a", NOW)
    assert not limit.refuses("b", NOW)
    assert limit.refuses("a", NOW)


def test_without_a_limit_nobody_is_refused() -> None:
    assert not any(RateLimit(None).refuses("a", NOW) for _ in range(1000))


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, "unknown"),
        ({"x-real-ip": "203.0.113.7"}, "203.0.113.7"),
        ({"x-real-ip": "", "x-forwarded-for": "203.0.113.8"}, ""),
        ({"x-forwarded-for": "203.0.113.8, 10.0.0.1"}, "203.0.113.8"),
        ({"x-real-ip": "unknown"}, "unknown"),
    ],
)
def test_a_caller_is_known_by_its_headers(headers: dict[str, str], key: str) -> None:
    assert caller_key(headers) == key
