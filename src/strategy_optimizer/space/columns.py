"""The columns of a space as arrays: snapping, the unit cube and identity keys for a whole population at once.

Every operation is a handful of NumPy calls over the (n, d) array with precomputed row vectors; there is no
loop over parameters, so a call costs tens of microseconds and some tens of nanoseconds a point.

Notation: a grid value is ``(origin + k * stride) / scale`` (see ``grid``). A column's unit coordinate is
``u = (g(x) - start) / width + margin`` with g the identity or the logarithm; grid values sit in the middle of
equal cells (half-step margins), so that each has the same share of the cube.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space.grid import Grid, decimal_scale
from strategy_optimizer.space.parameters import Categorical, Parameter

FloatArray: TypeAlias = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)

CONTINUOUS, DISCRETE, CATEGORICAL = 0, 1, 2
_KIND_CODES = {"continuous": CONTINUOUS, "discrete": DISCRETE, "categorical": CATEGORICAL}
_GOLDEN = 0x9E3779B97F4A7C15  # splitmix64's increment
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Decoder:
    """How one column leaves the unit cube: ``k = rint(g^-1(u * slope + intercept))``, then the grid value."""

    slope: float
    intercept: float
    origin: float
    stride: float
    scale: float  # 0.0: not rounded


class Columns:
    """Row vectors that describe the parameters, and the vectorised operations built on them.

    Parameters
    ----------
    parameters : sequence of Parameter
        In column order; d of them.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.kinds = _frozen(np.array([_KIND_CODES[p.kind] for p in parameters], dtype=np.int8))
        self.lows = _floats(_bounds(p)[0] for p in parameters)
        self.highs = _floats(_bounds(p)[1] for p in parameters)
        self.is_log = _frozen(np.array([_is_log(p) for p in parameters], dtype=np.bool_))
        self.steps = _floats(p.grid.stride / p.grid.scale if p.grid else 0.0 for p in parameters)
        self.sizes = _floats(math.inf if p.size is None else float(p.size) for p in parameters)
        self.defaults = _floats(p.encode(p.default_value) for p in parameters)
        self._prepare_grid([p.grid for p in parameters])
        self._prepare_unit(parameters)
        self._salts = np.array([_GOLDEN * (n + 1) & _WORD for n in range(len(parameters))], dtype=np.uint64)

    def _prepare_grid(self, grids: Sequence[Grid | None]) -> None:
        self._on_grid = np.array([grid is not None for grid in grids], dtype=np.bool_)
        self._any_on_grid, self._all_on_grid = bool(self._on_grid.any()), bool(self._on_grid.all())
        self._whole = all(g is None or (g.stride == 1 and g.scale == 1) for g in grids)
        self._origin = _floats(g.origin if g else 0.0 for g in grids)
        self._stride = _floats(g.stride if g else 1.0 for g in grids)
        self._scale = _floats(g.scale if g else 1.0 for g in grids)
        self._step_width = np.where(self._on_grid, self.steps, 1.0)

    def _prepare_unit(self, parameters: Sequence[Parameter]) -> None:
        self._logs = np.flatnonzero(self.is_log)
        intervals = [_unit_interval(p) for p in parameters]
        self._start = _floats(start for start, _, _ in intervals)
        self._width = _floats(width for _, width, _ in intervals)
        self._margin = _floats(margin for _, _, margin in intervals)
        decoders = [_decoder(p) for p in parameters]
        self._slope = _floats(c.slope for c in decoders)
        self._intercept = _floats(c.intercept for c in decoders)
        self._unit_origin = _floats(c.origin for c in decoders)
        self._unit_stride = _floats(c.stride for c in decoders)
        self._unit_scale = _floats(c.scale or 1.0 for c in decoders)
        self._raw = np.flatnonzero([c.scale == 0.0 for c in decoders])

    def snap(self, dense: FloatArray) -> FloatArray:
        """Return `dense` (n, d) clipped to the bounds and moved onto the grid; NaN stays NaN."""
        clipped: FloatArray = np.clip(dense, self.lows, self.highs)
        if not self._any_on_grid:
            return clipped
        if self._whole:
            gridded = np.rint(clipped)
        else:
            steps = np.rint((clipped - self.lows) / self._step_width)
            gridded = (self._origin + steps * self._stride) / self._scale
        return gridded if self._all_on_grid else np.where(self._on_grid, gridded, clipped)

    def from_steps(self, steps: NDArray[np.integer[Any]]) -> FloatArray:
        """Return the values (n, d) at step numbers; columns off the grid stay at their lower bound."""
        gridded = (self._origin + steps * self._stride) / self._scale
        return np.where(self._on_grid, gridded, self.lows)

    def in_domain(self, points: FloatArray) -> NDArray[np.bool_]:
        """Return which entries (n, d) are values of their parameter; NaN is not."""
        return np.equal(self.snap(points), points)

    def to_unit(self, points: FloatArray) -> FloatArray:
        """Return unit coordinates (n, d); NaN stays NaN."""
        unit = points
        if self._logs.size:
            unit = points.copy()
            with np.errstate(all="ignore"):  # values outside the bounds may have no logarithm
                unit[:, self._logs] = np.log(points[:, self._logs])
        unit = (unit - self._start) / self._width
        unit += self._margin
        np.clip(unit, 0.0, 1.0, out=unit)
        return unit

    def from_unit(self, unit: FloatArray) -> FloatArray:
        """Return the values (n, d) at unit coordinates; NaN stays NaN, coordinates outside are clipped."""
        values: FloatArray = np.clip(unit, 0.0, 1.0)
        values *= self._slope
        values += self._intercept
        if self._logs.size:
            values[:, self._logs] = np.exp(values[:, self._logs])
        raw = values[:, self._raw] if self._raw.size else None
        np.rint(values, out=values)
        if raw is not None:
            values[:, self._raw] = raw
        values *= self._unit_stride
        values += self._unit_origin
        values /= self._unit_scale
        np.clip(values, self.lows, self.highs, out=values)
        return values

    def keys(self, points: FloatArray) -> NDArray[np.uint64]:
        """Return one 64-bit hash per canonical point (n,); equal points have equal keys."""
        plain = points + 0.0  # -0.0 becomes 0.0
        missing = np.isnan(plain)
        if missing.any():
            plain[missing] = np.nan  # NaN has many bit patterns
        mixed = _mixed(plain.view(np.uint64) + self._salts)
        return _mixed(np.add.reduce(mixed, axis=1))


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the splitmix64 finaliser of `words`, computed in place."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


