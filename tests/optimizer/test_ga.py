from __future__ import annotations

import json
import math
from typing import Any, ClassVar

import numpy as np
import pytest

from contracts.optimizer import OptimizerContract, mixed_score, mixed_space
from strategy_optimizer.errors import OptimizerSettingError, SpaceError
from strategy_optimizer.optimizer import GAOptimizer, create_optimizer, restore_optimizer
from strategy_optimizer.optimizer.population import OperatorShares
from strategy_optimizer.space import ParameterSpace


class TestGA(OptimizerContract):
    name = "ga"


class TestClassicalGA(OptimizerContract):
    name = "ga"
    settings: ClassVar[dict[str, Any]] = {
        "population_size": 20,
        "mutation_rate": 0.1,
        "crossover_rate": 0.8,
        "crossover": "single_point",
        "local_share": 0.0,
        "adapt": False,
    }


def rugged_space() -> ParameterSpace:
    space = ParameterSpace("rugged")
    space.add_parameter("lookback", "discrete", (2, 250))
    space.add_parameter("threshold", "continuous", (0.0005, 0.2), log=True)
    space.add_parameter("stop", "continuous", (0.0, 1.0))
    space.add_parameter("target", "continuous", (0.0, 1.0), step=0.02)
    space.add_parameter("side", "categorical", ["long", "short", "both"])
    return space


def rugged(points: np.ndarray, space: ParameterSpace) -> np.ndarray:
    """Waves and coarse steps over one hill per side; a desert of failures."""
    unit = space.to_unit(points)
    hill = -((unit[:, :4] - [0.3, 0.4, 0.7, 0.2]) ** 2).sum(axis=1) - 0.3 * (points[:, 4] != 1.0)
    score = np.floor(20.0 * hill) / 20.0 + 0.05 * np.sin(40.0 * unit[:, 0]) * np.sin(31.0 * unit[:, 2])
    return np.where(unit[:, 1] > 0.8, np.nan, score)


def best_of(name: str, seed: int, budget: int, batch: int, **settings: Any) -> float:
    space = rugged_space()
    optimizer = create_optimizer(name, space, budget=budget, seed=seed, **settings)
    while optimizer.n_told < budget:
        points = optimizer.ask_array(batch)
        optimizer.tell_array(points, rugged(points, space))
    assert optimizer.best_score is not None
    return optimizer.best_score


@pytest.mark.parametrize(("budget", "batch"), [(200, 4), (1000, 50)])
@pytest.mark.parametrize("crossover", ["adaptive", "sbx", "uniform", "single_point"])
def test_it_beats_random_search(budget: int, batch: int, crossover: str) -> None:
    ga = np.array([best_of("ga", seed, budget, batch, crossover=crossover) for seed in range(16)])
    random = np.array([best_of("random", seed, budget, batch) for seed in range(16)])
    # One-sided sign test: 13 or more wins of 16 happen by luck in 1.1 % of cases.
    assert (ga > random).sum() >= 13


def test_it_finds_the_optimum_of_a_finite_space_without_trying_all_of_it() -> None:
    space = ParameterSpace("finite")
    for name in "abcd":
        space.add_parameter(name, "discrete", (0, 15))
    found = []
    for seed in range(10):
        optimizer = create_optimizer("ga", space, budget=1500, seed=seed)
        while optimizer.n_told < 1500:
            points = optimizer.ask_array(25)
            optimizer.tell_array(points, -np.abs(points - [3.0, 12.0, 7.0, 0.0]).sum(axis=1))
        found.append(optimizer.best_score == 0.0)
    assert all(found)


def test_the_defaults_are_tried_first() -> None:
    space = mixed_space()
    assert GAOptimizer(space).ask(1) == [space.defaults()]


def test_defaults_that_violate_a_constraint_are_passed_over() -> None:
    space = ParameterSpace("late").add_parameter("a", "discrete", (0, 9), 2).add_constraint("a > 5")
    assert all(params["a"] > 5 for params in GAOptimizer(space).ask(4))


def test_the_signature_of_the_seed() -> None:
    seen: list[int] = []
    optimizer = GAOptimizer(mixed_space(), 12, 9, 0.2, 0.7)
    assert (optimizer.population_size, optimizer.budget, optimizer.batch_size) == (12, 108, 12)
    params, score = optimizer.optimize(mixed_score, lambda iteration, score, params: seen.append(iteration))
    assert seen == list(range(1, 10))
    assert mixed_score(params) == score


