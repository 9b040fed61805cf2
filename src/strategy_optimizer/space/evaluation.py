"""Expressions over a whole population: a checked syntax tree, bound to a space's columns and type-checked.

Where a division by zero or another undefined value is reached, an expression is false.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import reduce

import numpy as np

from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space.checks import Value
from strategy_optimizer.space.expressions import Expression, shorten
from strategy_optimizer.space.parameters import Categorical, Parameter
from strategy_optimizer.space.terms import (
    BoolArray,
    Choice,
    FloatArray,
    Number,
    Term,
    Text,
    Truth,
    arithmetic,
    called,
    compared,
    conjunction,
    disjunction,
    literal,
    lookup,
    negated,
    number_literal,
    same_choice,
    same_truth,
)

MAX_VIOLATION = 1e300


class Rule:
    """An expression bound to the columns of a space.

    Parameters
    ----------
    expression : Expression
        The parsed text.
    parameters : mapping of str to Parameter
        The space's parameters in column order. An unknown name or a type error raises SpaceError.
    """

    def __init__(self, expression: Expression, parameters: Mapping[str, Parameter]) -> None:
        self.text = expression.text
        self.names = expression.names
        binder = _Binder(expression, parameters)
        self._truth = binder.truth(expression.tree)
        self.columns = tuple(binder.columns[name] for name in expression.names)

    def holds(self, columns: FloatArray) -> BoolArray:
        """Return where the expression is true, shape (n,), for `columns` of shape (d, n).

        Rows where a named parameter is inactive have no meaning here; the caller masks them.
        """
        with np.errstate(all="ignore"):
            value, failed = self._truth.run(columns)
        answer = value if failed is None else value & ~failed
        return answer if np.ndim(answer) else np.full(columns.shape[1], answer)

    def violation(self, columns: FloatArray) -> FloatArray:
        """Return how far each row is from holding, shape (n,): 0 where it holds, else above 0."""
        with np.errstate(all="ignore"):
            lacking = np.nan_to_num(-self._truth.margin(columns), nan=MAX_VIOLATION)
        return np.where(self.holds(columns), 0.0, np.clip(lacking, 1e-300, MAX_VIOLATION))


class _Binder:
    """Type-checks a syntax tree against parameters and builds its closures."""

    def __init__(self, expression: Expression, parameters: Mapping[str, Parameter]) -> None:
        self.expression = expression
        self.parameters = parameters
        self.columns = {name: column for column, name in enumerate(parameters)}
        self.known: dict[str, Term] = {}

    def error(self, problem: str, parameter: str | None = None) -> SpaceError:
        return self.expression.error(problem, parameter or self.expression.names[0])

    def truth(self, node: ast.expr) -> Truth:
        term = self.term(node)
        if not isinstance(term, Truth):
            raise self.error(f"{ast.unparse(node)} is not true or false; compare it with something")
        return term

    def number(self, node: ast.expr) -> Number:
        term = self.term(node)
        if isinstance(term, Text):
            raise self.error(f"the text {shorten(term.constant)} can only be compared with == or !=")
        if isinstance(term, Choice):
            raise self.error(f"'{term.name}' is a choice, not a number; compare it with == or !=", term.name)
        if isinstance(term, Truth):
            raise self.error(f"{ast.unparse(node)} is true or false, not a number")
        return term

    def term(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=value):
                return literal(value)  # type: ignore[arg-type]  # the grammar refuses other constants
            case ast.Name(id=name):
                if name not in self.known:
                    self.known[name] = self.named(name)
                return self.known[name]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(self.truth(operand))
            case ast.UnaryOp(op=op, operand=operand):
                return self.signed(op, self.number(operand))
            case ast.BinOp(left=left, op=binary, right=right):
                return arithmetic(binary, self.number(left), self.number(right))
            case ast.BoolOp(op=boolean, values=values):
                join = conjunction if isinstance(boolean, ast.And) else disjunction
                return reduce(join, [self.truth(value) for value in values])
            case ast.Call(func=ast.Name(id=function), args=args):
                return called(function, [self.number(arg) for arg in args])
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self.comparison([left, *comparators], ops)
        raise self.error(f"{type(node).__name__} is not part of the grammar")

    def named(self, name: str) -> Term:
        if name not in self.parameters:
            known = ", ".join(self.parameters)
            hint = nearest_name(name, self.parameters)
            raise self.error(f"unknown parameter '{name}'{hint} (known: {known or 'none'})", name)
        parameter, column = self.parameters[name], self.columns[name]
        if not isinstance(parameter, Categorical):
            return Number(lambda columns: columns[column])
        choices = parameter.choices
        if all(isinstance(choice, bool) for choice in choices):
            flags = lookup(column, np.array(choices, dtype=np.bool_))
            return Truth(lambda columns: (flags(columns), None))
        if not any(isinstance(choice, bool | str) for choice in choices):
            return Number(lookup(column, np.array(choices, dtype=np.float64)))
        return Choice(name, column, choices)

    def signed(self, op: ast.unaryop, term: Number) -> Number:
        if isinstance(op, ast.UAdd):
            return term
        if isinstance(term.constant, int | float):
            return number_literal(-term.constant)
        return Number(lambda columns: -term.run(columns), term.fallible)

    def comparison(self, nodes: list[ast.expr], ops: list[ast.cmpop]) -> Truth:
        terms = [self.term(node) for node in nodes]
        numbers = [term for term in terms if isinstance(term, Number)]
        if len(numbers) == len(terms):
            return compared(ops, numbers)
        if len(ops) > 1:
            # Other terms may hold chains themselves; each nesting would double the work.
            raise self.error("only numbers can be compared in a chain; join single comparisons with 'and'")
        return self.sameness(ops[0], *terms)

    def sameness(self, op: ast.cmpop, left: Term, right: Term) -> Truth:
        """Return one comparison of terms that are not both numbers."""
        if not isinstance(op, ast.Eq | ast.NotEq):
            raise self.error(
                "only numbers can be ordered; compare text, choices and true/false with == or !="
            )
        equal = self.equality(left, right)
        return equal if isinstance(op, ast.Eq) else negated(equal)

    def equality(self, left: Term, right: Term) -> Truth:
        if isinstance(left, Truth) and isinstance(right, Truth):
            return same_truth(left, right)
        if isinstance(left, Choice) and isinstance(right, Choice):
            return same_choice(left, right)
        if isinstance(right, Choice):
            left, right = right, left
        if isinstance(left, Choice) and not isinstance(right, Choice) and right.constant is not None:
            return self.is_choice(left, right.constant)
        raise self.error(
            "text can only be compared with a categorical parameter, and a value with its own kind"
        )

    def is_choice(self, term: Choice, value: Value) -> Truth:
        try:
            index = float(Categorical(term.choices).encode(value, f"the value for '{term.name}'"))
        except SpaceError as error:
            raise self.error(str(error), term.name) from None
        column = term.column
        return Truth(lambda columns: (columns[column] == index, None))
