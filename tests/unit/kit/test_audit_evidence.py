"""How many rows of evidence an audit asks for, and what it concludes when it has not seen all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from compai_client import ClientSettings, CompAI, ServerError, StaticToken
from compai_kit.audit.evidence import PAGE, ControlEvidence, look
from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import Fault, SimulatorControl
from compai_kit.simulator.server import serve

TOKEN = ".".join(["simulated", "token", "of-the-tests"])
BAD = {
    "type": "github_branch_protection",
    "description": "Branch protection not configured or not accessible for branch: main",
}
GOOD = {"type": "policy", "description": "Handbook chapter 4"}


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    app = create_app({"controls": []}, {"static_tokens": [TOKEN]})
    with serve(app) as running, SimulatorControl(running.url) as control:
        yield control


@pytest.fixture
def client(process: SimulatorControl) -> Iterator[CompAI]:
    process.reset()
    settings = ClientSettings(sleep=lambda _: None, jitter=lambda _: 0.0)
    with CompAI(process.url, auth=StaticToken(TOKEN), settings=settings) as client:
        yield client


def stored(process: SimulatorControl, *rows: tuple[int, dict[str, Any]]) -> None:
    """Rows of evidence by control; the first is the newest."""
    process.reset(
        {
            "recorded_at": "2026-11-25T00:00:00Z",
            "controls": [
                {"id": number, "internal_id": f"EX-{number}", "name": "Control"}
                for number in sorted({control for control, _ in rows} | {1})
            ],
            "evidence": [
                {
                    "id": 10_000 - age,
                    "control_id": control,
                    "collected_at": f"2026-11-{24 - age // 1440:02}"
                    f"T{23 - age % 1440 // 60:02}:{59 - age % 60:02}:00Z",
                    **row,
                }
                for age, (control, row) in enumerate(rows)
            ],
        }
    )


def asked(process: SimulatorControl) -> list[str]:
    return [call.query for call in process.ledger() if call.operation == "listEvidence"]


def looked(client: CompAI, *about: ControlEvidence) -> list[tuple[int, int]]:
    heard: list[tuple[int, int]] = []
    look(client, about, lambda settled, total: heard.append((settled, total)))
    return heard


def questions(numbers: Iterable[int]) -> list[ControlEvidence]:
    return [ControlEvidence(control_id=number) for number in numbers]


def test_nothing_asked_is_nothing_sent(client: CompAI, process: SimulatorControl) -> None:
    assert looked(client) == []
    assert asked(process) == []


def test_one_page_settles_a_small_installation(client: CompAI, process: SimulatorControl) -> None:
    stored(process, (1, BAD), (2, BAD), (2, GOOD), (3, GOOD), (1, BAD))
    about = questions([1, 2, 3])
    assert looked(client, *about) == [(2, 3)]
    assert asked(process) == ["limit=100&offset=0"]
    assert [control.hides_gap for control in about] == [True, False, False]
    assert about[0].negatives == {10_000, 9_996}
    assert about[0].newest is not None
    assert about[0].newest.id == 10_000


def test_pages_of_all_are_read_while_they_may_be_the_cheaper_way(
    client: CompAI, process: SimulatorControl
) -> None:
    """Ten open controls are worth ten pages; these have three, the last one not full."""
    rows = [(control, BAD) for control in range(1, 11) for _ in range(24)]
    stored(process, *rows, (7, GOOD))
    about = questions(range(1, 11))
    heard = looked(client, *about)
    assert asked(process) == ["limit=100&offset=0", "limit=100&offset=100", "limit=100&offset=200"]
    assert heard == [(0, 10), (0, 10), (1, 10)]
    assert [control.control_id for control in about if not control.hides_gap] == [7]


def test_no_more_pages_of_all_than_controls_are_open(
    client: CompAI, process: SimulatorControl
) -> None:
    stored(process, *[(9, GOOD)] * 900, (1, GOOD), (2, BAD), (3, GOOD))
    about = questions([1, 2, 3])
    heard = looked(client, *about)
    assert asked(process) == [
        "limit=100&offset=0",
        "limit=100&offset=100",
        "control_id=1&limit=100&offset=0",
        "control_id=2&limit=100&offset=0",
        "control_id=3&limit=100&offset=0",
    ]
    assert heard == [(0, 3), (0, 3), (1, 3), (2, 3), (3, 3)]
    assert [control.hides_gap for control in about] == [False, True, False]


def test_one_control_is_asked_about_directly(client: CompAI, process: SimulatorControl) -> None:
    stored(process, *[(9, GOOD)] * 300, (1, BAD))
    (about,) = questions([1])
    looked(client, about)
    assert asked(process) == ["control_id=1&limit=100&offset=0"]
    assert about.hides_gap


def test_row_that_comes_twice_shows_that_another_was_missed(
    client: CompAI, process: SimulatorControl
) -> None:
    """While pages are read a row is added: the good one of control 1 slips from page to page."""
    stored(process, *[(2, BAD)] * 99, (1, GOOD), (1, BAD), (3, BAD), (4, BAD))
    newest_first = sorted(process.state()["evidence"], key=lambda row: -row["id"])
    first, rest = newest_first[:99], newest_first[100:]
    process.faults(
        Fault(kind="wrong_shape", operation="listEvidence", body=[*first, first[0]]),
        Fault(kind="wrong_shape", operation="listEvidence", body=rest),
    )
    about = questions([1, 2, 3, 4])
    looked(client, *about)
    assert asked(process)[2:] == [f"control_id={n}&limit=100&offset=0" for n in (1, 2, 3, 4)]
    assert [control.hides_gap for control in about] == [False, True, True, True]


def test_more_rows_than_a_page_are_read_to_the_end(
    client: CompAI, process: SimulatorControl
) -> None:
    stored(process, *[(1, BAD)] * (2 * PAGE), (1, GOOD))
    (about,) = questions([1])
    looked(client, about)
    assert len(asked(process)) == 3
    assert not about.hides_gap

    stored(process, *[(1, BAD)] * (2 * PAGE + 1))
    (about,) = questions([1])
    looked(client, about)
    assert about.hides_gap
    assert len(about.negatives) == 201


def test_all_bad_is_concluded_from_whole_lists_only(
    client: CompAI, process: SimulatorControl
) -> None:
    """On the pages of all control 1 has only bad rows; its good one is far behind."""
    stored(process, (1, BAD), (2, GOOD), *[(9, GOOD)] * 300, (1, GOOD))
    about = questions([1, 2])
    looked(client, *about)
    assert not about[0].hides_gap


def test_wanted_row_is_looked_for_beyond_good_ones(
    client: CompAI, process: SimulatorControl
) -> None:
    stored(process, *[(1, GOOD)] * PAGE, (1, BAD), (1, GOOD))
    about = ControlEvidence(control_id=1, wanted={9_900, 9_899})
    looked(client, about)
    assert set(about.named) == {9_900}
    assert about.wanted == set()


def test_wanted_row_that_is_not_there_ends_with_the_list(
    client: CompAI, process: SimulatorControl
) -> None:
    stored(process, (1, GOOD), (2, GOOD))
    about = [ControlEvidence(control_id=1, wanted={77}), ControlEvidence(control_id=2)]
    looked(client, *about)
    assert about[0].named == {}
    assert asked(process) == ["limit=100&offset=0"]


def test_row_that_cannot_be_read_may_be_the_good_one(
    client: CompAI, process: SimulatorControl
) -> None:
    stored(process, (1, BAD), (2, GOOD))
    rows = [row for row in process.state()["evidence"] if row["control_id"] == 1]
    body = [*rows, {"id": "nine"}]
    process.faults(Fault(kind="wrong_shape", operation="listEvidence", body=body))
    (about,) = questions([1])
    looked(client, about)
    assert about.negatives == {10_000}
    assert not about.hides_gap
    assert [line.partition(":")[0] for line in about.bad_rows] == ["row 1"]


def test_row_of_somebody_that_cannot_be_read_makes_each_control_be_asked_about(
    client: CompAI, process: SimulatorControl
) -> None:
    stored(process, (1, BAD), (2, BAD))
    body = [*process.state()["evidence"], {"id": "nine"}]
    process.faults(Fault(kind="wrong_shape", operation="listEvidence", body=body))
    about = questions([1, 2])
    looked(client, *about)
    assert len(asked(process)) == 3
    assert [control.hides_gap for control in about] == [True, True]


def test_service_that_ignores_the_offset_does_not_keep_us_for_ever(
    client: CompAI, process: SimulatorControl
) -> None:
    stored(process, *[(1, BAD)] * PAGE)
    page = process.state()["evidence"]
    process.faults(Fault(kind="wrong_shape", operation="listEvidence", body=page, count=None))
    (about,) = questions([1])
    looked(client, about)
    assert len(asked(process)) == 2
    assert about.hides_gap


def test_list_that_fails_ends_the_audit(client: CompAI, process: SimulatorControl) -> None:
    stored(process, (1, BAD))
    process.faults(Fault(kind="status", operation="listEvidence", status=500, count=None))
    with pytest.raises(ServerError):
        looked(client, *questions([1]))
