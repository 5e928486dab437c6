"""Tasks as a DAG file declares them: mapping that nothing bounds, retries that do not wait.

Where the file does not show what a task was given, the rules say nothing.
"""

import ast
from collections.abc import Iterator, Mapping
from itertools import chain

from .source import UNKNOWN, Call, Source, entries, keywords

Broken = tuple[str, int, str]
LIMITS = ("max_active_tis_per_dag", "max_active_tis_per_dagrun", "pool")
_DELAYS = ("retry_delay", "retry_policy")
_SETS_OPTIONS = ("partial", "override")
_CHUNKED = ("chunk", "batch")
_NO_DELAY = ("timedelta()", "timedelta(0)", "timedelta(seconds=0)", "timedelta(minutes=0)", "0")


def unbounded_mapping(source: Source) -> Iterator[Broken]:
    """`.expand(…)` of a task without a limit, over something of unknown length."""
    defaults = source.default_args()
    for call in source.calls:
        mapped = _mapped_values(call.node)
        if not mapped or not isinstance(call.node.func, ast.Attribute):
            continue
        options = _options(source, call, call.node.func.value)
        if options is None or _is_limited({**defaults, **options}):
            continue
        if not all(_is_short(call, value) for value in mapped):
            line = call.node.func.value.end_lineno or call.node.lineno  # that of `.expand`
            seen = f"{ast.unparse(call.node.func)}(…) has neither a limit nor chunks"
            yield "unbounded-mapping", line, seen


def retries_without_delay(source: Source) -> Iterator[Broken]:
    """`retries` where nobody said how long to wait before each."""
    defaults = source.default_args()
    declared = chain(_declared_options(source), _default_args(source))
    for line, name, options in declared:
        retries = options.get("retries")
        if retries is None or _is_constant(retries, 0) or _is_constant(retries, None):
            continue
        given = {**defaults, **options}
        if UNKNOWN in given or "retry_policy" in given:
            continue
        shown = f"{name}: retries={ast.unparse(retries)}"
        if "retry_delay" not in given:
            yield "retries-without-delay", line, f"{shown} without retry_delay"
        elif ast.unparse(given["retry_delay"]).rpartition(".")[2] in _NO_DELAY:
            yield "retries-without-delay", line, f"{shown} with a retry_delay of 0"


def _mapped_values(node: ast.Call) -> list[ast.expr]:
    """What is mapped over; `.expand(x)` of other libraries takes no keywords."""
    if not isinstance(node.func, ast.Attribute):
        return []
    if node.func.attr == "expand_kwargs":
        return node.args[:1]
    if node.func.attr == "expand" and not node.args:
        return [keyword.value for keyword in node.keywords]
    return []


def _options(source: Source, call: Call, node: ast.expr) -> dict[str, ast.expr] | None:
    """What a task was given: by its decorator, `.partial(…)`, `.override(…)`; None: not known."""
    seen: dict[str, ast.expr] = {}
    is_task = False
    for _ in range(20):  # a name that is assigned to itself must not hang the gate
        if isinstance(node, ast.Call):
            seen = {**keywords(node), **seen}
            if isinstance(node.func, ast.Attribute) and node.func.attr in _SETS_OPTIONS:
                is_task = is_task or node.func.attr == "partial"
                node = node.func.value
                continue
            # task(retries=2)(function)
            if _is_task_decorator(source, node.func):
                return seen
            return None
        if isinstance(node, ast.Name) and (function := call.function(node.id)):
            decorator = _task_decorator(source, function)
            if decorator is None:
                return None
            return {**(keywords(decorator) if isinstance(decorator, ast.Call) else {}), **seen}
        if (value := call.value(node)) is node:
            break
        node = value
    name = source.dotted(node).rpartition(".")[2]
    return seen if is_task and name[:1].isupper() else None


def _task_decorator(
    source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> ast.expr | None:
    return next((d for d in function.decorator_list if _is_task_decorator(source, d)), None)


def _is_task_decorator(source: Source, node: ast.expr) -> bool:
    name = source.dotted(node.func if isinstance(node, ast.Call) else node)
    return name.startswith("airflow.") and "task" in name.split(".")


def _is_limited(options: Mapping[str, ast.expr]) -> bool:
    return any(
        key in options and not _is_constant(options[key], None) for key in (*LIMITS, UNKNOWN)
    )


def _is_short(call: Call, node: ast.expr) -> bool:
    """Its length is written in the file, or its name says that it was cut into chunks."""
    names = [ast.unparse(part).lower() for part in (node, call.value(node))]
    if any(word in name for word in _CHUNKED for name in names):
        return True
    node = call.value(node)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return not any(isinstance(element, ast.Starred) for element in node.elts)
    if isinstance(node, ast.Dict):
        return None not in node.keys
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "range":
        return all(isinstance(argument, ast.Constant) for argument in node.args)
    return isinstance(node, ast.Constant)


def _declared_options(source: Source) -> Iterator[tuple[int, str, dict[str, ast.expr]]]:
    """Every place that gives options to a task."""
    for call in source.calls:
        function = call.node.func
        name = source.dotted(function)
        own = keywords(call.node)
        if isinstance(function, ast.Attribute) and function.attr in _SETS_OPTIONS:
            options = _options(source, call, call.node)
            yield (
                call.node.lineno,
                ast.unparse(function),
                {
                    **{k: v for k, v in (options or {}).items() if k in _DELAYS or k == UNKNOWN},
                    **own,
                },
            )
        elif _is_task_decorator(source, function) or name.endswith(("Operator", "Sensor")):
            yield call.node.lineno, ast.unparse(function), own


def _default_args(source: Source) -> Iterator[tuple[int, str, dict[str, ast.expr]]]:
    for call in source.calls:
        for keyword in call.node.keywords:
            if keyword.arg == "default_args":
                value = call.value(keyword.value)
                options = entries(value)
                line = options["retries"].lineno if "retries" in options else value.lineno
                yield line, "default_args", options


def _is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == value
