"""A Gaussian process with profiled mean and scale: what is believed about scores that were not measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.optimizer.bayes import kernel
from strategy_optimizer.optimizer.history import FloatArray

BoolArray = NDArray[np.bool_]
# Bounds of the free parameters, logarithms.
LENGTH_BOUNDS = (math.log(0.02), math.log(30.0))
NOISE_BOUNDS = (math.log(1e-6), math.log(1.0))
# Priors (mean, standard deviation of the logarithm). Lengths grow with the root of the dimension as in BoTorch, but
# from an eighteenth of its median and with less spread: long ones take a rough landscape for a flat one with noise.
LENGTH_PRIOR = (-1.5, 1.0)
NOISE_PRIOR = (-4.0, 1.0)
# The scale's prior is worth this many points of variance 1, scores being standardised.
SCALE_POINTS = 2.0


@dataclass(frozen=True)
class Hyperparameters:
    """Length scales (d,) of the parameters and the noise's share of the variance."""

    lengths: FloatArray
    noise: float

    @classmethod
    def default(cls, d: int) -> Hyperparameters:
        """Return the most likely values before any data."""
        length = math.exp(LENGTH_PRIOR[0] + 0.5 * math.log(d) - LENGTH_PRIOR[1] ** 2)
        return cls(np.full(d, max(length, 0.3)), math.exp(NOISE_PRIOR[0] - NOISE_PRIOR[1] ** 2))

    @property
    def log_values(self) -> FloatArray:
        """The free parameters (d + 1,) as logarithms."""
        return np.asarray(np.log(np.append(self.lengths, self.noise)))

    @classmethod
    def from_log(cls, values: FloatArray) -> Hyperparameters:
        """Take back what `log_values` returned."""
        plain = np.exp(values)
        return cls(plain[:-1], float(plain[-1]))


