"""The whole environment of a stack's processes: a few variables of the host, then our settings.

An allow-list, so that neither a developer's AIRFLOW__… nor PYTHONPATH nor COMP_AI_… can change a
verdict. Proxies stay out as well: a stack talks to this machine only.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# What a process needs to run anywhere, and where it finds the certificates of this machine.
FROM_HOST = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
USER = "compai"
_INFLATION_CHECK_SINCE = (3, 2)


def minor_of(version: str) -> tuple[int, ...]:
    """(3, 1) of "3.1.3"."""
    return tuple(int(part) for part in version.split(".")[:2])


def _token() -> str:
    return secrets.token_hex(32)


@dataclass(frozen=True, kw_only=True)
class StackSecrets:
    """Fresh for every boot, shared by its components, known to nobody else."""

    password: str = field(default_factory=_token, repr=False)
    jwt_secret: str = field(default_factory=_token, repr=False)
    api_secret: str = field(default_factory=_token, repr=False)
    fernet_key: str = field(
        default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        repr=False,
    )


@dataclass(frozen=True, kw_only=True)
class StackLayout:
    """Where one stack keeps its things; everything but bundle and logs is below `home`."""

    home: Path
    bundle: Path
    logs: Path
    port: int
    execution_port: int  # the same, where one process serves both APIs

    @property
    def url(self) -> str:
        """Base URL of the api-server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def execution_url(self) -> str:
        """Base URL of the API that tasks talk to."""
        return f"http://127.0.0.1:{self.execution_port}"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.home / "airflow.db"

    @property
    def passwords(self) -> Path:
        """The file of the simple auth manager."""
        return self.home / "passwords.json"

    @property
    def scratch(self) -> Path:
        """TMPDIR of the components."""
        return self.home / "tmp"


def component_environment(
    layout: StackLayout,
    *,
    python: Path,
    version: str,
    keys: StackSecrets,
    host: Mapping[str, str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Every variable a component sees; `extra` (the caller's own) wins over our settings."""
    return {
        **{name: host[name] for name in FROM_HOST if name in host},
        # HOME: neither ~/.netrc nor ~/airflow of whoever runs this may be read.
        "HOME": str(layout.home),
        "TMPDIR": str(layout.scratch),
        "PATH": f"{python.parent}:{host.get('PATH', '/usr/bin:/bin')}",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW_HOME": str(layout.home),
        **_core(layout, keys),
        **_api(layout, keys),
        **_timing(version),
        **extra,
    }


def _core(layout: StackLayout, keys: StackSecrets) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(layout.bundle),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",  # 32 idle workers otherwise
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": keys.fernet_key,
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.passwords),
        # A paused DAG's run would stay queued. Schedules are off altogether (see below), so an
        # unpaused DAG does nothing by itself.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # Airflow runs the last missed tick at once when less than a tenth of the interval has
        # passed since (timetables/trigger.py, _calc_first_run): a daily DAG would start by
        # itself on some hours of the day and not on others.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        # timeout: how long a writer waits for another one. After SQLite's default of 5 s, which
        # a busy machine does reach, the scheduler would end itself.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{layout.database}?timeout=30",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(layout.logs / "tasks"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(layout.home / "bundles"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _api(layout: StackLayout, keys: StackSecrets) -> dict[str, str]:
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(layout.port),
        "AIRFLOW__API__BASE_URL": layout.url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": keys.api_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": keys.jwt_secret,
        "AIRFLOW__API_AUTH__JWT_ISSUER": f"compai-stack-{layout.port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{layout.execution_url}/execution/",
    }


def _timing(version: str) -> dict[str, str]:
    timing = {
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        # A worker that misses the moment its task exits looks again after this time (default 5 s;
        # task SDK, supervisor.py, _monitor_subprocess): seconds of every second failing run.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # A bundle does not change while its stack runs; parsing it again only takes CPU time.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    }
    if minor_of(version) >= _INFLATION_CHECK_SINCE:
        # datetime.now() and the like in a DAG's arguments become import errors.
        timing["AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL"] = "error"
    return timing
