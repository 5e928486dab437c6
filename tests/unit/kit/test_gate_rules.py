"""Rules that are judged by reading: for each a file that breaks it, and a twin that does not."""

from textwrap import dedent

import pytest

from compai_kit.gate.inside.rules import broken_rules

HEAD = """\
import httpx
import requests
import urllib.request
from datetime import timedelta
from requests import Session, get as fetch
from airflow.sdk import dag, task, task_group
from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.sensors.http import HttpSensor
from airflow.providers.http.triggers.http import HttpTrigger
from airflow.providers.standard.operators.bash import BashOperator
"""
LINES = HEAD.count("\n")


def _broken(source: str) -> list[tuple[str, int]]:
    """(rule, line), the lines counted from the first one of `source`."""
    found = broken_rules((HEAD + dedent(source).strip("\n")).encode())
    return [(rule, line - LINES) for rule, line, _ in found]


def _seen(source: str) -> list[str]:
    return [seen for _, _, seen in broken_rules((HEAD + dedent(source).strip("\n")).encode())]


MAPPED = """
@task{options}
def one(row): ...

rows = fetch_rows()
one{more}.expand(row={over})
"""


class TestMapping:
    @pytest.mark.parametrize(
        "source",
        [
            MAPPED.format(options="", more="", over="rows"),
            MAPPED.format(options="()", more="", over="rows"),
            MAPPED.format(options="(max_active_tis_per_dag=None)", more="", over="rows"),
            MAPPED.format(options="", more=".partial(a=1)", over="fetch_rows()"),
            MAPPED.format(options="", more=".override(queue='q')", over="[*rows]"),
            MAPPED.format(options="", more="", over="[n for n in rows]"),
            MAPPED.format(options="", more="", over="range(len(rows))"),
            "@task.bash\ndef a(x): ...\n\n\na.expand_kwargs(rows())",
            "#\n#\n#\n#\nBashOperator.partial(task_id='a').expand(bash_command=rows())",
            "def f(x): ...\n\nlimited = task(f)\n\ntask(queue='q')(f).expand(x=rows())",
            """
            @dag(schedule=None)
            def d():
                @task
                def a(x): ...
                a.expand(x=rows())
            """,
        ],
    )
    def test_without_limit_or_chunks(self, source: str) -> None:
        assert _broken(source) == [("unbounded-mapping", 5)]

    @pytest.mark.parametrize(
        "source",
        [
            MAPPED.format(options="(max_active_tis_per_dag=2)", more="", over="rows"),
            MAPPED.format(options="(max_active_tis_per_dagrun=2)", more="", over="rows"),
            MAPPED.format(options="(pool='small')", more="", over="rows"),
            MAPPED.format(options="(**options)", more="", over="rows"),
            MAPPED.format(options="", more=".override(pool='small')", over="rows"),
            MAPPED.format(options="", more=".partial(a=1).override(pool='p')", over="rows"),
            MAPPED.format(options="", more="", over="[1, 2, 3]"),
            MAPPED.format(options="", more="", over="range(8)"),
            MAPPED.format(options="", more="", over="in_chunks(rows)"),
            "@task\ndef a(x): ...\n\nbatches = cut(rows)\na.expand(x=batches)",
            "@task\ndef a(x): ...\n\nx = batched(rows, 50)\na.expand(x=x)",
            "BashOperator.partial(task_id='a', pool='p').expand(bash_command=rows())",
            "@dag(default_args={'pool': 'p'})\ndef d():\n    @task\n    def a(x): ...\n"
            "    a.expand(x=rows())",
            "limited = one.override(pool='p')\n@task\ndef one(x): ...\nlimited.expand(x=rows())",
        ],
    )
    def test_with_a_limit_or_chunks(self, source: str) -> None:
        assert _broken(source) == []

    @pytest.mark.parametrize(
        "source",
        [
            "match.expand(r'\\1')",
            "tensor.expand(2, 3)",
            "from elsewhere import one\none.expand(x=rows())",
            "@task_group\ndef g(x): ...\ng.expand(x=rows())",
            "def plain(x): ...\nplain.expand(x=rows())",
        ],
    )
    def test_what_is_no_task_of_this_file_is_not_judged(self, source: str) -> None:
        assert _broken(source) == []

    def test_says_what_is_mapped(self) -> None:
        assert _seen(MAPPED.format(options="", more="", over="rows")) == [
            "one.expand(…) has neither a limit nor chunks"
        ]


