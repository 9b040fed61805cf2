"""The grammar of constraints and conditions: parsed once, checked against an allow-list, never executed.

Text becomes a syntax tree of arithmetic, comparisons, ``and``/``or``/``not``, ``min``/``max``/``abs``,
numbers, text and parameter names. Any other node is refused, so there is no attribute, index, call or
comprehension to abuse; size and depth are capped. ``evaluation`` turns the tree into NumPy closures.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from strategy_optimizer.errors import SpaceError

MAX_LENGTH = 500
MAX_NODES = 100
MAX_DEPTH = 20
MAX_INTEGER = 10**15
MAX_FLOAT = 1e300
FUNCTIONS = ("min", "max", "abs")

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PREFIXED = re.compile(r"\w''")
_GLUED = re.compile(r"(?<!\w)(?:\d[\d_]*+\.?+[\d_]*+|\.\d[\d_]*+)(?:[eE][+-]?\d+)?+[A-Za-z_]")

_PARTS: dict[type[ast.AST], Callable[[Any], Iterable[ast.expr]]] = {
    ast.BoolOp: lambda node: node.values,
    ast.UnaryOp: lambda node: (node.operand,),
    ast.BinOp: lambda node: (node.left, node.right),
    ast.Compare: lambda node: (node.left, *node.comparators),
    ast.Call: lambda node: (node.func, *node.args),
    ast.Name: lambda node: (),
    ast.Constant: lambda node: (),
}
"""Every kind of term that the grammar has, with the terms in it."""
_OPERATORS = frozenset(
    (
        *(ast.And, ast.Or, ast.Not, ast.USub, ast.UAdd),
        *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
        *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
    )
)
_INSTEAD: dict[type[ast.AST], str] = {
    ast.Pow: "powers are not part of the grammar; multiply instead",
    ast.In: "'in' is not part of the grammar; join comparisons with 'or'",
    ast.NotIn: "'not in' is not part of the grammar; join comparisons with 'and'",
    ast.Is: "'is' is not part of the grammar; use '=='",
    ast.IsNot: "'is not' is not part of the grammar; use '!='",
    ast.BitAnd: "'&' is not part of the grammar; use 'and'",
    ast.BitOr: "'|' is not part of the grammar; use 'or'",
    ast.Invert: "'~' is not part of the grammar; use 'not'",
    ast.IfExp: "'if' is not part of the grammar; write 'not a or b' for 'b wherever a'",
}
_GRAMMAR = (
    "allowed are numbers, names, + - * / // %, comparisons, and, or, not, min, max, abs "
    "and text compared with == or !="
)


@dataclass(frozen=True)
class Expression:
    """A parsed expression: its text and syntax tree, and the parameter names in it (in order, once each)."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]
    role: str

    def error(self, problem: str, parameter: str | None = None) -> SpaceError:
        """Return the SpaceError that says what is wrong with this expression."""
        return _refusal(self.role, self.text, problem, parameter)


def parse_expression(text: Any, role: str = "constraint") -> Expression:
    """Parse `text`, or raise SpaceError; `role` ("constraint", "condition") names it in messages.

    Examples
    --------
    >>> parse_expression("fast < slow and slow - fast > 5").names
    ('fast', 'slow')
    """
    if not isinstance(text, str):
        raise SpaceError(f"a {role} must be text, found {shorten(text)}")
    if len(text) > MAX_LENGTH:
        raise _refusal(role, text, f"it has {len(text)} characters, at most {MAX_LENGTH} are allowed")
    return _parsed(text, role)


@lru_cache(maxsize=64)  # a space parses a text when it is added and again when it is bound
def _parsed(text: str, role: str) -> Expression:
    tree = _syntax_tree(text, role)
    names = _parameter_names(_terms(tree, text, role))
    if not names:
        raise _refusal(role, text, "it names no parameter")
    return Expression(text, tree, names, role)


