"""Landscapes for search algorithms: mixed types, rugged, with plateaus, narrow peaks and failing deserts.

Every landscape is a space and a vectorised function of canonical points; larger is better, NaN is a failed
trial. The optimum of the finite ones is found by enumeration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strategy_optimizer.space import ParameterSpace


@dataclass(frozen=True)
class Landscape:
    name: str
    space: ParameterSpace
    function: Callable[[np.ndarray], np.ndarray]


def _numeric_unit(space: ParameterSpace, points: np.ndarray) -> np.ndarray:
    return space.to_unit(points)


def shifted_ackley() -> Landscape:
    """Many local peaks around one optimum off the centre; two categories shift it."""
    space = ParameterSpace("ackley")
    for name in "abc":
        space.add_parameter(name, "continuous", (0.001, 1.0), log=True)
    for name in "de":
        space.add_parameter(name, "discrete", (1, 60))
    space.add_parameter("f", "categorical", ["x", "y", "z", "w"])
    space.add_parameter("g", "categorical", [True, False])
    centre = np.array([0.31, 0.72, 0.18, 0.43, 0.81])

    def function(points: np.ndarray) -> np.ndarray:
        unit = _numeric_unit(space, points)[:, :5]
        offset = 4.0 * (unit - centre - 0.05 * (points[:, [5]] - 2.0)) + 0.3 * points[:, [6]]
        radius = np.sqrt((offset**2).mean(axis=1))
        waves = np.cos(2.0 * np.pi * offset).mean(axis=1)
        return -(20.0 - 20.0 * np.exp(-0.2 * radius) + np.e - np.exp(waves)) - 0.5 * (points[:, 5] != 2.0)

    return Landscape("ackley", space, function)


def narrow_peaks() -> Landscape:
    """Broad low hills, a few narrow high peaks; beyond a threshold nothing happens and the trial fails."""
    space = ParameterSpace("peaks")
    space.add_parameter("lookback", "discrete", (2, 250))
    space.add_parameter("threshold", "continuous", (0.0005, 0.2), log=True)
    space.add_parameter("stop", "continuous", (0.0, 1.0))
    space.add_parameter("target", "continuous", (0.0, 1.0), step=0.02)
    space.add_parameter("side", "categorical", ["long", "short", "both"])
    rng = np.random.default_rng(5)
    centres, sides = rng.random((24, 4)), rng.integers(0, 3, 24)
    widths = np.concatenate([rng.uniform(0.25, 0.5, 8), rng.uniform(0.05, 0.12, 16)])
    heights = np.concatenate([rng.uniform(0.3, 0.6, 8), rng.uniform(0.5, 1.0, 16)])

    def function(points: np.ndarray) -> np.ndarray:
        unit = _numeric_unit(space, points)[:, :4]
        squared = ((unit[:, None, :] - centres) ** 2).sum(axis=2)
        hills = heights * np.exp(-0.5 * squared / widths**2) * np.where(sides == points[:, [4]], 1.0, 0.4)
        score = hills.max(axis=1)
        return np.where(unit[:, 1] > 0.62 + 0.3 * unit[:, 0], np.nan, score)

    return Landscape("peaks", space, function)


def stairs() -> Landscape:
    """A ridge seen through coarse rounding: wide plateaus of equal scores, thin bumps on top."""
    space = ParameterSpace("stairs")
    for name in ("fast", "slow"):
        space.add_parameter(name, "discrete", (2, 200), log=True)
    for name in ("band", "stop", "target"):
        space.add_parameter(name, "continuous", (0.0, 1.0))
    space.add_parameter("kind", "categorical", ["sma", "ema", "wma"])
    space.add_constraint("fast < slow")

    def function(points: np.ndarray) -> np.ndarray:
        unit = _numeric_unit(space, points)
        ridge = 1.0 - 2.0 * np.abs(unit[:, 1] - 0.5 * unit[:, 0] - 0.42) - 0.6 * np.abs(unit[:, 0] - 0.35)
        risk = np.floor(6.0 * unit[:, 3]) * np.floor(6.0 * (1.0 - unit[:, 4])) / 30.0
        bumps = 0.08 * np.sin(37.0 * unit[:, 0] + 5.0 * points[:, 5]) * np.sin(29.0 * unit[:, 1])
        score = np.floor(14.0 * (ridge - 0.5 * np.abs(risk - 0.45))) / 14.0 + bumps - (unit[:, 2] - 0.1) ** 2
        return np.where(unit[:, 2] > 0.85, np.nan, score + 0.1 * (points[:, 5] == 1.0))

    return Landscape("stairs", space, function)


def finite_field() -> Landscape:
    """A smooth random field over 13,824 cells with rough noise; the optimum is known by enumeration."""
    space = ParameterSpace("field")
    space.add_parameter("a", "discrete", (0, 23))
    space.add_parameter("b", "discrete", (0, 11))
    space.add_parameter("c", "discrete", (10, 120), step=10)
    space.add_parameter("d", "categorical", ["p", "q"])
    space.add_parameter("e", "categorical", ["u", "v"])
    rng = np.random.default_rng(11)
    waves, phases, gains = rng.normal(0.0, 4.0, (40, 5)), rng.uniform(0.0, 6.3, 40), rng.normal(0.0, 1.0, 40)
    rough = rng.normal(0.0, 0.6, 24 * 12 * 12 * 4)

    def function(points: np.ndarray) -> np.ndarray:
        unit = _numeric_unit(space, points)
        smooth = (gains * np.cos(unit @ waves.T + phases)).sum(axis=1)
        a, b, c, d, e = points.astype(np.int64).T
        return smooth + rough[(((a * 12 + b) * 12 + c // 10 - 1) * 2 + d) * 2 + e]

    return Landscape("field", space, function)


def finite_interaction() -> Landscape:
    """An NK-like landscape over 4^8 = 65,536 cells where each gene's worth depends on two others."""
    space = ParameterSpace("interaction")
    for j in range(8):
        space.add_parameter(f"g{j}", "categorical", ["a", "b", "c", "d"])
    tables = np.random.default_rng(3).random((8, 4, 4, 4))

    def function(points: np.ndarray) -> np.ndarray:
        genes = points.astype(np.int64)
        parts = [tables[j, genes[:, j], genes[:, (j + 1) % 8], genes[:, (j + 3) % 8]] for j in range(8)]
        return np.mean(parts, axis=0)

    return Landscape("interaction", space, function)


def valley() -> Landscape:
    """A curved narrow valley (Rosenbrock) over five numeric parameters and a switch."""
    space = ParameterSpace("valley")
    for name in "abcd":
        space.add_parameter(name, "continuous", (-2.0, 2.0))
    space.add_parameter("e", "continuous", (-2.0, 2.0), step=0.1)
    space.add_parameter("mode", "categorical", ["one", "two"])

    def function(points: np.ndarray) -> np.ndarray:
        x = points[:, :5]
        steep = (100.0 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1.0 - x[:, :-1]) ** 2).sum(axis=1)
        return -np.log1p(steep) - 0.5 * points[:, 5]

    return Landscape("valley", space, function)


ALL = (shifted_ackley, narrow_peaks, stairs, finite_field, finite_interaction, valley)
