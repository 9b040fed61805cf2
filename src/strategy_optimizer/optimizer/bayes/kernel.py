"""How alike two points are: one product kernel over numeric, categorical and conditional parameters.

The squared distance of two points is a weighted sum over parameters, ``r^2 = sum_j w_j D_j`` with weights
``w_j = 1 / l_j^2``. D_j is the squared difference of unit coordinates for a numeric parameter and 0 or 1 for a
categorical one (Hamming). An inactive numeric parameter lies beside the middle of its range, at a distance of
``D_j = 3/4 + (x - 1/2)^2`` from an active value x: were it equally far from all of them, no points in space would have
these distances, and the correlations no Cholesky factor. The correlation is Matern 3/2,
``(1 + sqrt(3) r) exp(-sqrt(3) r)``: backtests have steps and kinks, which the smoother Matern 5/2 and squared
exponential smear.

*Features* are unit coordinates, the index for categorical parameters, and NaN where a parameter is inactive.

Source: Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, equation 4.17; gradients 5.9.
"""

from __future__ import annotations

import math

import numpy as np

from strategy_optimizer.machine_code import compiled
from strategy_optimizer.optimizer.history import FloatArray

ROOT_3 = math.sqrt(3.0)
INACTIVE_HEIGHT = 0.75


@compiled(inline="always")
def _difference(a: float, b: float, is_category: bool) -> float:
    if a == b or (a != a and b != b):
        return 0.0
    if is_category:
        return 1.0
    if a != a:
        return INACTIVE_HEIGHT + (b - 0.5) * (b - 0.5)
    if b != b:
        return INACTIVE_HEIGHT + (a - 0.5) * (a - 0.5)
    return (a - b) * (a - b)


@compiled()
def _correlate(
    point: FloatArray, columns: FloatArray, weights: FloatArray, categorical: np.ndarray, out: FloatArray
) -> None:
    """Write the correlations (n,) of a point (d,) with the first n of points that lie in columns (d, m) into `out`.

    The inner loops are over points: the compiler turns them into vector instructions, all but the exponential.
    """
    out[:] = 0.0
    for j in range(len(point)):
        for b in range(len(out)):
            out[b] += weights[j] * _difference(point[j], columns[j, b], categorical[j])
    for b in range(len(out)):
        out[b] = ROOT_3 * math.sqrt(out[b])
    for b in range(len(out)):
        out[b] = (1.0 + out[b]) * math.exp(-out[b])


@compiled(nogil=True)
def cross_correlation(
    x: FloatArray, z: FloatArray, weights: FloatArray, categorical: np.ndarray, out: FloatArray
) -> None:
    """Write the correlations (n, m) of features x (n, d) with z (m, d) into `out`."""
    columns = z.T.copy()
    for a in range(len(x)):
        _correlate(x[a], columns, weights, categorical, out[a])


@compiled(nogil=True)
def correlation(x: FloatArray, weights: FloatArray, categorical: np.ndarray, out: FloatArray) -> None:
    """Write the correlations (n, n) of features x (n, d) among themselves into `out`."""
    columns = x.T.copy()
    for a in range(len(x)):
        _correlate(x[a], columns, weights, categorical, out[a, :a])
        out[:a, a] = out[a, :a]
        out[a, a] = 1.0


@compiled(nogil=True)
def mirror(matrix: FloatArray) -> None:
    """Make a matrix (n, n) symmetric that is known in its upper triangle."""
    for a in range(len(matrix)):
        for b in range(a):
            matrix[a, b] = matrix[b, a]


@compiled(nogil=True)
def contract_gradient(
    x: FloatArray,
    weights: FloatArray,
    categorical: np.ndarray,
    inverse: FloatArray,
    alpha: FloatArray,
    scale: float,
    out: FloatArray,
) -> None:
    """Write ``sum_ab F[a, b] dR[a, b] / d(log l_j)`` into `out` (d,), for ``F = (inverse - alpha alpha' / scale) / 2``.

    `inverse` (n, n) is symmetric, `alpha` is (n,).
    With ``dR / d(r^2) = -3/2 exp(-sqrt(3) r)`` and ``d(r^2) / d(log l_j) = -2 w_j D_j``.
    """
    n, d = x.shape
    out[:] = 0.0
    for a in range(n):
        for b in range(a):
            total = 0.0
            for j in range(d):
                total += weights[j] * _difference(x[a, j], x[b, j], categorical[j])
            factor = 0.5 * (inverse[a, b] - alpha[a] * alpha[b] / scale)
            slope = 6.0 * factor * math.exp(-ROOT_3 * math.sqrt(total))  # both triangles
            for j in range(d):
                out[j] += slope * weights[j] * _difference(x[a, j], x[b, j], categorical[j])
