from __future__ import annotations

from typing import Any

import pytest

from strategy_optimizer.errors import OptimizerSettingError, SpaceError
from strategy_optimizer.optimizer import OPTIMIZERS, GAOptimizer, create_optimizer
from strategy_optimizer.space import ParameterSpace


def small() -> ParameterSpace:
    return (
        ParameterSpace("small")
        .add_parameter("n", "discrete", (1, 50))
        .add_parameter("c", "categorical", ["a", "b"])
    )


def endless() -> ParameterSpace:
    return small().add_parameter("x", "continuous", (0.0, 1.0))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_makes_its_optimizer(name: str) -> None:
    optimizer = create_optimizer(name, endless(), budget=70, seed=9)
    assert (optimizer.name, optimizer.budget, optimizer.seed) == (name, 70, 9)


@pytest.mark.parametrize(
    ("space", "budget", "chosen", "reason"),
    [
        (
            small(),
            100,
            "grid",
            "auto chose grid: the space has 100 points at most, which fits the budget of 100 trials",
        ),
        (small(), 99, "auto", "auto tries 6 points first, to see what a trial costs"),
        (endless(), 10_000, "auto", "auto tries 8 points first, to see what a trial costs"),
    ],
)
def test_auto_chooses_and_says_why(space: ParameterSpace, budget: int, chosen: str, reason: str) -> None:
    optimizer = create_optimizer("auto", space, budget=budget)
    assert (optimizer.name, optimizer.reason) == (chosen, reason)


@pytest.mark.parametrize(
    ("settings", "budget"),
    [
        ({}, 200),
        ({"population_size": 30}, 200),
        ({"population_size": 30, "generations": 20}, 600),
        ({"population_size": 30, "generations": 20, "budget": 90}, 90),
    ],
)
def test_the_budget_follows_from_population_and_generations(settings: dict[str, Any], budget: int) -> None:
    assert create_optimizer("ga", endless(), **settings).budget == budget


def test_the_budget_of_bo_follows_from_its_calls() -> None:
    assert create_optimizer("bo", endless(), n_calls=30).budget == 30
    assert create_optimizer("bo", endless(), n_calls=30, budget=90).budget == 90
    with pytest.raises(OptimizerSettingError, match="n_calls is 0"):
        create_optimizer("bo", endless(), n_calls=0)


def test_settings_reach_the_optimizer_and_are_kept() -> None:
    optimizer = create_optimizer("ga", endless(), population_size=33, crossover="single_point")
    assert isinstance(optimizer, GAOptimizer)
    assert optimizer.population_size == 33
    assert optimizer.state()["settings"]["crossover"] == "single_point"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("genetic", "expected one of auto, random, grid, ga"),
        ("rndom", "did you mean 'random'"),
        ("annealing", "unknown optimizer 'annealing'"),
        (None, "unknown optimizer None"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: Any, message: str) -> None:
    with pytest.raises(OptimizerSettingError, match=message):
        create_optimizer(name, endless())


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(OptimizerSettingError, match=r"'populationsize'.*did you mean 'population_size'"):
        create_optimizer("ga", endless(), populationsize=3)
    with pytest.raises(OptimizerSettingError, match=r"'population_size' of optimizer 'random'; .*method"):
        create_optimizer("random", endless(), population_size=3)


def test_something_that_is_no_space_is_refused() -> None:
    with pytest.raises(SpaceError, match="dict"):
        create_optimizer("ga", {"n": (1, 2)})  # type: ignore[arg-type]


@pytest.mark.parametrize("directions", ["up", ["maximise"], [], ["maximize", "minimize"]])
def test_bad_directions_are_refused(directions: Any) -> None:
    with pytest.raises(OptimizerSettingError, match="directions"):
        create_optimizer("ga", endless(), directions=directions)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_space_without_parameters(name: str) -> None:
    with pytest.raises(SpaceError, match="the space has no parameters; add one with add_parameter"):
        create_optimizer(name, ParameterSpace("empty"), budget=5)
    with pytest.raises(SpaceError, match="space is a NoneType; expected a ParameterSpace"):
        create_optimizer(name, None, budget=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ga", "nsga2"])
def test_generations_are_checked_whether_the_budget_needs_them_or_not(name: str) -> None:
    for settings in ({}, {"budget": 100}, {"population_size": 10}):
        with pytest.raises(
            OptimizerSettingError, match="generations is 0; expected a whole number of at least 1"
        ):
            create_optimizer(name, endless(), generations=0, **settings)
