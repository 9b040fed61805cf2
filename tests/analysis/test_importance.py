"""Importance on planted landscapes: even and crowded trials, mixed and conditional spaces, too few trials."""

from __future__ import annotations

import numpy as np
import pytest
from planted_landscapes import crowded, cube, ishigami, mixed_space, target_with

from strategy_optimizer.analysis import Importance, Target, analyse_importance
from strategy_optimizer.analysis.importance import MEASURES, Estimate, filled, value_of
from strategy_optimizer.validation.statistics import NotEnough


def of(importance: Importance, name: str, measure: str) -> float:
    parameter = next(each for each in importance.parameters if each.name == name)
    found = getattr(parameter, measure)
    assert isinstance(found, Estimate)
    assert found.lower <= found.value <= found.upper
    return found.value


def test_ishigami_through_a_model_of_1500_trials() -> None:
    space = cube(3)
    found = analyse_importance(target_with(space, space.sample(1500, 1), ishigami))
    published = {"a": (0.3139, 0.5576), "b": (0.4424, 0.4424), "c": (0.0, 0.2437)}
    for name, (first, total) in published.items():
        assert of(found, name, "first") == pytest.approx(first, abs=0.05)
        assert of(found, name, "total") == pytest.approx(total, abs=0.05)


@pytest.mark.parametrize("crowd", [False, True])
def test_what_matters_is_first_and_what_does_not_is_nothing(crowd: bool) -> None:
    space = cube(4)

    def hill(unit: np.ndarray) -> np.ndarray:
        return -9.0 * (unit[:, 0] - 0.3) ** 2 - (unit[:, 1] - 0.6) ** 2

    points = crowded(space, hill, 600) if crowd else space.sample(600, 1)
    found = analyse_importance(target_with(space, points, hill, noise=0.02))
    assert found.parameters[0].name == "a"
    assert (found.crowding > 0.2) == crowd
    assert ("crowd" in found.caution) == crowd
    for name in ("c", "d"):
        assert of(found, name, "total") < 0.01
        assert of(found, name, "permutation") < 0.01
    if not crowd:  # where trials crowd, what is said of them alone does not tell a cause from a companion
        for parameter in found.parameters:
            is_null = parameter.name in "cd"
            assert value_of(parameter.delta) < 0.1 or not is_null
            assert value_of(parameter.ped_anova) < 0.2 or not is_null
        a = found.parameters[0]
        assert value_of(a.delta) > 3.0 * a.delta_chance
        assert value_of(a.pawn) > 3.0 * a.pawn_chance
        assert of(found, "a", "ped_anova") > 0.6


def test_chance_is_what_no_influence_gives() -> None:
    space = cube(3)
    beyond = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        target = Target(
            "score", False, space, space.sample(200, seed), rng.normal(size=200), np.ones(200, bool)
        )
        for parameter in analyse_importance(target, seed=seed).parameters:
            beyond += [
                value_of(parameter.delta) > parameter.delta_chance,
                value_of(parameter.pawn) > parameter.pawn_chance,
            ]
    assert np.mean(beyond) < 0.15  # 5 % are expected of 60


def test_shares_of_ped_anova_add_up() -> None:
    space = mixed_space()
    target = target_with(space, space.sample(300, 1), lambda unit: unit[:, 0])
    found = analyse_importance(target)
    assert sum(value_of(each.ped_anova) for each in found.parameters) == pytest.approx(1.0)


def test_conditional_and_categorical_parameters() -> None:
    space = mixed_space()

    def function(unit: np.ndarray) -> np.ndarray:
        trail = np.where(np.isnan(unit[:, 2]), 0.0, -2.0 * (unit[:, 2] - 0.5) ** 2)
        return np.asarray(np.where(unit[:, 1] < 0.4, 0.0, 1.0) + trail)

    found = analyse_importance(target_with(space, space.sample(500, 1), function))
    assert [each.name for each in found.parameters[:2]] == ["stop", "trail"]
    trail = found.parameters[1]
    assert trail.active == pytest.approx(1 / 3, abs=0.08)
    assert of(found, "stop", "total") > 0.7
    assert of(found, "size", "total") < 0.01
    assert of(found, "stop", "delta") > 0.25


def test_a_smaller_metric_is_better_where_it_is_said() -> None:
    space = cube(2)
    points = space.sample(300, 1)
    values = space.to_unit(points)[:, 0] ** 4  # the best are where it is small
    up = Target("score", False, space, points, -values, np.ones(300, bool))
    down = Target("max_drawdown", True, space, points, values, np.ones(300, bool))
    first, second = analyse_importance(up), analyse_importance(down)
    assert of(first, "a", "ped_anova") == pytest.approx(of(second, "a", "ped_anova"))
    assert of(first, "a", "total") == pytest.approx(of(second, "a", "total"), abs=0.02)


def test_constraints_hold_when_parameters_are_shuffled() -> None:
    space = cube(2).with_constraints("a < b")
    found = analyse_importance(target_with(space, space.sample(300, 1), lambda unit: unit[:, 0] + unit[:, 1]))
    assert of(found, "a", "permutation") > 0.1
    assert "constraints are not part" in found.caution


def test_too_few_trials_have_no_number() -> None:
    space = cube(2)
    found = analyse_importance(target_with(space, space.sample(39, 1), lambda unit: unit[:, 0]))
    for parameter in found.parameters:
        for name in MEASURES:
            measure = getattr(parameter, name)
            assert isinstance(measure, NotEnough)
            assert str(measure) == "not enough completed trials: found 39, needed 40"


def test_the_same_trial_again_is_no_further_one() -> None:
    space = cube(2)
    points = np.repeat(space.sample(20, 1), 10, axis=0)
    target = target_with(space, points, lambda unit: unit[:, 0])
    assert target.lacking == NotEnough("completed trials", 20, 40)


def test_equal_values_and_noise_have_no_model() -> None:
    space = cube(2)
    points = space.sample(200, 1)
    equal = analyse_importance(target_with(space, points, lambda unit: np.zeros(len(unit))))
    assert "different values" in str(equal.explained)
    noise = analyse_importance(target_with(space, points, lambda unit: np.zeros(len(unit)), noise=1.0))
    assert isinstance(noise.explained, NotEnough)
    assert "explained by the model" in str(noise.explained)
    assert isinstance(noise.parameters[0].total, NotEnough)
    assert isinstance(noise.parameters[0].delta, Estimate)


def test_filled_points_keep_what_is_active() -> None:
    space = mixed_space()
    points = space.sample(100, 1)
    dense = filled(space, points, np.random.default_rng(0))
    active = ~np.isnan(points)
    assert np.array_equal(dense[active], points[active])
    assert np.isin(dense[:, 2], points[active[:, 2], 2]).all()


def test_the_same_seed_gives_the_same() -> None:
    space = cube(2)
    points = space.sample(150, 1)
    found = [
        analyse_importance(target_with(space, points, lambda unit: unit[:, 0]), seed=3) for _ in range(2)
    ]
    assert found[0] == found[1]
