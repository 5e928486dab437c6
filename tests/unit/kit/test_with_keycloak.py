"""The script that brings a Keycloak: how it is called, and when it brings none."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "docker" / "local-images" / "with-keycloak"


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [SCRIPT, *command], capture_output=True, text=True, timeout=30, env=environment, check=False
    )


def test_without_a_command_it_tells_how_to_call_it() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (2, "with-keycloak: usage: with-keycloak COMMAND…\n")


def test_a_keycloak_that_is_named_is_used_and_the_command_decides_the_exit_code() -> None:
    there = "http://127.0.0.1:1/auth"
    command = ("sh", "-c", 'echo "$COMPAI_KEYCLOAK_URL"; exit 7')
    done = run(*command, COMPAI_KEYCLOAK_URL=there)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{there}\n", "")


def test_what_cannot_be_made_ends_with_3_and_the_reason(tmp_path: Path) -> None:
    """Neither Java nor a way to install it on this PATH."""
    for tool in ("bash", "dirname", "mktemp", "rm", "sed", "id"):
        found = next(p for p in ("/usr/bin", "/bin") if (Path(p) / tool).exists())
        (tmp_path / tool).symlink_to(Path(found) / tool)
    done = run("true", PATH=str(tmp_path), COMPAI_KEYCLOAK_URL="")
    assert done.returncode == 3
    assert "installing openjdk-17-jre-headless needs" in done.stderr
