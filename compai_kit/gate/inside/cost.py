"""What importing a file costs the dag-processor: CPU time, in a process forked for it.

That is how the dag-processor parses: it has Airflow loaded, forks, and the child imports the file.
CPU time and not wall-clock time, so that a busy machine changes little.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any

BARE = """\
from airflow.sdk import dag, task


@dag(schedule=None)
def bare():
    @task
    def one():
        pass

    one()


bare()
"""
_BARE_RUNS = 5
# A file that seems to be over its budget is measured again before anybody says so.
_RUNS_IN_DOUBT = 3
_HEAVIEST = 3
# So little is never worth a word, whatever the yardstick says.
_FREE_S = 0.1


def bare_cost(parse: Callable[[], object]) -> float:
    """The yardstick: a DAG file that holds one empty task."""
    runs: list[float] = [_forked(parse)["cpu_s"] for _ in range(_BARE_RUNS)]
    return median(runs)


def limit(bare_s: float, budget: float) -> float:
    """The CPU seconds that an import may take."""
    return max(budget * bare_s, _FREE_S)


def file_cost(parse: Callable[[], object], *, limit_s: float) -> dict[str, Any]:
    """`cpu_s` of the import, and the packages that brought in the most modules."""
    first = _forked(parse)
    runs = [first["cpu_s"]]
    if first["cpu_s"] > limit_s:
        runs += [_forked(parse)["cpu_s"] for _ in range(_RUNS_IN_DOUBT - 1)]
    return {"cpu_s": median(runs), "heaviest": first["heaviest"]}


def _forked(parse: Callable[[], object]) -> dict[str, Any]:
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            os.write(into, json.dumps(_measured(parse)).encode())
        finally:
            os._exit(0)  # nothing that the file registered for the end may run here
    os.close(into)
    with os.fdopen(out, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    measured: dict[str, Any] = json.loads(answer or '{"cpu_s": 0.0, "heaviest": []}')
    return measured


def _measured(parse: Callable[[], object]) -> dict[str, Any]:
    before = set(sys.modules)
    started = time.process_time()
    parse()
    cpu_s = time.process_time() - started
    new = (name.partition(".")[0] for name in set(sys.modules) - before)
    counted = Counter(name for name in new if _is_brought_in(name))
    return {"cpu_s": cpu_s, "heaviest": counted.most_common(_HEAVIEST)}


def _is_brought_in(package: str) -> bool:
    return (
        package != "airflow"
        and package not in sys.stdlib_module_names
        and not package.startswith("unusual_prefix_")  # Airflow's name for the DAG file itself
    )
