"""Which parameters matter, by six measures: three from the trials alone, three from a model of them.

The trials of an optimizer are no even sample: they crowd where it found good scores. What is said of the trials alone
is true of them, and only the measures over the whole space ask the model, which the trials taught. Where both agree an
answer is worth most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from strategy_optimizer.analysis.given_data import PAWN_CLASSES, classes_of, delta, delta_classes, pawn
from strategy_optimizer.analysis.ped_anova import best_rows, cells_of, divergence
from strategy_optimizer.analysis.sobol import CONFIDENCE, SobolIndices, sobol_indices
from strategy_optimizer.analysis.target import FloatArray, IntArray, Target
from strategy_optimizer.optimizer.surrogate import Surrogate
from strategy_optimizer.space import Categorical, ParameterSpace
from strategy_optimizer.space.columns import CATEGORICAL
from strategy_optimizer.validation.statistics import NotEnough

RESAMPLINGS = 40  # for the bands of what is said of the trials alone
SHUFFLES = 5  # of each parameter for the permutation importance
MOST_TRIALS = 4000  # that the measures of the trials alone look at
MOST_PERMUTED = 1000  # trials that the model is asked about with a parameter shuffled
EVEN_SAMPLE = 2000  # points that trials are compared with, to see how they crowd
TAILS = (0.5 - 0.5 * CONFIDENCE, 0.5 + 0.5 * CONFIDENCE)


@dataclass(frozen=True)
class Estimate:
    """A number, and the band of 90 % in which other trials or another sample would put it."""

    value: float
    lower: float
    upper: float


Measure: TypeAlias = Estimate | NotEnough


@dataclass(frozen=True)
class ParameterImportance:
    """How much one parameter matters.

    Attributes
    ----------
    name : str
    active : float
        Share of the trials in which it is active; the measures of the trials alone but `delta` and `pawn` look at
        these.
    total : Estimate or NotEnough
        Share of the variation over the whole space in which it takes part: the total Sobol index of the model.
    first : Estimate or NotEnough
        Share that it explains alone: the first-order index.
    permutation : Estimate or NotEnough
        How much of the trials' variation the model no longer foresees when this parameter is shuffled among them.
    ped_anova : Estimate or NotEnough
        Its share in what decides whether a trial is among the best tenth; all shares add up to 1.
    pawn, delta : Estimate or NotEnough
        How far the distribution of values moves with it: 0 not at all, 1 entirely; `chance` is what they would be
        of a parameter without any influence.
    pawn_chance, delta_chance : float
        The 95 % quantile when the values are shuffled; NaN where there are not enough trials.
    """

    name: str
    active: float
    total: Measure
    first: Measure
    permutation: Measure
    ped_anova: Measure
    pawn: Measure
    delta: Measure
    pawn_chance: float
    delta_chance: float


MEASURES = ("total", "first", "permutation", "ped_anova", "pawn", "delta")


@dataclass(frozen=True)
class Importance:
    """How much each parameter matters for a score or metric.

    Attributes
    ----------
    of : str
        ``score`` or a metric.
    parameters : tuple of ParameterImportance
        The most important first: by the total index, without a model by delta.
    trials : int
        That have a value.
    explained : float or NotEnough
        Share of their variation that the model foresees, each trial from all others.
    crowding : float
        How far the trials are from an even sample of the space: the largest Kolmogorov-Smirnov distance along a
        parameter; 0 is even, 1 all in one place.
    caution : str
        What the measures must not be taken for.
    """

    of: str
    parameters: tuple[ParameterImportance, ...]
    trials: int
    explained: float | NotEnough
    crowding: float
    caution: str


def analyse_importance(target: Target, *, seed: int = 0) -> Importance:
    """Return how much each parameter matters.

    Parameters
    ----------
    target : Target
    seed : int
        Draws resamplings and samples.

    Notes
    -----
    Over the whole space means over its box, in which parameters vary independently: the total and first-order index do
    not know constraints such as ``fast < slow``.
    """
    rng = np.random.default_rng(seed)
    space = target.space
    model = target.model
    indices = None if isinstance(model, NotEnough) else _sobol(model, space, seed)
    shuffled = _permutation(model, target, rng)
    given = _given_data(target, rng)
    decided = _ped_anova(target, rng)
    found = [
        ParameterImportance(
            name,
            active=float(np.mean(~np.isnan(target.points[target.known, j]))) if len(target.known) else 0.0,
            total=_index(model, indices, "total", j),
            first=_index(model, indices, "first", j),
            permutation=shuffled[j],
            ped_anova=decided[j],
            **given[j],  # type: ignore[arg-type]
        )
        for j, name in enumerate(space.names)
    ]
    crowding = _crowding(target, rng)
    return Importance(
        of=target.name,
        parameters=tuple(sorted(found, key=_weight, reverse=True)),
        trials=len(target.known),
        explained=model if isinstance(model, NotEnough) else model.explained,
        crowding=crowding,
        caution=_caution(crowding, bool(space.constraints)),
    )


def value_of(measure: Measure) -> float:
    """Return the number of a measure, 0 where there is none."""
    return 0.0 if isinstance(measure, NotEnough) else measure.value


def _weight(parameter: ParameterImportance) -> tuple[float, float]:
    return value_of(parameter.total), value_of(parameter.delta)


def _caution(crowding: float, constrained: bool) -> str:
    even = crowding < 0.1
    trials = (
        "the trials fill the space evenly"
        if even
        else f"the trials crowd in parts of the space (distance from an even sample {crowding:.2f} of 1): what is said "
        "of them alone (permutation, PED-ANOVA, PAWN, delta) holds where they are, and a parameter can look important "
        "because it was chosen together with another"
    )
    box = "; the constraints are not part of the total and first-order index" if constrained else ""
    return f"{trials}{box}; the model knows a rough landscape only as noise"


def _estimate(value: float, draws: FloatArray) -> Estimate:
    lower, upper = np.quantile(draws, TAILS).tolist()
    return Estimate(value, min(lower, value), max(upper, value))


# -- the model


def _sobol(model: Surrogate, space: ParameterSpace, seed: int) -> SobolIndices | None:
    """Return the Sobol indices of the model over the box of the space."""

    def predicted(unit: FloatArray) -> FloatArray:
        return model.predict_mean(space.from_unit(unit))

    return sobol_indices(predicted, space.n_dims, seed=seed)


def _index(model: Surrogate | NotEnough, indices: SobolIndices | None, name: str, j: int) -> Measure:
    if isinstance(model, NotEnough):
        return model
    if indices is None:
        return NotEnough("variation of the model", 0, 1)
    lower, upper = getattr(indices, f"{name}_band")[j].tolist()
    value = float(getattr(indices, name)[j])
    low, middle, high = np.clip([min(lower, value), value, max(upper, value)], 0.0, 1.0).tolist()
    return Estimate(middle, low, high)  # of a sample an index can lie a little outside


def _permutation(model: Surrogate | NotEnough, target: Target, rng: np.random.Generator) -> list[Measure]:
    if isinstance(model, NotEnough):
        return [model] * target.space.n_dims
    rows = target.known
    if len(rows) > MOST_PERMUTED:
        rows = np.sort(rng.choice(rows, MOST_PERMUTED, replace=False))
    dense = filled(target.space, target.points[rows], rng)
    known = model.straighten(target.gains[rows])
    missed = (known - model.straighten(model.predict_mean(target.points[rows]))) ** 2
    return [_shuffled(model, target.space, dense, known, missed, j, rng) for j in range(target.space.n_dims)]


def filled(space: ParameterSpace, points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return points (n, d) with a value in place of each that is inactive, drawn from the active ones."""
    dense = points.copy()
    for j in range(space.n_dims):
        inactive = np.isnan(points[:, j])
        known = points[~inactive, j] if not inactive.all() else space.default_values[[j]]
        dense[inactive, j] = rng.choice(known, int(inactive.sum()))
    return dense


