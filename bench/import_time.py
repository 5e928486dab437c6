"""Import time of each DAG file against a file that only imports `airflow.sdk`.

`python bench/import_time.py [VERSION]`: median of nine fresh interpreters each, in milliseconds.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from compai_kit.airflow_stack.environments import DEFAULT, ensure_environment
from compai_kit.bundle import build_bundle

RUNS = 9
BARE = "from airflow.sdk import Param, dag, task\n"
MEASURE = (
    "import runpy, sys, time; sys.path.insert(0, sys.argv[2]); t = time.perf_counter(); "
    "runpy.run_path(sys.argv[1]); print(time.perf_counter() - t)"
)


def import_ms(python: Path, file: Path, home: Path) -> float:
    """One fresh interpreter."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and file
        [python, "-c", MEASURE, file, file.parent],
        env={"AIRFLOW_HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return float(done.stdout.splitlines()[-1]) * 1000


def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else DEFAULT
    python = ensure_environment(version)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        manifest = build_bundle(bundle, dags=Path("dags"))
        bare = bundle / "bare.py"
        bare.write_text(BARE, encoding="utf-8")
        files = [bare, *(bundle / name for name in manifest.dag_files)]
        times: dict[str, list[float]] = {file.name: [] for file in files}
        for _ in range(RUNS):  # interleaved, so that a busy moment hits all of them
            for file in files:
                times[file.name].append(import_ms(python, file, Path(folder)))
    base = statistics.median(times["bare.py"])
    for name, measured in times.items():
        median = statistics.median(measured)
        sys.stdout.write(
            f"Airflow {version}  {name:28} {median:7.0f} ms  {median / base:5.2f} × bare\n"
        )


if __name__ == "__main__":
    main()
