"""1,000 and 10,000 control tests in one run each: wall time, and memory of each task's process."""

import re
import threading
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from compai_kit.simulator.control import SimulatorControl

DAG = "comp_ai_control_tests"
TASKS = ("list_control_tests", "evaluate_chunk", "summarise")
PER_CONTROL = 10
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


def test_ten_thousand_tests_take_ten_times_as_long_and_no_more_memory(
    simulator: SimulatorControl, run_dag: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    figures: dict[int, tuple[float, dict[str, float]]] = {}
    for count in (1_000, 10_000):
        simulator.reset(seed_of(count))
        watch = Watch()
        thread = threading.Thread(target=watch.run)
        thread.start()
        try:
            run = run_dag(DAG, timeout_s=1800)
        finally:
            watch.over.set()
            thread.join()
        lost = sum(row["last_run_at"] is None for row in simulator.state()["control_tests"])
        memory = watch.largest_mb(len(run.mapped("evaluate_chunk")))
        figures[count] = (run.seconds, memory)
        with capsys.disabled():
            print(  # noqa: T201 - the figure is what this is for
                f"\n{count:6} control tests: run {run.state} in {run.seconds:.0f} s, {lost} lost; "
                f"largest process in MB: "
                + ", ".join(f"{task} {used:.0f}" for task, used in memory.items())
            )
        assert run.state == "success"
        assert lost == 0
    for task in TASKS:
        small, large = (figures[count][1][task] for count in (1_000, 10_000))
        assert large < 1.5 * small, f"{task} needs memory for the whole list"
