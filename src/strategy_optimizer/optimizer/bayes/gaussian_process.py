"""A Gaussian process with profiled mean and scale: what is believed about scores that were not measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.optimizer.bayes import kernel
from strategy_optimizer.optimizer.bayes.lbfgsb import minimise
from strategy_optimizer.optimizer.history import FloatArray
from strategy_optimizer.scipy_parts import lapack

BoolArray = NDArray[np.bool_]
LengthPrior: TypeAlias = tuple[float, float]
# Bounds of the free parameters, logarithms.
LENGTH_BOUNDS = (math.log(0.02), math.log(30.0))
NOISE_BOUNDS = (math.log(1e-6), math.log(1.0))
# Priors (mean, standard deviation of the logarithm). Lengths grow with the root of the dimension as in BoTorch, whose
# own prior is for noisy scores. That for exact ones begins at an eighteenth of its median and spreads less: long ones
# take a rough landscape for a flat one with noise. Of noisy scores short ones believe the noise.
EXACT_LENGTHS = (-1.5, 1.0)
NOISY_LENGTHS = (math.sqrt(2.0), math.sqrt(3.0))
NOISE_PRIOR = (-4.0, 1.0)
# The scale's prior is worth this many points of variance 1, scores being standardised.
SCALE_POINTS = 2.0


@dataclass(frozen=True)
class Hyperparameters:
    """Length scales (d,) of the parameters and the noise's share of the variance."""

    lengths: FloatArray
    noise: float

    @classmethod
    def default(cls, d: int, prior: LengthPrior = EXACT_LENGTHS) -> Hyperparameters:
        """Return the most likely values before any data."""
        length = math.exp(prior[0] + 0.5 * math.log(d) - prior[1] ** 2)
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
        ones = solve(self._factor, np.ones(n))
        self._inverse_ones = ones
        self._ones_information = float(ones.sum())
        self.mean = float(ones @ scores) / self._ones_information
        self._alpha = solve(self._factor, scores - self.mean)
        fit = float((scores - self.mean) @ self._alpha)
        self.scale = (fit + SCALE_POINTS) / (n + SCALE_POINTS)

    def correlations(self, features: FloatArray) -> FloatArray:
        """Return the correlations (m, n) of new features (m, d) with the data."""
        out = np.empty((len(features), len(self.features)))
        kernel.cross_correlation(features, self.features, self.weights, self.categorical, out)
        return out

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the posterior mean and standard deviation (m,) of the noiseless score at features (m, d)."""
        cross = self.correlations(features)
        mean = self.mean + cross @ self._alpha
        # The second term is the doubt about the mean itself (Rasmussen and Williams, equation 2.42).
        doubt = (1.0 - cross @ self._inverse_ones) ** 2 / self._ones_information
        half, _ = lapack().dtrtrs(self._factor, cross.T, lower=1, overwrite_b=1)
        variance = 1.0 - np.einsum("ij,ij->j", half, half) + doubt
        return mean, np.sqrt(self.scale * np.maximum(variance, 1e-12))

    def predict_trial(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation (m,) of what a trial at features (m, d) will score, its noise included."""
        mean, deviation = self.predict(features)
        return mean, np.sqrt(deviation**2 + self.scale * self.hyperparameters.noise)

    def predict_mean(self, features: FloatArray) -> FloatArray:
        """Return the posterior mean (m,) alone, which needs no solve."""
        return np.asarray(self.mean + self.correlations(features) @ self._alpha)

    def own_means(self) -> FloatArray:
        """Return the posterior mean (n,) of what each of the points is worth by itself.

        Where the noise of single trials is known, what else is common to all is no noise but roughness: a height of
        the point's own, of which its trial tells as well. Its posterior mean is m + (K + s I) C^-1 (y - m) with
        C = K + s I + E, for short y - E C^-1 (y - m), E the known noise. Where none is known, the common one is that
        of the trials.
        """
        if self.extra_noise is None:
            return self.predict_mean(self.features)
        return np.asarray(self.scores - self.extra_noise * self._alpha)

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
        inverse = solve(self._factor, np.eye(len(self.scores)))
        diagonal = np.diag(inverse)
        return self.scores - self._alpha / diagonal, np.sqrt(self.scale / diagonal)