def shorten(value: Any, limit: int = 80) -> str:
    """Return `value` as it looks in source, cut to a length fit for a message."""
    shown = ascii(value)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _refusal(role: str, text: str, problem: str, parameter: str | None = None) -> SpaceError:
    return SpaceError(f"{role} {shorten(text)}: {problem}", parameter=parameter)


def _syntax_tree(text: str, role: str) -> ast.expr:
    if "\\" in text or "\0" in text:  # escapes would make the parser warn
        raise _refusal(role, text, "backslashes and null characters are not allowed")
    unquoted = _QUOTED.sub("''", text)
    if "#" in unquoted:  # it could hide quotes from the next check
        raise _refusal(role, text, "'#' is not part of the grammar, and comments are not")
    if _PREFIXED.search(unquoted):  # an f-string is parsed inside, where the next check does not look
        raise _refusal(role, text, "a letter stands before a quote; put a space between them")
    if _GLUED.search(unquoted):  # accepted by some Python versions, with a warning
        raise _refusal(role, text, "a letter follows a number; put a space between them")
    if max(accumulate(((c == "(") - (c == ")") for c in text), initial=0)) > MAX_DEPTH:
        raise _refusal(role, text, f"its brackets are nested more than {MAX_DEPTH} deep")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise _refusal(role, text, f"it cannot be read ({error.msg}); {_GRAMMAR}") from None
    except (ValueError, MemoryError, RecursionError):  # surrogates; nesting beyond the parser's stack
        raise _refusal(role, text, "it cannot be read") from None


def _terms(tree: ast.expr, text: str, role: str) -> list[ast.expr]:
    """Return all terms, level by level; each is checked before the terms in it are looked at."""
    found: list[ast.expr] = []
    level, depth = [tree], 0
    while level:
        found += level
        depth += 1
        if len(found) > MAX_NODES or depth > MAX_DEPTH:
            raise _refusal(
                role, text, f"it is too large; at most {MAX_NODES} terms nested {MAX_DEPTH} deep are allowed"
            )
        for node in level:
            if problem := _problem(node):
                raise _refusal(role, text, problem)
        level = [part for node in level for part in _PARTS[type(node)](node)]
    return found


def _problem(node: ast.expr) -> str | None:
    """Say why `node` is outside the grammar; None when it is inside."""
    for kind in (type(node), *_operators(node)):
        if kind not in _PARTS and kind not in _OPERATORS:
            return _INSTEAD.get(kind) or f"{kind.__name__} is not part of the grammar; {_GRAMMAR}"
    if isinstance(node, ast.Call):
        return _call_problem(node)
    return _constant_problem(node.value) if isinstance(node, ast.Constant) else None


def _operators(node: ast.expr) -> Iterable[type[ast.AST]]:
    if isinstance(node, ast.Compare):
        return map(type, node.ops)
    return (type(node.op),) if isinstance(node, ast.BoolOp | ast.UnaryOp | ast.BinOp) else ()


def _call_problem(node: ast.Call) -> str | None:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        return "only the functions min, max and abs can be called"
    if node.keywords:
        return f"{node.func.id} takes no named arguments"
    count = len(node.args)
    if node.func.id == "abs":
        return None if count == 1 else f"abs takes one argument, found {count}"
    return None if count >= 2 else f"{node.func.id} takes at least two arguments, found {count}"


def _constant_problem(value: Any) -> str | None:
    if isinstance(value, bool | str):
        return None
    if isinstance(value, int):
        return None if value <= MAX_INTEGER else "a whole number may be at most 10**15"
    if isinstance(value, float):
        return None if value <= MAX_FLOAT else f"a number may be at most {MAX_FLOAT:g}"
    return f"{type(value).__name__} constants are not part of the grammar; {_GRAMMAR}"


def _parameter_names(terms: list[ast.expr]) -> tuple[str, ...]:
    functions = {id(node.func) for node in terms if isinstance(node, ast.Call)}
    names = [node for node in terms if isinstance(node, ast.Name) and id(node) not in functions]
    names.sort(key=lambda node: (node.lineno, node.col_offset))
    return tuple(dict.fromkeys(node.id for node in names))