class TestTimeouts:
    @pytest.mark.parametrize(
        "call",
        [
            "requests.get('http://x')",
            "requests.post('http://x', json={})",
            "requests.request('GET', 'http://x')",
            "requests.get('http://x', timeout=None)",
            "fetch('http://x')",
            "Session().get('http://x')",
            "httpx.get('http://x')",
            "httpx.Client()",
            "httpx.AsyncClient(verify=False)",
            "urllib.request.urlopen('http://x')",
            "HttpOperator(task_id='a', endpoint='x', method='GET')",
            "HttpOperator(task_id='a', method='GET', extra_options={'verify': False})",
            "HttpSensor(task_id='a', endpoint='x', timeout=60)",
            "HttpHook(method='GET').run('x')",
        ],
    )
    def test_missing(self, call: str) -> None:
        assert _broken(call) == [("http-timeout", 1)]
        assert _broken(f"def task():\n    return {call}") == [("http-timeout", 2)]

    @pytest.mark.parametrize(
        "source",
        [
            "session = requests.Session()\nsession.get('x')",
            "with requests.Session() as s:\n    s.post('x')",
            "def f():\n    s = Session()\n    s.delete('x')",
            "class C:\n    def __init__(self):\n        self.s = requests.Session()\n"
            "    def f(self):\n        self.s.put('x')",
            "hook = HttpHook()\nhook.run('x', extra_options={'check_response': False})",
        ],
    )
    def test_missing_on_what_the_file_makes(self, source: str) -> None:
        assert [rule for rule, _ in _broken(source)] == ["http-timeout"]

    @pytest.mark.parametrize(
        "source",
        [
            "requests.get('http://x', timeout=5)",
            "requests.get('http://x', **options)",
            "with requests.Session() as s:\n    s.post('x', timeout=(3, 30))",
            "httpx.get('x', timeout=3)\nwith httpx.Client(timeout=3) as c:\n    c.get('x')",
            "urllib.request.urlopen('x', None, 5)",
            "HttpOperator(task_id='a', method='GET', extra_options={'timeout': 30})",
            "HttpOperator(task_id='a', method='GET', execution_timeout=timedelta(minutes=1))",
            "OPTIONS = {'timeout': 3}\nHttpHook().run('x', extra_options=OPTIONS)",
            "HttpHook().run('x', extra_options=options_from_elsewhere)",
            "@dag(default_args={'execution_timeout': timedelta(minutes=1)})\ndef d():\n"
            "    HttpSensor(task_id='a')",
            "settings = {}\nsettings.get('x')",
            "def f():\n    s = Session()\ndef g(s):\n    s.get('x')",
        ],
    )
    def test_given_or_not_shown(self, source: str) -> None:
        assert _broken(source) == []

    def test_says_which_call(self) -> None:
        assert _seen("fetch('http://x')") == ["fetch(…) without a timeout"]


class TestDeferredWrites:
    @pytest.mark.parametrize(
        ("call", "verb"),
        [
            ("HttpOperator(deferrable=True, method='POST', {})", "POST"),
            ("HttpOperator(deferrable=True, method='put', {})", "PUT"),
            ("HttpOperator(deferrable=True, {})", "POST, the method when none is given"),
            ("HttpOperator.partial(deferrable=True, {})", "POST, the method when none is given"),
            ("HttpTrigger(endpoint='x', method='POST')", "POST"),
        ],
    )
    def test_found(self, call: str, verb: str) -> None:
        [seen] = _seen(call.format("execution_timeout=timedelta(1)"))
        assert seen.endswith(f"(…) defers a {verb}")

    def test_found_by_default_args(self) -> None:
        source = """
            @dag(default_args={"deferrable": True, "execution_timeout": timedelta(1)})
            def d():
                HttpOperator(task_id="a", method="DELETE")
            """
        assert _broken(source) == [("deferred-write", 3)]

    @pytest.mark.parametrize(
        "call",
        [
            "HttpOperator(deferrable=True, method='GET', {})",
            "HttpOperator(deferrable=False, method='POST', {})",
            "HttpOperator(method='POST', {})",
            "HttpOperator(deferrable=True, method=METHOD, {})",
            "HttpTrigger(endpoint='x')",
            "BashOperator(deferrable=True, {})",
        ],
    )
    def test_reads_and_workers_pass(self, call: str) -> None:
        assert _broken(call.format("execution_timeout=timedelta(1)")) == []


class TestRetries:
    @pytest.mark.parametrize(
        ("source", "line"),
        [
            ("@task(retries=3)\ndef a(): ...", 1),
            ("@task(retries=3, retry_delay=timedelta(0))\ndef a(): ...", 1),
            ("@task(retries=3, retry_delay=timedelta(seconds=0))\ndef a(): ...", 1),
            ("BashOperator(task_id='a', retries=RETRIES)", 1),
            ("BashOperator.partial(task_id='a', retries=2)", 1),
            ("@dag(default_args={\n    'owner': 'me',\n    'retries': 2,\n})\ndef d(): ...", 3),
            ("ARGS = {'retries': 2}\n@dag(default_args=ARGS)\ndef d(): ...", 1),
            ("@dag(default_args=dict(retries=2))\ndef d(): ...", 1),
            ("@task\ndef a(): ...\na.override(retries=2)()", 3),
        ],
    )
    def test_without_a_delay(self, source: str, line: int) -> None:
        assert _broken(source) == [("retries-without-delay", line)]

    @pytest.mark.parametrize(
        "source",
        [
            "@task(retries=3, retry_delay=timedelta(seconds=30))\ndef a(): ...",
            "@task(retries=3, retry_policy=POLICY)\ndef a(): ...",
            "@task(retries=0)\ndef a(): ...",
            "@task(**options, retries=2)\ndef a(): ...",
            "@dag(default_args={'retries': 2, 'retry_delay': DELAY})\ndef d(): ...",
            "@dag(default_args={'retry_delay': DELAY})\ndef d():\n    BashOperator(retries=2)",
            "@dag(default_args=from_elsewhere)\ndef d():\n    BashOperator(retries=2)",
            "@task(retry_delay=DELAY)\ndef a(): ...\na.override(retries=2)()",
            "HTTPAdapter(max_retries=3)\nRetry(retries=3)",
        ],
    )
    def test_with_a_delay(self, source: str) -> None:
        assert _broken(source) == []

    def test_says_where_they_are_set(self) -> None:
        assert _seen("@dag(default_args={'retries': 2})\ndef d(): ...") == [
            "default_args: retries=2 without retry_delay"
        ]


def test_file_that_is_no_python_breaks_no_rule() -> None:
    assert list(broken_rules(b"def broken(:")) == []
    assert list(broken_rules(b"\x00")) == []


def test_names_that_refer_to_themselves_do_not_hang_it() -> None:
    assert _broken("a = b\nb = a\na.expand(x=rows())\na = a.partial(x=1)\na.expand(y=z())") == []
