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
        code="CK207",
        title="Variable used while the file is parsed",
        explanation="""\
Airflow parses a DAG file every few seconds, for ever. A Variable at the top of the file is read
at each of these parses: it loads the database, the DAG vanishes when the Variable is missing, and
its value is frozen into the DAG. When the Variable is there nobody sees any of this, so the gate
refuses the call itself and names the line that made it. A `try` that swallows the refusal changes
nothing: in production it would swallow nothing, because the call would succeed.

Read the Variable inside the task (`Variable.get` in the function), or name it in a templated
argument: `{{ var.value.NAME }}`. A schedule may come from the environment.""",
    ),
    Code(
        code="CK208",
        title="Connection looked up while the file is parsed",
        explanation="""\
`Connection.get` at the top of a file runs at every parse: it loads the secrets backend, brings a
password into the process that parses everybody's DAGs, and takes the DAG away when the Connection
is missing. The gate refuses the lookup, swallowed or not, and names the line that made it.

Look the Connection up inside the task, or give the operator its id and let it do so.""",
    ),
    Code(
        code="CK209",
        title="Hook used while the file is parsed",
        explanation="""\
A hook's `get_connection` (and with it `get_conn`, `get_hook` and everything that connects) looks
a Connection up, and usually talks to another system next. At the top of a file that happens at
every parse. The gate refuses it, swallowed or not, and names the line and the hook.

Make and use the hook inside the task.""",
    ),
    Code(
        code="CK210",
        title="Secret read while the file is parsed",
        explanation="""\
The file reads an environment variable whose name says that it holds a secret: one of the words
TOKEN, SECRET, PASSWORD, PASSWD, PASSPHRASE, CREDENTIAL(S), APIKEY, WEBHOOK, or API_KEY,
ACCESS_KEY, PRIVATE_KEY, SIGNING_KEY, …_PWD, or AIRFLOW_CONN_…; not when the last word only tells
about a secret (_FILE, _URL, _ID, _TTL and the like; WEBHOOK_URL is a secret). Read at the top of
a file, the value is in the process that parses everybody's DAGs, is not masked there, and is
easily frozen into the stored DAG, where every viewer can read it. What a library reads for itself
while it is imported is not reported.

Read it inside the task, where it can be masked; better, keep it in a Connection.""",
    ),
    Code(
        code="CK211",
        title="Network used while the file is parsed",
        explanation="""\
The file looks up an address, connects or sends while it is parsed. That happens every few seconds;
when the other side is slow, every DAG is parsed late, and when it is down, this DAG is gone. The
gate refuses it in the socket layer, swallowed or not, and names the line that made the call.
Libraries that do not use Python's sockets (librdkafka, libpq), and other processes, are not seen.

Make the call inside a task. Where the answer decides which tasks there are, let a task fetch the
list and map over it (`.expand`).""",
    ),
    Code(
        code="CK212",
        title="Value that differs at every parse",
        explanation="""\
An argument of a DAG or a task is the time, a random number or a new UUID, so each parse makes
another version of the DAG: the table of versions grows without end, and the runs of one day
belong to hundreds of versions. Airflow 3.2 and later find this themselves when
AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL is "error", and then refuse the file.
The gate switches that on and shows what it says.

Take the value inside the task, or from the run: `{{ ts }}`, `{{ run_id }}`. A `start_date` is a
constant.""",
    ),
    Code(
        code="CK213",
        title="Two parses give two DAGs",
        explanation="""\
The bundle was parsed by two fresh interpreters of the same Airflow, and what Airflow would store
for this DAG (the hash that makes a new DAG version) is not the same. The finding shows the places
that differ. This finds on every Airflow version what CK212 finds by reading, and more: values that
come through a function, the order of a set, an address in an object's repr, a file's time stamp.

Build the DAG from constants. Sort what comes from a set; name functions instead of giving lambdas
or objects as arguments.""",
    ),
    Code(
        code="CK214",
        title="Import over its budget",
        explanation="""\
The dag-processor forks and imports the file anew at every parse. The gate does the same and
measures CPU time, so that a busy machine changes little: the median of three imports, when the
first seems to be too long, against a bare DAG file with one empty task, in the same process.
Airflow's own modules that the file names are loaded before the fork, as the dag-processor does
it; they cost nothing here. The budget is 10 times the bare file (about 0.3 s), or what
`--import-budget` says, and never less than 0.1 s. The finding names the packages that brought in
the most modules.

Import heavy packages inside the tasks that need them, and compute nothing at the top.""",
    ),
    Code(
        code="CK215",
        title="Mapping without a limit",
        explanation="""\
A task is mapped (`.expand`, `.expand_kwargs`) over something of unknown length, and nothing bounds
how many instances run at once. A long list then takes every worker slot, uses up the rate limit of
the system that is called, and fails the task before it when it is longer than
`core.max_map_length` (1024).

The rule: the task must be given `max_active_tis_per_dag`, `max_active_tis_per_dagrun` or `pool`,
by its decorator, `.override`, `.partial` or `default_args`; or else everything that is mapped over
is written out in the file (a literal, `range(8)`), or is cut up by something with "chunk" or
"batch" in its name: the variable, or the call that makes it. A task that the file does not show
(imported, a task group) is not judged.""",
    ),
    Code(
        code="CK216",
        title="HTTP call without a timeout",
        explanation="""\
A call without a timeout waits for as long as the other side keeps the connection open. The task
then holds its slot until `execution_timeout`, or for ever, and the run looks busy.

The rule: `requests.get` and the like, and those of a `requests.Session()` that the file makes,
have `timeout=` that is not None; so have `httpx.get` and the like, and `httpx.Client` (its default
of 5 s is one that nobody chose); `urllib.request.urlopen` has one. `HttpOperator` and `HttpSensor`
have `extra_options={"timeout": …}` or an `execution_timeout` (`default_args` count);
`HttpHook().run` has `extra_options` with a timeout. What the file does not show (`**options`) is
not judged.""",
    ),
    Code(
        code="CK217",
        title="Write in a deferrable operator",
        explanation="""\
A deferrable HTTP operator sends its request from the triggerer. When the triggerer is restarted
while the answer is outstanding, the trigger starts anew and sends the request again: two writes,
one green run (apache/airflow issue 67945). POST is also what `HttpOperator` uses when no method
is named.

The rule: an `HttpOperator(deferrable=True)`, or an `HttpTrigger`, has a method that only reads
(GET, HEAD, OPTIONS). Send writes from the worker: without `deferrable`, or in a `@task`; or to an
API that takes an idempotency key, through an operator of your own.""",
    ),
    Code(
        code="CK218",
        title="Retries without a delay",
        explanation="""\
`retries` without `retry_delay` means Airflow's default of five minutes, which nobody chose: too
long for a hiccup, and unknown to whoever reads the DAG. A delay of 0 uses all tries up within the
first second of an outage.

The rule: wherever a task, `.override`, `.partial` or `default_args` sets `retries` to anything
but 0, a `retry_delay` that is not 0, or a `retry_policy`, is given in the same place or in
`default_args`. A delay that grows (`retry_exponential_backoff=True`) is kinder to a system that
is coming back.""",
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
    Code(
        code="CK501",
        title="Pass that nobody looked for",
        explanation="""\
The text of this pass is one that the runner before this kit wrote without having looked:
`Scheduled run (Airflow); test_type=…`, or `Evidence collected; id=…` (also of Okta and AWS), which
says that a row was written, not what it says. The pass proves nothing, whatever its age.

Let comp_ai_control_tests evaluate the test: it replaces such a text by what it observes, or by
`skipped` with the reason. A manual test needs a person who tests it and records the result; until
then tell an auditor that it was not tested.""",
    ),
    Code(
        code="CK502",
        title="Pass against its own evidence",
        explanation="""\
The test is stored as passed, and what the pass rests on says something else: the evidence that its
text names is one in which Comp-AI reports that it saw nothing good ("not configured or not
accessible", an unknown commit), or the text itself is such a sentence or the error of a failed
call. This is worse than a pass that nothing supports, because the contradiction is on record.

Mend what the evidence says, then let comp_ai_control_tests look again. If the sentence is one that
stands for "not readable" as well, a Connection to the system itself (`comp_ai_github`) decides.""",
    ),
    Code(
        code="CK503",
        title="Result of a test that never ran",
        explanation="""\
A pass or a fail is stored, and `last_run_at` is empty: nobody ever recorded a run of this test, so
the result came with the database, an import or a seed. Whatever it says, it was never observed.

Let comp_ai_control_tests evaluate the test, or have a person test it and record the result through
the API, which sets the time.""",
    ),
    Code(
        code="CK504",
        title="Stale pass",
        explanation="""\
This kit observed the pass, but too long ago: by the test's own schedule (the daily run where it
has none) two or more runs were missed since. What was true then need not be true now. One missed
run is not listed; the summary counts it as late.

Find out why the runs are missing: is comp_ai_control_tests paused, is the scheduler down, do its
runs fail? `comp_ai_alerts` says so as well.""",
    ),
    Code(
        code="CK505",
        title="Pass on somebody's word where a check exists",
        explanation="""\
A person or another system stored this pass, and the kit has a check for this type of test. A word
does not replace an observation that can be made. Where there is no check for the type, the result
of another system is not judged, and the summary counts it as not ours.

Let comp_ai_control_tests evaluate the test. If its check cannot be configured here and a person
really tests it, the test's type should be `manual`, so that the result ages as an attestation.""",
    ),
    Code(
        code="CK506",
        title="Pass without an observation",
        explanation="""\
This kit stored the pass, and did not look: the installation asked for it with
`COMP_AI_UNCHECKED_RESULT=pass`, or the line that the kit keeps at the end of the details does not
say when anything was observed. Such a pass is never counted as verified.

Remove the setting, so that the next run stores `skipped` with the reason; or give the test a type
that has a check.""",
    ),
    Code(
        code="CK507",
        title="Attestation that has aged",
        explanation="""\
A person attested a manual test, and the attestation has ended: its age is beyond the test's own
schedule, or beyond `attest_every` of its config (90 days by default).

Have the test repeated by a person, and record the result through Comp-AI.""",
    ),
    Code(
        code="CK511",
        title="Fail that was an outage",
        explanation="""\
The text of this fail is the error of a call (a JSON error body of Comp-AI, or the text of an HTTP
exception). The runner before this kit stored a fail whenever a call failed; nothing was found
wrong, and nothing was looked at. It sends people to mend what may be in order.

Let comp_ai_control_tests evaluate the test: it replaces such a text by what it observes.""",
    ),
    Code(
        code="CK521",
        title="Gap closed by negative evidence only",
        explanation="""\
Comp-AI lists a control as a gap when it has no row of evidence. This one has rows, and in each of
them Comp-AI reports that it saw nothing good. They took the control off the gap list, for ever:
no row can be deleted. To an auditor it is a gap all the same.

Treat it as one: attach evidence that shows the control at work.""",
    ),
    Code(
        code="CK531",
        title="Row that could not be judged",
        explanation="""\
Comp-AI listed a row that this client cannot read, so nothing is known about what it says. The
place and the field are named, the content is not. An audit that left it out would look complete.

Correct the row in Comp-AI's database. If Comp-AI is newer than the contract of this kit, the
contract is to be renewed.""",
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
