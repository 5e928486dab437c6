"""The parse gate in the interpreters of both Airflows: what it refuses, and what it lets pass.

Each DAG file below is wrong or right in one way; `# <-` marks the line that a finding must name.
"""

from pathlib import Path
from textwrap import dedent, indent
from typing import NamedTuple

import pytest

from compai_kit.airflow_stack.environments import SUPPORTED, ensure_environment
from compai_kit.findings import Finding
from compai_kit.gate.fact_findings import fact_findings
from compai_kit.gate.parse import parse_bundle
from compai_kit.gate.parse_answer import ParseFacts
from compai_kit.gate.parse_findings import parse_findings

_HEAD = "from airflow.sdk import dag, task\n"


def _dag(name: str, top: str = "", *, arguments: str = "schedule=None", body: str = "...") -> str:
    return (
        f"{_HEAD}{dedent(top)}\n@dag({arguments})\ndef {name}():\n    @task\n    def one():\n"
        f"{indent(dedent(body).strip(), ' ' * 8)}\n\n    one()\n\n\n{name}()\n"
    )


SUPPORT = {
    "support/__init__.py": "",
    "support/reads.py": dedent("""
        from airflow.sdk import Variable

        def threshold():
            return Variable.get("threshold", default=3)  # <-
    """),
    "support/reads_at_import.py": dedent("""
        from airflow.sdk import Variable

        THRESHOLD = Variable.get("at_import", default=3)  # <-
    """),
    ".airflowignore": "support\n",
}

# name → (the code that must be found, the source)
BAD: dict[str, tuple[str, str]] = {
    "ends_the_process": ("CK201", _dag("ends_the_process", "import sys\nsys.exit(0)  # <-\n")),
    "cannot_be_stored": (
        "CK201",
        f"{_HEAD}\n@dag(schedule=None, params={{'x': object()}})\ndef cannot_be_stored():\n"
        "    @task\n    def one(): ...\n\n    one()\n\n\ncannot_be_stored()  # <-\n",
    ),
    "variable_read": (
        "CK207",
        _dag("variable_read", "from airflow.sdk import Variable\nX = Variable.get('x')  # <-\n"),
    ),
    "variable_swallowed": (
        "CK207",
        _dag(
            "variable_swallowed",
            """
            from airflow.sdk import Variable
            try:
                X = Variable.get("x")  # <-
            except Exception:
                X = "a default"
            """,
        ),
    ),
    "variable_default": (
        "CK207",
        _dag(
            "variable_default",
            "from airflow.sdk import Variable\nX = Variable.get('x', default='y')  # <-\n",
        ),
    ),
    "variable_old_model": (
        "CK207",
        _dag(
            "variable_old_model",
            "from airflow.models import Variable\nX = Variable.get('x', default_var=1)  # <-\n",
        ),
    ),
    "variable_written": (
        "CK207",
        _dag(
            "variable_written", "from airflow.sdk import Variable\nVariable.set('x', '1')  # <-\n"
        ),
    ),
    "connection_read": (
        "CK208",
        _dag("connection_read", "from airflow.sdk import Connection\nConnection.get('x')  # <-\n"),
    ),
    "connection_old_model": (
        "CK208",
        _dag(
            "connection_old_model",
            "from airflow.models import Connection\n"
            "Connection.get_connection_from_secrets('x')  # <-\n",
        ),
    ),
    "hook_read": (
        "CK209",
        _dag("hook_read", "from airflow.sdk import BaseHook\nBaseHook.get_connection('x')  # <-\n"),
    ),
    "hook_swallowed": (
        "CK209",
        _dag(
            "hook_swallowed",
            """
            from airflow.sdk import BaseHook

            class OwnHook(BaseHook):
                def get_conn(self):
                    return self.get_connection("x")  # <-

            try:
                OwnHook().get_conn()
            except Exception:
                pass
            """,
        ),
    ),
    "secret_getenv": (
        "CK210",
        _dag("secret_getenv", "import os\nX = os.getenv('GITHUB_TOKEN')  # <-\n"),
    ),
    "secret_get": (
        "CK210",
        _dag("secret_get", "from os import environ\nX = environ.get('DB_PASSWORD', '')  # <-\n"),
    ),
    "secret_item": (
        "CK210",
        _dag(
            "secret_item",
            "import os\ntry:\n    X = os.environ['API_KEY']  # <-\nexcept KeyError:\n    X = ''\n",
        ),
    ),
    "network_call": (
        "CK211",
        _dag(
            "network_call",
            "import requests\nX = requests.get('http://127.0.0.1:9/', timeout=1)  # <-\n",
        ),
    ),
    "network_swallowed": (
        "CK211",
        _dag(
            "network_swallowed",
            """
            import urllib.request
            try:
                urllib.request.urlopen("http://example.invalid", timeout=1)  # <-
            except Exception:
                pass
            """,
        ),
    ),
    "network_socket": (
        "CK211",
        _dag(
            "network_socket",
            """
            import socket
            try:
                socket.socket().connect(("127.0.0.1", 9))  # <-
            except BaseException:
                pass
            """,
        ),
    ),
    "network_thread": (
        "CK211",
        _dag(
            "network_thread",
            """
            import threading, urllib.request

            def fetch():
                try:
                    urllib.request.urlopen("http://example.invalid", timeout=1)  # <-
                except Exception:
                    pass

            thread = threading.Thread(target=fetch)
            thread.start()
            thread.join()
            """,
        ),
    ),
    "changed_behind_a_function": (
        "CK213",
        _dag(
            "changed_behind_a_function",
            """
            import uuid

            def description():
                return str(uuid.uuid4())
            """,
            arguments="schedule=None, description=description()",
        ),
    ),
    "changed_by_a_set": (
        "CK213",
        _dag(
            "changed_by_a_set",
            "NAMES = {'alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'}\n",
            arguments="schedule=None, description=' '.join(NAMES)",
        ),
    ),
    "changed_by_an_address": (
        "CK213",
        _dag(
            "changed_by_an_address",
            "class Thing: ...\n",
            arguments="schedule=None, description=repr(Thing())",
        ),
    ),
    "slow_to_import": (
        "CK214",
        _dag("slow_to_import", "import slow_package\n"),
    ),
}
SLOW_PACKAGE = {
    "slow_package/__init__.py": "from . import a, b\n",
    "slow_package/a.py": dedent("""
        import time

        end = time.process_time() + 0.8
        while time.process_time() < end:
            pass
    """),
    "slow_package/b.py": "",
}

