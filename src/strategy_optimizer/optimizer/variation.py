"""Operators that make new points out of old ones, each over a whole population at once.

All work on unit coordinates, (n, n_dims) in [0, 1]: logarithmic parameters are already on their own scale and
a level of a discrete parameter or a category is a cell of equal or scaled width. Nothing here knows about
scores.

References
----------
.. [1] Deb and Agrawal (1995). Simulated binary crossover for continuous search space. Complex Systems 9.
.. [2] Deb and Goyal (1996). A combined genetic adaptive search (GeneAS) for engineering design. (polynomial
   mutation)
.. [3] Storn and Price (1997). Differential evolution. J. Global Optimization 11.
"""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import BoolArray, FloatArray, IntArray

SBX_ETA = 15.0  # distribution index; pymoo and Deb use 15 to 20


def uniform_crossover(first: FloatArray, second: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Take each gene from either parent with equal chance."""
    return np.where(rng.random(first.shape) < 0.5, first, second)


def single_point_crossover(first: FloatArray, second: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Take the genes before a random cut from the first parent and the others from the second."""
    n, d = first.shape
    cut = rng.integers(1, max(d, 2), size=(n, 1))
    return np.where(np.arange(d) < cut, first, second)


def sbx_crossover(
    first: FloatArray, second: FloatArray, categorical: BoolArray, rng: np.random.Generator
) -> FloatArray:
    """Return one simulated-binary-crossover child per pair, near the first parent; categories are exchanged.

    A gene is blended with probability one half and otherwise kept, as in the authors' implementation. A child
    beyond a bound is reflected, which keeps narrow peaks at the bounds reachable without piling up on them.
    """
    n, d = first.shape
    draw = rng.random((2, n, d))
    spread = _sbx_spread(draw[0])
    blend = (draw[1] < 0.5) & ~categorical
    swap = (draw[1] < 0.5) & categorical
    child = np.where(blend, 0.5 * ((1.0 + spread) * first + (1.0 - spread) * second), first)
    return reflect(np.where(swap, second, child))


def sbx_or_exchange(
    first: FloatArray,
    second: FloatArray,
    categorical: BoolArray,
    exchanged: BoolArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Return one child per pair, each gene of the first parent with probability one half.

    The others are taken from the second parent where it is a category or the row is in `exchanged`, (n,);
    else they are those of one of the two simulated-binary-crossover children, each as likely, which is what
    the authors' implementation does. Beyond a bound they are reflected.
    """
    child = first.copy()
    rows, columns = np.nonzero(rng.random(first.shape) < 0.5)
    a, b = first[rows, columns], second[rows, columns]
    spread = _sbx_spread(rng.random(len(rows)))
    spread = np.where(rng.random(len(rows)) < 0.5, spread, -spread)
    blended = reflect(0.5 * ((a + b) + spread * (a - b)))
    child[rows, columns] = np.where(categorical[columns] | exchanged[rows], b, blended)
    return child


def _sbx_spread(u: FloatArray) -> FloatArray:
    """Spread factor beta of equation 4 in [1]."""
    power = 1.0 / (SBX_ETA + 1.0)
    spread: FloatArray = np.where(u <= 0.5, 2.0 * u, 1.0 / (2.0 * (1.0 - u))) ** power
    return spread


def differential_move(
    base: FloatArray,
    target: FloatArray,
    first: FloatArray,
    second: FloatArray,
    categorical: BoolArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Move towards a good point and along the difference of two others (current-to-pbest/1 with crossover).

    The weight and the crossover rate are drawn for each child, so that no pair of them has to be right.
    """
    n, d = base.shape
    weight = rng.uniform(0.3, 0.9, (n, 1))
    rate = rng.uniform(0.2, 1.0, (n, 1))
    moved = base + weight * (target - base) + weight * (first - second)
    taken = rng.random((n, d)) < rate
    taken[np.arange(n), rng.integers(0, d, n)] = True
    child = np.where(categorical, np.where(rng.random((n, d)) < 0.5, target, base), moved)
    return reflect(np.where(taken, child, base))


def polynomial_step(u: FloatArray, scale: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return u after a bounded polynomial mutation, elementwise; never leaves [0, 1].

    Parameters
    ----------
    u, scale : ndarray
        Genes and their step scale ``1 / (1 + eta)``: roughly the mean absolute step.
    """
    r = rng.random(u.shape)
    power = 1.0 / scale
    down = (2.0 * r + (1.0 - 2.0 * r) * (1.0 - u) ** power) ** scale - 1.0
    up = 1.0 - (2.0 * (1.0 - r) + (2.0 * r - 1.0) * u**power) ** scale
    with np.errstate(invalid="ignore"):
        stepped: FloatArray = np.clip(u + np.where(r < 0.5, down, up), 0.0, 1.0)
    return stepped


def reset_levels(current: IntArray, n_levels: IntArray, rng: np.random.Generator) -> IntArray:
    """Return another level than the current one, each equally likely (the same when there is only one)."""
    shift = 1 + (rng.random(current.shape) * np.maximum(n_levels - 1, 1)).astype(np.int64)
    return (current + shift) % n_levels


def mutation_mask(n: int, rate: FloatArray, d: int, rng: np.random.Generator, force: BoolArray) -> BoolArray:
    """Choose genes with the row's rate; rows in `force` get at least one."""
    mask = rng.random((n, d)) < rate[:, None]
    empty = np.flatnonzero(force & ~mask.any(axis=1))
    mask[empty, rng.integers(0, d, len(empty))] = True
    return mask


def reflect(u: FloatArray) -> FloatArray:
    """Fold values beyond [0, 1] back inside.

    >>> reflect(np.array([-0.25, 0.5, 1.25])).tolist()
    [0.25, 0.5, 0.75]
    """
    folded: FloatArray = np.abs(u)
    folded = 1.0 - np.abs(1.0 - folded)
    return np.clip(folded, 0.0, 1.0)
