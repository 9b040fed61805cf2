"""Surfaces: axes on their own scales, choices, conditions and constraints, values against the planted function."""

from __future__ import annotations

import numpy as np
import pytest
from planted_landscapes import cube, mixed_space, target_with

from strategy_optimizer import ParameterSpace
from strategy_optimizer.analysis import Surface, Target, profile, surface
from strategy_optimizer.analysis.surfaces import GRID, OVERLAY
from strategy_optimizer.errors import SpaceError
from strategy_optimizer.validation.statistics import NotEnough


def bowl(unit: np.ndarray) -> np.ndarray:
    return np.asarray(-((unit[:, 0] - 0.5) ** 2) - 2.0 * (unit[:, 1] - 0.25) ** 2)


def grid(rows: tuple[tuple[float | None, ...], ...]) -> np.ndarray:
    return np.array([[np.nan if value is None else value for value in row] for row in rows])


def found(target: Target, x: str, y: str | None = None) -> Surface:
    made = surface(target, x, y)
    assert isinstance(made, Surface)
    return made


def test_a_pair_is_the_function() -> None:
    space = cube(3)
    target = target_with(space, space.sample(300, 1), bowl)
    made = found(target, "a", "b")
    assert len(made.x_values) == len(made.y_values) == GRID
    x, y = np.meshgrid(made.x_values, made.y_values)
    true = -((x - 0.5) ** 2) - 2.0 * (y - 0.25) ** 2
    assert grid(made.at_best) == pytest.approx(true, abs=0.05)
    assert grid(made.averaged) == pytest.approx(true, abs=0.05)  # the third parameter changes nothing
    assert np.all(grid(made.at_best_deviation) < 0.2)
    assert made.explained > 0.9


def test_other_parameters_are_those_of_the_best_or_averaged_over_good_trials() -> None:
    space = cube(3)
    target = target_with(space, space.sample(400, 1), lambda unit: unit[:, 0] + unit[:, 1] * unit[:, 2])
    made = found(target, "a")
    best = target.space.to_unit(target.points[[target.best]])[0]
    assert made.at_best[0][0] == pytest.approx(best[1] * best[2], abs=0.05)
    gains = np.sort(target.gains)[::-1][:40]
    assert made.good_trials == 12
    assert grid(made.averaged)[0, -1] == pytest.approx(gains.mean() + 1 - 0.9, abs=0.15)
    assert np.all(grid(made.averaged_deviation) > 0.0)


def test_scales_and_choices() -> None:
    space = ParameterSpace("s").add_parameter("x", "continuous", (0.01, 1.0), log=True)
    space.add_parameter("k", "discrete", (1, 5)).add_parameter("n", "discrete", (1, 100))
    space.add_parameter("kind", "categorical", ["sma", "ema", "wma"])
    target = target_with(space, space.sample(300, 1), lambda unit: unit[:, 0] + unit[:, 3])
    x = found(target, "x")
    assert np.diff(np.log(np.array(x.x_values, float))) == pytest.approx(np.log(100.0) / (GRID - 1), rel=1e-6)
    assert (x.x_values[0], x.x_values[-1]) == (0.01, 1.0)
    assert found(target, "k").x_values == (1, 2, 3, 4, 5)
    n = found(target, "n").x_values
    assert n[0] == 1
    assert n[-1] == 100
    assert all(type(value) is int for value in n)
    kind = found(target, "kind", "k")
    assert kind.x_values == ("sma", "ema", "wma")
    assert grid(kind.at_best).shape == (5, 3)
    assert np.all(np.diff(grid(kind.at_best)[0]) > 0.2)


def test_infeasible_and_inactive_cells_are_none() -> None:
    space = cube(2).with_constraints("a < b")
    made = found(target_with(space, space.sample(300, 1), bowl), "a", "b")
    x, y = np.meshgrid(made.x_values, made.y_values)
    assert np.array_equal(np.isnan(grid(made.at_best)), x >= y)
    mixed = mixed_space()
    target = target_with(mixed, mixed.sample(300, 1), lambda unit: unit[:, 0] - (unit[:, 1] > 0.8))
    trail = found(target, "trail")  # the best has no trailing stop
    assert np.isnan(grid(trail.at_best)).all()
    stop = found(target, "trail", "stop")  # the axis itself switches it on
    assert np.isnan(grid(stop.at_best))[:2].all()
    assert np.isfinite(grid(stop.at_best)[2]).all()


def test_a_minimized_metric_is_shown_as_it_is() -> None:
    space = cube(2)
    points = space.sample(200, 1)
    values = 0.1 + bowl(space.to_unit(points)) ** 2
    made = found(Target("max_drawdown", True, space, points, values, np.ones(200, bool)), "a")
    assert np.nanmin(grid(made.at_best)) > 0.0


def test_trials_to_lay_over_it() -> None:
    space = mixed_space()
    target = target_with(space, space.sample(900, 1), lambda unit: unit[:, 0])
    made = found(target, "n", "stop")
    assert len(made.trials) == OVERLAY
    best = np.argsort(-target.values, kind="stable")[: OVERLAY // 2] + 1
    assert set(best.tolist()) <= {mark.number for mark in made.trials}
    for mark in made.trials[:20]:
        params = space.to_dicts(target.points[[mark.number - 1]])[0]
        assert (mark.x, mark.y, mark.value) == (params["n"], params["stop"], target.values[mark.number - 1])
    assert all("trailing" in (mark.y,) for mark in found(target, "trail", "stop").trials)


def test_what_cannot_be_shown() -> None:
    space = cube(2)
    target = target_with(space, space.sample(100, 1), bowl)
    with pytest.raises(SpaceError, match="no parameter 'z'"):
        profile(target, "z")
    with pytest.raises(SpaceError, match="'a' twice"):
        surface(target, "a", "a")
    few = target_with(space, space.sample(10, 1), bowl)
    assert isinstance(profile(few, "a"), NotEnough)