def _shuffled(
    model: Surrogate,
    space: ParameterSpace,
    dense: FloatArray,
    known: FloatArray,
    missed: FloatArray,
    j: int,
    rng: np.random.Generator,
) -> Measure:
    """Return how much more of the variation is missed with parameter j shuffled, where that is feasible."""
    more = np.zeros((SHUFFLES, len(known)))
    for row in more:
        other = dense.copy()
        other[:, j] = rng.permutation(dense[:, j])
        points = space.deactivate(other)
        feasible = space.is_feasible(points) if space.constraints else np.ones(len(points), np.bool_)
        row[~feasible] = np.nan
        found = model.straighten(model.predict_mean(points[feasible]))
        row[feasible] = (known[feasible] - found) ** 2 - missed[feasible]
    usable = ~np.isnan(more).all(axis=0)
    if usable.sum() < 2:
        return NotEnough(f"feasible trials with another {space.names[j]}", float(usable.sum()), 2)
    loss = np.nanmean(more[:, usable], axis=0) / known.var()
    draws = loss[rng.integers(len(loss), size=(RESAMPLINGS, len(loss)))].mean(axis=1)
    return _estimate(float(loss.mean()), draws)


# -- the trials alone


def _ped_anova(target: Target, rng: np.random.Generator) -> list[Measure]:
    """Return each parameter's share in what decides whether a trial is among the best tenth."""
    if target.lacking is not None:
        return [target.lacking] * target.space.n_dims
    counted = [_count(target, j) for j in range(target.space.n_dims)]
    shares = _shares([_decisive(*each, np.ones(len(each[0]), np.int64)) for each in counted])
    draws = np.array(
        [
            _shares([_decisive(*each, _drawn(len(each[0]), rng)) for each in counted])
            for _ in range(RESAMPLINGS)
        ]
    )
    return [_estimate(float(share), draws[:, j]) for j, share in enumerate(shares)]