GOOD = {
    "variable_in_the_task": _dag(
        "variable_in_the_task",
        body="from airflow.sdk import Variable\nreturn Variable.get('x')",
    ),
    "connection_in_the_task": _dag(
        "connection_in_the_task",
        body="from airflow.sdk import BaseHook\nreturn BaseHook.get_connection('x').host",
    ),
    "schedule_from_the_environment": _dag(
        "schedule_from_the_environment",
        """
        import os
        from datetime import timedelta
        DELAY = timedelta(seconds=float(os.environ.get("COMP_AI_TASK_RETRY_DELAY_S") or 60))
        """,
        arguments='schedule=os.environ.get("COMP_AI_X_SCHEDULE") or "0 6 * * *",'
        ' default_args={"retries": 1, "retry_delay": DELAY}',
    ),
    "about_a_secret": _dag(
        "about_a_secret",
        "import os\nX = os.environ.get('TOKEN_URL'), os.getenv('API_KEY_FILE')\n",
    ),
    "secret_in_the_task": _dag(
        "secret_in_the_task", body="import os\nreturn bool(os.environ.get('GITHUB_TOKEN'))"
    ),
    "library_with_settings_of_its_own": _dag(
        "library_with_settings_of_its_own",
        "import sys\nsys.path.append(LIBRARIES)\nimport library_that_reads_its_token\n",
    ),
    "network_in_the_task": _dag(
        "network_in_the_task",
        body="import requests\nreturn requests.get('http://x.invalid', timeout=3).text",
    ),
    "socket_that_stays_here": _dag(
        "socket_that_stays_here",
        "import socket\nA, B = socket.socketpair()\nA.close()\nB.close()\n",
    ),
    "same_at_every_parse": _dag(
        "same_at_every_parse",
        "from datetime import datetime\nNAMES = {'alpha', 'beta', 'gamma', 'delta'}\n",
        arguments="schedule=None, start_date=datetime(2026, 1, 1),"
        " description=' '.join(sorted(NAMES))",
    ),
    "import_of_the_standard_library": _dag(
        "import_of_the_standard_library", "import decimal, json, sqlite3, xml.etree.ElementTree\n"
    ),
}
# Airflow's own check sees this one by reading, where it has the check.
VARYING = _dag(
    "varying",
    "from datetime import datetime\n",
    arguments="schedule=None, description=str(datetime.now())",
)

THROUGH_SUPPORT = {
    "calls_support": _dag(
        "calls_support", "from support.reads import threshold\nX = threshold()\n"
    ),
    "imports_support": _dag("imports_support", "import support.reads_at_import\n"),
    "imports_it_too": _dag("imports_it_too", "import support.reads_at_import\n"),
}


class Judged(NamedTuple):
    folder: Path
    facts: ParseFacts
    findings: list[Finding]

    def about(self, file: str) -> list[Finding]:
        """The findings that name this file."""
        return [f for f in self.findings if f.where.startswith(f"{self.folder}/{file}")]

    def marked(self, file: str) -> str:
        """The place of the mark in this file."""
        lines = (self.folder / file).read_text("utf-8").splitlines()
        number = next((n for n, line in enumerate(lines, 1) if line.endswith("# <-")), None)
        return f"{self.folder}/{file}" + (f":{number}" if number else "")


