"""Brings up the Airflow of a session: bundle, environment, processes. Needs no pytest."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from compai_kit.airflow_stack.environments import DEFAULT, ensure_environment
from compai_kit.airflow_stack.processes import ProcessStack
from compai_kit.bundle import build_bundle
from compai_kit.gate.model import Stack


@contextmanager
def process_stack(
    *,
    dags: Path,
    env: Mapping[str, str],
    version: str | None = None,
    python: Path | None = None,
    without: Sequence[str] = (),
    on_progress: Callable[[str], None] = lambda _: None,
) -> Iterator[ProcessStack]:
    """Boot the bundle of `dags`, without the files of the DAGs that are known not to parse."""
    version = version or DEFAULT
    with tempfile.TemporaryDirectory(prefix="compai-bundle-") as folder:
        bundle = Path(folder) / "bundle"
        manifest = build_bundle(bundle, dags=dags)
        blocked = {f"{dag_id}.py" for dag_id in without}
        for name in blocked & set(manifest.dag_files):
            (bundle / name).unlink()
        interpreter = python or ensure_environment(version, on_build=on_progress)
        with ProcessStack(
            bundle,
            python=interpreter,
            version=version,
            env=env,
            expected_dag_ids=[Path(n).stem for n in manifest.dag_files if n not in blocked],
            on_progress=on_progress,
        ) as stack:
            yield stack


def described(stack: ProcessStack) -> Stack:
    """The stack as a value for the verdict."""
    return Stack(
        version=stack.version,
        url=stack.url,
        user=stack.api.user,
        password=stack.password,
        seconds=stack.boot_s,
    )
