"""The simulator against the recordings: same seed, same requests in the same order, over HTTP.

Every setting of the recordings is a simulator of its own. Then the same with renamed rows and moved
ids, and with wrong twins, which must not get through.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import compai_kit.simulator
from compai_kit.contract.exchange import HttpRequest, HttpResponse
from compai_kit.contract.recordings import Recorded, load_recordings
from compai_kit.simulator.app import Delivery, SimulatorApp
from compai_kit.simulator.operations.call import Call
from compai_kit.simulator.routing import OPERATION_IDS
from compai_kit.simulator.state import Database
from compai_kit.simulator.trial.compare import Comparison, problems
from compai_kit.simulator.trial.effects import EffectError, Effects
from compai_kit.simulator.trial.renaming import Renaming
from compai_kit.simulator.trial.run import BESIDES, Outcome, is_known, replay, start_of

TESTS = Path(__file__).parents[1]
RECORDINGS = TESTS / "cassettes" / "live"
SEED = json.loads((TESTS / "data" / "recorded.seed.json").read_text())
# What the recorded processes ran with, as far as the simulated operations can tell.
SETTINGS = json.loads((TESTS / "data" / "recorded.settings.json").read_text())

# How many recorded calls can be compared: those of the simulated operations, routing, Keycloak, and
# what the limiter refused before any operation was asked for.
COMPARED = {
    "main": 638,
    "full": 47,
    "model_unreachable_mock": 3,
    "model_unreachable": 1,
    "model_error": 1,
    "model_silent": 1,
    "integrations_partial": 2,
    "upstream_denied": 4,
    "upstream_unreachable": 6,
    "empty_database": 8,
    "no_schema": 18,
    "limit_60_per_60s": 15,
    "limit_5_per_3s": 47,
    "keycloak_unreachable": 20,
    "keycloak": 25,
}
# Recorded without a call to any of these operations.
NOTHING_TO_COMPARE = {"storage_unset", "small_files"}


@pytest.fixture(scope="module")
def recordings() -> list[Recorded]:
    return load_recordings(RECORDINGS)


def report(outcomes: Sequence[Outcome]) -> list[str]:
    """The figures are for whoever runs pytest with -rP."""
    compared = Counter(outcome.recorded.setting for outcome in outcomes)
    good = Counter(outcome.recorded.setting for outcome in outcomes if not outcome.problems)
    lines = [f"{name}: reproduced {good[name]} of {compared[name]}" for name in compared]
    total = f"all settings: reproduced {good.total()} of {compared.total()}"
    print(*lines, total, sep="\n")  # noqa: T201  # as above
    return [str(outcome) for outcome in outcomes if outcome.problems]


def test_every_recorded_call_is_reproduced(recordings: list[Recorded]) -> None:
    outcomes = replay(recordings, settings=SETTINGS, seed=SEED)
    assert report(outcomes) == []
    assert Counter(outcome.recorded.setting for outcome in outcomes) == COMPARED
    assert {r.setting for r in recordings} == COMPARED.keys() | NOTHING_TO_COMPARE
    compared = {outcome.recorded.name for outcome in outcomes}
    assert {r.name for r in recordings if is_known(r)} <= compared


@pytest.mark.parametrize("number", [1, 2])
def test_so_they_are_with_other_names_and_ids(recordings: list[Recorded], number: int) -> None:
    renaming = Renaming(SEED, SETTINGS, words=("example",), number=number)
    renamed = renaming.recordings(recordings)
    outcomes = replay(renamed, settings=renaming.settings(SETTINGS), seed=renaming.seed(SEED))
    assert report(outcomes) == []
    assert len(outcomes) == sum(COMPARED.values())


class TestRenaming:
    """What is replayed a second time is really something else."""

    renaming = Renaming(SEED, SETTINGS, words=("example",), number=1)

    def test_no_id_and_no_name_of_the_seed_is_left(self) -> None:
        seed = self.renaming.seed(SEED)
        for table in ("controls", "control_tests", "evidence", "requirements"):
            old, new = ({row["id"] for row in data[table]} for data in (SEED, seed))
            assert not old & new
        for column in ("internal_id", "name"):
            old, new = ([row[column] for row in data["controls"]] for data in (SEED, seed))
            assert not set(old) & set(new)
            assert [len(text) for text in old] == [len(text) for text in new]
        assert "example" not in json.dumps(seed).lower()
        assert seed["control_tests"][0]["test_type"] == SEED["control_tests"][0]["test_type"]

    def test_lists_keep_their_order(self) -> None:
        seed = self.renaming.seed(SEED)
        by_name = lambda data: sorted(data["controls"], key=lambda row: row["internal_id"])  # noqa: E731
        moved = [row["id"] for row in by_name(seed)]
        shift = seed["controls"][0]["id"] - SEED["controls"][0]["id"]
        assert moved == [row["id"] + shift for row in by_name(SEED)]

    def test_what_is_unknown_stays_unknown_and_odd_forms_stay_odd(
        self, recordings: list[Recorded]
    ) -> None:
        pairs = zip(recordings, self.renaming.recordings(recordings), strict=True)
        shift = self.renaming.seed(SEED)["controls"][0]["id"] - 1
        paths = {a.request.url_path: b.request.url_path for a, b in pairs}
        assert paths["/api/v1/controls/424242"] == "/api/v1/controls/424242"
        assert paths["/api/v1/controls/abc"] == "/api/v1/controls/abc"
        assert paths["/api/v1/controls/+1"] == f"/api/v1/controls/+{1 + shift}"
        assert paths["/api/v1/controls/001"] == f"/api/v1/controls/00{1 + shift}"

    def test_most_answers_change(self, recordings: list[Recorded]) -> None:
        pairs = list(zip(recordings, self.renaming.recordings(recordings), strict=True))
        rows = [
            (a, b) for a, b in pairs if a.operation == "list_tests" and b"name" in a.response.body
        ]
        assert rows
        assert all(a.response.body != b.response.body for a, b in rows)


class LimitOff(SimulatorApp):
    def reset(self, *args: Any, **kwargs: Any) -> None:
        super().reset(*args, **kwargs)
        self.service.settings = replace(self.service.settings, rate_limit=None)
        self.service.rate_limit = type(self.service.rate_limit)(None)


class AuthOff(SimulatorApp):
    def deliver(self, request: HttpRequest) -> Delivery:
        """Whoever calls is taken for somebody with a good token."""
        token = self.service.keycloak.issue(
            "airflow", issuer="http://k/auth/realms/lianel", scope="", now=self._clock()
        )
        headers = {**request.headers, "authorization": f"Bearer {token}"}
        return super().deliver(replace(request, headers=headers))


class WrongOwnership(SimulatorApp):
    """Takes a result for any test, whatever control the path names."""

    def perform(self, call: Call) -> HttpResponse:
        test = call.database.control_tests.get(call.path.get("test_id", 0))
        if test is not None:
            call = replace(call, path={**call.path, "id": test.control_id})
        return super().perform(call)


class NoHoles(SimulatorApp):
    """A refused insert gives its id back."""

    def perform(self, call: Call) -> HttpResponse:
        before = dict(call.database._last_ids)
        response = super().perform(call)
        if response.status == 500:
            call.database._last_ids = before
        return response


@pytest.mark.parametrize(
    ("twin", "cassettes", "problem"),
    [
        (LimitOff, ("rate_limit.yaml",), "status 200, recorded 429"),
        (AuthOff, ("list_tests.yaml",), "status 200, recorded 401"),
        (WrongOwnership, ("record_test_result.yaml",), "status 200, recorded 404"),
        (NoHoles, ("scan_documents.yaml", "create_evidence.yaml"), "/id: "),
    ],
)
def test_a_wrong_twin_does_not_get_through(
    recordings: list[Recorded],
    twin: Callable[..., SimulatorApp],
    cassettes: tuple[str, ...],
    problem: str,
) -> None:
    some = [r for r in recordings if r.cassette in cassettes or r.cassette == "final_state.yaml"]
    outcomes = replay([recordings[0], *some], settings=SETTINGS, seed=SEED, create=twin)
    assert any(problem in str(o) for o in outcomes if o.recorded.cassette in cassettes)


def test_the_comparison_is_not_blind() -> None:
    different = Comparison(datetime(2026, 11, 25, 0, 55, 6, tzinfo=UTC)).different
    row = {
        "id": 1,
        "at": "2026-11-25T00:55:16.123456Z",
        "old": "2026-10-01T08:00:00Z",
        "by": "<id>",
    }
    same = row | {"at": "2026-11-25T00:55:17.999999Z", "by": "me"}
    assert list(different([row], [same])) == []
    for wrong in (
        {"id": 1.0},
        {"id": True},
        {"id": None},
        {"at": "2026-11-25T00:55:16.123Z"},
        {"at": "2026-11-25T00:55:19.123456Z"},
        {"at": "2026-11-25 00:55:16.123456"},
        {"old": "2026-10-01T08:00:01Z"},
        {"by": ""},
        {"extra": 1},
    ):
        assert list(different([row], [same | wrong])) != [], wrong
    assert list(different([row], [])) != []
    assert list(different([row], [{"at": 1}])) != []
    assert list(different([], [row])) == [": 1 items, recorded 0"]


def test_nor_is_it_to_media_types_headers_and_lengths(recordings: list[Recorded]) -> None:
    head = next(r for r in recordings if r.request.method == "HEAD" and r.response.status == 200)
    text = next(r for r in recordings if r.response.status == 422)
    limited = next(r for r in recordings if r.response.status == 429)

    def seen(recorded: Recorded, body: bytes = b"", **headers: str) -> list[str]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = replace(
            recorded.response, headers={**recorded.response.headers, **given}, body=body
        )
        return problems(recorded, answer, started_at=start_of(recordings))

    assert seen(head) == []
    assert seen(head, content_length="1") == [
        f"content-length 1, recorded {head.response.headers['content-length']}; 0 bytes of body"
    ]
    assert len(seen(head, b"{}")) == 1
    assert seen(text, text.response.body.partition(b": ")[0] + b": in other words") == []
    assert len(seen(text, b"Something else")) == 1
    assert seen(limited, limited.response.body, retry_after="1") == [
        f"retry-after '1', recorded {limited.response.headers['retry-after']!r}"
    ]
    assert len(seen(text, text.response.body, content_type="application/json")) == 1


def test_a_write_that_cannot_be_made_is_not_passed_over(recordings: list[Recorded]) -> None:
    bulk = next(r for r in recordings if r.operation == "bulk_update_external_ids" and r.writes)
    with pytest.raises(EffectError, match="0 controls changed, the index has 2"):
        Effects(recordings).apply(bulk, Database())
    with pytest.raises(EffectError, match="a write to others is unknown"):
        Effects(recordings).apply(replace(bulk, effect={"others": {}}), Database())


def test_the_route_table_names_the_operations_as_the_recordings_do(
    recordings: list[Recorded],
) -> None:
    assert {r.operation_id for r in recordings if r.operation not in BESIDES} == OPERATION_IDS


def test_no_recorded_body_lies_in_the_package(recordings: list[Recorded]) -> None:
    """Fixed error strings do; an answer has to come from the state."""
    assert compai_kit.simulator.__file__ is not None
    package = Path(compai_kit.simulator.__file__).parent
    source = "".join(file.read_text() for file in package.rglob("*.py"))
    bodies = {r.response.body.decode() for r in recordings}
    assert [body for body in bodies if len(body) > 60 and body in source] == []


def test_what_upstreams_answered_lies_in_the_settings_only() -> None:
    assert compai_kit.simulator.__file__ is not None
    package = Path(compai_kit.simulator.__file__).parent
    source = "".join(file.read_text() for file in package.rglob("*.py"))
    full = SETTINGS["full"]
    texts = [full["okta"]["organisation"], full["model"]["answer"], full["aws"]["region"]]
    assert [text for text in texts if text in source] == []
