"""Ways into a tight feasible region: a search for its first points, and walks that fill it from there."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategy_optimizer.space.layout import Layout

FloatArray: TypeAlias = NDArray[np.float64]

_SHRINKS = 40  # halvings of a hit-and-run step before a point is repeated
_MIXING = 16  # hit-and-run steps a dimension between a known point and a returned one
_CHAINS = 100  # fewest points that walk together
_CROWD = 200  # points of the differential evolution
_GENERATIONS = 400
_CROSSOVER = 0.9


def walk(layout: Layout, known: FloatArray, n: int, rng: Generator) -> FloatArray:
    """Return `n` points (n, d) reached by hit-and-run from `known` feasible ones: spread, not independent.

    Each point moves in a random direction by a random length of either sign; the interval shrinks towards the
    point until the end is feasible, as in slice sampling, so every step ends feasible.
    """
    start = known[rng.integers(len(known), size=max(n, _CHAINS))]
    unit = layout.columns.to_unit(start)
    unit = np.where(np.isnan(unit), rng.random(unit.shape), unit)  # inactive genes are carried at random
    points = start.copy()
    for _ in range(_MIXING * layout.n_dims):
        _step(layout, unit, points, rng)
    return points[rng.permutation(len(points))[:n]]


def _directions(unit: FloatArray, rng: Generator) -> FloatArray:
    """Return unit vectors, one per row: half of them random, half along the difference of two rows.

    The differences have the shape of the region, so that a thin one is crossed in a few steps.
    """
    direction = rng.standard_normal(unit.shape)
    first, second = rng.integers(len(unit), size=(2, len(unit)))
    difference = unit[first] - unit[second]
    along = (rng.random(len(unit)) < 0.5) & difference.any(axis=1)
    direction[along] = difference[along]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction


def _step(layout: Layout, unit: FloatArray, points: FloatArray, rng: Generator) -> None:
    """Move each row of `unit` (and its decoded `points`) once, in place."""
    direction = _directions(unit, rng)
    back, ahead = _chord(unit, direction)
    rows = np.arange(len(unit))
    for _ in range(_SHRINKS):
        length = rng.uniform(back[rows], ahead[rows])
        trial = np.clip(unit[rows] + length[:, None] * direction[rows], 0.0, 1.0)
        decoded = layout.activation.deactivate(layout.columns.from_unit(trial))
        good = layout.constraints.holds(decoded)
        unit[rows[good]], points[rows[good]] = trial[good], decoded[good]
        back[rows] = np.where(length < 0, length, back[rows])
        ahead[rows] = np.where(length < 0, ahead[rows], length)
        rows = rows[~good]
        if not rows.size:
            return


def _chord(unit: FloatArray, direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the lengths, negative and positive, at which each line leaves the unit cube."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([-unit / direction, (1.0 - unit) / direction])
    return np.nanmax(ends.min(axis=0), axis=1), np.nanmin(ends.max(axis=0), axis=1)


def seek(layout: Layout, rng: Generator) -> FloatArray:
    """Return the feasible points (m, d) first met when the violation is minimised; m may be 0.

    Differential evolution in the unit cube. Each constraint is measured in units of its median violation, so
    that none drowns another.
    """
    unit = rng.random((_CROWD, layout.n_dims))
    violation = _violation(layout, unit)
    scale = np.array([np.median(column[column > 0]) if column.any() else 1.0 for column in violation.T])
    total = (violation / scale).sum(axis=1)
    for _ in range(_GENERATIONS):
        if not total.all():
            break
        trial = _trial(unit, unit[np.argmin(total)], rng)
        score = (_violation(layout, trial) / scale).sum(axis=1)
        better = score <= total
        unit[better], total[better] = trial[better], score[better]
    return layout.satisfying(_decoded(layout, unit[total == 0.0]))


def _trial(unit: FloatArray, best: FloatArray, rng: Generator) -> FloatArray:
    """Return one trial per row: current-to-best/1 with binomial crossover."""
    first, second = rng.integers(len(unit), size=(2, len(unit)))
    weight = rng.uniform(0.3, 1.0, size=(len(unit), 1))
    mutant = unit + weight * (best - unit) + weight * (unit[first] - unit[second])
    return np.clip(np.where(rng.random(unit.shape) < _CROSSOVER, mutant, unit), 0.0, 1.0)


def _violation(layout: Layout, unit: FloatArray) -> FloatArray:
    return layout.constraints.violations(_decoded(layout, unit))


def _decoded(layout: Layout, unit: FloatArray) -> FloatArray:
    return layout.activation.deactivate(layout.columns.from_unit(unit))
