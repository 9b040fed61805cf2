"""The three kinds of parameter, and the rules which a definition and a value of it must meet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space.checks import (
    Value,
    check_log,
    check_on_grid,
    check_order,
    check_within,
    checked_choices,
    off_step,
    real,
    whole,
)
from strategy_optimizer.space.expressions import parse_expression, shorten
from strategy_optimizer.space.grid import (
    Grid,
    decimal_scale,
    fractional_grid,
    whole_grid,
)


@dataclass(frozen=True)
class Continuous:
    """A real parameter between `low` and `high`, both included.

    Parameters
    ----------
    low, high : float
        Finite bounds; equal bounds hold the parameter fixed.
    default : float, optional
        The middle (geometric when `log`) when left out.
    log : bool
        Search on a logarithmic scale; needs ``low > 0``.
    step : float, optional
        Only the values ``low + k * step``; `high` must be one of them. Excludes `log`.
    condition : str, optional
        Expression over other parameters; where it is false the parameter is inactive.

    Examples
    --------
    >>> Continuous(0.01, 0.05, 0.02, log=True).default_value
    0.02
    >>> Continuous(0.0, 1.0, step=0.1).size
    11
    """

    low: float
    high: float
    default: float | None = None
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    condition: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "continuous"

    def __post_init__(self) -> None:
        _set(self, low=real(self.low, "the lower bound"), high=real(self.high, "the upper bound"))
        check_order(self.low, self.high)
        check_log(self.log, self.low)
        _set(self, log=bool(self.log))
        if self.step is not None:
            _set(self, step=real(self.step, "the step"))
            if self.log:
                raise SpaceError("a step and log=True exclude each other; leave one out")
            grid = self._checked_grid()
            _set(self, low=grid.low, high=grid.high, step=grid.stride / grid.scale)
        if self.default is not None:
            _set(self, default=self.encode(self.default, "the default"))
        _check_condition(self.condition)

    @cached_property
    def grid(self) -> Grid | None:
        """The exact values of a stepped parameter; None when any real value is allowed."""
        return fractional_grid(self.low, self.high, self.step) if self.step is not None else None

    @property
    def size(self) -> int | None:
        """Number of values; None when there are infinitely many."""
        if self.grid is not None:
            return self.grid.count
        return 1 if self.low == self.high else None

    @cached_property
    def default_value(self) -> float:
        """The default, or the middle when none was given."""
        if self.default is not None:
            return self.default
        if self.grid is not None:
            return self.grid.value((self.grid.count - 1) // 2)
        middle = math.sqrt(self.low) * math.sqrt(self.high) if self.log else self.low / 2 + self.high / 2
        scale = decimal_scale(self.low, self.high, self.log)
        return min(max(round(middle * scale) / scale if scale else middle, self.low), self.high)

    def encode(self, value: Any, what: str = "the value") -> float:
        """Return `value` as a float on the grid and within the bounds, or raise SpaceError."""
        number = real(value, what)
        if self.grid is not None and self.grid.contains(number):  # before the bounds: 0.1 * 3 > 0.3
            return self.grid.nearest(number)
        check_within(number, self.low, self.high, what)
        if self.grid is not None:
            check_on_grid(number, self.grid, what)
        return number

    def decode_many(self, column: NDArray[np.float64]) -> list[Value]:
        """Return the Python values of one column of points."""
        values: list[Value] = column.tolist()
        return values

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        step = {} if self.step is None else {"step": self.step}
        return _spec(self, {"bounds": [self.low, self.high]}, {**step, "log": self.log})

    def _checked_grid(self) -> Grid:
        if self.step is None or self.step <= 0:
            raise SpaceError(f"the step must be above 0, found {self.step!r}")
        if self.grid is None:
            raise off_step(self.low, self.high, self.step)
        return self.grid


@dataclass(frozen=True)
class Discrete:
    """A whole-number parameter between `low` and `high`, both included.

    Parameters
    ----------
    low, high : int
        Bounds; equal bounds hold the parameter fixed.
    default : int, optional
        The middle (geometric when `log`) when left out.
    log : bool
        Search on a logarithmic scale; needs ``low >= 1`` and a step of 1.
    step : int
        Only the values ``low + k * step``; `high` must be one of them.
    condition : str, optional
        Expression over other parameters; where it is false the parameter is inactive.

    Examples
    --------
    >>> Discrete(10, 100, step=5).size
    19
    >>> Discrete(10, 99, step=20)
    Traceback (most recent call last):
        ...
    strategy_optimizer.errors.SpaceError: the upper bound 99 does not lie on the step 20 counted from 10; \
