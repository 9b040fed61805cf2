"""What one more trial is worth."""

from __future__ import annotations

import math

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray
from strategy_optimizer.scipy_parts import special

_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


def log_expected_improvement(mean: FloatArray, deviation: FloatArray, best: float | FloatArray) -> FloatArray:
    """Return the logarithm of the expected improvement over `best`, exact far into the tail; the three broadcast.

    ``EI = s (phi(z) + z Phi(z))`` with ``z = (m - best) / s``. Far below the best both terms underflow and cancel;
    their logarithm does not: Ament et al. (2023), Unexpected Improvements to Expected Improvement, equation 9.
    """
    erfcx, ndtr = special().erfcx, special().ndtr  # loaded with the first model
    z = (mean - best) / deviation
    near = z > -1.0
    out = np.empty_like(z)
    zn = z[near]
    out[near] = np.log(np.exp(-0.5 * zn * zn - _LOG_ROOT_2PI) + zn * ndtr(zn))
    zf = z[~near]
    # phi(z) + z Phi(z) = phi(z) (1 - |z| Phi(z) / phi(z)), and Phi(z) / phi(z) = sqrt(pi / 2) erfcx(-z / sqrt(2)).
    ratio = 1.0 + zf * math.sqrt(0.5 * math.pi) * erfcx(-zf / math.sqrt(2.0))
    far = zf < -1e3  # there the ratio is 1 / z^2 to all digits that are left
    ratio[far] = zf[far] ** -2.0
    out[~near] = -0.5 * zf * zf - _LOG_ROOT_2PI + np.log(ratio)
    return out + np.log(deviation)


def log_probability_above(mean: FloatArray, deviation: FloatArray, threshold: float) -> FloatArray:
    """Return the logarithm of the probability that a value is at least `threshold`, (n,)."""
    return np.asarray(special().log_ndtr((mean - threshold) / deviation))