def _floats(values: Iterable[float]) -> FloatArray:
    return _frozen(np.array(list(values), dtype=np.float64))


def _frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    array.flags.writeable = False
    return array


def _bounds(parameter: Parameter) -> tuple[float, float]:
    if isinstance(parameter, Categorical):
        return 0.0, len(parameter.choices) - 1.0
    return float(parameter.low), float(parameter.high)


def _is_log(parameter: Parameter) -> bool:
    return not isinstance(parameter, Categorical) and bool(parameter.log)


def _log_range(parameter: Parameter) -> tuple[float, float]:
    """Return the logarithms of the cell borders; half a step wider than the bounds for whole numbers."""
    low, high = _bounds(parameter)
    margin = 0.5 if parameter.grid else 0.0
    return math.log(low - margin), math.log(high + margin)


def _unit_interval(parameter: Parameter) -> tuple[float, float, float]:
    """Return start, width and margin of the encoding."""
    low, high = _bounds(parameter)
    if _is_log(parameter):
        start, stop = _log_range(parameter)
        return (start, stop - start, 0.0) if stop > start else (start, 1.0, 0.5)
    if parameter.grid is not None:
        count = parameter.grid.count
        return low, parameter.grid.stride / parameter.grid.scale * count, 0.5 / count
    return (low, high - low, 0.0) if high > low else (low, 1.0, 0.5)


def _decoder(parameter: Parameter) -> Decoder:
    low, high = _bounds(parameter)
    grid = parameter.grid
    if _is_log(parameter):
        start, stop = _log_range(parameter)
        # Decimal rounding happens after the exponential: log(scale) is added before it.
        scale = 1.0 if grid else decimal_scale(low, high, log=True)
        return Decoder(stop - start, start + math.log(scale or 1.0), 0.0, 1.0, scale)
    if grid is not None:
        return Decoder(grid.count, -0.5, grid.origin, grid.stride, grid.scale)
    scale = decimal_scale(low, high, log=False)
    return Decoder((high - low) * (scale or 1.0), low * (scale or 1.0), 0.0, 1.0, scale)