def _judge(folder: Path, version: str) -> Judged:
    facts = parse_bundle(folder, python=ensure_environment(version))
    findings = parse_findings(
        [facts.parsed], bundle=folder, dags=folder, reproduce=lambda _: "compai gate"
    )
    findings += fact_findings(
        [facts], dags=folder, import_budget=10, reproduce=lambda _: "compai gate"
    )
    return Judged(folder, facts, findings)


@pytest.fixture(scope="module", params=SUPPORTED)
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """All the files, parsed once by each Airflow."""
    libraries = tmp_path_factory.mktemp("libraries")
    library = libraries / "library_that_reads_its_token.py"
    library.write_text("import os\nTOKEN = os.getenv('LIBRARY_TOKEN')\n", encoding="utf-8")
    folder = tmp_path_factory.mktemp("dags").resolve()
    dags = {**{name: source for name, (_, source) in BAD.items()}, **GOOD, **THROUGH_SUPPORT}
    files = {**SUPPORT, **SLOW_PACKAGE, **{f"{name}.py": text for name, text in dags.items()}}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(
            text.replace("LIBRARIES", repr(str(libraries))), encoding="utf-8"
        )
    return _judge(folder, str(request.param))


@pytest.mark.parametrize("name", BAD)
def test_is_refused_at_its_line_and_for_this_reason_only(judged: Judged, name: str) -> None:
    code, _ = BAD[name]
    found = judged.about(f"{name}.py")
    assert [(f.code, f.where) for f in found] == [(code, judged.marked(f"{name}.py"))]


@pytest.mark.parametrize("name", GOOD)
def test_right_twin_passes(judged: Judged, name: str) -> None:
    assert judged.about(f"{name}.py") == []
    [entry] = [entry for entry in judged.facts.files if entry.file == f"{name}.py"]
    assert entry.dag_ids == (name,)


@pytest.mark.parametrize("name", ["variable_swallowed", "hook_swallowed", "network_swallowed"])
def test_refusal_that_is_swallowed_counts_though_the_dag_is_there(
    judged: Judged, name: str
) -> None:
    [entry] = [entry for entry in judged.facts.files if entry.file == f"{name}.py"]
    assert (entry.error, entry.dag_ids, entry.refused) == (None, (name,), False)
    assert len(entry.uses) == 1


def test_refused_file_has_no_dag_and_no_second_finding(judged: Judged) -> None:
    [entry] = [entry for entry in judged.facts.files if entry.file == "variable_read.py"]
    assert entry.dag_ids == ()
    assert entry.refused
    assert [finding.code for finding in judged.about("variable_read.py")] == ["CK207"]


def test_line_of_the_support_module_is_named_and_who_called_it(judged: Judged) -> None:
    [finding] = judged.about("support/reads.py")
    assert (finding.code, finding.where) == ("CK207", judged.marked("support/reads.py"))
    assert finding.seen.startswith(f"Variable threshold\ncalled from {judged.folder}/calls_")


def test_support_module_that_reads_while_it_is_imported_is_one_finding(judged: Judged) -> None:
    [finding] = judged.about("support/reads_at_import.py")
    assert finding.where == judged.marked("support/reads_at_import.py")
    assert "imports_it_too.py:2" in finding.seen
    assert "imports_support.py:2" in finding.seen


def test_hook_is_named(judged: Judged) -> None:
    [read] = judged.about("hook_read.py")
    assert read.seen.startswith("BaseHook.get_connection('x')\n")
    [swallowed] = judged.about("hook_swallowed.py")
    assert swallowed.seen.startswith("OwnHook.get_connection('x')\n")


def test_what_changed_between_two_parses_is_shown(judged: Judged) -> None:
    [finding] = judged.about("changed_by_a_set.py")
    first, place, airflow = finding.seen.splitlines()
    assert first == "two parses of changed_by_a_set differ:"
    assert "description: '" in place
    assert " → '" in place
    assert airflow == f"Airflow {judged.facts.airflow}"


def test_packages_that_make_an_import_slow_are_named(judged: Judged) -> None:
    [finding] = judged.about("slow_to_import.py")
    assert "slow_package (3 modules)" in finding.seen
    assert finding.expected == "an import of at most 10 × that of a bare DAG file"


@pytest.mark.parametrize(
    ("version", "code", "line"), [("3.3.2", "CK212", ":4"), ("3.1.3", "CK213", "")]
)
def test_time_in_an_argument_is_found_by_reading_or_by_a_second_parse(
    tmp_path: Path, version: str, code: str, line: str
) -> None:
    folder = tmp_path.resolve()
    (folder / "varying.py").write_text(VARYING, encoding="utf-8")
    [finding] = _judge(folder, version).findings
    assert (finding.code, finding.where) == (code, f"{folder}/varying.py{line}")
