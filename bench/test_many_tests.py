"""1,000 and 10,000 control tests in one run: wall time, and memory of each task's process."""

import re
import threading
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from compai_kit.airflow_stack.runs import Run
from compai_kit.simulator.control import SimulatorControl

DAG = "comp_ai_control_tests"
TASKS = ("list_control_tests", "evaluate_chunk", "summarise")
COUNTS = (1_000, 10_000)
PER_CONTROL = 10
# The answer and what is decoded from it are in memory together.
MOST_KB_PER_TEST = 5
MB = 1024 * 1024
_TITLE = re.compile(r"airflow worker -- ([0-9a-f-]{36})")
_EVERY_S = 0.1


@dataclass
class Watch:
    """The largest memory that each process of a task had, in the order in which they began.

    What a process has for itself (USS); the rest it shares with the worker that forked it. Airflow
    names such a process after its task instance.
    """

    peaks: dict[str, int] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(_EVERY_S):
            for process in psutil.Process().children(recursive=True):
                try:
                    title = _TITLE.match(" ".join(process.cmdline()))
                    if title is not None:
                        used = process.memory_full_info().uss
                        self.peaks[title[1]] = max(self.peaks.get(title[1], 0), used)
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue

    def largest_mb(self, chunks: int) -> dict[str, float]:
        """By task: the list is the first process, the verdict the last."""
        first, *middle, last = (peak / MB for peak in self.peaks.values())
        assert len(middle) == chunks, "a process came and went unseen"
        return dict(zip(TASKS, (first, max(middle), last), strict=True))


def seed_of(count: int) -> dict[str, Any]:
    controls = range(1, count // PER_CONTROL + 1)
    return {
        "controls": [
            {"id": n, "internal_id": f"CTL-{n:04}", "name": f"Control {n}"} for n in controls
        ],
        "control_tests": [
            {
                "id": n,
                "control_id": (n - 1) // PER_CONTROL + 1,
                "name": f"Test {n:05}",
                "test_type": "unheard_of",
                "config": {"owner": "example-org", "repo": f"service-{n:05}"},
            }
            for n in range(1, count + 1)
        ],
    }


def run_watched(run_dag: Any) -> tuple[Run, dict[str, float]]:
    """A run, and the largest process of each of its tasks in MB."""
    watch = Watch()
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        run: Run = run_dag(DAG, timeout_s=1800)
    finally:
        watch.over.set()
        thread.join()
    return run, watch.largest_mb(len(run.mapped("evaluate_chunk")))


def test_ten_thousand_tests_take_ten_times_as_long_and_no_more_memory(
    simulator: SimulatorControl, run_dag: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run of each finds the results of the first, so its rows are longer."""
    memory: dict[int, dict[str, float]] = {}
    for count in COUNTS:
        simulator.reset(seed_of(count))
        for name in ("first run", "second run"):
            run, memory[count] = run_watched(run_dag)
            rows = simulator.state()["control_tests"]
            lost = sum(f'"run":"{run.run_id}"' not in (row["last_details"] or "") for row in rows)
            used = ", ".join(f"{task} {mb:.0f}" for task, mb in memory[count].items())
            with capsys.disabled():
                print(  # noqa: T201 - the figure is what this is for
                    f"\n{count:6} control tests, {name}: {run.state} in {run.seconds:.0f} s "
                    f"({run.seconds * 1000 / count:.1f} ms per test), {lost} results lost; "
                    f"largest process in MB: {used}"
                )
            assert run.state == "success"
            assert lost == 0
    small, large = (memory[count] for count in COUNTS)
    for task in ("evaluate_chunk", "summarise"):
        assert large[task] < 1.25 * small[task], f"{task} needs memory for the whole list"
    per_test_kb = (large[TASKS[0]] - small[TASKS[0]]) * 1024 / (COUNTS[1] - COUNTS[0])
    assert per_test_kb < MOST_KB_PER_TEST, "only the task that reads the list may grow with it"
