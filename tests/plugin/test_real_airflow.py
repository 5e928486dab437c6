"""The fixtures on a real Airflow, and what `--keep` keeps: one gate run proves all of it."""

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

SAMPLE = Path(__file__).parent / "data" / "sample"
# A cold machine makes the environment first.
_TIMEOUT_S = 400


@pytest.fixture
def kept(project: Any) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A gate run with --keep that has printed its verdict, and the lines of its stdout."""
    for folder in ("dags", "scenarios"):
        shutil.copytree(SAMPLE / folder, project.path / folder)
    command = project.gate_command("--keep", "--report=out", "--airflow-version=3.3.2")
    command = [word for word in command if not word.startswith("--airflow-python")]
    with subprocess.Popen(
        command,
        cwd=project.path,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines: list[str] = []
        threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True).start()
        deadline = time.monotonic() + _TIMEOUT_S
        while not any("/_simulator/ledger" in line for line in lines):
            assert process.poll() is None, (lines, process.stderr.read() if process.stderr else "")
            assert time.monotonic() < deadline, lines
            time.sleep(0.2)
        yield process, lines
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def test_sample_scenarios_and_keep(
    project: Any, kept: tuple[subprocess.Popen[str], list[str]]
) -> None:
    process, lines = kept
    out = "".join(lines)

    # what the fixtures gave the scenarios
    report = json.loads((project.path / "out" / "verdict.json").read_text("utf-8"))
    outcomes = {s["scenario"]["name"]: s["outcome"] for s in report["scenarios"]}
    assert outcomes == {
        "two tests": "passed",
        "a Variable for one run": "passed",
        "a default taken away and put back": "passed",
        "must be green": "failed",
    }, out
    assert report["airflow"]["version"] == "3.3.2"

    # what a reader learns about the one that failed
    [finding] = report["findings"]
    assert finding["code"] == "CK301"
    assert finding["expected"] == "This run ends well."
    assert finding["where"].startswith("sample_fails: must be green (scenarios/test_sample.py:")
    assert "assert 'failed' == 'success'" in finding["seen"]
    assert re.search(r"run of sample_fails: failed .*boom failed in 2 tries", finding["seen"])
    assert "--- boom, try 2 ---" in finding["seen"]
    assert "ValueError: what the log ends with" in finding["seen"]

    # no secret in anything that is written
    written = "".join(path.read_text("utf-8") for path in (project.path / "out").iterdir())
    assert not re.search(r"/services/T\d", written + out)

    # the stack is still there, and says where
    address = re.search(r"Airflow 3\.3\.2: (\S+)  user (\S+)  password (\S+)", out)
    assert address is not None, out
    url, user, password = address.groups()
    login = {"username": user, "password": password}
    assert requests.post(f"{url}/auth/token", json=login, timeout=10).status_code == 201

    # and gone after Ctrl-C
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 1, "the verdict's exit code, not the interrupt's"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/api/v2/version", timeout=5)
