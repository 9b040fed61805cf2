"""The course of a search: the curve against a loop, the front's hypervolume, authors, and what may still be found."""

from __future__ import annotations

import numpy as np
import pytest
from planted_landscapes import crowded, cube, history_with, target_with

from strategy_optimizer import Result, optimize
from strategy_optimizer.analysis import Regret, analyse_course, target_of
from strategy_optimizer.analysis.convergence import FRONT_MARKS, NOBODY, SHOWN_POINTS, regret
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.optimizer.pareto import hypervolume
from strategy_optimizer.validation.statistics import NotEnough


def peak(unit: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 - ((unit - 0.6) ** 2).sum(axis=1))


@pytest.fixture(scope="module")
def result() -> Result:
    return optimize("momentum", "nasdaq", "ensemble", evaluations=900, seed=3, validate=False)


@pytest.fixture(scope="module")
def pareto() -> Result:
    return optimize(
        "momentum", "nasdaq", "nsga2", evaluations=400, objective="sharpe_ratio,max_drawdown", seed=1
    )


def test_the_curve_is_the_running_best(result: Result) -> None:
    course = analyse_course(result.history, result.convergence)
    best, curve = -np.inf, {}
    for trial in result.history:
        best = max(best, trial.score if trial.feasible else -np.inf)
        curve[trial.number] = best
    assert dict(zip(course.trials, course.best_so_far, strict=True)) == {n: curve[n] for n in course.trials}
    assert {row + 1 for row in result.history.improvements()} <= set(course.trials)
    assert len(course.trials) <= SHOWN_POINTS + len(result.history.improvements())
    assert course.trials[-1] == 900
    assert course.measures is result.convergence
    assert course.reference == {}


def test_authors_add_up(result: Result) -> None:
    course = analyse_course(result.history, result.convergence)
    assert sum(share.trials for share in course.authors.values()) == 900
    assert sum(share.improvements for share in course.authors.values()) == len(result.history.improvements())
    assert NOBODY in course.authors
    assert max(share.best for share in course.authors.values()) == result.best_score


def test_the_hypervolume_grows_to_that_of_the_front(pareto: Result) -> None:
    course = analyse_course(pareto.history, pareto.convergence)
    curve = np.array(course.best_so_far)
    assert len(curve) == FRONT_MARKS
    assert np.all(np.diff(curve) >= 0.0)
    front = pareto.history.front
    assert front is not None
    every = front.objective.gains(pareto.history.metrics)[pareto.history.feasible]
    worst = np.minimum(front.gains.min(axis=0) - 0.1 * np.ptp(front.gains, axis=0), np.median(every, axis=0))
    assert curve[-1] == pytest.approx(hypervolume(front.gains, worst))
    assert list(course.reference) == ["sharpe_ratio", "max_drawdown"]
    assert course.reference["max_drawdown"] == pytest.approx(-worst[1])
    middle = course.trials[50]
    gains = front.objective.gains(pareto.history.metrics)[:middle][pareto.history.feasible[:middle]]
    assert curve[50] == pytest.approx(hypervolume(gains, worst))


def test_a_front_of_hardly_more_than_one_point_has_a_hypervolume() -> None:
    # A smaller position lowers the drawdown and keeps the Sharpe ratio: one end of the space is the whole front.
    found = optimize(
        "momentum",
        "nasdaq",
        "nsga2",
        objective=["sharpe_ratio", "max_drawdown"],
        evaluations=400,
        validate=False,
    )
    assert found.history.front is not None
    assert len(found.history.front.rows) <= 3
    course = analyse_course(found.history, found.convergence)
    sharpe, drawdown = course.reference.values()
    best = found.history[found.history.front.rows[0]].metrics
    assert best["sharpe_ratio"] > sharpe + 0.1
    assert best["max_drawdown"] < drawdown - 0.01
    assert course.best_so_far[-1] > 0.9 * (best["sharpe_ratio"] - sharpe) * (drawdown - best["max_drawdown"])
    assert 0.0 < course.best_so_far[50] < course.best_so_far[-1]


def test_regret_is_small_where_the_best_was_found_and_large_where_it_was_not() -> None:
    space = cube(2)
    everywhere = target_with(space, crowded(space, peak, 300), peak)
    found = regret(everywhere)
    assert isinstance(found, Regret)
    assert found.best == everywhere.values.max()
    left = 1.0 - found.best
    assert found.expected < 0.01
    assert left <= found.bound < 0.1
    below = space.sample(900, 1)
    below = below[(below < 0.4).all(axis=1)]
    missed = regret(target_with(space, below, peak))
    assert isinstance(missed, Regret)
    assert missed.trials == len(below)
    assert missed.bound > 1.0 - missed.best > 0.05
    assert missed.expected > 5.0 * found.expected


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_holds_what_is_left(seed: int) -> None:
    space = cube(2)

    def waves(unit: np.ndarray) -> np.ndarray:
        return np.asarray(np.sin(6.0 * unit[:, 0] + seed) + np.cos(5.0 * unit[:, 1] - seed))

    true = waves(np.random.default_rng(0).random((20_000, 2))).max()
    found = regret(target_with(space, space.sample(60, seed), waves))
    assert isinstance(found, Regret)
    assert found.bound >= true - found.best - 0.01


def test_regret_of_a_minimized_metric() -> None:
    space = cube(2)
    history = history_with(space, space.sample(200, 1), peak)
    drawdown = regret(target_of(history, "max_drawdown"))
    score = regret(target_of(history))
    assert isinstance(drawdown, Regret)
    assert isinstance(score, Regret)
    assert drawdown.best == pytest.approx(0.5 - 0.1 * score.best)
    assert drawdown.bound == pytest.approx(0.1 * score.bound, rel=0.05, abs=1e-6)


def test_too_little_to_tell() -> None:
    space = cube(2)
    assert isinstance(regret(target_with(space, space.sample(20, 1), peak)), NotEnough)
    target = target_with(space, space.sample(100, 1), peak)
    nobody = type(target)("score", False, space, target.points, target.values, np.zeros(100, bool))
    assert regret(nobody) == NotEnough("trials that may win", 0, 1)


def test_several_objectives_have_no_score(pareto: Result) -> None:
    with pytest.raises(ObjectiveError, match="name a metric, such as sharpe_ratio"):
        target_of(pareto.history)
    assert target_of(pareto.history, "max_drawdown").minimized
