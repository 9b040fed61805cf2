"""Number grids: the exact values of a stepped parameter, and the decimals of a continuous one.

A grid value is ``(origin + k * stride) / scale`` with whole ``origin``, ``stride`` and ``scale``, so it is
the float nearest to the decimal (or fraction) a person would write: 0.3, never 0.30000000000000004.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

MAX_WHOLE = 2**53
"""Largest whole number below which every whole number is a float."""


@dataclass(frozen=True)
class Grid:
    """The values ``(origin + k * stride) / scale`` for ``k = 0 .. count - 1``; all fields are whole."""

    origin: int
    stride: int
    scale: int
    count: int

    @property
    def low(self) -> float:
        """The first value."""
        return self.value(0)

    @property
    def high(self) -> float:
        """The last value."""
        return self.value(self.count - 1)

    def value(self, k: int) -> float:
        """Return value number `k`, computed exactly as the vectorised code does."""
        return (self.origin + k * self.stride) / self.scale

    def nearest(self, value: float) -> float:
        """Return the grid value nearest to `value`, which may lie outside."""
        k = round((value * self.scale - self.origin) / self.stride)
        return self.value(min(max(k, 0), self.count - 1))

    def contains(self, value: float) -> bool:
        """Say whether `value` is a grid value, up to a billionth of the step."""
        return abs(value - self.nearest(value)) <= 1e-9 * self.stride / self.scale


def whole_grid(low: int, high: int, step: int) -> Grid | None:
    """Return the grid of whole numbers, or None when `high` does not lie on the step."""
    steps, rest = divmod(high - low, step)
    return None if rest else Grid(low, step, 1, steps + 1)


def fractional_grid(low: float, high: float, step: float) -> Grid | None:
    """Return the grid of a stepped real parameter, or None when `high` does not lie on the step.

    >>> grid = fractional_grid(0.1, 0.5, 0.1)
    >>> [grid.value(k) for k in range(grid.count)]
    [0.1, 0.2, 0.3, 0.4, 0.5]
    """
    first, stride = _as_fraction(low), _as_fraction(step)
    steps = round((_as_fraction(high) - first) / stride)
    if abs(first + steps * stride - _as_fraction(high)) > Fraction(1, 10**9) * stride:
        return None
    scale = math.lcm(first.denominator, stride.denominator)
    grid = Grid(int(first * scale), int(stride * scale), scale, steps + 1)
    return grid if is_exact(grid) else None


def is_exact(grid: Grid) -> bool:
    """Say whether all whole numbers of the grid are exact as floats."""
    last = grid.origin + (grid.count - 1) * grid.stride
    return max(abs(grid.origin), abs(last), grid.scale, grid.stride) <= MAX_WHOLE


def nearest_bounds(low: float, high: float, step: float) -> tuple[float, float]:
    """Return the two upper bounds next to `high` which lie on the step."""
    first, stride = _as_fraction(low), _as_fraction(step)
    below = (_as_fraction(high) - first) // stride
    return float(first + below * stride), float(first + (below + 1) * stride)


def _as_fraction(value: float) -> Fraction:
    """Return the fraction meant by `value`: a simple one (1/3, 1/10), else its first 15 digits.

    Values computed from such (3 * 0.05 = 0.15000000000000002) count as the simple one too.
    """
    simple = Fraction(value).limit_denominator(10**6)
    return simple if abs(float(simple) - value) <= 1e-15 * abs(value) else Fraction(f"{value:.15g}")


def decimal_scale(low: float, high: float, log: bool) -> float:
    """Return the power of ten to whose reciprocal decoded values are rounded; 0.0 for no rounding.

    About 13 significant digits: coarse enough to absorb the rounding errors of the unit cube, so that
    decoding an encoded value gives the value back to the last bit, and fine enough to change nothing in
    practice.
    """
    largest = max(abs(low), abs(high))
    if largest == 0.0:
        return 1.0
    exponent = math.floor((13 if log else 14) - math.log10(largest))
    if not 0 <= exponent <= 22:  # beyond, the power of ten is not exact or overflows
        return 0.0
    scale = 10.0**exponent
    fine_enough = low * scale >= 1e7 if log else (high - low) * scale >= 1e8 or low == high
    return scale if fine_enough else 0.0
