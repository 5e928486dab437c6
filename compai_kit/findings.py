"""What every tool of the kit reports: one finding, with enough in it for a stranger to act.

All codes live in this one table, so that a number is never given twice and `compai explain CODE`
knows each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One defect, named by a stable code.

    `where` is a file:line, a DAG/task or an operation; `reproduce` is a command that shows the
    defect again. None of the texts may hold a secret.
    """

    code: str
    title: str
    where: str
    expected: str
    seen: str
    fix: str
    reproduce: str


@dataclass(frozen=True, kw_only=True)
class Code:
    """A kind of finding. The number is never used for anything else, the title names the defect."""

    code: str
    title: str
    explanation: str


_TABLE = (
    Code(
        code="CK101",
        title="The contract is not valid",
        explanation="""\
The contract must be an OpenAPI 3.1 document that is valid, closed in itself, and says for every
operation how it may be repeated (x-retry) and how long a caller waits (x-timeout-seconds).
Nothing else can be judged by a contract that is broken. Correct the named place.""",
    ),
    Code(
        code="CK102",
        title="A recorded response does not conform to the contract",
        explanation="""\
The live service gave this answer, and the contract does not allow it. Recorded truth outranks the
document: the contract is wrong. Describe the status, the media type or the field that was
recorded. A recording is never edited.""",
    ),
    Code(
        code="CK103",
        title="A request that the service accepted does not conform to the contract",
        explanation="""\
The live service accepted this request, and the contract refuses it. Describe it in the contract.
Only a leniency that nobody should rely on (an array for an object, bytes after the JSON, a padded
enum) goes into leniencies.yaml beside the recordings, with the reason.""",
    ),
    Code(
        code="CK104",
        title="A listed leniency is not needed",
        explanation="""\
leniencies.yaml lists a recorded request that conforms, or that is not there. The list can only
shrink: remove the entry, or it would hide a breach that comes later.""",
    ),
    Code(
        code="CK105",
        title="Nothing recorded proves an operation of the contract",
        explanation="""\
The contract describes an operation of which no traffic was recorded, so its description is a
guess. Record it, or correct an operationId that does not match the name in the recordings'
index.""",
    ),
    Code(
        code="CK106",
        title="A recorded call belongs to another operation by the contract",
        explanation="""\
By method and path the contract takes this recorded call for another operation than the one that
was recorded. A path template or an operationId of the contract is wrong.""",
    ),
    Code(
        code="CK201",
        title="DAG file does not import",
        explanation="""\
Airflow could not import this file, so its DAG does not exist there: it is not scheduled, and the
only trace is an import error in the UI. The file was parsed from the bundle, by the named Airflow
version, in an interpreter that has Airflow but not the kit. That is what the scheduler will have
too.

Usual causes: an import of something only the kit or your own machine has (`compai_kit`, pytest,
werkzeug); a name that this Airflow version does not have yet or no longer has; code at the top of
the file that fails without a database, a Variable or a network. Fix the line that is named. Where
a name moved between versions, import it either way in one adapter module.""",
    ),
    Code(
        code="CK202",
        title="File without a DAG",
        explanation="""\
Airflow treats the file as a DAG file, and it made no DAG. Either the DAG function is defined but
never called, or the file is support code. Call the function at the end of the file, or move
support code into `compai_dags/`, which `.airflowignore` keeps out of parsing.""",
    ),
    Code(
        code="CK203",
        title="dag_id used twice",
        explanation="""\
Two files make a DAG of the same id. Airflow keeps one of them, and which one depends on the order
of parsing. Rename one.""",
    ),
    Code(
        code="CK204",
        title="File name and dag_id differ",
        explanation="""\
One DAG per file, and the file is named like the DAG: that is how a reader gets from a red run to
the code, and how the gate knows which DAGs a deployment must show. Rename the file or the DAG, or
split the file.""",
    ),
    Code(
        code="CK205",
        title="No DAG file",
        explanation="""\
The folder holds nothing that Airflow would parse. An empty deployment is never what was meant:
check `--dags` and `.airflowignore`.""",
    ),
    Code(
        code="CK206",
        title="Support code is parsed as DAG files",
        explanation="""\
Airflow looks for DAGs in every Python file below the DAG folder, unless .airflowignore keeps it
out. Support packages must be kept out: parsing them costs time at every pass, and a failure in
one of them is reported as a broken DAG. Write the folder's name without a slash at the end:
Airflow 3.1 does not apply a pattern that ends in one.""",
    ),
    Code(
        code="CK301",
        title="Scenario failed",
        explanation="""\
A DAG was run by a real Airflow against the simulator, from a known starting state, with known
faults, and something the scenario asserts did not hold: a state, a number of tries, an XCom, what
Comp-AI received, or what it stored. The finding shows the assertion, the state of every task and
the end of the log of the task that failed. `--keep` leaves the stack running, so that you can
look around in the UI.""",
    ),
    Code(
        code="CK302",
        title="No scenario ran",
        explanation="""\
A gate that has run nothing has proved nothing, so it is not green. Check `--scenarios`: the
folder must hold pytest files (`test_*.py`) whose tests carry `@pytest.mark.scenario("dag_id",
"name")`.""",
    ),
    Code(
        code="CK303",
        title="DAG without a scenario",
        explanation="""\
The DAG is part of the bundle, and no scenario runs it, so nothing is known about what it does.
Write at least a plain run: a test with `@pytest.mark.scenario("dag_id", "plain run")` that
asserts the run's state and what Comp-AI received.""",
    ),
    Code(
        code="CK401",
        title="Request outside the contract",
        explanation="""\
A DAG sent Comp-AI a request that the contract does not allow. The simulator may have been
lenient; the live service may not be, now or after its next release. This counts even when the
scenario passed. Fix the client or the DAG, or, when the recordings show that the service really
accepts it, the contract.""",
    ),
    Code(
        code="CK402",
        title="Answer outside the contract",
        explanation="""\
The simulator gave an answer that the contract does not allow, and no fault was switched on for
that call. So simulator and contract disagree, and what the scenario proved may not hold against
the live service. Recorded truth decides: see which of the two the recordings contradict.""",
    ),
    Code(
        code="CK403",
        title="Call that the contract does not know",
        explanation="""\
A DAG called a method and path that no operation of the contract describes. Usual causes: a
doubled or missing URL prefix, or an operation that is used before it is described. Add the
operation to the contract (with its recordings), or correct the path.""",
    ),
)

CODES: Mapping[str, Code] = MappingProxyType({entry.code: entry for entry in _TABLE})


def make_finding(
    code: str, *, where: str, expected: str, seen: str, fix: str, reproduce: str
) -> Finding:
    """A finding whose title comes from the table. Raises KeyError for a code that is not in it."""
    return Finding(
        code=code,
        title=CODES[code].title,
        where=where,
        expected=expected,
        seen=seen,
        fix=fix,
        reproduce=reproduce,
    )
