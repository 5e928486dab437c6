"""An audit of 1,000 and of 10,000 control tests, limit off: requests, wall time, peak memory."""

import os
import subprocess
import sys
import time

from compai_kit.simulator.app import create_app
from compai_kit.simulator.control import SimulatorControl
from compai_kit.simulator.server import serve

TOKEN = ".".join(["simulated", "token", "of-the-bench"])
TESTS_PER_CONTROL = 5
SHARED = "Branch protection not configured or not accessible for branch: main"
ENABLED = "Branch protection enabled on default branch: main"
TEXTS = (
    ("pass", "Evidence collected; id={evidence}"),
    ("pass", "Rule is in force."),
    ("fail", '{{"error":"Unauthorized"}}'),
    ("skipped", "Later."),
)
# The peak of a process counts from its exec; that of its parent would count in wait4's answer.
RUN = """
import sys
from compai_kit.cli.main import main
try:
    main()
finally:
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print("VmHWM", status["VmHWM"].split()[0], file=sys.stderr)
"""


def seed_of(count: int) -> dict[str, object]:
    """Every second control has nothing but negative evidence."""
    controls = count // TESTS_PER_CONTROL

    def stored(n: int) -> dict[str, object]:
        result, text = TEXTS[n % len(TEXTS)]
        details = text.format(evidence=n % controls + 1)
        return {
            "last_run_at": "2026-11-24T06:00:00Z",
            "last_result": result,
            "last_details": details,
        }

    return {
        "controls": [
            {"id": n, "internal_id": f"CTL-{n:05}", "name": f"Control {n}"}
            for n in range(1, controls + 1)
        ],
        "control_tests": [
            {
                "id": n + 1,
                "control_id": n % controls + 1,
                "name": f"Test {n:05}",
                "test_type": "github_branch_protection",
                **stored(n),
            }
            for n in range(count)
        ],
        "evidence": [
            {
                "id": n,
                "control_id": n,
                "type": "github_branch_protection",
                "source": "github:example-org/locked",
                "description": SHARED if n % 2 else ENABLED,
            }
            for n in range(1, controls + 1)
        ],
    }


def audit(count: int) -> tuple[float, float]:
    """Seconds and megabytes."""
    settings = {"static_tokens": [TOKEN], "rate_limit": {"requests": 10**9, "window_s": 1}}
    app = create_app(seed_of(count), settings)
    with serve(app) as running, SimulatorControl(running.url) as simulator:
        return run(simulator, count)


def run(simulator: SimulatorControl, count: int) -> tuple[float, float]:
    options = ["audit", "--url", simulator.url, "--format", "csv"]
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", RUN, *options],
        env={**os.environ, "COMP_AI_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - started
    assert done.returncode == 1, done.stderr
    *_, summary, peak = done.stderr.splitlines()
    megabytes = int(peak.split()[1]) / 1024
    calls = len(simulator.ledger())
    print(f"\n{count} tests: {wall:.1f} s, peak {megabytes:.0f} MB, {calls} requests; {summary}")  # noqa: T201
    return wall, megabytes


def test_ten_thousand_tests() -> None:
    _, small = audit(1_000)
    wall, large = audit(10_000)
    assert wall < 15
    assert large < 2 * small
