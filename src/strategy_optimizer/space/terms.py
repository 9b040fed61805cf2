"""The terms of an expression as NumPy closures over all rows at once.

Arithmetic is in floats with Python's meaning of ``//`` and ``%``. ``and``, ``or`` and chained comparisons
look at their right side only where the left one leaves the answer open, as in Python, so
``b == 0 or a / b > 1`` guards its division.

A truth is computed as a pair of masks: its value, and where it failed (None when it cannot fail), that is
where a division by zero or another undefined value was reached. Its margin is a number that falls as the
truth gets further from holding (positive where it holds); it guides the search for a first feasible point.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space.checks import Value

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
Masks: TypeAlias = tuple[BoolArray, BoolArray | None]  # value, failed

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: np.where(b == 0.0, np.nan, a / b),
    ast.FloorDiv: lambda a, b: np.where(b == 0.0, np.nan, np.floor_divide(a, b)),
    ast.Mod: lambda a, b: np.where(b == 0.0, np.nan, np.mod(a, b)),
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_SLACKS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: lambda a, b: b - a,
    ast.LtE: lambda a, b: b - a,
    ast.Gt: operator.sub,
    ast.GtE: operator.sub,
    ast.Eq: lambda a, b: -np.abs(a - b),
    ast.NotEq: lambda a, b: np.abs(a - b),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": np.minimum, "max": np.maximum, "abs": np.abs}


@dataclass(frozen=True)
class Number:
    """A numeric term; `fallible` when it can be NaN, `constant` when it is written in the text."""

    run: Callable[[FloatArray], Any]  # (d, n) -> (n,) or scalar
    fallible: bool = False
    constant: Value | None = None


@dataclass(frozen=True)
class Truth:
    """A true/false term; `constant` when it is written in the text, `slack` when it compares numbers."""

    run: Callable[[FloatArray], Masks]  # (d, n) -> (n,) or scalar masks
    constant: Value | None = None
    slack: Callable[[FloatArray], Any] | None = None

    def margin(self, columns: FloatArray) -> Any:
        """Return how far the term is from changing its value: positive where true; (n,) or scalar."""
        return np.where(self.run(columns)[0], 1.0, -1.0) if self.slack is None else self.slack(columns)


@dataclass(frozen=True)
class Choice:
    """A categorical parameter whose choices are not all numbers or all true/false."""

    name: str
    column: int
    choices: Sequence[Value]


@dataclass(frozen=True)
class Text:
    """A text literal."""

    constant: str


Term: TypeAlias = Number | Truth | Choice | Text


def literal(value: Value) -> Term:
    """Return the term of a literal."""
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, bool):
        flag = np.bool_(value)  # a NumPy scalar, so that ~ and & mean the same as for arrays
        return Truth(lambda columns: (flag, None), value)  # type: ignore[arg-type, return-value]
    return number_literal(value)


def number_literal(value: int | float) -> Number:
    """Return the term of a number."""
    constant = np.float64(value)  # a NumPy scalar, so that 1 / 0 is not an exception
    return Number(lambda columns: constant, constant=value)


def lookup(column: int, table: NDArray[Any]) -> Callable[[FloatArray], Any]:
    """Return the values behind a column of indices; rows that are NaN or out of range get any."""
    last = len(table) - 1.0
    return lambda columns: table[np.fmin(np.fmax(columns[column], 0.0), last).astype(np.intp)]


def arithmetic(op: ast.operator, left: Number, right: Number) -> Number:
    """Return the result of one operator."""
    compute, run_left, run_right = _ARITHMETIC[type(op)], left.run, right.run
    # A sum of at most 100 terms below 1e300 is finite; a product may be infinite, and infinities
    # cancel to NaN.
    fallible = left.fallible or right.fallible or not isinstance(op, ast.Add | ast.Sub)
    return Number(lambda columns: compute(run_left(columns), run_right(columns)), fallible)


def called(function: str, terms: list[Number]) -> Number:
    """Return the result of min, max or abs."""
    compute, runs = _FUNCTIONS[function], [term.run for term in terms]
    fallible = any(term.fallible for term in terms)
    if function == "abs":
        return Number(lambda columns: compute(runs[0](columns)), fallible)
    return Number(lambda columns: reduce(compute, [run(columns) for run in runs]), fallible)


def compared(ops: Sequence[ast.cmpop], terms: Sequence[Number]) -> Truth:
    """Return a chain of comparisons, such as ``a < b <= c``; each number is computed once."""
    runs = [term.run for term in terms]
    links = [
        _link(op, left.fallible or right.fallible)
        for op, left, right in zip(ops, terms, terms[1:], strict=False)
    ]
    differences = [_SLACKS[type(op)] for op in ops]

    def pairwise(functions: Sequence[Callable[[Any, Any], Any]], columns: FloatArray) -> list[Any]:
        numbers = [run(columns) for run in runs]
        return [f(a, b) for f, a, b in zip(functions, numbers, numbers[1:], strict=False)]

    return Truth(
        lambda columns: reduce(_both, pairwise(links, columns)),
        slack=lambda columns: reduce(np.minimum, pairwise(differences, columns)),
    )


def _link(op: ast.cmpop, fallible: bool) -> Callable[[Any, Any], Masks]:
    compare = _COMPARISONS[type(op)]
    if not fallible:
        return lambda a, b: (compare(a, b), None)
    return lambda a, b: (compare(a, b), np.isnan(a) | np.isnan(b))


def negated(term: Truth) -> Truth:
    """Return the opposite of a truth; it fails where that fails."""

    def run(columns: FloatArray) -> Masks:
        value, failed = term.run(columns)
        return ~value, failed

    opposite = None if term.constant is None else not term.constant
    return Truth(run, opposite, lambda columns: -term.margin(columns))


def same_truth(left: Truth, right: Truth) -> Truth:
    """Compare two truths for equality."""

    def run(columns: FloatArray) -> Masks:
        (a, a_failed), (b, b_failed) = left.run(columns), right.run(columns)
        return a == b, _either(a_failed, b_failed)

    return Truth(run)


def same_choice(left: Choice, right: Choice) -> Truth:
    """Compare two categorical parameters by value, through one table of codes for both."""
    codes: dict[tuple[bool, Value], int] = {}
    tables = []
    for term in (left, right):
        numbers = [codes.setdefault((isinstance(c, bool), c), len(codes)) for c in term.choices]
        tables.append(lookup(term.column, np.array(numbers)))
    first, second = tables
    return Truth(lambda columns: (first(columns) == second(columns), None))


def conjunction(left: Truth, right: Truth) -> Truth:
    """Return `left and right`."""
    return Truth(
        lambda columns: _both(left.run(columns), right.run(columns)),
        slack=lambda columns: np.minimum(left.margin(columns), right.margin(columns)),
    )


def disjunction(left: Truth, right: Truth) -> Truth:
    """Return `left or right`."""

    def run(columns: FloatArray) -> Masks:
        (a, a_failed), (b, b_failed) = left.run(columns), right.run(columns)
        return a | b, _either(a_failed, None if b_failed is None else ~a & b_failed)

    return Truth(run, slack=lambda columns: np.maximum(left.margin(columns), right.margin(columns)))


def _both(left: Masks, right: Masks) -> Masks:
    (a, a_failed), (b, b_failed) = left, right
    return a & b, _either(a_failed, None if b_failed is None else a & b_failed)


def _either(a: BoolArray | None, b: BoolArray | None) -> BoolArray | None:
    if a is None or b is None:
        return b if a is None else a
    return a | b
