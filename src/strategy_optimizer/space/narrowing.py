"""What becomes of conditions and constraints when choices go: they name what is left, or nothing any more.

An expression may compare a parameter only with choices that it has. Where a choice is gone, ``stop == 'fixed'`` holds
nowhere and ``stop != 'fixed'`` wherever `stop` is active, which is written ``stop != stop`` and ``stop == stop``. A
parameter whose condition can hold nowhere is left out, and so are the constraints that name it: a constraint holds
where it names an inactive parameter.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space.activation import Activation
from strategy_optimizer.space.checks import Value
from strategy_optimizer.space.constraints import Constraint
from strategy_optimizer.space.evaluation import Rule
from strategy_optimizer.space.expressions import parse_expression, shorten
from strategy_optimizer.space.parameters import Categorical, Parameter

Choices = Mapping[str, frozenset[tuple[bool, Value]]]


def narrowed(
    old: Mapping[str, Parameter],
    new: Mapping[str, Parameter],
    constraints: Sequence[Constraint],
    asked: Collection[str],
) -> tuple[dict[str, Parameter], list[Constraint]]:
    """Return the parameters and constraints of a space whose choices became fewer.

    Parameters
    ----------
    old, new : mapping of str to Parameter
        The parameters before and after, with the same names.
    constraints : sequence of str or callable
        As they were written for `old`.
    asked : collection of str
        The parameters that the caller named. SpaceError when one of them could never be active because of one
        that was not named.
    """
    _check_texts(old, new, constraints)
    before, left = _choices(old), _choices(new)
    never = _never_active(new, left)
    by_will = _never_active(new, {name: left[name] if name in asked else before[name] for name in left})
    for name in asked:
        if name in never - by_will:
            raise _held_back(name, new, asked)
    gone = {name: before[name] - left[name] for name in left}
    parameters = {name: _reworded(p, gone) for name, p in new.items() if name not in never}
    kept = [c for c in constraints if not isinstance(c, str) or never.isdisjoint(parse_expression(c).names)]
    return parameters, [_without(gone, c, "constraint") if isinstance(c, str) else c for c in kept]


def _check_texts(
    old: Mapping[str, Parameter], new: Mapping[str, Parameter], constraints: Sequence[Constraint]
) -> None:
    """Refuse a choice that never was: it is a typing error, not one that is gone."""
    try:
        _bind(new, constraints)
    except SpaceError:
        _bind({name: _with_choices_of(old[name], p) for name, p in new.items()}, constraints)


def _bind(parameters: Mapping[str, Parameter], constraints: Sequence[Constraint]) -> None:
    Activation(parameters)
    for constraint in constraints:
        if isinstance(constraint, str):
            Rule(parse_expression(constraint), parameters)


def _with_choices_of(old: Parameter, new: Parameter) -> Parameter:
    if not isinstance(old, Categorical) or not isinstance(new, Categorical):
        return new
    more = [choice for choice in old.choices if choice not in new.choices]
    return replace(new, choices=(*new.choices, *more))


def _choices(parameters: Mapping[str, Parameter]) -> Choices:
    return {name: _keys(p.choices) for name, p in parameters.items() if isinstance(p, Categorical)}


def _keys(values: Iterable[Value]) -> frozenset[tuple[bool, Value]]:
    """Return values that can be told apart: True is not 1."""
    return frozenset((isinstance(value, bool), value) for value in values)


# -- what can be active --------------------------------------------------------------------------------------


def _never_active(parameters: Mapping[str, Parameter], left: Choices) -> set[str]:
    conditions = {
        name: parse_expression(p.condition, "condition")
        for name, p in parameters.items()
        if p.condition is not None
    }
    never = {name for name, condition in conditions.items() if _truth(condition.tree, left) is False}
    while more := {n for n, c in conditions.items() if n not in never and not never.isdisjoint(c.names)}:
        never |= more
    return never


def _held_back(name: str, parameters: Mapping[str, Parameter], asked: Collection[str]) -> SpaceError:
    conditions = " ".join(p.condition or "" for p in parameters.values())
    held = [
        f"{other} = {shorten(p.default_value)}"
        for other, p in parameters.items()
        if other not in asked and isinstance(p, Categorical) and re.search(rf"\b{other}\b", conditions)
    ]
    return SpaceError(
        f"parameter '{name}' would never be active: its condition {shorten(parameters[name].condition)} cannot "
        f"hold while what is left out keeps its default ({', '.join(held)}); name that too, or leave '{name}' out",
        parameter=name,
    )


def _truth(node: ast.expr, left: Choices) -> bool | None:
    """Return what an expression is with the choices that are left; None when it can be both."""
    match node:
        case ast.BoolOp(op=op, values=values):
            found = {_truth(value, left) for value in values}
            decisive = isinstance(op, ast.Or)
            return decisive if decisive in found else None if None in found else not decisive
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _opposite(_truth(operand, left))
        case ast.Compare(left=one, ops=[ast.Eq() | ast.NotEq() as op], comparators=[other]):
            same = _same(_values(one, left), _values(other, left))
            return same if isinstance(op, ast.Eq) else _opposite(same)
        case ast.Name(id=name):
            return _same(left.get(name, frozenset()), _keys([True]))
    return None


def _opposite(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _values(node: ast.expr, left: Choices) -> frozenset[tuple[bool, Value]]:
    """Return the values that a term can have; empty when they are not known."""
    match node:
        case ast.Name(id=name):
            return left.get(name, frozenset())
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return _keys([value])
    return frozenset()


def _same(a: frozenset[tuple[bool, Value]], b: frozenset[tuple[bool, Value]]) -> bool | None:
    if not a or not b:
        return None
    if a.isdisjoint(b):
        return False
    return True if len(a) == len(b) == 1 else None


# -- what names a choice that is gone ------------------------------------------------------------------------


def _reworded(parameter: Parameter, gone: Choices) -> Parameter:
    if parameter.condition is None:
        return parameter
    return replace(parameter, condition=_without(gone, parameter.condition, "condition"))


def _without(gone: Choices, text: str, role: str) -> str:
    """Return the expression without comparisons with choices that are gone; the same text when it has none."""
    reworder = _Reworder(gone)
    tree = reworder.visit(ast.parse(parse_expression(text, role).text.strip(), mode="eval"))
    return ast.unparse(tree) if reworder.found else text


class _Reworder(ast.NodeTransformer):
    def __init__(self, gone: Choices) -> None:
        self.gone = gone
        self.found = False

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Compare the parameter with itself where it is compared with a choice that is gone."""
        match (node.left, *node.ops, *node.comparators):
            case (ast.Name(id=name), ast.Eq() | ast.NotEq() as op, ast.Constant(value=value)) | (
                ast.Constant(value=value),
                ast.Eq() | ast.NotEq() as op,
                ast.Name(id=name),
            ) if (isinstance(value, bool), value) in self.gone.get(name, ()):
                self.found = True
                itself, never = ast.Name(id=name), isinstance(op, ast.Eq)
                return ast.Compare(
                    left=itself, ops=[ast.NotEq() if never else ast.Eq()], comparators=[itself]
                )
        return node
