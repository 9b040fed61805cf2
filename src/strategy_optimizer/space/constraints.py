"""The constraints of a space: expressions over the whole population, then Python callables row by row."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space.checks import Value
from strategy_optimizer.space.evaluation import Rule
from strategy_optimizer.space.expressions import parse_expression, shorten
from strategy_optimizer.space.parameters import Parameter

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
Predicate: TypeAlias = Callable[[dict[str, Any]], bool]
Constraint: TypeAlias = str | Predicate
ToDicts: TypeAlias = Callable[[FloatArray], list[dict[str, Value]]]


class ExpressionConstraint:
    """An expression bound to a space; it holds where it names an inactive parameter."""

    def __init__(self, text: str, parameters: Mapping[str, Parameter]) -> None:
        self.source: Constraint = text
        self._rule = Rule(parse_expression(text), parameters)
        conditional = [parameters[name].condition is not None for name in self._rule.names]
        self._may_be_inactive = [c for c, flag in zip(self._rule.columns, conditional, strict=True) if flag]

    def holds(self, points: FloatArray) -> BoolArray:
        """Return where the constraint holds (n,)."""
        holds = self._rule.holds(points.T)
        return holds | self._inactive(points) if self._may_be_inactive else holds

    def violation(self, points: FloatArray) -> FloatArray:
        """Return how far each point is from satisfying it (n,); 0 where it holds."""
        violation = self._rule.violation(points.T)
        if self._may_be_inactive:
            violation[self._inactive(points)] = 0.0
        return violation

    def _inactive(self, points: FloatArray) -> BoolArray:
        inactive: BoolArray = np.logical_or.reduce(np.isnan(points[:, self._may_be_inactive]), axis=1)
        return inactive


class CallableConstraint:
    """A Python function of one plain dict; it holds where it asks for an inactive parameter."""

    def __init__(self, function: Predicate, names: Sequence[str], to_dicts: ToDicts) -> None:
        self.source: Constraint = function
        self._function = function
        self._names = frozenset(names)
        self._to_dicts = to_dicts

    def holds(self, points: FloatArray) -> BoolArray:
        """Return where the constraint holds (n,)."""
        return np.array([self._answer(row) for row in self._to_dicts(points)], dtype=np.bool_)

    def violation(self, points: FloatArray) -> FloatArray:
        """Return 0 where it holds, else 1 (n,)."""
        return np.where(self.holds(points), 0.0, 1.0)

    def _answer(self, row: dict[str, Value]) -> bool:
        given = frozenset(row)
        try:
            answer = self._function(row)
        except Exception as error:
            if isinstance(error, KeyError) and error.args and error.args[0] in self._names - given:
                return True
            raise self._error(f"failed on {row}: {type(error).__name__}: {error}") from error
        if not isinstance(answer, bool | np.bool_):
            raise self._error(f"must return True or False, found {shorten(answer)}")
        return bool(answer)

    def _error(self, problem: str) -> SpaceError:
        return SpaceError(f"constraint {describe(self.source)} {problem}")


class Constraints:
    """All constraints bound to the columns of a space, the cheap ones first."""

    def __init__(
        self, constraints: Sequence[Constraint], parameters: Mapping[str, Parameter], to_dicts: ToDicts
    ) -> None:
        self._bound: list[ExpressionConstraint | CallableConstraint] = [
            ExpressionConstraint(constraint, parameters)
            if isinstance(constraint, str)
            else CallableConstraint(constraint, tuple(parameters), to_dicts)
            for constraint in sorted(constraints, key=callable)
        ]

    def __len__(self) -> int:
        return len(self._bound)

    def holds(self, points: FloatArray) -> BoolArray:
        """Return where all constraints hold (n,); each is asked only about rows the earlier ones left."""
        holds: BoolArray = np.ones(len(points), dtype=np.bool_)
        for constraint in self._bound:
            if holds.all():
                holds = constraint.holds(points)
            else:
                rows = np.flatnonzero(holds)
                holds[rows] = constraint.holds(points[rows])
        return holds

    def violations(self, points: FloatArray) -> FloatArray:
        """Return how far each point is from satisfying each constraint (n, k)."""
        return np.stack([constraint.violation(points) for constraint in self._bound], axis=1)

    def violated(self, points: FloatArray) -> list[tuple[Constraint, float]]:
        """Return each constraint with the share of `points` that violate it, the strictest first."""
        shares = [(bound.source, 1.0 - float(np.mean(bound.holds(points)))) for bound in self._bound]
        return sorted(shares, key=lambda pair: -pair[1])


def describe(constraint: Constraint) -> str:
    """Return a constraint as it appears in messages: its text, or name, file and line of a callable."""
    if isinstance(constraint, str):
        return shorten(constraint)
    name = getattr(constraint, "__qualname__", type(constraint).__qualname__)
    code = getattr(constraint, "__code__", None)
    return f"{name} (line {code.co_firstlineno} of {code.co_filename})" if code else str(name)


def named_parameter(constraint: Constraint) -> str | None:
    """Return the first parameter which an expression names; None for a callable."""
    return parse_expression(constraint).names[0] if isinstance(constraint, str) else None


def fingerprint(constraint: Constraint) -> str:
    """Return what identifies a constraint: its text, or source and byte code of a callable."""
    if isinstance(constraint, str):
        return constraint
    name = getattr(constraint, "__qualname__", type(constraint).__qualname__)
    try:
        source = inspect.getsource(constraint)
    except (OSError, TypeError):  # typed at a prompt, built in, or an object with __call__
        source = ""
    code = getattr(constraint, "__code__", None)  # tells two lambdas on one line apart
    return hashlib.sha256(f"{name}\n{source}\n{code and code.co_code.hex()}".encode()).hexdigest()
