"""How a search went: the best so far, who found it, and what the trials let expect of more of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from strategy_optimizer.analysis.target import FloatArray, IntArray, Target, main_targets, target_of
from strategy_optimizer.optimizer.bayes.acquisition import log_expected_improvement
from strategy_optimizer.optimizer.bayes.belief import CONFIDENCE
from strategy_optimizer.optimizer.pareto import hypervolume
from strategy_optimizer.optimizer.pareto.sorting import is_non_dominated
from strategy_optimizer.tasks import Convergence, TrialHistory
from strategy_optimizer.validation.statistics import NotEnough

SHOWN_POINTS = 500  # of the curve
FRONT_MARKS = 100  # trials at which the hypervolume is taken
PROBED = 4096  # points that are looked at for what may still be found
NEAR_SHARE = 0.5  # of them lie around the best trials
ELITE = 20  # best trials around which is looked
NEAR_STEP = 0.08  # standard deviation of the distance from these, a share of a parameter's range
REFERENCE_MARGIN = 0.1  # share of the final front's range by which the hypervolume's reference lies below it
NOBODY = "first design"


@dataclass(frozen=True)
class Regret:
    """What a model of the trials believes is still to be found; it knows a rough landscape as noise.

    Attributes
    ----------
    best : float
        The best value that was measured.
    expected : float
        What one more trial, where the model hopes for most, is expected to add to it.
    bound : float
        No point is likely (two standard deviations) to be better than the best by more than this.
    trials : int
        How many trials the model rests on.
    explained : float
        Share of their variation that it foresees.
    """

    best: float
    expected: float
    bound: float
    trials: int
    explained: float


@dataclass(frozen=True)
class AuthorShare:
    """What one algorithm of a search contributed.

    Attributes
    ----------
    trials, improvements : int
        How many it proposed, and how many of them were better than all before (or are on the Pareto front).
    best : float
        The best score among them; NaN without one, and with several objectives.
    """

    trials: int
    improvements: int
    best: float


@dataclass(frozen=True)
class Course:
    """How a search went.

    Attributes
    ----------
    measures : Convergence
        Convergence iteration, final improvement, exploration ratio: the seed's three numbers.
    trials : tuple of int
        Numbers of the trials at which the curve is given: every improvement, and others evenly between.
    best_so_far : tuple of float
        The best score up to each of them; with several objectives the hypervolume of the front up to it. NaN before
        a trial could win, and with more than three objectives.
    reference : dict
        The objectives from which the hypervolume is measured: the median of the trials, or a little below the worst of
        the final front where that is lower. Empty with one objective.
    authors : dict
        Who proposed how many trials, by name.
    regret : Regret or NotEnough
        Of the score; with several objectives of the first.
    """

    measures: Convergence
    trials: tuple[int, ...]
    best_so_far: tuple[float, ...]
    reference: Mapping[str, float]
    authors: Mapping[str, AuthorShare]
    regret: Regret | NotEnough


def analyse_course(history: TrialHistory, measures: Convergence, *, target: Target | None = None) -> Course:
    """Return how a search went.

    Parameters
    ----------
    history : TrialHistory
        With a winner.
    measures : Convergence
        As the result has them.
    target : Target, optional
        Of the score, where there is one already: its model is used.
    """
    reference: dict[str, float] = {}
    if history.front is None:
        marks, curve = _best_curve(history)
    else:
        marks, curve, reference = _front_curve(history)
    target = target_of(history, main_targets(history)[0]) if target is None else target
    return Course(
        measures=measures,
        trials=tuple((marks + 1).tolist()),
        best_so_far=tuple(curve.tolist()),
        reference=reference,
        authors=_authors(history),
        regret=regret(target),
    )


def _marks(n: int, always: IntArray, most: int) -> IntArray:
    """Return rows of n trials: the ones that are always taken, the last, and evenly spread ones between."""
    even = np.linspace(0, n - 1, min(n, most)).astype(np.int64)
    return np.unique(np.concatenate([always, even]))


def _best_curve(history: TrialHistory) -> tuple[IntArray, FloatArray]:
    scores = np.where(history.feasible, history.scores, -np.inf)
    best = np.maximum.accumulate(scores)
    marks = _marks(len(history), np.array(history.improvements(), np.int64), SHOWN_POINTS)
    return marks, np.where(np.isfinite(best[marks]), best[marks], np.nan)


def _front_curve(history: TrialHistory) -> tuple[IntArray, FloatArray, dict[str, float]]:
    """Return the hypervolume of the front up to some trials, and the reference it is measured from."""
    assert history.front is not None
    objective = history.front.objective
    marks = _marks(len(history), np.empty(0, np.int64), FRONT_MARKS)
    if not 2 <= len(objective.metrics) <= 3:
        return marks, np.full(len(marks), np.nan), {}
    gains, feasible, final = objective.gains(history.metrics), history.feasible, history.front.gains
    below = final.min(axis=0) - REFERENCE_MARGIN * np.ptp(final, axis=0)
    worst = np.minimum(below, np.median(gains[feasible], axis=0))  # a front of one point has no range
    volumes, front, done = np.empty(len(marks)), final[:0], 0
    for i, mark in enumerate(marks.tolist()):
        fresh = gains[done : mark + 1][feasible[done : mark + 1]]
        together = np.concatenate([front, fresh])
        front, done = together[is_non_dominated(together)] if len(together) else together, mark + 1
        volumes[i] = hypervolume(front, worst)
    reference = dict(zip(objective.metrics, objective.raw(worst[None])[0].tolist(), strict=True))
    return marks, volumes, reference


def _authors(history: TrialHistory) -> dict[str, AuthorShare]:
    """Return what each algorithm contributed, the one with most trials first."""
    if not history.authors:
        return {}
    names = np.array([author or NOBODY for author in history.authors])
    improved = np.zeros(len(history), np.bool_)
    improved[history.improvements()] = True
    scores = np.where(history.feasible, history.scores, np.nan)
    found = {}
    for name in np.unique(names).tolist():
        mine = names == name
        best = float(np.nanmax(scores[mine])) if np.isfinite(scores[mine]).any() else np.nan
        found[name] = AuthorShare(int(mine.sum()), int(improved[mine].sum()), best)
    return dict(sorted(found.items(), key=lambda item: -item[1].trials))


def regret(target: Target, *, seed: int = 0) -> Regret | NotEnough:
    """Return what a model of the trials believes is still to be found.

    Half of the points that it is asked about fill the space, the others lie around the best trials.

    Parameters
    ----------
    target : Target
    seed : int
        Draws the points.
    """
    model = target.model
    if isinstance(model, NotEnough):
        return model
    if target.best is None:
        return NotEnough("trials that may win", 0, 1)
    best = float(target.gains[target.best])
    mean, deviation = model.predict(_probes(target, np.random.default_rng(seed)))
    deviation = np.maximum(deviation, 1e-12 * max(1.0, abs(best)))
    expected = float(np.exp(log_expected_improvement(mean, deviation, best)).max())
    bound = max(0.0, float((mean + CONFIDENCE * deviation).max()) - best)
    return Regret(
        best=target.sign * best,
        expected=expected,
        bound=bound,
        trials=len(model.rows),
        explained=model.explained,
    )


def _probes(target: Target, rng: np.random.Generator) -> FloatArray:
    """Return feasible points all over the space and around the best trials."""
    space, n_near = target.space, int(NEAR_SHARE * PROBED)
    gains = np.where(target.feasible & np.isfinite(target.values), target.gains, -np.inf)
    elite = target.points[np.argsort(-gains, kind="stable")[:ELITE]]
    parents = elite[rng.integers(len(elite), size=n_near)]
    unit = space.to_unit(np.where(np.isnan(parents), space.default_values, parents))
    moved = space.from_unit(np.clip(unit + NEAR_STEP * rng.standard_normal(unit.shape), 0.0, 1.0))
    near = np.where(space.kinds == 2, parents, moved)  # choices stay those of the parent
    near = space.deactivate(np.where(np.isnan(near), space.default_values, near))
    return np.concatenate([space.sample(PROBED - n_near, rng), near[space.is_feasible(near)]])
