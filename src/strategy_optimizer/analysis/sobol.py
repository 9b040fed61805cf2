"""Sobol indices of a function: how much of its variation each input explains, alone and together with others.

Notation: A and B are two samples (n, d) of the unit cube, A_B^j is A with column j of B. V is the variance over A and
B together. f(B) and f(A_B^j) have input j in common, so the first-order index is their correlation, with moments of
both together [1]_; the total one is ``T_j = mean((f(A) - f(A_B^j))^2) / 2V`` [2]_.

References
----------
.. [1] Janon, Klein, Lagnoux, Nodet and Prieur (2014). Asymptotic normality and efficiency of two Sobol index
   estimators. ESAIM: Probability and Statistics 18; equation 6.
.. [2] Jansen (1999). Analysis of variance designs for model output. Computer Physics Communications 117.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space.sobol import MOST_DIMS, Sobol

FloatArray: TypeAlias = NDArray[np.float64]

BASE_POINTS = 2048  # n; the function is asked n (d + 2) times
REPLICATIONS = 200
CONFIDENCE = 0.9


@dataclass(frozen=True)
class SobolIndices:
    """Sobol indices of d inputs, each with the band that another sample would give; arrays (d,) and (d, 2).

    Attributes
    ----------
    first, total : array
        Shares of the variance: explained by the input alone, and in which it takes part.
    first_band, total_band : array
        90 % bands.
    variance : float
        Of the function.
    """

    first: FloatArray
    total: FloatArray
    first_band: FloatArray
    total_band: FloatArray
    variance: float


def sobol_indices(
    function: Callable[[FloatArray], FloatArray], n_dims: int, *, n: int = BASE_POINTS, seed: int = 0
) -> SobolIndices | None:
    """Return the Sobol indices of a function over the unit cube; None where it is constant.

    Parameters
    ----------
    function : callable
        Takes points (k, d) of the unit cube and returns values (k,).
    n_dims : int
        d.
    n : int
        Points in each of the samples; a power of 2 is best.
    seed : int
        Shifts the sample, and draws the rows of the bands.

    Examples
    --------
    >>> found = sobol_indices(lambda x: 2.0 * x[:, 0] + x[:, 1], 3)
    >>> found.first.round(2).tolist()[:2], found.total.round(2).tolist()
    ([0.8, 0.2], [0.8, 0.2, 0.0])
    """
    rng = np.random.default_rng(seed)
    columns = 2 * n_dims
    both = Sobol(columns, rng).random(n) if columns <= MOST_DIMS else rng.random((n, columns))
    a, b = both[:, :n_dims], both[:, n_dims:]
    parts = [a, b]
    for j in range(n_dims):
        mixed = a.copy()
        mixed[:, j] = b[:, j]
        parts.append(mixed)
    values = function(np.concatenate(parts)).reshape(n_dims + 2, n)
    spread = np.abs(values).max()
    if float(values.std()) <= 1e-12 * max(float(spread), 1e-300):
        return None
    values = values - values[:2].mean()  # less rounding
    first, total, variance = _indices(values, np.arange(n)[None])
    drawn_first, drawn_total, _ = _indices(values, rng.integers(n, size=(REPLICATIONS, n)))
    tails = np.array([0.5 - 0.5 * CONFIDENCE, 0.5 + 0.5 * CONFIDENCE])
    return SobolIndices(
        first[0],
        total[0],
        np.quantile(drawn_first, tails, axis=0).T,
        np.quantile(drawn_total, tails, axis=0).T,
        float(variance[0]),
    )


def _indices(values: FloatArray, rows: NDArray[np.int64]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return first-order and total indices (r, d) and variances (r,) of samples that are rows (r, n) of the values."""
    n = rows.shape[1]
    counts = np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64) / n
    f_a, f_b, mixed = values[0], values[1], values[2:]
    mean = counts @ (f_a + f_b) / 2.0
    variance = counts @ (f_a**2 + f_b**2) / 2.0 - mean**2
    middle = counts @ (f_b + mixed).T / 2.0
    moment = counts @ (f_b**2 + mixed**2).T / 2.0
    first = (counts @ (f_b * mixed).T - middle**2) / (moment - middle**2)
    total = counts @ ((f_a - mixed) ** 2).T / (2.0 * variance[:, None])
    return first, total, variance