def test_a_search_that_stands_still_restarts_and_goes_on() -> None:
    space = mixed_space()
    optimizer = create_optimizer("ga", space, budget=4000, population_size=20)
    while optimizer.n_told < 4000:
        points = optimizer.ask_array(20)
        optimizer.tell_array(points, np.zeros(len(points)))
    assert optimizer.n_restarts >= 5  # type: ignore[attr-defined]
    assert optimizer.stagnation == 3999
    assert len(np.unique(optimizer.log.keys)) == 4000


@pytest.mark.parametrize(("gain", "restarts"), [(1e-5, True), (0.02, False)])
def test_digging_on_a_peak_for_its_last_digits_is_no_progress(gain: float, restarts: bool) -> None:
    """The first 30 points score 0 to 1, half of them below 0.5; every later population is better by `gain`."""
    optimizer = GAOptimizer(rugged_space(), 20, budget=600)
    optimizer.tell_array(optimizer.ask_array(30), np.linspace(0.0, 1.0, 30))
    for k in range(1, 25):
        optimizer.tell_array(optimizer.ask_array(20), np.full(20, 1.0 + k * gain))
    assert (optimizer.n_restarts > 0) == restarts


def test_late_results_of_an_abandoned_run_do_not_lead_the_new_one() -> None:
    space = (
        ParameterSpace("two")
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("y", "continuous", (0.0, 1.0))
    )
    optimizer = GAOptimizer(space, 8, seed=2)
    first = optimizer.ask_array(8)
    optimizer.tell_array(first, np.ones(8))
    late = optimizer.ask_array(5)
    while optimizer.n_restarts == 0:
        points = optimizer.ask_array(8)
        optimizer.tell_array(points, np.zeros(len(points)))
    optimizer.tell_array(late, np.full(5, 50.0))
    optimizer.ask(1)
    assert 50.0 not in optimizer._population.members.scores
    assert optimizer.best_score == 50.0


def test_feasible_trials_come_first() -> None:
    space = rugged_space()
    optimizer = create_optimizer("ga", space, budget=1000, seed=1)
    share = []
    while optimizer.n_told < 1000:
        points = optimizer.ask_array(50)
        room = 60.0 - points[:, 0]  # the score grows where the constraint is violated
        optimizer.tell_array(points, points[:, 0], constraints=room[:, None] / 60.0)
        share.append(float((room >= 0.0).mean()))
    assert optimizer.best_score == 60.0
    assert min(share[3:8]) > 0.6 > 0.4 > share[0]


def test_told_trials_steer_the_search() -> None:
    space = rugged_space()
    known = space.sample(40, np.random.default_rng(4))
    known[:, 0] = np.arange(100.0, 140.0)
    optimizer = GAOptimizer(space, 20, budget=200)
    optimizer.tell_array(known, known[:, 0])
    optimizer.ask(60)  # the first generation is on its way in any case
    later = optimizer.ask_array(40)
    assert np.median(later[:, 0]) > 110.0


def test_one_lucky_trial_of_a_repeated_point_does_not_win() -> None:
    space = ParameterSpace("noisy").add_parameter("x", "discrete", (0, 3))
    optimizer = GAOptimizer(space, 4, repeats=2)
    optimizer.tell([{"x": 0}, {"x": 0}, {"x": 1}, {"x": 1}], [9.0, -9.0, 1.0, 2.0])
    assert (optimizer.best_params, optimizer.best_score) == ({"x": 1}, 1.5)
    optimizer.ask(1)
    assert optimizer._population.members.scores.tolist() == [1.5, 0.0]


def test_operators_that_succeed_are_used_more() -> None:
    shares = OperatorShares((0.35, 0.3, 0.35))
    for _ in range(20):
        shares.credit(np.array([0.0, 1.0, 2.0] * 10), np.array([0.0, 0.1, 0.9] * 10))
    assert shares.shares.sum() == pytest.approx(1.0)
    assert shares.shares[2] > 0.7
    assert shares.shares.min() >= 0.05
    drawn = np.bincount(shares.draw(10_000, np.random.default_rng(0)), minlength=3) / 10_000
    np.testing.assert_allclose(drawn, shares.shares, atol=0.02)


