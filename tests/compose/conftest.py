"""The deployed shape in place of the plugin's processes: the same fixtures, other ground below."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import pytest

from compai_kit.airflow_stack.compose import SIMULATOR_URL, ComposeStack
from compai_kit.bundle import build_bundle
from compai_kit.pytest_plugin.world import CLIENT_ID, REALM, SimulatedCompAI
from compai_kit.report.redact import SIMULATED_PREFIX

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.test.yaml"
KEPT_LOGS = pytest.StashKey[Path]()


@dataclass(frozen=True, kw_only=True)
class ContainedCompAI(SimulatedCompAI):
    """A simulator that the tests reach at `url`, and the DAGs by its name in their network."""

    @property
    def variables(self) -> dict[str, str]:
        """The Airflow Variables that point the DAGs at it."""
        return {
            name: value.replace(self.url, SIMULATOR_URL)
            for name, value in super().variables.items()
        }


@dataclass(frozen=True, kw_only=True)
class StartedWith:
    """What the simulator's container is given for this run."""

    client_secret: str = field(
        default_factory=lambda: f"{SIMULATED_PREFIX}{secrets.token_hex(12)}", repr=False
    )

    @property
    def values(self) -> Mapping[str, str]:
        """For the compose file."""
        return {
            "COMPAI_STACK_REALM": REALM,
            "COMPAI_STACK_CLIENT_ID": CLIENT_ID,
            "COMPAI_STACK_CLIENT_SECRET": self.client_secret,
        }


@pytest.fixture(scope="session")
def started_with() -> StartedWith:
    return StartedWith()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "dags"
    build_bundle(folder, dags=ROOT / "dags")
    return folder


@pytest.fixture(scope="module")
def airflow_stack(
    request: pytest.FixtureRequest,
    bundle: Path,
    started_with: StartedWith,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ComposeStack]:
    """Built and booted once for the module; the kit's `run_dag` runs DAGs in it."""
    logs = tmp_path_factory.mktemp("containers")
    request.config.stash[KEPT_LOGS] = logs
    stack = ComposeStack(
        COMPOSE_FILE,
        bundle=bundle,
        values=started_with.values,
        expected_dag_ids=[file.stem for file in bundle.glob("*.py")],
        logs=logs,
    )
    with stack:
        yield stack


@pytest.fixture(scope="module")
def simulated_comp_ai(airflow_stack: ComposeStack, started_with: StartedWith) -> SimulatedCompAI:
    """The simulator in its container; the kit's `simulator` steers it."""
    return ContainedCompAI(
        url=airflow_stack.simulator_url,
        client_secret=started_with.client_secret,
        webhook_path=f"/slack/services/T00000000/B00000000/{secrets.token_hex(12)}",
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say where the logs of the containers are; when all went well, nobody needs them."""
    logs = config.stash.get(KEPT_LOGS, None)
    if logs is None:
        return
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(f"the logs of the containers are in {logs}")
    else:
        rmtree(logs, ignore_errors=True)
