"""HTTP as DAG code uses it: calls that may wait forever, and writes that the triggerer may repeat.

Where the file does not show a value (`**options`, a variable from elsewhere) the rules say nothing.
"""

import ast
from collections.abc import Iterator, Mapping

from .source import UNKNOWN, Call, Source, entries, keywords

Broken = tuple[str, int, str]
_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FUNCTIONS = frozenset(
    {
        *(f"requests.{method}" for method in _METHODS),
        *(f"requests.api.{method}" for method in _METHODS),
        *(f"httpx.{method}" for method in _METHODS),
        *("httpx.stream", "httpx.Client", "httpx.AsyncClient"),
    }
)
_SESSIONS = frozenset({"requests.Session", "requests.session", "requests.sessions.Session"})
_URLOPEN = "urllib.request.urlopen"
_OPERATORS = frozenset({"HttpOperator", "SimpleHttpOperator", "HttpSensor"})
_HOOK, _HOOK_METHODS = "HttpHook", frozenset({"run", "run_with_advanced_retry"})
# operator or trigger → the method that it uses when none is named
_DEFAULT_METHOD = {"HttpOperator": "POST", "SimpleHttpOperator": "POST", "HttpTrigger": "GET"}


def calls_without_timeout(source: Source) -> Iterator[Broken]:
    """Calls that wait as long as the other side likes."""
    defaults = source.default_args()
    for call in source.calls:
        node, given = call.node, keywords(call.node)
        name = source.dotted(node.func)
        last = _kind(source, node)
        if name in _FUNCTIONS or _is_session_call(source, call):
            bounded = _is_set(given, "timeout")
        elif name == _URLOPEN:
            bounded = _is_set(given, "timeout") or len(node.args) > 2
        elif last in _OPERATORS:
            bounded = _is_set({**defaults, **given}, "execution_timeout") or _in_options(call)
        elif _is_hook_call(source, call):
            bounded = _in_options(call)
        else:
            continue
        if not bounded:
            yield "http-timeout", node.lineno, f"{_shown(node)} without a timeout"


def deferred_writes(source: Source) -> Iterator[Broken]:
    """Writes that are sent by the triggerer, which sends them again after a restart."""
    defaults = source.default_args()
    for call in source.calls:
        kind = _kind(source, call.node)
        if kind not in _DEFAULT_METHOD:
            continue
        given = {**defaults, **keywords(call.node)}
        method = given.get("method", ast.Constant(_DEFAULT_METHOD[kind]))
        if (UNKNOWN in given and "method" not in given) or not isinstance(method, ast.Constant):
            continue
        deferred = given.get("deferrable")
        is_deferred = kind == "HttpTrigger" or (
            isinstance(deferred, ast.Constant) and deferred.value is True
        )
        verb = str(method.value).upper()
        if is_deferred and verb not in _SAFE:
            how = "" if "method" in given else ", the method when none is given"
            yield "deferred-write", call.node.lineno, f"{_shown(call.node)} defers a {verb}{how}"


def _kind(source: Source, node: ast.Call) -> str:
    """`HttpOperator` for `HttpOperator(…)` and for `HttpOperator.partial(…)`."""
    return source.dotted(node.func).removesuffix(".partial").rpartition(".")[2]


def _is_session_call(source: Source, call: Call) -> bool:
    function = call.node.func
    if not isinstance(function, ast.Attribute) or function.attr not in _METHODS:
        return False
    made = call.value(function.value)
    return isinstance(made, ast.Call) and source.dotted(made.func) in _SESSIONS


def _is_hook_call(source: Source, call: Call) -> bool:
    function = call.node.func
    if not isinstance(function, ast.Attribute) or function.attr not in _HOOK_METHODS:
        return False
    made = call.value(function.value)
    return isinstance(made, ast.Call) and source.dotted(made.func).rpartition(".")[2] == _HOOK


def _in_options(call: Call) -> bool:
    given = keywords(call.node)
    if "extra_options" not in given:
        return UNKNOWN in given
    return _is_set(entries(call.value(given["extra_options"])), "timeout")


def _is_set(given: Mapping[str, ast.expr], key: str) -> bool:
    if key not in given:
        return UNKNOWN in given
    value = given[key]
    return not (isinstance(value, ast.Constant) and value.value is None)


def _shown(node: ast.Call) -> str:
    return f"{ast.unparse(node.func)}(…)"
