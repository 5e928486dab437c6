"""Links that are to be evidence: alive, dead, internal, or not looked at."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from compai_dags.scan_links import Link, check_link, check_links
from compai_dags.web import Web
from compai_dags.web_guard import Allowed
from compai_kit.simulator.control import Fault, SimulatorControl


@pytest.fixture
def web() -> Web:
    return Web(Allowed.parse("127.0.0.1"))


@pytest.fixture
def look(simulator: SimulatorControl, web: Web) -> Any:
    def look(**page: Any) -> Link:
        simulator.reset(settings={"systems": {"web": {"/doc": page, "/here": {}}}})
        return check_link(web, f"{simulator.url}/systems/web/doc?key=not-for-others")

    return look


def methods(simulator: SimulatorControl) -> list[str]:
    return [call.method for call in simulator.ledger() if call.operation == "web"]


@pytest.mark.parametrize("status", [200, 204, 206, 304])
def test_an_answer_is_a_live_link_and_a_head_is_enough(
    look: Any, simulator: SimulatorControl, status: int
) -> None:
    assert look(status=status) == Link(is_alive=True)
    assert methods(simulator) == ["HEAD"]


@pytest.mark.parametrize("status", [401, 403, 407])
def test_what_is_behind_a_login_is_alive_and_says_so(look: Any, status: int) -> None:
    assert look(status=status) == Link(
        is_alive=True, said=f"HTTP {status}: behind a login, not opened"
    )


@pytest.mark.parametrize(
    ("status", "transient"),
    [(404, False), (410, False), (400, False), (429, True), (408, True), (500, True), (503, True)],
)
def test_a_dead_link_is_named_without_its_query(
    look: Any, simulator: SimulatorControl, status: int, transient: bool
) -> None:
    link = look(status=status)
    said = f"{simulator.url}/systems/web/doc answers HTTP {status}"
    assert link == Link(is_alive=False, said=said, transient=transient)
    assert methods(simulator) == ["HEAD", "GET"]


def test_a_server_that_does_not_like_head_is_asked_by_get(
    look: Any, simulator: SimulatorControl, web: Web
) -> None:
    look()
    simulator.faults(Fault(kind="status", operation="web", status=405))
    assert check_link(web, f"{simulator.url}/systems/web/doc").is_alive


def test_redirects_are_followed(look: Any) -> None:
    assert look(status=302, headers={"Location": "/systems/web/here"}).is_alive
    assert not look(status=302, headers={"Location": "/systems/web/gone"}).is_alive


def test_a_redirect_into_the_house_is_no_live_link(look: Any) -> None:
    link = look(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})
    assert not link.is_alive
    assert (
        "not called: http://169.254.169.254/latest/meta-data: the host has a cloud's" in link.said
    )


def test_an_internal_link_needs_the_setting(look: Any, simulator: SimulatorControl) -> None:
    look()
    simulator.reset()
    link = check_link(Web(Allowed()), f"{simulator.url}/systems/web/doc")
    assert not link.is_alive
    assert not link.transient
    assert "COMP_AI_PROBE_ALLOW" in link.said
    assert methods(simulator) == []


def test_nobody_answers(look: Any, simulator: SimulatorControl, web: Web) -> None:
    look()
    simulator.faults(Fault(kind="reset", operation="web", count=None))
    link = check_link(web, f"{simulator.url}/systems/web/doc")
    assert (link.is_alive, link.transient) == (False, True)
    assert "no answer" in link.said


def test_links_are_looked_at_side_by_side_and_told_in_order(
    simulator: SimulatorControl, web: Web
) -> None:
    pages: dict[str, Any] = {f"/{n}": {"status": 200 if n % 2 else 404} for n in range(20)}
    simulator.reset(settings={"systems": {"web": pages}})
    links = check_links(web, [f"{simulator.url}/systems/web/{n}" for n in range(20)])
    assert [link.is_alive for link in links] == [bool(n % 2) for n in range(20)]


def test_what_there_was_no_time_for_is_no_evidence_yet() -> None:
    """Ten hosts that answer nothing must not hold a job for as long as they like."""
    now = [0.0]
    lock = threading.Lock()

    def resolve(host: str, port: int) -> list[str]:
        with lock:
            now[0] += 15.0
        raise OSError

    links = check_links(
        Web(Allowed(), resolve=resolve),
        [f"https://{n}.example.com/" for n in range(100)],
        budget_s=600,
        clock=lambda: now[0],
    )
    assert not any(link.is_alive for link in links)
    left = [link for link in links if "not looked at, the 600 s" in link.said]
    assert 100 - 40 - 8 <= len(left) <= 100 - 40
    assert all(link.transient for link in left)
