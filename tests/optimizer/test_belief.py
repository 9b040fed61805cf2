"""The parts of Bayesian optimisation, each by its own rule: what is learnt from, descended from, looked at, fitted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from strategy_optimizer.optimizer import create_optimizer
from strategy_optimizer.optimizer.bayes import gaussian_process as gp
from strategy_optimizer.optimizer.bayes import kernel, learning
from strategy_optimizer.optimizer.bayes.belief import Data, _slope, hypervolume_reference, score_data
from strategy_optimizer.optimizer.bayes.candidates import CandidateSearch
from strategy_optimizer.optimizer.bayes.gaussian_process import (
    EXACT_LENGTHS,
    NOISY_LENGTHS,
    GaussianProcess,
    Hyperparameters,
)
from strategy_optimizer.optimizer.bayes.learning import Learning
from strategy_optimizer.space import ParameterSpace

NUMERIC = np.zeros(2, bool)


def square(top: float = 1.0) -> ParameterSpace:
    space = ParameterSpace("square").add_parameter("x", "continuous", (0.0, top))
    return space.add_parameter("y", "continuous", (0.0, top))


def search_in(space: ParameterSpace, seed: int = 0) -> CandidateSearch:
    return CandidateSearch(space, space, np.random.default_rng(seed))


# -- what a model learns from


def test_of_many_points_the_better_half_and_an_even_choice_are_kept() -> None:
    targets = np.array([0.0, 9, 1, 8, 2, 7, 3, 6, 4, 5])
    data = Data(np.arange(10.0)[:, None], targets, 0.1 * targets)
    kept = data.thinned(6)
    assert kept.targets.tolist() == [
        0.0,
        9,
        8,
        7,
        3,
        5,
    ]  # 9, 8 and 7 the best, the first, middle and last of the rest
    assert kept.features[:, 0].tolist() == [0.0, 1, 3, 5, 6, 9]
    assert kept.extra_noise is not None
    assert kept.extra_noise.tolist() == (0.1 * kept.targets).tolist()
    assert data.thinned(10) is data


def test_a_slope_is_that_of_the_better_half() -> None:
    scores = np.arange(9.0)
    targets = np.where(scores >= 4.0, 3.0 * scores, 12.0 + 0.1 * (scores - 4.0))
    assert _slope(scores, targets) == pytest.approx(3.0)
    assert _slope(np.ones(4), np.ones(4)) == 0.0


def test_of_a_front_no_trade_off_goes_by_its_rank() -> None:
    # The front's bad end, 1, lies below the median, 6: above it targets are a line.
    scores = np.array(
        [[1.0, 9.0], [2.0, 8.0], [3.0, 7.0], [9.0, 1.0], *[[6.0 + i / 10, 0.0] for i in range(6)]]
    )
    first = score_data(scores, scores, np.full(scores.shape, math.nan), np.ones(10, bool))[0].targets
    steps = np.diff(first[[0, 1, 2, 3]]) / np.diff(scores[[0, 1, 2, 3], 0])
    np.testing.assert_allclose(steps, steps[0])


def test_the_reference_lies_below_the_front_and_the_mean_of_all() -> None:
    front = np.array([[1.0, -2.0], [2.0, -1.0], [3.0, -3.0]])
    assert hypervolume_reference(front).tolist() == [0.0, pytest.approx(-3.2)]


def test_an_expected_trial_has_no_told_noise() -> None:
    rng = np.random.default_rng(0)
    known = Hyperparameters(np.array([0.3, 0.3]), 0.01)
    model = GaussianProcess(rng.random((6, 2)), rng.standard_normal(6), np.full(6, 0.5), NUMERIC, known)
    ahead = model.expecting(rng.random((2, 2)))
    assert ahead.extra_noise is not None
    assert ahead.extra_noise.tolist() == [0.5] * 6 + [0.0] * 2


# -- the fit


def test_what_a_point_is_worth_by_itself_is_its_smooth_height_and_its_own_roughness() -> None:
    rng = np.random.default_rng(4)
    known = Hyperparameters(np.full(2, 0.6), 0.2)
    features, scores, noise = rng.random((9, 2)), rng.standard_normal(9), rng.random(9)
    noise[3] = 0.0
    model = GaussianProcess(features, scores, noise, NUMERIC, known)
    smooth = model.correlations(features)
    own = smooth + 0.2 * np.eye(9)
    expected = model.mean + own @ np.linalg.solve(own + np.diag(noise), scores - model.mean)
    np.testing.assert_allclose(model.own_means(), expected)
    assert model.own_means()[3] == scores[3]  # told as exact
    exact = GaussianProcess(features, scores, np.zeros(9), NUMERIC, known)
    np.testing.assert_array_equal(exact.own_means(), scores)
    unknown = GaussianProcess(features, scores, None, NUMERIC, known)  # then the common noise is the trials'
    np.testing.assert_array_equal(unknown.own_means(), unknown.predict_mean(features))


def line() -> ParameterSpace:
    return ParameterSpace("line").add_parameter("x", "continuous", (0.0, 1.0))


def test_a_narrow_peak_wins_when_its_trial_was_precise_enough() -> None:
    optimizer = create_optimizer("random", line(), budget=100)
    x = np.linspace(0.0, 1.0, 41)[:, None]
    scores = np.sin(3.0 * x[:, 0]) + 0.05 * np.random.default_rng(1).standard_normal(41)
    scores[5] = 1.8  # its neighbours are at 0.4
    optimizer.tell_array(x, scores, std_errors=np.full(41, 0.05))
    assert optimizer.best_point == x[5]
    vague = create_optimizer("random", line(), budget=100)
    vague.tell_array(x, scores, std_errors=np.where(np.arange(41) == 5, 5.0, 0.05))
    assert 0.3 < vague.best_point[0] < 0.75


def test_of_a_point_told_again_and_again_the_mean_belief_counts() -> None:
    optimizer = create_optimizer("random", line(), budget=100, repeats=3)
    x = np.array([[0.1], [0.5], [0.5], [0.5], [0.9], [0.3]])
    optimizer.tell_array(x, [1.0, 2.5, -1.0, -1.5, 0.0, 0.2], std_errors=np.full(6, 0.5))
    believed = optimizer._believed_scores()
    assert believed[1] == believed[2] == believed[3]
    assert optimizer.best_point == [0.1]


def test_many_trials_that_may_not_win_do_not_crowd_out_the_winner() -> None:
    rng = np.random.default_rng(2)
    x = rng.random((900, 1))
    may_win = np.arange(900) % 100 == 0
    scores = np.where(may_win, -np.abs(x[:, 0] - 0.4), 5.0 + x[:, 0])
    optimizer = create_optimizer("random", line(), budget=2000)
    margins = np.where(may_win, 1.0, -1.0)[:, None]
    optimizer.tell_array(x, scores, constraints=margins, std_errors=np.full(900, 1e-3))
    assert optimizer.best_point in x[may_win]
    assert abs(optimizer.best_point[0] - 0.4) == pytest.approx(np.abs(x[may_win] - 0.4).min(), abs=0.01)


def test_the_loss_is_the_negative_log_posterior() -> None:
    rng = np.random.default_rng(0)
    features, scores, n, k = rng.random((12, 2)), rng.standard_normal(12), 12, gp.SCALE_POINTS
    log_values = np.log([0.4, 1.5, 0.05])
    matrix = np.empty((n, n))
    kernel.correlation(features, np.exp(log_values[:2]) ** -2.0, NUMERIC, matrix)
    matrix += 0.05 * np.eye(n)
    inverse = np.linalg.inv(matrix)
    rest = scores - (inverse @ scores).sum() / inverse.sum()
    scale = (rest @ inverse @ rest + k) / (n + k)
    likelihood = -0.5 * (n + k) * math.log(scale) - 0.5 * np.linalg.slogdet(matrix)[1]
    middle, width = EXACT_LENGTHS[0] + 0.5 * math.log(2), EXACT_LENGTHS[1]
    prior = -0.5 * (((log_values[:2] - middle) / width) ** 2).sum()
    prior -= 0.5 * ((log_values[2] - gp.NOISE_PRIOR[0]) / gp.NOISE_PRIOR[1]) ** 2
    found, _ = gp._loss(log_values, features, scores, None, NUMERIC, EXACT_LENGTHS)
    assert found == pytest.approx(-likelihood - prior)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_the_best_of_several_starts_within_the_bounds_is_the_fit(
    monkeypatch: pytest.MonkeyPatch, order: list[int]
) -> None:
    starts = [Hyperparameters(np.full(2, length), 1e-9) for length in (1e-3, 1.0, 1e3)]
    begun = []

    def minimise(_: Any, first: np.ndarray, bounds: np.ndarray, **__: Any) -> tuple[np.ndarray, float]:
        begun.append(first)
        assert (first >= bounds[:, 0]).all()
        assert (first <= bounds[:, 1]).all()
        return first, abs(first[0])  # the least at a length of 1

    monkeypatch.setattr(gp, "minimise", minimise)
    found = gp.fit(np.zeros((5, 2)), np.zeros(5), None, NUMERIC, [starts[i] for i in order])
    assert len(begun) == 3
    assert found.lengths == pytest.approx([1.0, 1.0])


def test_lengths_begin_at_the_most_likely_ones_that_tell_points_apart() -> None:
    assert Hyperparameters.default(1).lengths.tolist() == [0.3]
    assert Hyperparameters.default(100).lengths == pytest.approx(math.exp(-1.5 + math.log(10.0) - 1.0))


def test_hyperparameters_are_fitted_where_a_fifth_of_the_trials_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits: list[tuple[int, int, Any]] = []

    def fit(
        features: np.ndarray, _: Any, __: Any, ___: Any, starts: list[Any], prior: Any
    ) -> Hyperparameters:
        fits.append((len(features), len(starts), prior))
        return starts[0]

    monkeypatch.setattr(learning, "fit", fit)
    known = Learning(square(), square(), 1)
    data = [Data(np.zeros((700, 2)), np.arange(700.0), None)]
    for n in (10, 11, 12, 59, 60, 70, 71, 85):
        known._fit(n, data, noisy=n == 71)
    # From where the last fit ended, and while little is known from the most likely lengths, too.
    assert fits == [
        (256, 1, EXACT_LENGTHS),  # 10
        (256, 2, EXACT_LENGTHS),  # 12
        (256, 2, EXACT_LENGTHS),  # 59
        (256, 1, NOISY_LENGTHS),  # 71: 60 and 70 are too soon after 59, and 85 after 71
    ]
    assert known.fitted_at == 71


# -- what candidates descend from


def test_feasible_trials_come_first_and_then_those_that_violate_least() -> None:
    known = Learning(square(), square(), 1)
    targets = np.array([[3.0], [-1.0], [2.0], [1.0], [2.5]])
    assert known._best_first(targets, np.array([0.5, 0.0, 5.0, 0.0, 2.0])).tolist() == [3, 1, 0, 4, 2]


def test_parents_that_are_apart_are_so_by_a_share_of_the_range_among_the_better_half() -> None:
    known = Learning(square(100.0), square(100.0), 1)
    best, near, apart = [50.0, 50.0], [60.0, 50.0], [50.0, 70.0]
    ranked = np.array([best, *[near] * 30, apart, *[[0.0, 0.0]] * 32])
    assert known._spread(ranked).tolist() == [best, apart]
    assert known._spread(ranked[:29]).tolist() == ranked[:24].tolist()


# -- candidates


def test_better_parents_have_more_children() -> None:
    space = ParameterSpace("line").add_parameter("x", "continuous", (0.0, 1.0))
    elite = np.linspace(0.1, 0.9, 16)[:, None]
    children = search_in(space).children(elite, 4000, np.full(4000, 1e-9))[:, 0]
    assert np.mean(children < 0.5) == pytest.approx(math.sqrt(0.5), abs=0.03)


def test_some_children_have_genes_of_two_parents() -> None:
    children = search_in(square()).children(np.array([[0.1, 0.1], [0.9, 0.9]]), 2000, np.full(2000, 1e-9))
    mixed = np.abs(children[:, 0] - children[:, 1]) > 0.5
    # Four tenths are crossed; half of these take a gene of each, which shows where they are two parents.
    assert np.mean(mixed) == pytest.approx(0.4 * 0.5 * 2 * math.sqrt(0.5) * (1 - math.sqrt(0.5)), abs=0.03)


def test_a_chosen_gene_moves_by_a_step_at_least_and_a_choice_to_another() -> None:
    steps = np.full(200, 1e-9)
    whole = ParameterSpace("whole").add_parameter("n", "discrete", (0, 100), step=5)
    moved = search_in(whole).mutated(np.full((200, 1), 50.0), steps)[:, 0]
    assert set(moved.tolist()) == {45.0, 55.0}
    kinds = ParameterSpace("kinds").add_parameter("kind", "categorical", ["a", "b", "c"])
    assert set(search_in(kinds).mutated(np.ones((200, 1)), steps)[:, 0].tolist()) == {0.0, 2.0}


def test_children_hold_the_constraints() -> None:
    space = square().add_constraint("x < y")
    children = search_in(space).children(np.array([[0.49, 0.51]]), 300, np.full(300, 0.3))
    assert 50 < len(children) < 300
    assert (children[:, 0] < children[:, 1]).all()


def test_candidates_come_in_falling_order_from_either_parents() -> None:
    search = search_in(square())
    elite, spread = np.array([[0.1, 0.5]]), np.array([[0.9, 0.5]])
    near_spread = []
    for _ in range(200):
        found = search.maximise(lambda points: points[:, 1], elite, spread, 5)
        assert (np.diff(found[:, 1]) <= 0.0).all()
        if len(found) == 30:  # otherwise it looked everywhere
            near_spread.append(np.median(found[:, 0]) > 0.5)
    assert 130 < len(near_spread) < 190  # of 200, four fifths
    assert np.mean(near_spread) == pytest.approx(0.5, abs=0.12)


def test_a_search_everywhere_closes_in_on_the_peak() -> None:
    found = search_in(square()).search_everywhere(
        lambda points: -np.abs(points - [0.21, 0.83]).sum(axis=1), np.array([[0.9, 0.1]]), 3
    )
    assert np.abs(found - [0.21, 0.83]).max() < 0.01
    assert len(found) == 3


def test_the_neighbours_of_the_best_are_in_the_first_pool() -> None:
    space = ParameterSpace("grid")
    for name in "abcdef":
        space.add_parameter(name, "discrete", (0, 1000))
    best = np.full(6, 500.0)
    gaps = np.abs(search_in(space).pool(best[None]) - best)
    assert ((gaps.sum(axis=1) == 1.0).sum()) >= 12
