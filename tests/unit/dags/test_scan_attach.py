"""Attaching documents: each exactly once, whatever becomes of an answer."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from compai_client import (
    ClientSettings,
    CompAI,
    NoAnswerError,
    ServerError,
    StaticToken,
    WrongShapeError,
)
from compai_dags.scan_attach import (
    Progress,
    RepeatedPageError,
    UnknownControlError,
    attach,
    stored_links,
)
from compai_dags.scan_config import Document, link_key
from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import json_answer
from compai_kit.simulator.app import SimulatorApp
from compai_kit.simulator.control import Fault, SimulatorControl
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.server import serve

SCAN = "scanDocuments"
TOO_LONG = "https://docs.example.com/".ljust(495, "x")


def documents(*numbers: int) -> list[Document]:
    return [Document(url=f"https://docs.example.com/{n}", place=f"documents[{n}]") for n in numbers]


@pytest.fixture
def control(simulator: SimulatorControl) -> SimulatorControl:
    simulator.reset({"controls": [{"id": 7, "internal_id": "C-7", "name": "Control"}]})
    return simulator


def links(simulator: SimulatorControl) -> Counter[str]:
    return Counter(row["link_url"] for row in simulator.state()["evidence"])


def each_once(*numbers: int) -> Counter[str]:
    return Counter(document.url for document in documents(*numbers))


def sizes(simulator: SimulatorControl) -> list[int]:
    """How many documents each call brought."""
    return [
        len(call.request_body["documents"]) for call in simulator.ledger() if call.operation == SCAN
    ]


@pytest.fixture
def send(client: CompAI) -> Any:
    """A task try: looks first, as the caller does."""

    def send(given: list[Document], control_id: int = 7) -> Progress:
        there = stored_links(client, control_id)
        progress = Progress()
        new = [document for document in given if link_key(document.url) not in there]
        attach(client, control_id=control_id, documents=new, progress=progress)
        return progress

    return send


def test_120_documents_are_50_50_20(send: Any, control: SimulatorControl) -> None:
    progress = send(documents(*range(120)))
    assert sizes(control) == [50, 50, 20]
    assert links(control) == each_once(*range(120))
    assert len(progress.attached) == 120
    assert send(documents(*range(120))).attached == []
    assert sizes(control) == [50, 50, 20], "nothing is sent twice"


def test_more_rows_than_a_page_are_looked_at(
    send: Any, client: CompAI, control: SimulatorControl
) -> None:
    send(documents(*range(230)))
    assert stored_links(client, 7) == set(each_once(*range(230)))


def test_rows_without_a_link_and_of_other_controls_do_not_count(
    client: CompAI, simulator: SimulatorControl
) -> None:
    controls = [{"id": n, "internal_id": f"C-{n}", "name": "Control"} for n in (7, 8)]
    url = "https://docs.example.com/1"
    evidence = [
        {"control_id": 7, "type": "policy", "source": f"Scan: {url}", "description": url},
        {"control_id": 8, "type": "document", "link_url": url},
        {"control_id": 7, "type": "x", "link_url": "  HTTPS://DOCS.example.com/2 "},
    ]
    simulator.reset({"controls": controls, "evidence": evidence})
    assert stored_links(client, 7) == {"https://docs.example.com/2"}


def test_a_type_is_passed_on(send: Any, control: SimulatorControl) -> None:
    send([Document(url="https://docs.example.com/1", place="documents[0]", type="policy")])
    send(documents(2))
    assert [row["type"] for row in control.state()["evidence"]] == ["policy", "document"]


@pytest.mark.parametrize("kind", ["hang_up", "reset", "truncate", "html", "wrong_shape"])
def test_a_lost_answer_of_a_successful_call_adds_nothing_twice(
    send: Any, control: SimulatorControl, kind: Any
) -> None:
    control.faults(Fault(kind=kind, operation=SCAN, when="after", after=1))
    progress = send(documents(*range(120)))
    assert links(control) == each_once(*range(120))
    assert sizes(control) == [50, 50, 20], "what is there is not sent again"
    assert len(progress.attached) == 120


def test_a_call_that_may_still_be_at_work_is_not_repeated_in_the_same_try(
    send: Any, control: SimulatorControl
) -> None:
    control.faults(Fault(kind="hang_up", operation=SCAN, after=1))
    with pytest.raises(NoAnswerError):
        send(documents(*range(120)))
    assert links(control) == each_once(*range(50))
    assert sizes(control) == [50, 50]
    send(documents(*range(120)))
    assert links(control) == each_once(*range(120)), "the next try goes on from what is stored"


def test_what_was_counted_is_not_trusted(send: Any, control: SimulatorControl) -> None:
    """All three are stored, though the answer speaks of one."""
    said = {"error": "Failed to create evidence", "detail": "Created 1 before error"}
    control.faults(Fault(kind="status", operation=SCAN, status=500, body=said, when="after"))
    assert len(send(documents(1, 2, 3)).attached) == 3
    assert links(control) == each_once(1, 2, 3)
    assert sizes(control) == [3]


def test_a_partial_failure_goes_on_after_what_is_stored(
    send: Any, control: SimulatorControl
) -> None:
    bad = Document(url=TOO_LONG, place="documents[2]")
    progress = send([*documents(0, 1), bad, *documents(3, 4)])
    assert links(control) == each_once(0, 1, 3, 4)
    assert sizes(control) == [5, 3, 2]
    assert progress.attached == documents(0, 1, 3, 4)
    assert progress.refused == [bad]


def test_one_bad_document_per_chunk_stops_no_other(send: Any, control: SimulatorControl) -> None:
    bad = [Document(url=f"{TOO_LONG}{n}", place="") for n in range(2)]
    progress = send([bad[0], *documents(*range(60)), bad[1]])
    assert links(control) == each_once(*range(60))
    assert progress.refused == bad


def test_a_service_that_fails_for_everything_is_left_alone(
    send: Any, control: SimulatorControl
) -> None:
    said = {"error": "Failed to create evidence", "detail": "Created 0 before error"}
    control.faults(Fault(kind="status", operation=SCAN, status=500, body=said, count=None))
    with pytest.raises(ServerError):
        send(documents(*range(10)))
    assert sizes(control) == [10, 9, 8]
    assert links(control) == Counter()


def test_an_unknown_control_is_named_and_not_tried_again(
    send: Any, control: SimulatorControl
) -> None:
    with pytest.raises(UnknownControlError, match="Comp-AI has no control 999"):
        send(documents(1, 2), control_id=999)
    assert sizes(control) == [2]


def test_a_row_that_cannot_be_read_may_be_the_one(send: Any, control: SimulatorControl) -> None:
    send(documents(1))
    control.faults(
        Fault(kind="wrong_shape", operation="listEvidence", body=[{"id": "x"}], count=None)
    )
    with pytest.raises(WrongShapeError):
        send(documents(1))
    assert links(control) == each_once(1)


class SwappingRows(SimulatorApp):
    """Two rows of one time change places between the first two pages, as PostgreSQL may let them:
    the last of the first page comes again, and the first of the second does not come at all.
    """

    swaps = 1

    def perform(self, call: Call) -> HttpResponse:
        response = super().perform(call)
        is_second_page = call.operation_id == "listEvidence" and call.query["offset"] == 50
        if not is_second_page or not self.swaps:
            return response
        self.swaps -= 1
        first_page = replace(call, query={**call.query, "offset": 0})
        last_of_it = json.loads(super().perform(first_page).body)[-1]
        return json_answer(200, [last_of_it, *json.loads(response.body)[1:]])


def test_rows_that_change_places_between_pages_are_not_missed(
    token: str, impatient: ClientSettings
) -> None:
    url = "https://docs.example.com"
    seed = {
        "controls": [{"id": 7, "internal_id": "C-7", "name": "Control"}],
        "evidence": [
            {"control_id": 7, "type": "document", "link_url": f"{url}/{n}"} for n in range(60)
        ],
    }
    app = SwappingRows(seed, {"static_tokens": [token]})
    with (
        serve(app) as running,
        CompAI(running.url, auth=StaticToken(token), settings=impatient) as client,
    ):
        assert stored_links(client, 7) == {f"{url}/{n}" for n in range(60)}
    assert app.swaps == 0


def test_pages_that_bring_nothing_new_are_not_read_for_ever(
    control: SimulatorControl, client: CompAI
) -> None:
    """Whatever ignores `offset` must neither hang the job nor pass for the whole list."""
    row = {"control_id": 7, "type": "document", "collected_at": "2026-11-20T00:00:00Z"}
    row |= dict.fromkeys(
        ("source", "description", "link_url", "created_by", "file_path", "file_name",
         "content_type", "extracted_text")
    )  # fmt: skip
    page = [row | {"id": number} for number in range(1, 51)]
    control.faults(
        Fault(kind="status", operation="listEvidence", status=200, body=page, count=None)
    )
    with pytest.raises(RepeatedPageError, match="lists the same evidence of control 7 again"):
        stored_links(client, 7)
