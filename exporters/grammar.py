"""The part of Jinja's language that templates may use: nothing in it can run long, grow large, or reach anything.

Values, filters, conditions, and loops over the few lists there are. No calls, no assignments, no macros, no sums:
whatever is not named here is refused before it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from exporters.phrases import FILTERS
from exporters.vocabulary import COLLECTIONS

_DEEPEST = 2  # loops inside each other
_ALLOWED = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.NSRef,
    nodes.Const,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Keyword,
    nodes.Pair,
    nodes.Tuple,
    nodes.List,
)
_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Call: "a call",
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.Macro: "macro",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.Extends: "extends",
    nodes.Mul: "a multiplication",
    nodes.Add: "a sum",
    nodes.Pow: "a power",
    nodes.Mod: "a remainder",
}
_TESTS = ("none", "string", "number", "mapping", "sequence")
_LOOP = ("index", "index0", "first", "last", "length")


class BadTemplateError(Exception):
    """A template that cannot be used: what is wrong, in which of its lines, and what would be right."""

    def __init__(self, message: str, line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint


class Grammar(ImmutableSandboxedEnvironment):
    """Looks into mappings and lists, and at nothing else: a text has no attributes here."""

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
        self.filters = dict(FILTERS)
        self.tests = {name: self.tests[name] for name in _TESTS}
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping):
            return obj.get(str(argument), "")  # a label that this check has not, another one may have
        if isinstance(obj, LoopContext) and argument in _LOOP:
            return getattr(obj, argument)
        if isinstance(obj, (list, tuple, str)) and isinstance(argument, slice):
            return obj[argument]
        if isinstance(obj, (list, tuple)) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(obj=obj, name=argument)


def examine(tree: nodes.Template, known: Collection[str]) -> None:
    """Raise BadTemplateError for what is not of the language, and for names that are not `known`."""
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            what = _WORDS.get(type(node), type(node).__name__.lower())
            raise BadTemplateError(f"{what} is not possible here", node.lineno, "write values, filters, if and for")
        if isinstance(node, nodes.Filter):
            _check(node.name, FILTERS, "no filter is called", node)
        if isinstance(node, nodes.Test):
            _check(node.name, _TESTS, "no test is called", node)
    _scan(tree, frozenset(known), 0)


def _check(name: str, names: Collection[str], message: str, node: nodes.Node) -> None:
    if name not in names:
        near = get_close_matches(name, list(names), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(names))}"
        raise BadTemplateError(f"{message} {name}", node.lineno, hint)


def _scan(node: nodes.Node, known: frozenset[str], depth: int) -> None:
    if isinstance(node, nodes.Name) and node.ctx == "load":
        _check(node.name, known, "no value is called", node)
    if isinstance(node, nodes.For):
        _scan_loop(node, known, depth)
        return
    for child in node.iter_child_nodes():
        _scan(child, known, depth)


def _scan_loop(loop: nodes.For, known: frozenset[str], depth: int) -> None:
    if depth == _DEEPEST or loop.recursive:
        raise BadTemplateError(f"loops can stand in each other {_DEEPEST} deep at most", loop.lineno)
    if _root(loop.iter) not in COLLECTIONS:
        lists = ", ".join(sorted(COLLECTIONS))
        raise BadTemplateError("a loop goes through one of the lists that there are", loop.lineno, f"they are {lists}")
    _scan(loop.iter, known, depth)
    targets = [loop.target, *loop.target.find_all(nodes.Name)]
    inner = known | {target.name for target in targets if isinstance(target, nodes.Name)} | {"loop"}
    for child in (*loop.body, *([loop.test] if loop.test else [])):
        _scan(child, inner, depth + 1)
    for child in loop.else_:
        _scan(child, known, depth)


def _root(node: nodes.Node) -> str:
    """The value that a loop goes through, whatever filters it passes."""
    while isinstance(node, (nodes.Filter, nodes.Getitem)) and node.node is not None:
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""
