"""The values a gate run is made of, and the events that announce them.

They are msgspec Structs because the same values travel from the pytest child to the gate as JSON
lines and end up in the JSON report. Nothing in here carries a header, a body or a query: a value
that is never copied cannot leak a secret.
"""

from typing import Literal

from msgspec import Struct

from compai_kit.findings import Finding

Outcome = Literal["passed", "failed", "error", "skipped", "not run"]
Answer = Literal["yes", "no", "undecided", "could not run"]
StepOutcome = Literal["ok", "findings", "could not run", "undecided", "not run"]


class Scenario(Struct, frozen=True, kw_only=True):
    """A starting state, faults and the expected outcome of a DAG run: one pytest test."""

    node: str
    """pytest's node id"""
    dag: str | None
    """None when the test has no `scenario` marker"""
    name: str
    where: str
    """file:line"""
    promise: str
    """the first line of the test's docstring, or empty"""


class TaskState(Struct, frozen=True, kw_only=True):
    """The last state of one task instance; `map_index` is -1 for a task that is not mapped."""

    task: str
    map_index: int
    state: str
    tries: int


class RunState(Struct, frozen=True, kw_only=True):
    """A DAG run as the scenario left it; `log_tail` is the end of the log of tasks that failed."""

    dag: str
    run_id: str
    state: str
    seconds: float
    tasks: tuple[TaskState, ...] = ()
    log_tail: tuple[str, ...] = ()


class Call(Struct, frozen=True, kw_only=True):
    """One line of the simulator's ledger.

    `status` None: the connection was cut. `operation` None: there is no such route.
    """

    dag: str | None
    task: str | None
    operation: str | None
    method: str
    path: str
    status: int | None
    fault: str | None = None
    request_violations: tuple[str, ...] = ()
    response_violations: tuple[str, ...] = ()


class ScenarioResult(Struct, frozen=True, kw_only=True):
    """How one scenario ended; `reason`: the assertion's short text, or why it did not run."""

    scenario: Scenario
    outcome: Outcome
    seconds: float
    reason: str = ""
    failed_at: str = ""
    """file:line of the assertion"""
    runs: tuple[RunState, ...] = ()
    calls: tuple[Call, ...] = ()


class ParsedFile(Struct, frozen=True, kw_only=True):
    """What one Airflow version made of one DAG file; `error` is the traceback of the import."""

    file: str
    dag_ids: tuple[str, ...]
    error: str | None
    seconds: float
    refused: bool = False
    """the parse gate did not let it make a DAG; findings of their own say why"""


class Parsed(Struct, frozen=True, kw_only=True):
    """A whole bundle as one Airflow version saw it."""

    airflow: str
    files: tuple[ParsedFile, ...]


class Stack(Struct, frozen=True, kw_only=True):
    """The Airflow that ran the scenarios; its password dies with this one throw-away stack."""

    version: str
    url: str
    user: str
    password: str
    seconds: float
    """from start to healthy with all DAGs parsed"""


class Step(Struct, frozen=True, kw_only=True):
    """One of the gate's steps and how it ended; `detail` is one line."""

    name: str
    outcome: StepOutcome
    detail: str
    seconds: float = 0.0


class Selection(Struct, frozen=True, kw_only=True):
    """What a verdict rests on: the scenarios that ran of those there are, the DAGs without any."""

    chosen: int
    of: int
    """scenarios of the DAGs in question"""
    names: tuple[str, ...] = ()
    """what --scenario asked for; empty: all of them"""
    left_out: int = 0
    """scenarios of DAGs that are not in the folder"""
    parsed_only: tuple[str, ...] = ()
    """DAGs without a scenario, where that is allowed"""


class Verdict(Struct, frozen=True, kw_only=True):
    """Everything a gate run found out."""

    steps: tuple[Step, ...]
    parsed: tuple[Parsed, ...]
    scenarios: tuple[ScenarioResult, ...]
    findings: tuple[Finding, ...]
    stack: Stack | None = None
    kept: "StackKept | None" = None
    selection: Selection | None = None
    dags: str = "dags"
    """the folder with the DAG files"""
    contract: str = ""
    """the contract's file"""


class StepStarted(Struct, frozen=True, kw_only=True, tag=True):
    name: str


class StepEnded(Struct, frozen=True, kw_only=True, tag=True):
    step: Step


class Note(Struct, frozen=True, kw_only=True, tag=True):
    """Something slow is going on, in one line ("creating the Airflow 3.1.3 environment")."""

    text: str


class Collected(Struct, frozen=True, kw_only=True, tag=True):
    """What pytest found: all scenarios, those that were chosen by name, and names that fit none."""

    all: tuple[Scenario, ...]
    chosen: tuple[Scenario, ...]
    unknown_names: tuple[str, ...]
    names: tuple[str, ...] = ()
    left_out: int = 0
    """scenarios of DAGs that are not in the folder; none of `all`"""


class StackReady(Struct, frozen=True, kw_only=True, tag=True):
    stack: Stack
    simulator_url: str


class ImportProblem(Struct, frozen=True, kw_only=True):
    """A DAG file that the dag-processor refused, with its traceback or message."""

    file: str
    error: str


class StackFailed(Struct, frozen=True, kw_only=True, tag=True):
    """The stack did not come up; no scenario can say anything."""

    reason: str
    import_problems: tuple[ImportProblem, ...] = ()


class StackKept(Struct, frozen=True, kw_only=True, tag=True):
    """The scenarios are over and the stack stays up until the gate lets go of it."""

    stack: Stack
    simulator_url: str


class ScenarioStarted(Struct, frozen=True, kw_only=True, tag=True):
    scenario: Scenario


class ScenarioEnded(Struct, frozen=True, kw_only=True, tag=True):
    result: ScenarioResult


class SessionEnded(Struct, frozen=True, kw_only=True, tag=True):
    """pytest is done; `problems` are collection errors, one line each."""

    exit_status: int
    problems: tuple[str, ...]


Event = (
    StepStarted
    | StepEnded
    | Note
    | Collected
    | StackReady
    | StackFailed
    | StackKept
    | ScenarioStarted
    | ScenarioEnded
    | SessionEnded
)