the nearest upper bounds that do are 90 and 110
    """

    low: int
    high: int
    default: int | None = None
    log: bool = field(default=False, kw_only=True)
    step: int = field(default=1, kw_only=True)
    condition: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "discrete"

    def __post_init__(self) -> None:
        _set(self, low=whole(self.low, "the lower bound"), high=whole(self.high, "the upper bound"))
        _set(self, step=whole(self.step, "the step"))
        check_order(self.low, self.high)
        check_log(self.log, self.low)
        _set(self, log=bool(self.log))
        if self.step < 1:
            raise SpaceError(f"the step must be at least 1, found {self.step}")
        if self.log and self.step != 1:
            raise SpaceError("a step and log=True exclude each other; leave one out")
        if whole_grid(self.low, self.high, self.step) is None:
            raise off_step(self.low, self.high, self.step)
        if self.default is not None:
            _set(self, default=int(self.encode(self.default, "the default")))
        _check_condition(self.condition)

    @cached_property
    def grid(self) -> Grid:
        """The values as a grid."""
        return Grid(self.low, self.step, 1, (self.high - self.low) // self.step + 1)

    @property
    def size(self) -> int:
        """Number of values."""
        return self.grid.count

    @cached_property
    def default_value(self) -> int:
        """The default, or the middle when none was given."""
        if self.default is not None:
            return self.default
        if self.log:
            return min(max(round(math.sqrt(self.low) * math.sqrt(self.high)), self.low), self.high)
        return self.low + self.step * ((self.size - 1) // 2)

    def encode(self, value: Any, what: str = "the value") -> float:
        """Return `value` as a whole float on the step and within the bounds, or raise SpaceError."""
        number = whole(value, what)
        check_within(number, self.low, self.high, what)
        if (number - self.low) % self.step:
            check_on_grid(number, self.grid, what)
        return float(number)

    def decode_many(self, column: NDArray[np.float64]) -> list[Value]:
        """Return the Python values of one column of points."""
        values: list[Value] = column.astype(np.int64).tolist()
        return values

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return _spec(self, {"bounds": [self.low, self.high]}, {"step": self.step, "log": self.log})


@dataclass(frozen=True)
class Categorical:
    """A parameter with a fixed list of choices, without an order.

    Parameters
    ----------
    choices : sequence of str, bool, int or float
        At least one; no two equal (in Python ``1 == 1.0 == True``, so these count as one).
    default : optional
        One of the choices; the first when left out.
    condition : str, optional
        Expression over other parameters; where it is false the parameter is inactive.

    Examples
    --------
    >>> Categorical(["sma", "ema", "wma"]).default_value
    'sma'
    """

    choices: Sequence[Value]
    default: Value | None = None
    condition: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "categorical"

    def __post_init__(self) -> None:
        _set(self, choices=checked_choices(self.choices))
        if self.default is not None:
            _set(self, default=self.choices[int(self.encode(self.default, "the default"))])
        _check_condition(self.condition)

    @property
    def grid(self) -> Grid:
        """The indices of the choices as a grid."""
        return Grid(0, 1, 1, len(self.choices))

    @property
    def size(self) -> int:
        """Number of choices."""
        return len(self.choices)

    @property
    def default_value(self) -> Value:
        """The default, or the first choice when none was given."""
        return self.choices[0] if self.default is None else self.default

    @cached_property
    def index(self) -> dict[Value, int]:
        """The index of each choice."""
        return {choice: index for index, choice in enumerate(self.choices)}

    def encode(self, value: Any, what: str = "the value") -> float:
        """Return the index of the choice equal to `value`, or raise SpaceError."""
        index = self._index_of(value)
        if index is None or isinstance(value, bool | np.bool_) != isinstance(self.choices[index], bool):
            hint = nearest_name(value, map(str, self.choices)) if isinstance(value, str) else ""
            raise SpaceError(
                f"{what} {shorten(value)} is not one of the choices {shorten(list(self.choices), 300)}{hint}"
            )
        return float(index)

    def _index_of(self, value: Any) -> int | None:
        plain = value.item() if isinstance(value, np.generic) else value
        return self.index.get(plain) if isinstance(plain, str | int | float) else None

    def decode_many(self, column: NDArray[np.float64]) -> list[Value]:
        """Return the Python values of one column of points."""
        return [self.choices[index] for index in column.astype(np.intp).tolist()]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return _spec(self, {"choices": list(self.choices)}, {})


Parameter: TypeAlias = Continuous | Discrete | Categorical


def _set(parameter: Parameter, **fields: Any) -> None:
    """Store normalised fields of a frozen parameter under construction."""
    for name, value in fields.items():
        object.__setattr__(parameter, name, value)


def _check_condition(condition: Any) -> None:
    if condition is not None:
        parse_expression(condition, "condition")


def _spec(parameter: Parameter, domain: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON form: type, domain, then only the options that were given."""
    spec = {"type": parameter.kind, **domain}
    if parameter.default is not None:
        spec["default"] = parameter.default
    spec.update(options)
    if parameter.condition is not None:
        spec["condition"] = parameter.condition
    return spec
