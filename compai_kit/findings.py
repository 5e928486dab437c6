"""What every tool of the kit reports: one finding, with enough in it for a stranger to act."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One defect, named by a stable code.

    `where` is a file:line, a DAG/task or an operation; `reproduce` is a command that shows the defect again. None of the texts may hold a secret.
    """

    code: str
    title: str
    where: str
    expected: str
    seen: str
    fix: str
    reproduce: str
