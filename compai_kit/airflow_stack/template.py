"""The migrated, empty metadata database of an environment, kept so that a boot can copy it."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from compai_kit.airflow_stack.environments import cache_folder, identity_of


def template_for(python: Path) -> Path | None:
    """Where the template of this environment is or will be; None for an interpreter not of ours."""
    identity = identity_of(python)
    return cache_folder() / "databases" / f"{identity}.db" if identity else None


def keep_as_template(database: Path, template: Path) -> None:
    """Store a copy; of two callers at once the last one wins, with the same content."""
    template.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=template.parent, prefix="unfinished-")
    os.close(handle)
    # Through SQLite, because part of the content may still lie in its write-ahead log.
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(unfinished)) as copy:
        source.backup(copy)
    Path(unfinished).replace(template)


def start_from_template(template: Path, database: Path) -> None:
    """Put a copy where a new stack expects its database."""
    shutil.copyfile(template, database)
