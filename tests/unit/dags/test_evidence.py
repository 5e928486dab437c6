"""What a pass rests on, stored before the pass: once per content, never twice, never for less."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from compai_client import HtmlAnswerError, ServerError
from compai_dags.checks.base import InvalidConfigError
from compai_dags.evidence import (
    EvidenceKeeper,
    Statement,
    evidence_refresh,
    fitted,
    read_evidence,
    write_evidence,
)
from compai_dags.outcomes import Observation, Outcome
from compai_dags.proof import Assertion, Proof, content_sha256
from compai_dags.trailer import EvidenceRef
from compai_kit.simulator.control import Fault

CREATE, LIST = "createEvidence", "listEvidence"
APPROVALS = Assertion(path="approvals", observed=2, expected="at least 1", holds=True)
PROOF = Proof(
    type="github_branch_protection",
    source="github:example-org/demo@main",
    assertions=(APPROVALS,),
    raw_sha256="ab" * 32,
    link_url="https://github.example/example-org/demo",
)


def seen(number: int) -> Proof:
    """Other content: so many approvals."""
    return msgspec.structs.replace(
        PROOF, assertions=(msgspec.structs.replace(APPROVALS, observed=number),)
    )


def statement(proof: Proof, at: datetime) -> Statement:
    return Statement(
        kit="0.1.0",
        run="run-1",
        observed_at=at,
        raw_sha256=proof.raw_sha256,
        content_sha256=content_sha256(proof),
        assertions=proof.assertions,
    )


class TestText:
    def test_a_sentence_and_one_line_of_json(self, now) -> None:
        text = write_evidence("Two approvals\nare required.", statement(PROOF, now))
        sentence, line = text.split("\n")
        assert sentence == "Two approvals are required."
        assert json.loads(line) == {
            "kit": "0.1.0",
            "run": "run-1",
            "observed_at": "2026-11-25T07:00:00Z",
            "raw_sha256": "ab" * 32,
            "content_sha256": content_sha256(PROOF),
            "assertions": [
                {
                    "path": "approvals", "observed": 2, "expected": "at least 1", "holds": True,
                    "mandatory": True, "volatile": False,
                }
            ],
        }  # fmt: skip

    @pytest.mark.parametrize(
        "observed",
        [
            0, -1, 1.5, True, None, "", "text", "two\nlines", "NUL \x00", "“quoted” ✅", [],
            [1, [2]], {"a": {"b": []}}, {"": None},
        ],
    )  # fmt: skip
    def test_what_was_written_is_read_back(self, now, observed) -> None:
        proof = msgspec.structs.replace(
            PROOF, assertions=(msgspec.structs.replace(APPROVALS, observed=observed),)
        )
        written = statement(proof, now)
        assert read_evidence(write_evidence("Seen – ✅.", written)) == ("Seen – ✅.", written)

    def test_nothing_of_it_upsets_the_database(self, now) -> None:
        proof = msgspec.structs.replace(
            PROOF, assertions=(msgspec.structs.replace(APPROVALS, observed="NUL \x00"),)
        )
        assert "\x00" not in write_evidence("NUL \x00", statement(proof, now))

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda _: None, id="nothing"),
            pytest.param(lambda _: "", id="empty"),
            pytest.param(lambda _: "Seen by a person.", id="a person's"),
            pytest.param(lambda text: text.split("\n")[1], id="the line alone"),
            pytest.param(lambda text: text + "\nand more", id="a note below"),
            pytest.param(lambda text: "and more\n" + text, id="a note above"),
            pytest.param(lambda text: text[:-1], id="cut off"),
            pytest.param(lambda text: text.replace("observed_at", "at"), id="a key is missing"),
            pytest.param(lambda text: text.replace('"path"', '"p"'), id="another assertion"),
            pytest.param(lambda text: text.replace("07:00:00Z", "07:00:00"), id="no zone"),
            pytest.param(lambda _: 'Two\n{"a": 1}', id="other JSON"),
            pytest.param(lambda _: "Two\n[]", id="no object"),
        ],
    )
    def test_other_texts_are_not_ours(self, now, change) -> None:
        assert read_evidence(change(write_evidence("Seen.", statement(PROOF, now)))) is None

    def test_a_line_of_a_later_version_is_ours_too(self, now) -> None:
        text = write_evidence("Seen.", statement(PROOF, now))
        later = text.replace('{"kit":', '{"colour":"green","kit":', 1)
        assert read_evidence(later) == ("Seen.", statement(PROOF, now))


class TestFitted:
    def test_what_fits_is_left_alone(self) -> None:
        assert fitted(PROOF) is PROOF

    def test_what_is_too_long_is_cut_and_stays_distinct(self) -> None:
        long = [
            msgspec.structs.replace(PROOF, type="t" * 60, source="s" * 600 + end) for end in "ab"
        ]
        short = [fitted(proof) for proof in long]
        assert [(len(proof.type), len(proof.source)) for proof in short] == [(50, 500)] * 2
        assert short[0].type == short[1].type
        assert short[0].source != short[1].source
        assert fitted(short[0]) is short[0]

    def test_what_comp_ai_would_trim_or_refuse_is_not_sent(self) -> None:
        odd = msgspec.structs.replace(PROOF, type=" t\n", source="a\x00b", link_url=" https://x/ ")
        even = fitted(odd)
        assert (even.type, even.source, even.link_url) == ("t", "a b", "https://x/")


class TestRefresh:
    @pytest.mark.parametrize("config", [None, {}, "{}", {"owner": "x"}])
    def test_by_default_ninety_days(self, row, config) -> None:
        assert evidence_refresh(row(config=config)) == timedelta(days=90)

    @pytest.mark.parametrize("config", [{"evidence_refresh": 7}, '{"evidence_refresh": 7}'])
    def test_or_what_the_test_says(self, row, config) -> None:
        assert evidence_refresh(row(config=config)) == timedelta(days=7)

    @pytest.mark.parametrize("days", [0, -1, True, "7", 1.5, None, 100_000])
    def test_else_it_is_not_configured(self, row, days) -> None:
        with pytest.raises(InvalidConfigError, match=r"config\.evidence_refresh must be"):
            evidence_refresh(row(config={"evidence_refresh": days}))


@pytest.fixture
def today(simulator, seed) -> datetime:
    """The simulator's time is the wall clock's; control 3 has a document of five days ago."""
    test = {"id": 5, "control_id": 3, "name": "Branch rule is on", "test_type": "any"}
    today = datetime.now(UTC)
    simulator.reset(
        seed(test, evidence=[{"id": 1, "type": "document", "control_id": 3,
                              "collected_at": f"{today - timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}"}])
    )  # fmt: skip
    return today


@pytest.fixture
def rows(simulator):
    """The rows of evidence that checks wrote."""

    def rows() -> list[dict[str, Any]]:
        return [row for row in simulator.state()["evidence"] if row["type"] != "document"]

    return rows


@pytest.fixture
def calls(simulator):
    def calls(operation: str) -> int:
        return sum(entry.operation == operation for entry in simulator.ledger())

    return calls


@pytest.fixture
def keep(client, row, today):
    """Keep evidence as one chunk of a run would; `keeper` stays for further tests of that chunk."""

    def keeper(days_later: float = 0) -> EvidenceKeeper:
        return EvidenceKeeper(
            client=client, now=lambda: today + timedelta(days=days_later), run_id="run-1"
        )

    def keep(
        proof: Proof = PROOF,
        before: EvidenceRef | None = None,
        *,
        using: EvidenceKeeper | None = None,
        days_later: float = 0,
        refresh_days: int = 90,
        sentence: str = "Two approvals are required.",
        **over: Any,
    ) -> EvidenceRef:
        observation = Observation(
            outcome=Outcome.PASS,
            sentence=sentence,
            proof=proof,
            collected_at=today + timedelta(days=days_later),
        )
        return (using or keeper(days_later)).keep(
            row(**over), observation, before=before, refresh=timedelta(days=refresh_days)
        )

    keep.keeper = keeper
    return keep


class TestKeep:
    def test_the_row_says_what_was_seen(self, keep, rows, today) -> None:
        ref = keep()
        (stored,) = rows()
        assert stored["id"] == ref.id
        assert (stored["control_id"], stored["type"], stored["source"], stored["link_url"]) == (
            3, PROOF.type, PROOF.source, PROOF.link_url,
        )  # fmt: skip
        sentence, written = read_evidence(stored["description"])
        assert sentence == "Two approvals are required."
        assert written.assertions == PROOF.assertions
        assert written.raw_sha256 == PROOF.raw_sha256
        assert written.observed_at == today
        assert written.run == "run-1"

    def test_what_the_result_remembers_costs_no_request(self, keep, rows, calls) -> None:
        ref = keep()
        asked = calls(LIST)
        assert keep(before=ref, days_later=89) == ref
        assert (len(rows()), calls(LIST), calls(CREATE)) == (1, asked, 1)

    def test_without_memory_the_row_is_found(self, keep, rows, calls) -> None:
        ref = keep()
        assert keep() == ref
        assert (len(rows()), calls(CREATE)) == (1, 1)

    @pytest.mark.parametrize("remembers", [True, False])
    def test_changed_content_is_new_evidence(self, keep, rows, remembers) -> None:
        first = keep(seen(2))
        second = keep(seen(3), before=first if remembers else None)
        assert second.id != first.id
        assert len(rows()) == 2

    def test_another_source_or_control_is_new_evidence(self, keep, rows, simulator) -> None:
        state = simulator.state()
        state["controls"].append({"id": 4, "internal_id": "EX-4", "name": "Control 4"})
        simulator.reset(state)
        keep()
        keep(msgspec.structs.replace(PROOF, source="github:example-org/other@main"))
        keep(control_id=4)
        assert len(rows()) == 3

    def test_what_changes_without_meaning_is_not(self, keep, rows) -> None:
        def committed(day: int) -> Proof:
            date = Assertion(
                path="date", observed=f"2026-11-{day}", expected="90 days", holds=True,
                volatile=True,
            )  # fmt: skip
            return msgspec.structs.replace(PROOF, assertions=(date,), raw_sha256=f"{day}" * 32)

        assert keep(committed(10)) == keep(committed(11))
        assert len(rows()) == 1

    def test_content_that_comes_back_is_new_evidence(self, keep, rows) -> None:
        """Else the newest row would say what was true before the last change."""
        first = keep(seen(2))
        second = keep(seen(3), before=first)
        third = keep(seen(2), before=second)
        assert third.id > second.id > first.id
        assert keep(seen(2), before=second) == third, "its result was lost: the row is found"
        assert len(rows()) == 3

    @pytest.mark.parametrize("remembers", [True, False])
    def test_old_evidence_is_renewed(self, keep, rows, remembers) -> None:
        ref = keep()
        before = ref if remembers else None
        assert keep(before=before, days_later=89) == ref
        renewed = keep(before=before, days_later=91)
        assert renewed.id > ref.id
        assert len(rows()) == 2

    def test_sooner_where_the_test_says_so(self, keep, rows) -> None:
        ref = keep()
        assert keep(before=ref, days_later=8, refresh_days=7).id > ref.id
        assert len(rows()) == 2

    def test_two_tests_that_see_the_same_share_a_row(self, keep, rows, calls) -> None:
        keeper = keep.keeper()
        assert keep(using=keeper, id=5) == keep(using=keeper, id=6)
        assert len(rows()) == 1

    def test_a_control_is_listed_once_in_a_chunk(self, keep, rows, calls) -> None:
        keeper = keep.keeper()
        for number in range(10):
            keep(seen(number), using=keeper, id=number)
        assert len(rows()) == 10
        assert calls(LIST) == 1

    def test_a_row_behind_a_hundred_others_is_found(self, keep, rows, client) -> None:
        ref = keep()
        for number in range(120):
            client.create_evidence(control_id=3, type="document", description=f"{number}")
        assert keep() == ref
        assert len(rows()) == 1

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda text: text.replace('"observed":2', '"observed":1'), id="touched"),
            pytest.param(lambda _: "Two approvals are required.", id="a person's"),
            pytest.param(lambda _: None, id="no description"),
        ],
    )
    def test_a_row_that_does_not_say_so_does_not_count(
        self, keep, rows, client, today, change
    ) -> None:
        """The hash is that of the pass; what is written beside it is not."""
        description = change(write_evidence("Two approvals.", statement(PROOF, today)))
        client.create_evidence(
            control_id=3, type=PROOF.type, source=PROOF.source, description=description
        )
        keep()
        assert len(rows()) == 2

    def test_a_row_that_says_so_counts_whoever_wrote_it(self, keep, rows, client, today) -> None:
        description = write_evidence("Two approvals.", statement(PROOF, today))
        client.create_evidence(
            control_id=3, type=PROOF.type, source=PROOF.source, description=description
        )
        keep()
        assert len(rows()) == 1


class TestLostAnswers:
    @pytest.mark.parametrize("kind", ["hang_up", "reset"])
    def test_a_row_that_was_stored_is_not_stored_again(self, keep, rows, simulator, kind) -> None:
        simulator.faults(Fault(kind=kind, operation=CREATE, when="after"))
        ref = keep()
        assert [row["id"] for row in rows()] == [ref.id]

    def test_a_server_error_behind_a_stored_row(self, keep, rows, simulator) -> None:
        simulator.faults(Fault(kind="status", operation=CREATE, status=504, when="after"))
        ref = keep()
        assert [row["id"] for row in rows()] == [ref.id]

    def test_an_answer_that_cannot_be_read(self, keep, rows, simulator, calls) -> None:
        simulator.faults(Fault(kind="html", operation=CREATE, when="after"))
        ref = keep()
        assert [row["id"] for row in rows()] == [ref.id]
        assert calls(CREATE) == 1

    def test_a_page_that_answered_instead_is_not_asked_twice(
        self, keep, rows, simulator, calls
    ) -> None:
        simulator.faults(Fault(kind="html", operation=CREATE, count=None))
        with pytest.raises(HtmlAnswerError):
            keep()
        assert (rows(), calls(CREATE), calls(LIST)) == ([], 1, 2)

    def test_what_was_not_stored_is_repeated_once(self, keep, rows, simulator, calls) -> None:
        simulator.faults(Fault(kind="status", operation=CREATE, status=500))
        ref = keep()
        assert [row["id"] for row in rows()] == [ref.id]
        assert calls(CREATE) == 2

    def test_and_no_more_than_once(self, keep, rows, simulator, calls) -> None:
        simulator.faults(Fault(kind="status", operation=CREATE, status=500, count=None))
        with pytest.raises(ServerError):
            keep()
        assert (rows(), calls(CREATE)) == ([], 2)

    def test_blind_nothing_is_repeated(self, keep, rows, simulator, calls) -> None:
        simulator.faults(
            Fault(kind="status", operation=CREATE, status=504, when="after"),
            Fault(kind="status", operation=LIST, status=500, after=1, count=None),
        )
        with pytest.raises(ServerError, match=LIST):
            keep()
        assert (len(rows()), calls(CREATE)) == (1, 1)
