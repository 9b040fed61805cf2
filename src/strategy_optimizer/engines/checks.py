"""What comes back from a backtest, checked once for all engines."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import EngineError

_ROUNDING = 1e-9
_AT_LEAST_ZERO = "expected at least 0"
_FRACTION = "expected a fraction from 0 to 1: 55 % are 0.55"
# The values that the definitions of our metrics allow: lowest, highest, and what to say of another.
_RANGES: dict[str, tuple[float, float, str]] = {
    "max_drawdown": (0.0, math.inf, f"{_AT_LEAST_ZERO}, as for a fall of a quarter 0.25"),
    "max_drawdown_bars": (0.0, math.inf, _AT_LEAST_ZERO),
    "volatility": (0.0, math.inf, _AT_LEAST_ZERO),
    "trades": (0.0, math.inf, _AT_LEAST_ZERO),
    "turnover": (0.0, math.inf, _AT_LEAST_ZERO),
    "win_rate": (0.0, 1.0, _FRACTION),
    "exposure": (0.0, 1.0, _FRACTION),
}


def checked_metrics(metrics: Any) -> dict[str, float]:
    """Return the metrics as a dict of Python floats.

    Numbers are int, float, Decimal, Fraction and NumPy's scalars; a bool, a text and None are none.

    Raises
    ------
    EngineError
        Names the key, what was found and what was expected.
    """
    if not isinstance(metrics, Mapping):
        raise EngineError(
            f"the backtest returned {_shown(metrics)}; expected a dict of metric names and numbers, "
            "such as {'sharpe_ratio': 1.2, 'trades': 40}"
        )
    if not metrics:
        raise EngineError("the backtest returned no metrics; expected at least one, such as {'score': 1.2}")
    return {_name(key): _number(key, value) for key, value in metrics.items()}


def _name(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise EngineError(f"the metrics have the key {_shown(key)}; expected a text")
    return str(key)


def _number(key: str, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, Decimal)):
        advice = {type(None): " (float('nan') where there is none)", bool: " (int(...) makes one of a bool)"}
        raise EngineError(
            f"the metric '{key}' is {_shown(value)}; expected a number{advice.get(type(value), '')}"
        )
    try:
        number = float(value)
    except (OverflowError, ValueError) as error:  # ten to the thousand; Decimal's signalling NaN
        raise EngineError(f"the metric '{key}' is {_shown(value)}, which no float can hold") from error
    low, high, expected = _RANGES.get(key, (-math.inf, math.inf, ""))
    if number < low - _ROUNDING or number > high + _ROUNDING:
        raise EngineError(
            f"the metric '{key}' is {number:g}; {expected} (use another name where it means something else)"
        )
    return number


def checked_returns(returns: Any) -> NDArray[np.float64] | None:
    """Return the returns as an array of doubles, (n,); None stays None.

    Raises
    ------
    EngineError
        When they are not a row of finite numbers.
    """
    if returns is None:
        return None
    try:
        array = np.asarray(returns)
    except ValueError as error:  # rows of different lengths
        raise EngineError(f"the returns are {_shown(returns)}; expected a row of numbers") from error
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise EngineError(
            f"the returns have the shape {array.shape} and the type {array.dtype}; expected one row of numbers"
        )
    array = np.ascontiguousarray(array, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise EngineError(
            f"the returns hold {array[wrong[0]]} at place {wrong[0]} of {len(array)}; expected finite numbers: "
            "leave out the bar that has none before it, and write 0 where nothing was held"
        )
    return array


def check_signature(function: Callable[..., Any], what: str, *arguments: Any, advice: str) -> None:
    """Refuse a function that cannot be called with so many arguments, before the first trial.

    Raises
    ------
    EngineError
        Says `what` it was to be called with, and the advice.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise EngineError(
            f"{function_name(function)}{signature} cannot be called with {what} ({error}); {advice}"
        ) from error


def wants_fold(function: Callable[..., Any]) -> bool:
    """Return whether a function says that its second argument is a fold.

    >>> wants_fold(lambda parameters, fold: 0), wants_fold(lambda fast, slow: 0)
    (True, False)
    """
    try:
        return "fold" in list(inspect.signature(function).parameters)[1:2]
    except (TypeError, ValueError):
        return False


def function_name(function: Any) -> str:
    """Return how people know a function, the inner one of a partial."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"
