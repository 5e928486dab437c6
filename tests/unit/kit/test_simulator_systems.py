"""The systems beside Comp-AI: settings that are refused, what reaches the ledger, and faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from compai_kit.contract.exchange import HttpRequest
from compai_kit.gate.calls import OTHER_SERVICES
from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import Fault, SimulatorControl, SimulatorControlError
from compai_kit.simulator.faults import FaultError
from compai_kit.simulator.server import serve
from compai_kit.simulator.settings import SettingsError
from compai_kit.simulator.systems.registry import SYSTEMS, check_systems, system_of
from compai_kit.simulator.target import target_of

TOKEN = "simulated-secret-of-github"
REPOSITORY = "/systems/github/repos/example-org/demo"
GITHUB = {"tokens": {TOKEN: {}}, "repositories": {"example-org/demo": {}}}


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorControl]:
    with serve(create_app({})) as server, SimulatorControl(server.url) as control:
        yield control


@pytest.fixture
def simulator(running: SimulatorControl) -> SimulatorControl:
    running.reset(None, {"systems": {"github": GITHUB}})
    return running


def ask(simulator: SimulatorControl, path: str = REPOSITORY, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Note": f"({TOKEN})"}
    return requests.get(simulator.url + path, headers=headers, timeout=5, **more)


def test_each_has_a_place_and_a_name_of_its_own() -> None:
    assert {"github", "web"} <= set(SYSTEMS)
    prefixes = sorted(system.prefix for system in SYSTEMS.values())
    assert len(set(prefixes)) == len(prefixes)
    for name, system in SYSTEMS.items():
        assert system.name == name
        assert system.prefix.startswith("/")
        assert system_of(f"{system.prefix}/x") is system


@pytest.mark.parametrize(
    "path", ["/systems", "/systems/", "/systems/githubx", "/api/v1/tests", "/"]
)
def test_other_paths_belong_to_none(path: str) -> None:
    assert system_of(path) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gitlab": {}}, "settings.systems: unknown key 'gitlab'; known are github"),
        ({"github": []}, "settings.systems.github: expected an object"),
        ({"github": {"repos": {}}}, "settings.systems.github: unknown 'repos'; known are tokens"),
        (
            {"github": {"tokens": {TOKEN: {"permissions": ["admin"]}}}},
            "settings.systems.github.tokens[0].permissions: unknown 'admin'",
        ),
        (
            {"github": {"tokens": {TOKEN: {"kind": "oauth"}}}},
            "settings.systems.github.tokens[0].kind: unknown 'oauth'",
        ),
        (
            {"github": {"app": {"installations": {"3": {"permissions": ["all"]}}}}},
            "settings.systems.github.app.installations['3'].permissions: unknown 'all'",
        ),
        (
            {"github": {"repositories": {"a/b": {"protected": True}}}},
            "settings.systems.github.repositories['a/b']: unknown 'protected'",
        ),
        (
            {"github": {"repositories": {"a/b": {"branches": {"m": {"protection": {"on": 1}}}}}}},
            "settings.systems.github.repositories['a/b'].branches['m'].protection: unknown 'on'",
        ),
        (
            {
                "github": {
                    "repositories": {"a/b": {"rulesets": [{"rules": [{"type": "creation"}]}]}}
                }
            },
            "settings.systems.github.repositories['a/b'].rulesets[0].rules: unknown 'creation'",
        ),
        (
            {"github": {"limit": {"per_hour": 5}}},
            "settings.systems.github.limit: unknown 'per_hour'",
        ),
        ({"web": {"/a": {"code": 200}}}, "settings.systems.web['/a']: expected an object of"),
    ],
)
def test_what_would_test_nothing_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_systems(settings)
    assert str(caught.value).startswith(message)
    assert TOKEN not in str(caught.value)


def test_a_refused_setting_is_said_to_whoever_sets_it(running: SimulatorControl) -> None:
    with pytest.raises(SimulatorControlError, match=r"settings\.systems: unknown key 'gitlab'"):
        running.reset(None, {"systems": {"gitlab": {}}})


def test_a_call_is_in_the_ledger_by_its_system_and_breaks_no_contract(simulator) -> None:
    assert ask(simulator).status_code == 200
    assert ask(simulator, "/systems/github/nothing").status_code == 404
    for entry, path in zip(
        simulator.ledger(), (REPOSITORY, "/systems/github/nothing"), strict=True
    ):
        assert (entry.operation, entry.path, entry.token) == ("github", path, None)
        assert (entry.request_violations, entry.response_violations) == ([], [])
        assert entry.stored == []


def test_its_secrets_never_reach_the_ledger(simulator) -> None:
    ask(simulator, params={"token": TOKEN})
    told = str([entry.as_json() for entry in simulator.ledger()])
    assert TOKEN not in told
    assert "<removed>" in told


def test_what_it_remembers_ends_with_a_reset(simulator) -> None:
    limited = {"systems": {"github": {**GITHUB, "limit": {"calls": 1}}}}
    simulator.reset(None, limited)
    assert [ask(simulator).status_code for _ in range(2)] == [200, 403]
    simulator.reset(None, limited)
    assert ask(simulator).status_code == 200


def test_a_fault_meets_its_system_only(simulator) -> None:
    simulator.faults(Fault(kind="status", operation="github", status=502, body={"message": "Bad"}))
    assert requests.get(f"{simulator.url}/systems/web/x", timeout=5).status_code == 404
    refused = ask(simulator)
    assert (refused.status_code, refused.json()) == (502, {"message": "Bad"})
    assert ask(simulator).status_code == 200
    assert [entry.fault for entry in simulator.ledger()] == [None, "status", None]


def test_a_fault_of_all_operations_is_for_comp_ai_only(simulator) -> None:
    simulator.faults(Fault(kind="status", status=500, count=None))
    assert ask(simulator).status_code == 200


def test_a_system_has_no_token_of_comp_ai_to_lose() -> None:
    with pytest.raises(FaultError, match="github knows neither tokens nor a limit"):
        Fault(kind="token_revoked", operation="github")


def test_a_web_address_answers_as_it_is_told(running: SimulatorControl) -> None:
    page = {"status": 201, "body": {"up": True}, "headers": {"x-a": "1"}}
    running.reset(None, {"systems": {"web": {"/up": page, "/text": {"body": "fine"}}}})
    told = requests.get(f"{running.url}/systems/web/up", timeout=5)
    assert (told.status_code, told.json(), told.headers["x-a"]) == (201, {"up": True}, "1")
    assert requests.get(f"{running.url}/systems/web/text", timeout=5).text == "fine"
    assert requests.get(f"{running.url}/systems/web/other", timeout=5).status_code == 404


def test_the_gate_counts_none_of_them_as_comp_ai() -> None:
    for system in SYSTEMS.values():
        target = target_of(HttpRequest(method="GET", url_path=f"{system.prefix}/x"))
        assert target.operation in OTHER_SERVICES
        assert not target.is_api
