"""Turn what callers hand over into clean arrays, or say clearly what is wrong with it."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from strategy_optimizer.errors import OptimizerSettingError, SearchError, nearest_name
from strategy_optimizer.optimizer.history import FloatArray, Outcomes

_DIRECTIONS = {"maximize": 1.0, "minimize": -1.0}


def as_count(value: Any, name: str, *, least: int = 1) -> int:
    """Return `value` as an integer of at least `least`.

    >>> as_count(8, "n")
    8
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, bool) or count < least:
        raise OptimizerSettingError(f"{name} is {value!r}; expected a whole number of at least {least}")
    return count


def as_share(value: Any, name: str) -> float:
    """Return `value` as a float between 0 and 1."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0.0 <= number <= 1.0:
        raise OptimizerSettingError(f"{name} is {value!r}; expected a number between 0 and 1")
    return float(number)


def as_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`."""
    if value not in choices:
        raise OptimizerSettingError(
            f"{name} is {value!r}; expected one of {', '.join(choices)}{nearest_name(str(value), choices)}"
        )
    return str(value)


def as_sign(directions: Any) -> float:
    """Return +1 when the one objective is maximised, -1 when it is minimised.

    >>> as_sign(["minimize"])
    -1.0
    """
    if directions is None:
        return 1.0
    names = [directions] if isinstance(directions, str) else list(directions)
    if len(names) != 1:
        raise OptimizerSettingError(
            f"directions has {len(names)} entries; random, grid and ga optimise exactly one objective. "
            "Combine the metrics into one score with weights"
        )
    return _DIRECTIONS[as_choice(names[0], "directions", tuple(_DIRECTIONS))]


def as_outcomes(
    scores: Any, constraints: Any, std_errors: Any, seconds: Any, *, n: int, sign: float, n_constraints: int
) -> Outcomes:
    """Return what was told about `n` points as clean columns; `sign` turns scores into larger-is-better."""
    return Outcomes(
        sign * as_scores(scores, n),
        as_constraints(constraints, n, n_constraints),
        as_column(std_errors, n, "std_errors"),
        as_column(seconds, n, "seconds"),
    )


def as_scores(scores: Any, n: int) -> FloatArray:
    """Return scores as (n,) floats; None, NaN and infinities become NaN (failed)."""
    array = _as_floats(scores, "scores")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise SearchError(
            f"scores has shape {array.shape}; expected one score per point, shape ({n},). "
            "This optimizer has one objective"
        )
    _check_length(array, n, "scores")
    return np.where(np.isfinite(array), array, np.nan)


def as_column(values: Any, n: int, name: str) -> FloatArray | None:
    """Return an optional (n,) column; None entries become NaN."""
    if values is None:
        return None
    array = _as_floats(values, name)
    if array.ndim == 0:
        return np.full(n, float(array))
    _check_length(array, n, name)
    return array


def as_constraints(values: Any, n: int, n_expected: int) -> FloatArray | None:
    """Return outcome constraints as (n, k); `n_expected` is the k told before, 0 when none was."""
    if values is None:
        return None
    array = _as_floats(values, "constraints")
    array = array[:, None] if array.ndim == 1 else array
    _check_length(array, n, "constraints")
    if array.ndim != 2 or (n_expected and array.shape[1] != n_expected):
        expected = n_expected or "k"
        raise SearchError(
            f"constraints has shape {array.shape}; expected ({n}, {expected}), feasible where >= 0"
        )
    return array


def _as_floats(values: Any, name: str) -> FloatArray:
    """Return a float array; None becomes NaN."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise SearchError(f"{name} must be numbers (None or NaN for a failed trial): {error}") from error


def _check_length(array: FloatArray, n: int, name: str) -> None:
    if len(array) != n:
        raise SearchError(
            f"{name} has {len(array)} rows for {n} points; give exactly one per point, in the same order"
        )
