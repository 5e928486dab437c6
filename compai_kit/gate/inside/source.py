"""A Python file as the rules see it: what names stand for, as far as the file itself shows it."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
UNKNOWN = "**"
"""The key of keywords that the file does not spell out."""


@dataclass
class Scope:
    """One function, class or module: what is assigned in it, and which functions it defines."""

    values: dict[str, ast.expr] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)
    attributes: dict[str, ast.expr] = field(default_factory=dict)
    """what methods assign to `self`"""


@dataclass(frozen=True)
class Call:
    """A call and the scopes around it, outermost first."""

    node: ast.Call
    scopes: tuple[Scope, ...]

    def function(self, name: str) -> "ast.FunctionDef | ast.AsyncFunctionDef | None":
        """The function that the name stands for here."""
        return next((s.functions[name] for s in reversed(self.scopes) if name in s.functions), None)

    def value(self, node: ast.expr) -> ast.expr:
        """What was assigned to a name or to an attribute of `self`; else the expression itself."""
        if isinstance(node, ast.Name):
            found = [s.values[node.id] for s in reversed(self.scopes) if node.id in s.values]
            return found[0] if found else node
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            attributes = [s.attributes.get(node.attr) for s in reversed(self.scopes)]
            return next((value for value in attributes if value is not None), node)
        return node


class Source:
    """One parsed file. Raises SyntaxError."""

    def __init__(self, content: bytes) -> None:
        self.tree = ast.parse(content)
        self._imported = dict(_imports(self.tree))
        self.calls = tuple(_calls(self.tree, (_scope(self.tree),)))

    def dotted(self, node: ast.expr) -> str:
        """`requests.get` for what it is called here; empty for anything but a name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self._imported.get(node.id, node.id), *reversed(parts)])

    def default_args(self) -> Mapping[str, ast.expr]:
        """What the `default_args` of the file's DAGs hold, all of them together."""
        found: dict[str, ast.expr] = {}
        for call in self.calls:
            for keyword in call.node.keywords:
                if keyword.arg == "default_args":
                    found.update(entries(call.value(keyword.value)))
        return found


def keywords(node: ast.Call) -> dict[str, ast.expr]:
    """A call's keywords by name; `**more` as UNKNOWN."""
    return {keyword.arg or UNKNOWN: keyword.value for keyword in node.keywords}


def entries(node: ast.expr) -> dict[str, ast.expr]:
    """A dict that is written out, by key; whatever cannot be read off as UNKNOWN."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return keywords(node)
    if not isinstance(node, ast.Dict):
        return {UNKNOWN: node}
    return {
        str(key.value) if isinstance(key, ast.Constant) else UNKNOWN: value
        for key, value in zip(node.keys, node.values, strict=True)
    }


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _calls(node: ast.AST, scopes: tuple[Scope, ...]) -> Iterator[Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield Call(child, scopes)
        inner = (*scopes, _scope(child)) if isinstance(child, _SCOPES) else scopes
        yield from _calls(child, inner)


def _scope(node: ast.AST) -> Scope:
    scope = Scope()
    for inside in _own(node):
        if isinstance(inside, ast.FunctionDef | ast.AsyncFunctionDef):
            scope.functions[inside.name] = inside
        for target, value in _assignments(inside):
            if isinstance(target, ast.Name):
                scope.values[target.id] = value
    if isinstance(node, ast.ClassDef):
        for inside in ast.walk(node):
            for target, value in _assignments(inside):
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    scope.attributes[target.attr] = value
    return scope


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Everything in a scope, but nothing of the scopes inside it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own(child)


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value:
        yield node.target, node.value
    elif isinstance(node, ast.withitem) and node.optional_vars:
        yield node.optional_vars, node.context_expr