def solve(factor: FloatArray, right: FloatArray) -> FloatArray:
    """Return ``R^-1 b`` for right sides (n,) or (n, k), given the lower Cholesky factor (n, n) of R."""
    return np.asarray(lapack().dpotrs(factor, right, lower=1)[0])


def cholesky_factor(matrix: FloatArray) -> FloatArray:
    """Return the lower Cholesky factor of a correlation matrix (n, n), its upper triangle left as it is.

    Points that are all but the same make a matrix that rounding can leave without one: then the diagonal is raised,
    by no more than it takes.
    """
    for jitter in (0.0, 1e-10, 1e-8, 1e-6, 1e-4):
        raised = matrix.copy(order="F")
        raised[np.diag_indices(len(matrix))] += jitter
        factor, failed = lapack().dpotrf(raised, lower=1, overwrite_a=1, clean=0)
        if not failed:
            return np.asarray(factor)
    raise np.linalg.LinAlgError("the correlations of the trials are no valid matrix")


def fit(
    features: FloatArray,
    scores: FloatArray,
    extra_noise: FloatArray | None,
    categorical: BoolArray,
    starts: list[Hyperparameters],
    prior: LengthPrior = EXACT_LENGTHS,
    max_steps: int = 30,
) -> Hyperparameters:
    """Return the most likely hyperparameters: the best of L-BFGS-B runs from the given starts."""
    d = features.shape[1]
    bounds = np.array([LENGTH_BOUNDS] * d + [NOISE_BOUNDS])

    def loss(log_values: FloatArray) -> tuple[float, FloatArray]:
        return _loss(log_values, features, scores, extra_noise, categorical, prior)

    best_value, best = math.inf, starts[0]
    for start in starts:
        first = np.clip(start.log_values, *bounds.T)
        found, value = minimise(loss, first, bounds, max_steps=max_steps, gradient=1e-3, decrease=1e-6)
        if value < best_value:
            best_value, best = value, Hyperparameters.from_log(found)
    return best


def _loss(
    log_values: FloatArray,
    features: FloatArray,
    scores: FloatArray,
    extra_noise: FloatArray | None,
    categorical: BoolArray,
    prior: LengthPrior = EXACT_LENGTHS,
) -> tuple[float, FloatArray]:
    """Return the negative log posterior of the hyperparameters and its gradient (d + 1,).

    Mean and scale are profiled: ``(n + k) / 2 log s^2 + 1/2 log |R|``, ``s^2 = ((y - m)' R^-1 (y - m) + k) / (n + k)``.
    """
    n, d = features.shape
    lengths, noise = np.exp(log_values[:-1]), math.exp(log_values[-1])
    weights = lengths**-2.0
    matrix = np.empty((n, n))
    kernel.correlation(features, weights, categorical, matrix)
    matrix[np.diag_indices(n)] += noise + (0.0 if extra_noise is None else extra_noise)
    factor, failed = lapack().dpotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    if failed:
        return 1e10, np.zeros(d + 1)
    log_determinant = 2.0 * float(np.log(np.diag(factor)).sum())
    inverse, _ = lapack().dpotri(factor, lower=1, overwrite_c=1)
    inverse = inverse.T  # in rows; now its upper triangle is the known one
    kernel.mirror(inverse)
    ones = inverse.sum(axis=1)
    centred = scores - float(ones @ scores) / float(ones.sum())
    alpha = inverse @ centred
    scale = (float(centred @ alpha) + SCALE_POINTS) / (n + SCALE_POINTS)
    # d(loss) / dR = (R^-1 - alpha alpha' / s^2) / 2; the mean's own derivative vanishes at its optimum.
    gradient = np.empty(d + 1)
    kernel.contract_gradient(features, weights, categorical, inverse, alpha, scale, gradient[:d])
    gradient[d] = noise * float((0.5 * (np.diag(inverse) - alpha * alpha / scale)).sum())
    loss = 0.5 * (n + SCALE_POINTS) * math.log(scale) + 0.5 * log_determinant
    # Log-normal priors on the logarithms.
    middle = np.append(np.full(d, prior[0] + 0.5 * math.log(d)), NOISE_PRIOR[0])
    deviation = np.append(np.full(d, prior[1]), NOISE_PRIOR[1])
    standard = (log_values - middle) / deviation
    return loss + 0.5 * float(standard @ standard), gradient + standard / deviation
