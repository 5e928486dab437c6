"""What Comp-AI forgets: every outcome of every run, one new object per chunk and try."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from compai_dags.decisions import RunIdentity
from compai_dags.history import encode_outcomes, encode_summary, store
from compai_dags.outcomes import Outcome, Reason
from compai_dags.records import Record

AT = datetime(2026, 11, 25, 6, 0, 30, tzinfo=UTC)
IDENTITY = RunIdentity(run_id="manual__2026-11-25T06:00:00+00:00", try_number=2)
PASS = Record(
    id=5, control_id=3, name="Branch rule is on", outcome=Outcome.PASS, reason=None,
    said="Two approvals. Evidence 12.", posted="pass", collected_at=AT, evidence_id=12,
)  # fmt: skip
LOST = Record(
    id=6, control_id=3, name="“Odd”\nname", outcome=Outcome.UNRECORDED, reason=Reason.TIMEOUT,
    said="PASS could not be recorded.", posted=None, kept_because="no answer",
)  # fmt: skip


def test_each_outcome_is_one_line_that_says_everything() -> None:
    first, second = encode_outcomes([PASS, LOST], IDENTITY, chunk=4, at=AT).splitlines()
    assert json.loads(first) == {
        "kind": "outcome",
        "at": "2026-11-25T06:00:30Z",
        "run": "manual__2026-11-25T06:00:00+00:00",
        "chunk": 4,
        "try": 2,
        "kit": "0.1.0",
        "id": 5,
        "control_id": 3,
        "name": "Branch rule is on",
        "outcome": "PASS",
        "reason": None,
        "said": "Two approvals. Evidence 12.",
        "posted": "pass",
        "collected_at": "2026-11-25T06:00:30Z",
        "evidence_id": 12,
        "failing": "",
        "kept_because": None,
    }
    lost = json.loads(second)
    assert (lost["outcome"], lost["reason"], lost["posted"]) == ("UNRECORDED", "timeout", None)
    assert lost["kept_because"] == "no answer"


def test_the_summary_is_a_line_of_its_own() -> None:
    (line,) = encode_summary({"passed": 1, "total": 1}, IDENTITY, at=AT).splitlines()
    assert json.loads(line) == {
        "kind": "summary",
        "at": "2026-11-25T06:00:30Z",
        "run": "manual__2026-11-25T06:00:00+00:00",
        "try": 2,
        "kit": "0.1.0",
        "counts": {"passed": 1, "total": 1},
    }


class TestStore:
    def test_one_object_per_run_chunk_and_try(self, task, tmp_path) -> None:
        base = f"file://{tmp_path}/history"
        url = store(task, base, IDENTITY, "chunk-004", "{}\n")
        assert url == f"{base}/manual__2026-11-25T06-00-00-00-00/chunk-004-try-2.jsonl"
        assert (tmp_path / url.removeprefix(f"file://{tmp_path}/")).read_text() == "{}\n"

    def test_what_is_there_is_never_replaced(self, task, tmp_path) -> None:
        base = f"file://{tmp_path}/history"
        urls = [store(task, base, IDENTITY, "summary", f"{n}\n") for n in range(3)]
        assert [url.rsplit("/", 1)[1] for url in urls] == [
            "summary-try-2.jsonl", "summary-try-2-2.jsonl", "summary-try-2-3.jsonl",
        ]  # fmt: skip
        texts = [(tmp_path / url.removeprefix(f"file://{tmp_path}/")).read_text() for url in urls]
        assert texts == ["0\n", "1\n", "2\n"]

    @pytest.mark.parametrize("base", ["s3://bucket", "s3://bucket/"])
    def test_a_slash_at_the_end_does_not_matter(self, base) -> None:
        class Shelf:
            def __init__(self) -> None:
                self.urls: list[str] = []

            def store_new(self, url: str, content: bytes) -> bool:
                self.urls.append(url)
                return True

        shelf = Shelf()
        store(shelf, base, RunIdentity(run_id="r"), "summary", "")
        assert shelf.urls == ["s3://bucket/r/summary-try-1.jsonl"]

    def test_a_run_id_cannot_leave_its_folder(self, task, tmp_path) -> None:
        store(task, f"file://{tmp_path}/h", RunIdentity(run_id="../../x"), "summary", "1\n")
        assert [p.name for p in (tmp_path / "h").iterdir()] == ["..-..-x"]

    def test_what_the_storage_says_is_not_hidden(self, task, tmp_path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(OSError, match="file"):
            store(task, f"file://{tmp_path}/file", IDENTITY, "summary", "1\n")

    def test_a_storage_where_everything_exists_is_not_asked_for_ever(self) -> None:
        class Full:
            def store_new(self, url: str, content: bytes) -> bool:
                return False

        with pytest.raises(FileExistsError, match=r"summary-try-2\.jsonl and 99 others like it"):
            store(Full(), "s3://bucket", IDENTITY, "summary", "")