def test_a_held_share_stays() -> None:
    shares = OperatorShares((0.2, 0.2, 0.6), held=(2,))
    shares.credit(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.0, 0.0]))
    assert shares.shares[2] == pytest.approx(0.6)
    assert shares.shares[0] > shares.shares[1]


def test_a_held_share_that_leaves_less_than_the_floors_is_cut() -> None:
    shares = OperatorShares((0.02, 0.02, 0.96), held=(2,), floor=0.05)
    shares.credit(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert shares.shares.tolist() == pytest.approx([0.05 / 1.06, 0.05 / 1.06, 0.96 / 1.06])


def test_operators_without_a_share_are_never_used() -> None:
    optimizer = create_optimizer("ga", rugged_space(), budget=400, crossover="uniform", local_share=0.0)
    space = optimizer.space
    while optimizer.n_told < 400:
        points = optimizer.ask_array(20)
        optimizer.tell_array(points, rugged(points, space))
    assert set(optimizer._population.rows[:, -2].tolist()) <= {-1.0, 0.0}  # type: ignore[attr-defined]


def test_a_population_of_no_given_size_grows_at_each_restart() -> None:
    optimizer = create_optimizer("ga", rugged_space(), budget=20_000)
    sizes = {}
    while optimizer.n_told < 20_000:
        points = optimizer.ask_array(optimizer.batch_size)
        optimizer.tell_array(points, np.zeros(len(points)))  # nothing ever improves
        sizes[optimizer.n_restarts] = optimizer.batch_size  # type: ignore[attr-defined]
    grown = [sizes[n] for n in sorted(sizes)]
    assert grown[:4] == [70, 105, 158, 237]
    assert grown[-2:] == [400, 400]


def test_a_given_population_keeps_its_size() -> None:
    optimizer = create_optimizer("ga", rugged_space(), budget=2000, population_size=20)
    while optimizer.n_told < 2000:
        points = optimizer.ask_array(20)
        optimizer.tell_array(points, np.zeros(len(points)))
    assert optimizer.n_restarts > 3  # type: ignore[attr-defined]
    assert optimizer.batch_size == 20


def test_a_grown_population_is_in_the_state() -> None:
    space, optimizer = rugged_space(), create_optimizer("ga", rugged_space(), budget=3000, seed=4)
    while optimizer.n_told < 2000:
        points = optimizer.ask_array(optimizer.batch_size)
        optimizer.tell_array(points, rugged(points, space))
    twin = restore_optimizer(space, json.loads(json.dumps(optimizer.state())))
    assert twin.batch_size == optimizer.batch_size > 30
    while optimizer.n_told < 3000:
        points = optimizer.ask_array(optimizer.batch_size)
        np.testing.assert_array_equal(twin.ask_array(twin.batch_size), points)
        for each in (optimizer, twin):
            each.tell_array(points, rugged(points, space))
    assert twin.n_restarts == optimizer.n_restarts  # type: ignore[attr-defined]


def test_a_space_of_one_parameter_works() -> None:
    space = ParameterSpace("one").add_parameter("x", "continuous", (0.0, 1.0))
    params, _ = GAOptimizer(space, 10, 20, seed=1).optimize(lambda params: -abs(params["x"] - math.pi / 4))
    assert params["x"] == pytest.approx(math.pi / 4, abs=1e-3)


def test_a_space_without_feasible_points_says_so() -> None:
    space = ParameterSpace("none").add_parameter("x", "discrete", (0, 9)).add_constraint("x > 9")
    with pytest.raises(SpaceError):
        GAOptimizer(space).ask(1)


def test_numpy_numbers_are_welcome_as_settings() -> None:
    optimizer = GAOptimizer(mixed_space(), np.int64(20), np.int64(5), np.float64(0.1), seed=np.int64(3))  # type: ignore[arg-type]
    assert json.loads(json.dumps(optimizer.state()))["settings"]["population_size"] == 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population_size": 2}, "population_size is 2"),
        ({"population_size": "big"}, "population_size is 'big'"),
        ({"generations": 0, "population_size": 10}, "generations is 0"),
        ({"mutation_rate": 1.5}, "mutation_rate is 1.5"),
        ({"crossover_rate": -0.1}, "crossover_rate is -0.1"),
        ({"crossover": "single-point"}, "did you mean 'single_point'"),
        ({"local_share": "half"}, "local_share is 'half'"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptimizerSettingError, match=message):
        create_optimizer("ga", mixed_space(), **settings)
