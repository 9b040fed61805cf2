"""What a statistic answers when its input cannot carry a number, and the checks that decide it.

One rule for all statistics: missing data is an outcome and comes back as a `NotEnough`; a wrong shape or a number
outside its range is the caller's mistake and raises a `StatisticsError`. No statistic returns a silent NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_optimizer.errors import StatisticsError

T = TypeVar("T")
FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

ROUNDING = 1e-14  # share of the squared mean below which a variance is what rounding left, as in the backtest


@dataclass(frozen=True)
class NotEnough:
    """There is no number, because there is not enough of something.

    Attributes
    ----------
    what : str
        A plural, such as "returns" or "distinct trials".
    found, needed : float
        How many there are, and how many the statistic needs at least.
    text : str
        The same as a person would say it, where that is no count.

    Examples
    --------
    >>> print(NotEnough("returns", found=1, needed=2))
    not enough returns: found 1, needed 2
    >>> print(no_gain("a year in sample", -0.031))
    it lost 3.1% a year in sample; it needs to gain
    """

    what: str
    found: float
    needed: float
    text: str = field(default="", repr=False)

    def __str__(self) -> str:
        if self.text:
            return self.text
        return f"not enough {self.what}: found {self.found:,.6g}, needed {self.needed:,.6g}"

    def to_dict(self) -> dict[str, str]:
        """Return JSON values."""
        return {"not_enough": str(self)}


def no_gain(when: str, gain: float) -> NotEnough:
    """Return that there is no gain to compare with; `when` says over what time, or how.

    >>> print(no_gain("without costs", 0.0))
    it gained nothing without costs; it needs to gain
    """
    found = "it gained nothing" if gain == 0.0 else "it has no return"
    if gain < 0.0:
        found = f"it lost {100 * -gain:.3g}%"
    return NotEnough(f"gain {when}", gain, 0.0, f"{found} {when}; it needs to gain")


def where_known(statistic: Callable[..., T | NotEnough], *inputs: Any) -> T | NotEnough:
    """Return a statistic of its inputs, or the first of these that is a `NotEnough`.

    >>> where_known(max, 1.0, NotEnough("returns", found=1, needed=2))
    NotEnough(what='returns', found=1, needed=2)
    """
    lacking = next((value for value in inputs if isinstance(value, NotEnough)), None)
    return statistic(*inputs) if lacking is None else lacking


def as_array(name: str, values: ArrayLike, ndim: int) -> FloatArray:
    """Return float64 values of `ndim` dimensions, or raise a `StatisticsError` that names them."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"{name} cannot be read as numbers: {error}") from error
    if array.ndim != ndim:
        raise StatisticsError(
            f"{name} has the shape {array.shape}; expected {ndim} dimension{'s'[: ndim - 1]}"
        )
    return array


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise a `StatisticsError` that says what was found and expected, unless the condition holds."""
    if not holds:
        raise StatisticsError(f"{name} is {value!r}; expected {expected}")


def lacking_finite(what: str, values: FloatArray) -> NotEnough | None:
    """Return what is lacking where a value is NaN or infinite."""
    finite = int(np.isfinite(values).sum())
    return None if finite == values.size else NotEnough(f"finite {what}", finite, values.size)


def lacking_returns(returns: FloatArray, needed: int) -> NotEnough | None:
    """Return what a series (T,) lacks: observations, finite ones, or two that differ."""
    if len(returns) < needed:
        return NotEnough("returns", len(returns), needed)
    return lacking_finite("returns", returns) or (
        NotEnough("distinct returns", 1, 2) if not varies(returns) else None
    )


def varies(returns: FloatArray, axis: int = 0) -> NDArray[np.bool_]:
    """Return whether series have a variance that is more than rounding.

    >>> varies(np.array([[0.1, 0.2], [0.1, 0.1]]), axis=1).tolist()
    [True, False]
    """
    mean = returns.mean(axis=axis)
    found: NDArray[np.bool_] = returns.var(axis=axis) > ROUNDING * mean * mean
    return found
