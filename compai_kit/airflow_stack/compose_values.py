"""What one run of docker-compose.test.yaml gets: its name, its secrets, and where it is reached."""

import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from compai_kit.airflow_stack.configuration import StackSecrets
from compai_kit.airflow_stack.errors import BootError

LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - the published ports of a remote engine
# In the environment it would win over ours, and two stacks would be one.
_PROJECT_NAME = "COMPOSE_PROJECT_NAME"


def new_project_name() -> str:
    """Unlike that of any other stack."""
    return f"compai-test-{secrets.token_hex(4)}"


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How ports are published, and the host on which they are then found."""

    publish_on: str
    host: str


def reach_of(environ: Mapping[str, str]) -> Reach:
    """On loopback, unless the engine runs elsewhere (DOCKER_HOST, TESTCONTAINERS_HOST_OVERRIDE)."""
    engine = urlsplit(environ.get("DOCKER_HOST", ""))
    elsewhere = engine.hostname if engine.scheme in ("tcp", "http", "https", "ssh") else None
    host = environ.get("TESTCONTAINERS_HOST_OVERRIDE") or elsewhere
    if host in (None, "localhost", LOOPBACK):
        return Reach(publish_on=LOOPBACK, host=LOOPBACK)
    return Reach(publish_on=_EVERYWHERE, host=host)


@dataclass(frozen=True, kw_only=True)
class ComposeValues:
    """The COMPAI_STACK_… variables of the compose file; `more` is the caller's part of them."""

    project: str
    reach: Reach
    bundle: Path
    simulator_context: Path
    dockerfiles: Path
    keys: StackSecrets = field(default_factory=StackSecrets)
    postgres_password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    more: Mapping[str, str] = field(default_factory=dict, repr=False)

    def as_variables(self) -> dict[str, str]:
        """By name."""
        return {
            "COMPAI_STACK_NAME": self.project,
            "COMPAI_STACK_PUBLISH_ON": self.reach.publish_on,
            "COMPAI_STACK_BUNDLE": str(self.bundle),
            "COMPAI_STACK_SIMULATOR_CONTEXT": str(self.simulator_context),
            "COMPAI_STACK_DOCKERFILES": str(self.dockerfiles),
            "COMPAI_STACK_AIRFLOW_PASSWORD": self.keys.password,
            "COMPAI_STACK_API_SECRET": self.keys.api_secret,
            "COMPAI_STACK_JWT_SECRET": self.keys.jwt_secret,
            "COMPAI_STACK_FERNET_KEY": self.keys.fernet_key,
            "COMPAI_STACK_POSTGRES_PASSWORD": self.postgres_password,
            **self.more,
        }

    def write(self, file: Path) -> None:
        """As an env file for Compose, readable for its owner only."""
        file.touch(mode=0o600)
        lines = [f"{name}='{value}'\n" for name, value in self.as_variables().items()]
        file.write_text("".join(lines))


def refuse_foreign_project(environ: Mapping[str, str]) -> None:
    """Raise `BootError` when the environment would give every stack the same name."""
    if _PROJECT_NAME in environ:
        raise BootError(f"unset {_PROJECT_NAME}: each stack needs a project name of its own")


def temporary_folder(project: str) -> Path:
    """For env file and build contexts; only its owner may look into it."""
    return Path(tempfile.mkdtemp(prefix=f"{project}-")).resolve()