class GaussianProcess:
    """The posterior given features and scores.

    Parameters
    ----------
    features : array (n, d)
        See `kernel`.
    scores : array (n,)
        Standardised: mean near 0, deviation near 1.
    extra_noise : array (n,) or None
        Known noise variance of single scores in units of the scale, added to the common one.
    categorical : array of bool (d,)
    hyperparameters : Hyperparameters
    """

    def __init__(
        self,
        features: FloatArray,
        scores: FloatArray,
        extra_noise: FloatArray | None,
        categorical: BoolArray,
        hyperparameters: Hyperparameters,
    ) -> None:
        from scipy.linalg import cho_solve  # costs 0.1 s: loaded with the first model

        self.features = features
        self.scores = scores
        self.extra_noise = extra_noise
        self.categorical = categorical
        self.hyperparameters = hyperparameters
        self.weights = hyperparameters.lengths**-2.0
        n = len(scores)
        matrix = np.empty((n, n))
        kernel.correlation(features, self.weights, categorical, matrix)
        matrix[np.diag_indices(n)] += hyperparameters.noise + (0.0 if extra_noise is None else extra_noise)
        self._factor = cholesky_factor(matrix)
        ones = cho_solve((self._factor, True), np.ones(n), check_finite=False)
        self._inverse_ones = ones
        self._ones_information = float(ones.sum())
        self.mean = float(ones @ scores) / self._ones_information
        self._alpha = cho_solve((self._factor, True), scores - self.mean, check_finite=False)
        fit = float((scores - self.mean) @ self._alpha)
        self.scale = (fit + SCALE_POINTS) / (n + SCALE_POINTS)

    def correlations(self, features: FloatArray) -> FloatArray:
        """Return the correlations (m, n) of new features (m, d) with the data."""
        out = np.empty((len(features), len(self.features)))
        kernel.cross_correlation(features, self.features, self.weights, self.categorical, out)
        return out

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the posterior mean and standard deviation (m,) of the noiseless score at features (m, d)."""
        from scipy.linalg import solve_triangular

        cross = self.correlations(features)
        mean = self.mean + cross @ self._alpha
        half = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        # The second term is the doubt about the mean itself (Rasmussen and Williams, equation 2.42).
        doubt = (1.0 - cross @ self._inverse_ones) ** 2 / self._ones_information
        variance = 1.0 - np.einsum("ij,ij->j", half, half) + doubt
        return mean, np.sqrt(self.scale * np.maximum(variance, 1e-12))

    def predict_trial(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation (m,) of what a trial at features (m, d) will score, its noise included."""
        mean, deviation = self.predict(features)
        return mean, np.sqrt(deviation**2 + self.scale * self.hyperparameters.noise)

    def predict_mean(self, features: FloatArray) -> FloatArray:
        """Return the posterior mean (m,) alone, which needs no solve."""
        return np.asarray(self.mean + self.correlations(features) @ self._alpha)

    def expecting(self, features: FloatArray) -> GaussianProcess:
        """Return the posterior as if trials at features (m, d) came out as expected: surer there, else the same."""
        scores = np.append(self.scores, self.predict_mean(features))
        noise = self.extra_noise
        if noise is not None:
            noise = np.append(noise, np.zeros(len(features)))
        features = np.concatenate([self.features, features])
        return GaussianProcess(features, scores, noise, self.categorical, self.hyperparameters)

    def leave_one_out(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation (n,) of each score given all others (equation 5.12)."""
        from scipy.linalg import cho_solve

        inverse = cho_solve((self._factor, True), np.eye(len(self.scores)), check_finite=False)
        diagonal = np.diag(inverse)
        return self.scores - self._alpha / diagonal, np.sqrt(self.scale / diagonal)


def cholesky_factor(matrix: FloatArray) -> FloatArray:
    """Return the lower Cholesky factor of a correlation matrix (n, n), its upper triangle left as it is.

    Points that are all but the same make a matrix that rounding can leave without one: then the diagonal is raised,
    by no more than it takes.
    """
    from scipy.linalg import lapack

    for jitter in (0.0, 1e-10, 1e-8, 1e-6, 1e-4):
        raised = matrix.copy(order="F")
        raised[np.diag_indices(len(matrix))] += jitter
        factor, failed = lapack.dpotrf(raised, lower=1, overwrite_a=1, clean=0)
        if not failed:
            return np.asarray(factor)
    raise np.linalg.LinAlgError("the correlations of the trials are no valid matrix")


def fit(
    features: FloatArray,
    scores: FloatArray,
    extra_noise: FloatArray | None,
    categorical: BoolArray,
    starts: list[Hyperparameters],
    max_steps: int = 30,
) -> Hyperparameters:
    """Return the most likely hyperparameters: the best of L-BFGS-B runs from the given starts."""
    from scipy.optimize import minimize

    d = features.shape[1]
    bounds = [LENGTH_BOUNDS] * d + [NOISE_BOUNDS]
    best_value, best = math.inf, starts[0]
    for start in starts:
        low, high = np.array(bounds).T
        found = minimize(
            _loss,
            np.clip(start.log_values, low, high),
            args=(features, scores, extra_noise, categorical),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": max_steps, "gtol": 1e-3, "ftol": 1e-6},
        )
        if found.fun < best_value:
            best_value, best = float(found.fun), Hyperparameters.from_log(found.x)
    return best


def _loss(
    log_values: FloatArray,
    features: FloatArray,
    scores: FloatArray,
    extra_noise: FloatArray | None,
    categorical: BoolArray,
) -> tuple[float, FloatArray]:
    """Return the negative log posterior of the hyperparameters and its gradient (d + 1,).

    Mean and scale are profiled: ``(n + k) / 2 log s^2 + 1/2 log |R|``, ``s^2 = ((y - m)' R^-1 (y - m) + k) / (n + k)``.
    """
    from scipy.linalg import lapack

    n, d = features.shape
    lengths, noise = np.exp(log_values[:-1]), math.exp(log_values[-1])
    weights = lengths**-2.0
    matrix = np.empty((n, n))
    kernel.correlation(features, weights, categorical, matrix)
    matrix[np.diag_indices(n)] += noise + (0.0 if extra_noise is None else extra_noise)
    factor, failed = lapack.dpotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    if failed:
        return 1e10, np.zeros(d + 1)
    log_determinant = 2.0 * float(np.log(np.diag(factor)).sum())
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    ones = inverse.sum(axis=1)
    centred = scores - float(ones @ scores) / float(ones.sum())
    alpha = inverse @ centred
    scale = (float(centred @ alpha) + SCALE_POINTS) / (n + SCALE_POINTS)
    # d(loss) / dR = (R^-1 - alpha alpha' / s^2) / 2; the mean's own derivative vanishes at its optimum.
    slope = 0.5 * (inverse - np.outer(alpha, alpha) / scale)
    gradient = np.empty(d + 1)
    kernel.contract_gradient(features, weights, categorical, slope, gradient[:d])
    gradient[d] = noise * float(np.trace(slope))
    loss = 0.5 * (n + SCALE_POINTS) * math.log(scale) + 0.5 * log_determinant
    # Log-normal priors on the logarithms.
    middle = np.append(np.full(d, LENGTH_PRIOR[0] + 0.5 * math.log(d)), NOISE_PRIOR[0])
    deviation = np.append(np.full(d, LENGTH_PRIOR[1]), NOISE_PRIOR[1])
    standard = (log_values - middle) / deviation
    return loss + 0.5 * float(standard @ standard), gradient + standard / deviation
