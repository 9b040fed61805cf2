"""Predictions: they hold what they promise on trials that were not known, and say what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from planted_landscapes import crowded, cube, history_with, mixed_space

from strategy_optimizer import ObjectiveFunction, optimize
from strategy_optimizer.analysis import Predictor, predict
from strategy_optimizer.analysis.prediction import BOUNDS, MetricPrediction, _tails, calibrated
from strategy_optimizer.analysis.target import target_of
from strategy_optimizer.backtest import METRICS
from strategy_optimizer.errors import ObjectiveError, SpaceError
from strategy_optimizer.tasks import TrialHistory, history_of
from strategy_optimizer.validation.statistics import NotEnough


def rough(unit: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 - 3.0 * (unit[:, 0] - 0.4) ** 2 + 0.2 * np.sin(25.0 * unit[:, 0]) * unit[:, 1])


@pytest.mark.parametrize("crowd", [False, True])
def test_intervals_hold_what_they_promise(crowd: bool) -> None:
    space = cube(3)
    inside_half, inside_most = [], []
    for seed in range(4):
        points = crowded(space, rough, 500, seed) if crowd else space.sample(500, seed)
        held = np.random.default_rng(seed).random(500) < 0.3
        target = target_of(history_with(space, points[~held], rough, noise=0.1))
        assert not isinstance(target.surrogate, NotEnough)
        values = rough(space.to_unit(points[held])) + 0.1 * np.random.default_rng(9).standard_normal(
            held.sum()
        )
        found = calibrated(target.surrogate, target).predict(points[held], target)
        inside_half += [p.half[0] <= v <= p.half[1] for p, v in zip(found, values, strict=True)]
        inside_most += [p.most[0] <= v <= p.most[1] for p, v in zip(found, values, strict=True)]
    assert 0.42 <= np.mean(inside_half) <= 0.6
    assert 0.85 <= np.mean(inside_most) <= 0.95


def test_on_a_real_history() -> None:
    history = optimize("donchian", "nasdaq", "ga", evaluations=500, seed=2, validate=False).history
    rows = np.random.default_rng(0).permutation(len(history))
    held = rows[:150]
    kept = history_with_rows(history, np.sort(rows[150:]))
    predictor = Predictor(kept)
    for name in ("sharpe_ratio", "max_drawdown"):
        target, model = predictor.target(name), predictor.model(name)
        assert not isinstance(model, NotEnough)
        values = history.metrics[held, METRICS.index(name)]
        found = model.predict(history.points[held], target)
        inside = [p.most[0] <= v <= p.most[1] for p, v in zip(found, values, strict=True)]
        assert 0.82 <= np.mean(inside) <= 0.98  # four standard errors of 150 around 90 %


def history_with_rows(history: TrialHistory, rows: np.ndarray) -> TrialHistory:
    return history_of(history.space, ObjectiveFunction("sharpe_ratio"), [history[int(row)] for row in rows])


def test_the_middle_is_near_and_ordered() -> None:
    space = mixed_space()

    def function(unit: np.ndarray) -> np.ndarray:
        return np.asarray(np.cos(3.0 * unit[:, 0]) + (unit[:, 1] > 0.4))

    history = history_with(space, space.sample(300, 1), function)
    found = predict(history, {"n": 40, "stop": "fixed", "size": 0.123}, ["score", "max_drawdown"])
    true = float(function(space.to_unit(space.from_dicts([found.parameters])))[0])
    score, drawdown = found.metrics["score"], found.metrics["max_drawdown"]
    assert isinstance(score, MetricPrediction)
    assert isinstance(drawdown, MetricPrediction)
    assert score.value == pytest.approx(true, abs=0.1)
    assert drawdown.value == pytest.approx(0.5 - 0.1 * true, abs=0.01)
    for each in (score, drawdown):
        assert each.most[0] <= each.half[0] <= each.value <= each.half[1] <= each.most[1]
        assert each.explained > 0.9
    assert found.measured is None
    assert found.failure == 0.0


def test_a_trial_of_the_same_parameters_is_returned_as_measured() -> None:
    space = cube(2)
    history = history_with(space, space.sample(100, 1), rough)
    trial = history[17]
    found = predict(history, trial.parameters)
    assert found.measured is not None
    assert found.measured.number == trial.number
    score = found.metrics["score"]
    assert score == MetricPrediction(trial.score, (trial.score,) * 2, (trial.score,) * 2, 1.0)
    assert found.failure == 0.0


def test_the_score_of_one_metric_shares_its_model() -> None:
    space = cube(2)
    predictor = Predictor(history_with(space, space.sample(80, 1), rough))
    assert predictor.model("score") is predictor.model("sharpe_ratio")
    assert predictor.model("score") is not predictor.model("max_drawdown")


def test_failures_are_foreseen() -> None:
    space = cube(2)
    points = space.sample(300, 1)
    history = history_with(space, points, rough, fails=lambda unit: unit[:, 1] > 0.7)
    predictor = Predictor(history)
    assert predictor.predict({"a": 0.5, "b": 0.95}, ["score"]).failure > 0.9
    assert predictor.predict({"a": 0.5, "b": 0.2}, ["score"]).failure < 0.1
    failed = history[int(np.flatnonzero(history.states)[0])]
    found = predictor.predict(failed.parameters, ["score"])
    assert found.failure == 1.0
    assert found.measured is not None
    assert found.measured.number == failed.number


def test_no_metric_leaves_its_bounds() -> None:
    result = optimize("momentum", "nasdaq", "random", evaluations=120, validate=False)
    predictor = Predictor(result)
    for params in result.history.space.to_dicts(result.history.space.sample(20, 7)):
        for name, found in predictor.predict(params, tuple(BOUNDS)).metrics.items():
            assert isinstance(found, MetricPrediction)
            low, high = BOUNDS[name]
            assert low <= found.most[0] <= found.most[1] <= high


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": 0.5}, "the parameter 'b' is missing"),
        ({"a": 0.5, "b": 3.0}, "parameter 'b'"),
        ({"a": 0.5, "b": 0.5, "c": 1.0}, "unknown parameter 'c'"),
        ({"a": 0.9, "b": 0.5}, "violate the constraint 'a < b'"),
    ],
)
def test_parameters_outside_the_space_are_one_clear_error(params: dict[str, float], message: str) -> None:
    space = cube(2).with_constraints("a < b")
    history = history_with(space, space.sample(60, 1), rough)
    with pytest.raises(SpaceError, match=message):
        predict(history, params)


def test_unknown_metrics_and_too_few_trials() -> None:
    space = cube(2)
    history = history_with(space, space.sample(20, 1), rough)
    with pytest.raises(ObjectiveError, match="there is no metric 'sharp'"):
        predict(history, {"a": 0.5, "b": 0.5}, ["sharp"])
    found = predict(history, {"a": 0.5, "b": 0.5})
    assert found.metrics["score"] == NotEnough("completed trials", 20, 40)
    assert isinstance(found.metrics["win_rate"], NotEnough)  # which no trial has


def test_tails_are_the_order_statistics() -> None:
    misses = np.arange(1.0, 100.0)  # 99 of them: a hundredth one is below the k-th with the chance k / 100
    assert _tails(misses, 0.9) == (5.0, 95.0)
    assert _tails(misses, 0.5) == (25.0, 75.0)
    assert _tails(np.array([1.0, 2.0]), 0.9) == (1.0, 2.0)
