"""What adding a parameter to a space checks: its name, its type, its condition."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space.evaluation import Rule
from strategy_optimizer.space.expressions import FUNCTIONS, parse_expression, shorten
from strategy_optimizer.space.parameters import Categorical, Continuous, Discrete, Parameter


def check_name(name: Any, taken: Mapping[str, Parameter]) -> None:
    """Refuse a name that is no identifier, a word of the expression language, or taken."""
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or len(name) > 100:
        problem = f"a parameter name must be an identifier (letters, digits, _), found {shorten(name)}"
        raise SpaceError(problem, parameter=str(name))
    if keyword.iskeyword(name) or name in FUNCTIONS:
        raise SpaceError(
            f"'{name}' is a word of the constraint language; choose another name", parameter=name
        )
    if name in taken:
        raise SpaceError(f"the space already has a parameter '{name}'", parameter=name)


def check_parameter(name: str, parameter: Any) -> None:
    """Refuse anything but a parameter."""
    if not isinstance(parameter, Continuous | Discrete | Categorical):
        problem = (
            f"parameter '{name}': expected Continuous, Discrete or Categorical, found {shorten(parameter)}"
        )
        raise SpaceError(problem, parameter=name)


def check_condition(name: str, condition: str, known: Mapping[str, Parameter]) -> None:
    """Refuse a condition that does not fit the parameters which came before."""
    for other in parse_expression(condition, "condition").names:
        if other not in known:
            reason = "a condition may not depend on itself" if other == name else "add that parameter first"
            hint = "" if other == name else nearest_name(other, known)
            problem = f"parameter '{name}': condition {shorten(condition)} names '{other}'{hint}; {reason}"
            raise SpaceError(problem, parameter=name)
    try:
        Rule(parse_expression(condition, "condition"), known)
    except SpaceError as error:
        raise SpaceError(f"parameter '{name}': {error}", parameter=name) from None
