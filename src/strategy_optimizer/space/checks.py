"""What a number, bound, step or choice must be; each failure is one SpaceError that says what was found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space.expressions import shorten
from strategy_optimizer.space.grid import MAX_WHOLE, Grid, fractional_grid, is_exact, nearest_bounds

Value: TypeAlias = int | float | str | bool
MAX_MAGNITUDE = 1e300
"""Bounds stay below this, so that a sum in a constraint cannot overflow."""


def real(value: Any, what: str) -> float:
    """Return a finite number as a float; `what` names it in the SpaceError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise SpaceError(f"{what} must be a number, found {shorten(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) <= MAX_MAGNITUDE:  # also catches NaN
        raise SpaceError(f"{what} must be finite and at most {MAX_MAGNITUDE:g}, found {shorten(value)}")
    return number + 0.0  # -0.0 becomes 0.0


def whole(value: Any, what: str) -> int:
    """Return a whole number as an int; 20.0 is one."""
    number = real(value, what)
    if not number.is_integer() or abs(number) > MAX_WHOLE:
        raise SpaceError(f"{what} must be a whole number of at most 2**53, found {shorten(value)}")
    return int(value) if isinstance(value, Integral) else int(number)


def check_order(low: float, high: float) -> None:
    """Refuse reversed bounds."""
    if low > high:
        raise SpaceError(f"the bounds ({low}, {high}) are reversed; the lower bound comes first")
    if not math.isfinite(high - low):
        raise SpaceError(f"the bounds ({low}, {high}) are too far apart")


def check_log(log: Any, low: float) -> None:
    """Refuse a log scale that reaches zero."""
    if not isinstance(log, bool | np.bool_):
        raise SpaceError(f"log must be true or false, found {shorten(log)}")
    if log and low <= 0:
        raise SpaceError(f"a log scale needs a lower bound above 0, found {low}")


def check_within(number: float, low: float, high: float, what: str) -> None:
    """Refuse a number outside the bounds."""
    if not low <= number <= high:
        raise SpaceError(f"{what} {number} lies outside the bounds ({low}, {high})")


def check_on_grid(number: float, grid: Grid, what: str) -> None:
    """Refuse a number off the step."""
    if not grid.contains(number):
        step = grid.stride / grid.scale
        raise SpaceError(
            f"{what} {number} does not lie on the step {step:g} counted from {grid.low:g}; "
            f"the nearest that does is {grid.nearest(number):g}"
        )


def off_step(low: float, high: float, step: float) -> SpaceError:
    """Return the error for an upper bound that does not lie on the step."""
    grid = fractional_grid(low, nearest_bounds(low, high, step)[0], step)
    if grid is None or not is_exact(grid):
        return SpaceError(f"the step {step!r} is too fine for the bounds ({low!r}, {high!r})")
    below, above = (f"{bound:.12g}" for bound in nearest_bounds(low, high, step))
    return SpaceError(
        f"the upper bound {high!r} does not lie on the step {step!r} counted from {low!r}; "
        f"the nearest upper bounds that do are {below} and {above}"
    )


def checked_choices(choices: Any) -> tuple[Value, ...]:
    """Return choices as a tuple of distinct plain Python values."""
    if isinstance(choices, str | bytes) or not isinstance(choices, Sequence | np.ndarray):
        raise SpaceError(f"the choices must be a list, found {shorten(choices)}")
    values = tuple(item.item() if isinstance(item, np.generic) else item for item in choices)
    if not values:
        raise SpaceError("the choices are empty; give at least one")
    for value in values:
        if not isinstance(value, str | bool | int | float):
            raise SpaceError(f"a choice must be text, a number or true/false, found {shorten(value)}")
        if not isinstance(value, str):
            real(float(value) if isinstance(value, bool) else value, "a choice")
    seen: set[Value] = set()
    for value in values:
        if value in seen:
            raise SpaceError(f"the choice {shorten(value)} appears twice")
        seen.add(value)
    return values