def _drawn(n: int, rng: np.random.Generator) -> IntArray:
    """Return how often each of n trials is drawn in a resampling of them."""
    return np.bincount(rng.integers(n, size=n), minlength=n) if n else np.empty(0, np.int64)


def _shares(decisive: list[float]) -> FloatArray:
    total = sum(decisive)
    return np.array(decisive) / total if total > 0.0 else np.zeros(len(decisive))


def _count(target: Target, j: int) -> tuple[IntArray, np.ndarray, int, bool]:
    """Return of the trials with parameter j active: its grid cell, whether each is among the best, and the grid."""
    parameter = target.space.parameters[target.space.names[j]]
    rows = target.known[~np.isnan(target.points[target.known, j])]
    if len(rows) == 0:
        return np.empty(0, np.int64), np.empty(0, np.bool_), 1, True
    cells, n_cells = cells_of(parameter, target.points[rows, j])
    return cells, best_rows(target.gains[rows]), n_cells, isinstance(parameter, Categorical)


def _decisive(cells: IntArray, best: np.ndarray, n_cells: int, categorical: bool, weights: IntArray) -> float:
    """Return the variance of "is among the best" along a parameter, of trials that count `weights` (n,) times."""
    region: FloatArray = np.bincount(cells, weights, n_cells).astype(np.float64)
    top: FloatArray = np.bincount(cells[best], weights[best], n_cells).astype(np.float64)
    if n_cells == 1 or top.sum() == 0.0 or region.sum() == 0.0:
        return 0.0
    return float(top.sum() / region.sum()) ** 2 * divergence(top, region, categorical)


def _given_data(target: Target, rng: np.random.Generator) -> list[dict[str, Measure | float]]:
    """Return PAWN and delta of each parameter, and what they would be without any influence."""
    lacking = target.lacking
    rows = target.known
    if len(rows) > MOST_TRIALS:
        rows = np.sort(rng.choice(rows, MOST_TRIALS, replace=False))
    found = []
    for j in range(target.space.n_dims):
        one: dict[str, Measure | float] = {}
        for measure, most, index in (
            ("pawn", PAWN_CLASSES, pawn),
            ("delta", delta_classes(len(rows)), delta),
        ):
            if lacking is None:
                classes = classes_of(target.points[rows, j], most, bool(target.space.kinds[j] == CATEGORICAL))
                one[measure], one[f"{measure}_chance"] = _index_given(
                    index, classes, target.values[rows], rng
                )
            else:
                one[measure], one[f"{measure}_chance"] = lacking, float("nan")
        found.append(one)
    return found


def _index_given(
    index: Callable[[IntArray, FloatArray], float],
    classes: IntArray,
    values: FloatArray,
    rng: np.random.Generator,
) -> tuple[Measure, float]:
    """Return an index of the trials with its band, and the 95 % quantile of it when the values are shuffled."""
    value = index(classes, values)
    if np.isnan(value):
        return NotEnough("classes with enough trials", 1, 2), float("nan")
    rows = rng.integers(len(values), size=(RESAMPLINGS, len(values)))
    draws = np.array([index(classes[row], values[row]) for row in rows])
    chance = np.array([index(classes, rng.permutation(values)) for _ in range(RESAMPLINGS)])
    return _estimate(value, draws[~np.isnan(draws)]), float(np.quantile(chance, 0.95))


def _crowding(target: Target, rng: np.random.Generator) -> float:
    """Return the largest distance, along a parameter, of the trials from an even sample of the space."""
    if len(target.points) == 0:
        return 0.0
    space = target.space
    ours, even = space.to_unit(target.points), space.to_unit(space.sample(EVEN_SAMPLE, rng, "sobol"))
    return max(
        _distance(np.nan_to_num(a, nan=2.0), np.nan_to_num(b, nan=2.0))
        for a, b in zip(ours.T, even.T, strict=True)
    )


def _distance(first: FloatArray, second: FloatArray) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples."""
    at = np.concatenate([first, second])
    shares = (np.searchsorted(np.sort(sample), at, side="right") / len(sample) for sample in (first, second))
    return float(np.abs(np.subtract(*shares)).max())
