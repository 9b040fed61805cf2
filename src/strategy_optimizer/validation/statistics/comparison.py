"""Models beside a benchmark: their differences, long-run variances, and resampled maxima.

The common ground of `spa`, whose docstring has the notation and the papers [1]_ to [4]_.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    IntArray,
    NotEnough,
    as_array,
    lacking_finite,
    require,
    varies,
)
from strategy_optimizer.validation.statistics.resampling import seeded_weights

Centring: TypeAlias = Literal["lower", "consistent", "upper"]
CENTRINGS: tuple[Centring, ...] = ("lower", "consistent", "upper")
Scale: TypeAlias = Literal["deviation", "long_run", "none"]
SCALES: tuple[Scale, ...] = ("deviation", "long_run", "none")

LEAST_OBSERVATIONS = (
    100  # below it blocks vary too little: a test at 5 % rejects 10 % without skill, of 10 returns 40 %
)
_COLUMNS = 512  # models that are worked on at once


@dataclass(frozen=True, eq=False)
class Comparison:
    """The models that are compared, and all that does not change from one resampling to the next."""

    models: FloatArray  # (T, all models)
    benchmark: FloatArray  # (T,)
    columns: IntArray  # (k,) of the models that are compared
    means: FloatArray  # (k,) of the differences
    deviations: FloatArray  # (k,) standard deviations of the differences
    long_run: FloatArray  # (k,) their long-run standard deviations: of their sum, over sqrt(T)
    block_length: float
    replications: int
    seed: int
    scale: Scale

    @property
    def statistics(self) -> FloatArray:
        """Mean differences (k,) in units of their scale."""
        return self.means * self.factors

    @property
    def factors(self) -> FloatArray:
        """What differences (k,) are multiplied with."""
        if self.scale == "none":
            return np.ones(len(self.columns))
        return 1.0 / (self.deviations if self.scale == "deviation" else self.long_run)

    @property
    def left_out(self) -> int:
        """How many models are not compared."""
        return int(self.models.shape[1]) - len(self.columns)

    def centres(self) -> dict[Centring, FloatArray]:
        """Return what the resampled means are centred at, each (k,); [1]_ section 2.3."""
        n = len(self.models)
        hopeless = self.means < -self.long_run * sqrt(2.0 * log(log(n)) / n)
        return {
            "lower": np.maximum(self.means, 0.0),
            "consistent": np.where(hopeless, 0.0, self.means),
            "upper": self.means,
        }

    def maxima(self, chosen: IntArray, centrings: tuple[Centring, ...]) -> FloatArray:
        """Return the resampled maxima over the chosen models, shape (centrings, replications)."""
        centres, factors = self.centres(), self.factors
        found = []
        for weights in seeded_weights(len(self.models), self.block_length, self.replications, self.seed):
            best = np.full((len(centrings), len(weights)), -np.inf)
            for piece in _pieces(len(chosen)):
                part = chosen[piece]
                means = weights @ _differences(self.models, self.benchmark, self.columns[part])
                for row, name in zip(best, centrings, strict=True):
                    np.maximum(row, ((means - centres[name][part]) * factors[part]).max(axis=1), out=row)
            found.append(best)
        return np.concatenate(found, axis=1)


def compare(
    models: ArrayLike,
    benchmark: ArrayLike,
    scale: Scale,
    block_length: float | None,
    replications: int,
    seed: int,
) -> Comparison | NotEnough:
    """Return the comparison of models (T, k) with a benchmark (T,); see `superior_predictive_ability`."""
    matrix, reference = as_array("models", models, 2), as_array("benchmark", benchmark, 1)
    n = len(reference)
    require(len(matrix) == n, "the number of rows of models", len(matrix), f"{n}, as the benchmark has")
    lacking = (
        NotEnough("returns", n, LEAST_OBSERVATIONS)
        if n < LEAST_OBSERVATIONS
        else lacking_finite("returns of the benchmark", reference)
    )
    if lacking:
        return lacking
    require(scale in SCALES, "scale", scale, "'deviation', 'long_run' or 'none'")
    length = float(int(sqrt(n))) if block_length is None else block_length
    require(length >= 1.0, "block_length", block_length, "at least 1")
    columns = np.flatnonzero(np.isfinite(matrix).all(axis=0))
    found = [_moments(matrix, reference, columns[part], length) for part in _pieces(len(columns))]
    means, deviations, long_run = np.concatenate(found, axis=1) if found else np.empty((3, 0))
    usable = long_run > 0.0
    if not usable.any():
        return NotEnough("models that differ from the benchmark", 0, 1)
    return Comparison(
        matrix,
        reference,
        columns[usable],
        means[usable],
        deviations[usable],
        long_run[usable],
        length,
        replications,
        seed,
        scale,
    )


def _pieces(n: int) -> Iterator[slice]:
    """Yield slices that cut n models into pieces."""
    return (slice(start, start + _COLUMNS) for start in range(0, n, _COLUMNS))


def _differences(models: FloatArray, benchmark: FloatArray, columns: IntArray) -> FloatArray:
    return models[:, columns] - benchmark[:, None]


def _moments(models: FloatArray, benchmark: FloatArray, columns: IntArray, block_length: float) -> FloatArray:
    """Return means, standard deviations and long-run ones (3, columns) of differences; 0 where one never varies.

    The long-run variance is T times that of the mean over all stationary resamplings [4]_: circular autocovariances of
    order i with the weight ``(1 - i / T) (1 - 1 / b)^i``, here summed over frequencies.
    """
    differences = _differences(models, benchmark, columns)
    n = len(differences)
    lags = np.arange(n)
    weights = (1.0 - lags / n) * (1.0 - 1.0 / block_length) ** lags
    spectrum = np.abs(np.fft.rfft(differences - differences.mean(axis=0), axis=0)) ** 2
    gains = 2.0 * np.fft.rfft(weights).real - weights[0]
    both_sides = np.where((np.arange(len(gains)) == 0) | (2 * np.arange(len(gains)) == n), 1.0, 2.0)
    variances = (both_sides * gains) @ spectrum / n**2
    long_run = np.where(varies(differences), np.sqrt(np.maximum(variances, 0.0)), 0.0)
    return np.stack([differences.mean(axis=0), differences.std(axis=0), long_run])
