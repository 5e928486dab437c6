"""From the list to chunks: what is refused, and how it is cut."""

from __future__ import annotations

import msgspec
import pytest

from compai_client import BaseUrlError, CompAI, ServerError, StaticToken
from compai_dags.listing import (
    MAX_CHUNKS,
    Listing,
    UnexpectedListError,
    chunk,
    list_rows,
    select,
)
from compai_dags.rows import from_xcom, read_row, to_xcom, without_words
from compai_kit.simulator.control import Fault


@pytest.fixture
def listing(row) -> Listing:
    return Listing(rows=[row(id=number) for number in (1, 2, 3)], bad_rows=[])


class TestSelect:
    def test_everything_by_default(self, listing) -> None:
        assert select(listing, test_ids=[], allow_empty=False) == listing

    def test_by_id(self, listing) -> None:
        rows = select(listing, test_ids=[3, 1], allow_empty=False).rows
        assert [row.id for row in rows] == [1, 3]

    def test_an_unknown_id_is_refused(self, listing) -> None:
        with pytest.raises(UnexpectedListError, match="test_ids 8, 9: Comp-AI has no control test"):
            select(listing, test_ids=[9, 1, 8], allow_empty=False)

    def test_an_empty_list_is_suspicious(self) -> None:
        empty = Listing(rows=[], bad_rows=[])
        with pytest.raises(UnexpectedListError, match="0 tests: wrong database or tenant"):
            select(empty, test_ids=[], allow_empty=False)
        assert select(empty, test_ids=[], allow_empty=True) == empty


@pytest.mark.parametrize(
    ("tests", "chunks", "largest"),
    [(0, 0, 0), (1, 1, 1), (10, 1, 10), (11, 2, 10), (160, 16, 10), (161, 15, 11), (1100, 16, 69)],
)
def test_chunks_grow_with_the_list(row, tests, chunks, largest) -> None:
    rows = [row(id=number) for number in range(tests)]
    cut = chunk(rows)
    assert len(cut) == chunks <= MAX_CHUNKS
    assert max(map(len, cut), default=0) == largest
    assert [row for part in cut for row in part] == rows


class TestListRows:
    def test_a_row_that_cannot_be_read_does_not_stop_the_others(
        self, client, simulator, seed, caplog
    ) -> None:
        tests = [
            {"id": number, "control_id": 3, "name": f"T{number}", "test_type": "manual"}
            for number in (1, 2)
        ]
        simulator.reset(seed(*tests))
        good = msgspec.to_builtins(client.list_tests())
        simulator.faults(
            Fault(
                kind="status",
                operation="listTests",
                status=200,
                body=[good[0], {"name": "s3cret content"}, good[1], "s3cret content"],
            )
        )
        listing = list_rows(client)
        assert [row.id for row in listing.rows] == [1, 2]
        assert [bad_row.split(":")[0] for bad_row in listing.bad_rows] == ["row 1", "row 3"]
        assert "A control test cannot be read: row 1" in caplog.text
        assert "s3cret content" not in caplog.text

    def test_a_wrong_base_url_is_explained(self, simulator, impatient, token) -> None:
        doubled = f"{simulator.url}/api/v1"
        with (
            CompAI(doubled, auth=StaticToken(token), settings=impatient) as client,
            pytest.raises(BaseUrlError, match="base_url"),
        ):
            list_rows(client)

    def test_an_outage_is_not_called_a_wrong_base_url(self, client, simulator) -> None:
        simulator.faults(Fault(kind="status", operation="listTests", status=500, count=None))
        with pytest.raises(ServerError):
            list_rows(client)


def test_rows_travel_as_plain_data_without_words(client, simulator, seed) -> None:
    test = {"id": 1, "control_id": 3, "name": "T", "test_type": "manual", "config": {"a": [None]}}
    test |= {"last_result": "pass", "last_details": "Words", "last_run_at": "2026-11-01T00:00:00Z"}
    simulator.reset(seed(test))
    row = without_words(read_row(client.list_tests()[0]))
    (plain,) = to_xcom([row])
    assert "Words" not in repr(plain)
    assert all(type(value) in (int, str, dict, type(None)) for value in plain.values())
    assert from_xcom([plain]) == [row]
