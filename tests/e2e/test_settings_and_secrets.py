"""Where both DAGs take their settings from in a real Airflow, and that no secret is shown."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from comp_ai_world import ALERTS_DAG, GITHUB, TESTS_DAG, github_test, posted_results, seed_of

from compai_kit.airflow_stack.runs import Run
from compai_kit.report.redact import SIMULATED_PREFIX
from compai_kit.simulator.control import Fault, SimulatorControl

# Vault and its like: asked for a Connection's text, which is a URI or JSON.
FOLDER_BACKEND = '''
"""A secrets backend that reads Connections from files; the word "sealed" makes it fail."""

from pathlib import Path

from airflow.secrets import BaseSecretsBackend


class FolderBackend(BaseSecretsBackend):
    def __init__(self, folder):
        super().__init__()
        self.folder = Path(folder)

    def get_conn_value(self, conn_id, **kwargs):
        file = self.folder / conn_id
        text = file.read_text() if file.is_file() else None
        if text == "sealed":
            raise ConnectionError("the vault is sealed")
        return text
'''
REFUSED_BY_SLACK = Fault(
    kind="status", operation="slack", status=404, body="no_service", count=None
)


def canary() -> str:
    """A secret that the report would mask, if it ever got there."""
    return SIMULATED_PREFIX + secrets.token_hex(12)


def showing(run: Run, *canaries: str) -> list[str]:
    """Where the run shows one of these, or anything that looks like a token."""
    texts = list(run.every_text())
    assert any(run.run_id in text for _, text in texts), "nothing was read"
    return [where for where, text in texts if any(c in text for c in (*canaries, "eyJ"))]


@pytest.fixture
def no_variables(simulated_comp_ai: Any) -> dict[str, None]:
    """Takes all Variables away that point the DAGs at the simulator."""
    return dict.fromkeys(simulated_comp_ai.variables)


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "secrets in Variables")
def test_secrets_in_variables_are_not_shown(
    simulator: SimulatorControl, run_dag: Any, simulated_comp_ai: Any
) -> None:
    wrong = canary()
    simulator.reset(seed_of(github_test(1)), GITHUB)
    simulator.faults(REFUSED_BY_SLACK)

    good = run_dag(TESTS_DAG)
    refused_by_keycloak = run_dag(TESTS_DAG, variables={"COMP_AI_CLIENT_SECRET": wrong})
    refused_by_slack = run_dag(ALERTS_DAG)

    assert (good.state, refused_by_keycloak.state, refused_by_slack.state) == (
        "success",
        "failed",
        "failed",
    )
    log = good.log("list_control_tests")
    assert "COMP_AI_CLIENT_SECRET from an Airflow Variable" in log
    for run in (good, refused_by_keycloak, refused_by_slack):
        assert showing(run, wrong, *simulated_comp_ai.secrets) == []


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "settings in a Connection, as in the UI")
def test_a_connection_in_the_form_of_the_ui(
    simulator: SimulatorControl, run_dag: Any, simulated_comp_ai: Any, no_variables: Any
) -> None:
    simulator.reset(seed_of(github_test(1)), GITHUB)
    address, variables = urlsplit(simulator.url), simulated_comp_ai.variables
    keycloak = {
        "keycloak_url": variables["COMP_AI_KEYCLOAK_URL"],
        "realm": variables["COMP_AI_KEYCLOAK_REALM"],
    }
    fields = {
        "conn_type": "http",
        "host": address.hostname,
        "port": address.port,
        "schema": "http",
        "login": variables["COMP_AI_CLIENT_ID"],
        "password": simulated_comp_ai.client_secret,
        "extra": json.dumps(keycloak),
    }

    run = run_dag(TESTS_DAG, variables=no_variables, connections={"comp_ai": fields})

    assert run.state == "success"
    assert posted_results(simulator) == [(1, "pass")]
    log = run.log("list_control_tests")
    assert "COMP_AI_BASE_URL from the Connection comp_ai" in log
    assert "COMP_AI_CLIENT_SECRET from the Connection comp_ai" in log
    assert showing(run, simulated_comp_ai.client_secret) == []


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "settings in a Connection, as URI or JSON")
def test_a_connection_as_a_secrets_backend_keeps_it(
    simulator: SimulatorControl, airflow_with: Any, simulated_comp_ai: Any, tmp_path: Path
) -> None:
    simulator.reset(seed_of(github_test(1)), GITHUB)
    variables, secret = simulated_comp_ai.variables, simulated_comp_ai.client_secret
    extra = {
        "keycloak_url": variables["COMP_AI_KEYCLOAK_URL"],
        "realm": variables["COMP_AI_KEYCLOAK_REALM"],
    }
    client, host = variables["COMP_AI_CLIENT_ID"], urlsplit(simulator.url).netloc
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in extra.items())
    as_uri = f"http://{client}:{secret}@{host}/?{query}"
    # Host with the scheme in it is what many people write; Airflow 3.1 wants conn_type as well.
    fields = {"host": simulator.url, "login": client, "password": secret, "extra": extra}
    as_json = json.dumps({"conn_type": "http", **fields})
    unencoded = f"http://{client}:{secret}/@{host}/?{query}"
    (tmp_path / "folder_backend.py").write_text(FOLDER_BACKEND)
    environment = {
        "PYTHONPATH": str(tmp_path),
        "AIRFLOW__SECRETS__BACKEND": "folder_backend.FolderBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"folder": str(tmp_path)}),
    }
    forms = {"URI": as_uri, "JSON": as_json, "wrong": unencoded, "failing": "sealed"}
    seen = {}
    with airflow_with(environment) as run_dag:
        for form, text in forms.items():
            (tmp_path / "comp_ai").write_text(text)
            run = run_dag(TESTS_DAG)
            seen[form] = (run.state, "\n".join(run.log("list_control_tests")))
            assert showing(run, secret) == []

    for form in ("URI", "JSON"):
        state, log = seen[form]
        assert state == "success", f"{form}: {log}"
        assert "COMP_AI_CLIENT_SECRET from the Connection comp_ai" in log
    assert len(posted_results(simulator)) == 2
    assert seen["wrong"][0] == "failed"
    assert "Connection comp_ai cannot be parsed; in an address, percent-encode" in seen["wrong"][1]
    assert seen["failing"][0] == "failed"
    assert "the vault is sealed" in seen["failing"][1], "a failed lookup is no missing setting"


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "settings in the environment")
def test_the_environment_overrules_variables_and_its_secrets_are_not_shown(
    simulator: SimulatorControl, airflow_with: Any
) -> None:
    """Airflow masks no value of a plain environment variable by itself."""
    token, webhook_path = canary(), f"/slack/services/T0/B0/{canary()}"
    settings: Mapping[str, Any] = {**GITHUB, "static_tokens": [token]}
    simulator.reset(seed_of(github_test(1)), settings)
    simulator.faults(REFUSED_BY_SLACK)
    environment = {
        "COMP_AI_BASE_URL": simulator.url,
        "COMP_AI_TOKEN": token,
        "SLACK_WEBHOOK_URL": simulator.url + webhook_path,
    }
    with airflow_with(environment) as run_dag:
        good = run_dag(TESTS_DAG, variables={"COMP_AI_BASE_URL": "http://127.0.0.1:9"})
        refused_by_slack = run_dag(ALERTS_DAG)
        simulator.faults(Fault(kind="token_expiry", operation="listTests"))
        refused = run_dag(TESTS_DAG)

        log = good.log("list_control_tests")
        assert {"COMP_AI_BASE_URL from the environment", "COMP_AI_TOKEN from the environment"} <= {
            *log
        }
        for run in (good, refused_by_slack, refused):
            assert showing(run, token, webhook_path) == []

    assert (good.state, refused_by_slack.state, refused.state) == ("success", "failed", "failed")
    assert posted_results(simulator) == [(1, "pass")]


@pytest.mark.core
@pytest.mark.scenario(TESTS_DAG, "settings missing")
def test_missing_settings_are_named(
    simulator: SimulatorControl, run_dag: Any, no_variables: Any
) -> None:
    run = run_dag(TESTS_DAG, variables=no_variables)

    assert run.state == "failed"
    assert run.task("list_control_tests").try_number == 1, "another try cannot help"
    log = "\n".join(run.log("list_control_tests"))
    assert "COMP_AI_BASE_URL is not set" in log
    assert simulator.ledger() == []


@pytest.mark.scenario(ALERTS_DAG, "a token that was copied with an ellipsis")
def test_a_token_that_is_not_ascii_is_refused_by_name(
    simulator: SimulatorControl, run_dag: Any, no_variables: dict[str, None]
) -> None:
    """Its characters were once deleted, and what was left was sent: 401 for days."""
    token = canary() + "…"
    given = {"COMP_AI_BASE_URL": simulator.url, "COMP_AI_TOKEN": token}

    run = run_dag(ALERTS_DAG, variables={**no_variables, **given})

    assert run.state == "failed"
    log = "\n".join(run.log("fetch_tests"))
    assert "COMP_AI_TOKEN from an Airflow Variable holds a character that is not printable" in log
    assert "unknown" in "\n".join(run.log("send_alert"))
    assert showing(run, token[:-1]) == []
    assert simulator.ledger() == [], "nothing was sent with it"
