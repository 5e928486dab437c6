"""Writes the lock files beside it anew: `python locks/make.py` (needs `uv` and an index).

Each has Airflow and the standard provider and nothing else; above all not the kit.
"""

import subprocess
from pathlib import Path

from uv import find_uv_bin

HERE = Path(__file__).parent
# Airflow 3.1.3 does not bound its own dependencies tightly enough: with PyJWT 2.11 its api-server
# cannot issue tokens. The day it was in use fixes them all.
NOT_NEWER_THAN = {"3.1.3": "2025-11-15", "3.3.2": None}

for version, day in NOT_NEWER_THAN.items():
    requirements = f"apache-airflow=={version}\napache-airflow-providers-standard\n"
    command = [
        *(find_uv_bin(), "pip", "compile", "-", "--universal", "--python-version", "3.11"),
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        *(("--exclude-newer", day) if day else ()),
        *("--output-file", str(HERE / f"airflow-{version}.txt"), "--upgrade", "--quiet"),
    ]
    subprocess.run(command, input=requirements, text=True, check=True)  # noqa: S603 - no shell
