"""Bayesian optimisation against its definitions: the model, the warping, the acquisition, the search."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.stats import norm

from contracts.optimizer import OptimizerContract, mixed_space
from strategy_optimizer.optimizer import BOOptimizer, create_optimizer, restore_optimizer
from strategy_optimizer.optimizer.bayes import gaussian_process as gp
from strategy_optimizer.optimizer.bayes import kernel
from strategy_optimizer.optimizer.bayes.acquisition import log_expected_improvement, log_probability_above
from strategy_optimizer.optimizer.bayes.belief import margin_data, score_data
from strategy_optimizer.optimizer.bayes.candidates import far_apart
from strategy_optimizer.optimizer.bayes.gaussian_process import GaussianProcess, Hyperparameters
from strategy_optimizer.optimizer.bayes.warping import half_rank, standardised
from strategy_optimizer.space import ParameterSpace

CATEGORICAL = np.array([False, False, False, True])


class TestBO(OptimizerContract):
    name = "bo"
    many = 4_000


def some_data(n=25, seed=0):
    """Features with a conditional parameter (column 2) and a categorical one (column 3), and scores."""
    rng = np.random.default_rng(seed)
    features = rng.random((n, 4))
    features[:, 3] = rng.integers(0, 3, n)
    features[rng.random(n) < 0.3, 2] = np.nan
    return features, np.sin(4 * features[:, 0]) + (features[:, 3] == 1) + 0.1 * rng.standard_normal(n)


def slow_correlation(x, z, lengths):
    """The kernel's definition, one pair after the other."""
    out = np.empty((len(x), len(z)))
    for a, p in enumerate(x):
        for b, q in enumerate(z):
            total = 0.0
            for j in range(4):
                if math.isnan(p[j]) and math.isnan(q[j]):
                    continue
                if CATEGORICAL[j]:
                    squared = float(p[j] != q[j])
                elif math.isnan(p[j]) or math.isnan(q[j]):
                    squared = 0.75 + (np.nanmax([p[j], q[j]]) - 0.5) ** 2
                else:
                    squared = (p[j] - q[j]) ** 2
                total += squared / lengths[j] ** 2
            r = math.sqrt(3 * total)
            out[a, b] = (1 + r) * math.exp(-r)
    return out


def model_of(features, scores, extra=None):
    hyperparameters = Hyperparameters(np.array([0.4, 2.0, 0.7, 1.5]), 0.02)
    return GaussianProcess(features, scores, extra, CATEGORICAL, hyperparameters), hyperparameters


@pytest.mark.parametrize("extra", [None, np.linspace(0.0, 0.5, 25)])
def test_the_posterior_is_that_of_the_textbook(extra):
    features, scores = some_data()
    new, _ = some_data(7, seed=1)
    model, h = model_of(features, scores, extra)
    noise = h.noise + (0.0 if extra is None else extra)
    inverse = np.linalg.inv(slow_correlation(features, features, h.lengths) + noise * np.eye(25))
    ones = np.ones(25)
    mean = ones @ inverse @ scores / (ones @ inverse @ ones)
    residual = scores - mean
    scale = (residual @ inverse @ residual + gp.SCALE_POINTS) / (25 + gp.SCALE_POINTS)
    cross = slow_correlation(new, features, h.lengths)
    doubt = (1 - cross @ inverse @ ones) ** 2 / (ones @ inverse @ ones)
    variance = scale * (1 - np.diag(cross @ inverse @ cross.T) + doubt)
    found_mean, deviation = model.predict(new)
    np.testing.assert_allclose(found_mean, mean + cross @ inverse @ residual, rtol=1e-9)
    np.testing.assert_allclose(deviation**2, variance, rtol=1e-8)
    np.testing.assert_allclose(model.predict_mean(new), found_mean, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 0.9))
def test_correlations_have_a_cholesky_factor_with_inactive_parameters_too(seed, share):
    rng = np.random.default_rng(seed)
    features = rng.random((60, 4)).round(1)
    features[:, 3] = rng.integers(0, 3, 60)
    features[rng.random((60, 4)) < share] = np.nan
    matrix = np.empty((60, 60))
    kernel.correlation(features, np.exp(rng.uniform(-6.0, 6.0, 4)), CATEGORICAL, matrix)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9


def test_a_factor_of_points_that_are_all_but_the_same():
    matrix = np.ones((30, 30))
    factor = np.tril(gp.cholesky_factor(matrix))
    np.testing.assert_allclose(factor @ factor.T, matrix, atol=1e-3)
    with pytest.raises(np.linalg.LinAlgError, match="no valid matrix"):
        gp.cholesky_factor(np.array([[1.0, 2.0], [2.0, 1.0]]))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_gradient_of_the_fit(seed):
    features, scores = some_data(seed=seed)
    at = np.random.default_rng(seed).normal(-1.0, 1.0, 5)
    at = np.clip(at, [-3.0] * 4 + [-8.0], [2.0] * 4 + [-1.0])
    arguments = (features, scores, None, CATEGORICAL)
    gradient = gp._loss(at, *arguments)[1]
    numeric = approx_fprime(at, lambda values: gp._loss(values, *arguments)[0], 1e-6)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-4)


def test_a_fit_finds_which_parameters_matter():
    rng = np.random.default_rng(2)
    features = rng.random((80, 4))
    features[:, 3] = rng.integers(0, 3, 80)
    scores = np.sin(6 * features[:, 0])
    scores = (scores - scores.mean()) / scores.std()
    fitted = gp.fit(features, scores, None, CATEGORICAL, [Hyperparameters.default(4)])
    assert fitted.lengths[0] < 1.0
    assert (fitted.lengths[1:] > 3 * fitted.lengths[0]).all()
    assert fitted.noise < 1e-3


def test_leaving_one_out_is_leaving_it_out():
    features, scores = some_data()
    model, h = model_of(features, scores)
    inverse = np.linalg.inv(slow_correlation(features, features, h.lengths) + h.noise * np.eye(25))
    means, _ = model.leave_one_out()
    for i in (0, 11):
        others = np.arange(25) != i
        cross = slow_correlation(features[[i]], features[others], h.lengths)
        without = np.linalg.inv(
            slow_correlation(features[others], features[others], h.lengths) + h.noise * np.eye(24)
        )
        left = model.mean + cross @ without @ (scores[others] - model.mean)
        assert means[i] == pytest.approx(left[0], rel=1e-8)
    assert len(inverse) == 25


def test_expected_trials_make_surer_and_leave_the_mean():
    features, scores = some_data()
    new, _ = some_data(5, seed=3)
    model, _ = model_of(features, scores)
    expecting = model.expecting(new)
    assert (expecting.predict(new)[1] < model.predict(new)[1]).all()
    np.testing.assert_allclose(expecting.predict_mean(new), model.predict_mean(new), atol=0.02)


def test_log_expected_improvement():
    z = np.array([3.0, 0.0, -0.9, -1.1, -5.0])
    plain = norm.pdf(z) + z * norm.cdf(z)
    np.testing.assert_allclose(
        log_expected_improvement(2 * z, np.full(5, 2.0), 0.0), np.log(2 * plain), rtol=1e-7
    )


@pytest.mark.parametrize(
    ("z", "expected"),  # mpmath, 30 digits: log(phi(z) + z Phi(z))
    [(-10.0, -55.5532), (-40.0, -808.3), (-1000.0, -500014.7), (-1e5, -5000000023.9)],
)
def test_log_expected_improvement_far_from_the_best(z, expected):
    value = log_expected_improvement(np.array([z]), np.ones(1), 0.0)[0]
    # The leading terms of the asymptotic series: -z^2/2 - log(sqrt(2 pi)) - 2 log|z| + log(1 - 3/z^2 + 15/z^4).
    series = -z * z / 2 - 0.5 * math.log(2 * math.pi) - 2 * math.log(-z) + math.log1p(-3 / z**2 + 15 / z**4)
    assert value == pytest.approx(series, rel=1e-3 if z > -20 else 1e-6)
    assert value == pytest.approx(expected, rel=2e-3)


def test_probability_above_a_threshold():
    value = log_probability_above(np.array([0.0, -50.0]), np.ones(2), 0.0)
    np.testing.assert_allclose(value, norm.logsf([0.0, 50.0]), rtol=1e-12)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=2, max_size=60))
def test_warping_keeps_the_order_and_puts_failures_last(values):
    scores = np.array(values)
    warped = half_rank(scores)
    assert np.isfinite(warped).all()
    done = ~np.isnan(scores)
    order = np.argsort(scores[done], kind="stable")
    assert (np.diff(warped[done][order]) >= -1e-9).all()
    if done.any() and not done.all():
        assert warped[~done].max() <= warped[done].min() + 1e-9


def test_warping_tames_a_heavy_bad_tail_and_keeps_the_good_half_straight():
    scores = np.concatenate([np.linspace(0, 1, 50), -np.geomspace(1, 1e9, 50)])
    warped = half_rank(scores)
    assert warped.min() > -5.0
    steps = np.diff(warped[:50])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_warping_knows_no_scale(scale):
    scores = np.random.default_rng(0).standard_normal(40)
    np.testing.assert_allclose(half_rank(scale * scores), half_rank(scores), rtol=1e-9, atol=1e-9)


def test_an_infinite_margin_is_a_far_one():
    values = np.array([-math.inf, -2.0, -1.0, 0.5, 3.0, math.inf])
    targets, zero = standardised(values)
    assert np.isfinite(targets).all()
    assert ((targets > zero) == (values > 0)).all()
    for only in (-math.inf, math.inf):
        targets, zero = standardised(np.full(3, only))
        assert targets.tolist() == [0.0] * 3
        assert np.sign(0.0 - zero) == np.sign(only)


def test_margins_that_are_not_known():
    features = np.arange(4.0)[:, None]
    margins = np.array([[1.0, math.nan], [math.nan, math.nan], [math.nan, math.nan], [-1.0, math.nan]])
    assert (
        len(margin_data(features, margins, np.zeros(4, bool))[0]) == 1
    )  # of the second none is known: no model
    found, thresholds = margin_data(features, margins, np.array([False, True, False, False]))
    data, zero = found[0], thresholds[0]
    assert data.features[:, 0].tolist() == [0.0, 1.0, 3.0]
    assert ((data.targets > zero) == [True, False, False]).all()
    assert data.targets[1] <= data.targets[2]


def test_an_infinite_standard_error_says_that_nothing_is_known():
    scores = np.linspace(0.0, 1.0, 8)[:, None]
    errors = np.full((8, 1), math.nan)
    errors[:3, 0] = (0.1, 1e200, math.inf)
    (data,) = score_data(np.arange(8.0)[:, None], scores, errors, np.ones(8, bool))
    assert data.extra_noise is not None
    assert data.extra_noise[3:].tolist() == [0.0] * 5
    assert 0.0 < data.extra_noise[0] < 1.0
    assert data.extra_noise[1:3] == pytest.approx(1e12)
    (larger,) = score_data(np.arange(8.0)[:, None], 1000.0 * scores, 1000.0 * errors, np.ones(8, bool))
    assert larger.extra_noise[0] == pytest.approx(data.extra_noise[0])


def test_standardised_keeps_the_sign():
    values = np.array([-1e9, -2.0, -1.0, 0.5, 3.0, 4.0])
    targets, zero = standardised(values)
    assert ((targets > zero) == (values > 0)).all()


def bowl(params):
    return (
        -((params["a"] - 0.3) ** 2)
        - (params["b"] - 0.7) ** 2
        - ((params["c"] - 12) / 30) ** 2
        - 0.1 * (params["d"] != "y")
    )


def bowl_space():
    space = (
        ParameterSpace("bowl")
        .add_parameter("a", "continuous", (0, 1))
        .add_parameter("b", "continuous", (0, 1))
    )
    return space.add_parameter("c", "discrete", (1, 30)).add_parameter("d", "categorical", ["x", "y", "z"])


def test_a_bowl_is_found_in_40_trials():
    optimizer = BOOptimizer(bowl_space(), n_calls=40, random_state=3)
    params, score = optimizer.optimize(bowl)
    assert (params["c"], params["d"]) == (12, "y")
    assert score > -1e-4


def test_an_outcome_constraint_is_learnt():
    optimizer = BOOptimizer(bowl_space(), n_calls=40, random_state=1)
    n_feasible = 0
    for _ in range(40):
        batch = optimizer.ask(1)
        allowed = batch[0]["a"] - 0.5  # the best of the bowl, at 0.3, is forbidden
        optimizer.tell(batch, [bowl(batch[0])], constraints=[[allowed]])
        n_feasible += allowed >= 0
    assert optimizer.best_params["a"] == pytest.approx(0.5, abs=0.03)
    assert n_feasible > 20


def test_trials_whose_constraint_is_not_known_are_left_for_others():
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=2)
    n_unknown = 0
    for number in range(50):
        batch = optimizer.ask(1)
        unknown = batch[0]["a"] < 0.5  # where the best of the bowl lies
        optimizer.tell(batch, [bowl(batch[0])], constraints=[[math.nan if unknown else 1.0]])
        n_unknown += unknown and number >= 20
    assert optimizer.best_params["a"] == pytest.approx(0.5, abs=0.05)
    assert n_unknown < 20


def test_points_of_a_batch_do_not_clump():
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0)
    for _ in range(3):
        batch = optimizer.ask(8)
        optimizer.tell(batch, [bowl(params) for params in batch])
    points = bowl_space().to_unit(bowl_space().from_dicts(optimizer.ask(8)))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(8, 1)]
    # The place of the best is all but known after 24 trials; without expecting each other they lie 0.007 apart.
    assert np.median(distances) > 0.02


def test_points_that_are_out_and_points_of_the_batch_are_worth_little_more():
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0)
    advanced(optimizer, 24, 8)
    points = bowl_space().sample(40, 1)
    belief, none = optimizer._belief(), points[:0]
    alone = optimizer._worth(belief, none)(points)
    best = points[[np.argmax(alone)]]
    assert optimizer._worth(belief, best)(best)[0] < alone.max() - 1.0  # chosen already
    optimizer._queue = best
    optimizer.ask(1)
    assert optimizer._worth(belief, none)(best)[0] < alone.max() - 1.0  # out
    assert optimizer._worth(belief, none)(points[[np.argmin(alone)]])[0] == pytest.approx(
        alone.min(), abs=2.0
    )


def test_what_is_expected_already_is_to_be_beaten():
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0)
    advanced(optimizer, 24, 8)
    belief = optimizer._belief()
    features = optimizer._learning.features(bowl_space().sample(3, 1))
    front = belief.expecting(features).front[:, 0]
    assert front.tolist()[:-3] == belief.front[:, 0].tolist()
    np.testing.assert_allclose(front[-3:], belief.score_models[0].predict_mean(features))


def test_the_regret_is_from_the_highest_hope_to_the_surest_trial():
    optimizer = noisy_search()
    belief = optimizer._belief()
    model, features = belief.score_models[0], belief.score_models[0].features
    mean, deviation = model.predict(features)
    np.testing.assert_allclose(belief.optimism()(features), mean + 2.0 * deviation)
    surest = int(np.argmax(mean - 2.0 * deviation))
    scores, targets = belief.scores[:, 0], belief.targets[:, 0]
    best, second = np.argsort(-scores)[:2]  # above the median a target is a line
    to_score = (scores[best] - scores[second]) / (targets[best] - targets[second])
    found = belief.regret(1.5)
    assert found.bound == pytest.approx(to_score * (1.5 - (mean - 2.0 * deviation)[surest]))
    variance = model.scale * (model.hyperparameters.noise + model.extra_noise[surest])
    assert found.noise == pytest.approx(to_score * math.sqrt(variance))


def test_told_noise_is_believed():
    """Of two lucky trials the one that was measured exactly is trusted more."""
    space = ParameterSpace("line").add_parameter("x", "continuous", (0, 1))
    optimizer = BOOptimizer(space, n_calls=30, random_state=0)
    x = np.linspace(0, 1, 12)[:, None]
    scores = -((x[:, 0] - 0.5) ** 2)
    scores[1] += 0.5
    errors = np.full(12, 1e-3)
    errors[1] = 1.0
    optimizer.tell_array(x, scores, std_errors=errors)
    asked = [params["x"] for params in optimizer.ask(3)]  # the first design may come first
    optimizer.tell([{"x": value} for value in asked], [-((value - 0.5) ** 2) for value in asked])
    belief = optimizer._belief()
    assert belief is not None
    noise = belief.score_models[0].extra_noise
    assert noise is not None
    assert noise.max() > 100 * np.median(noise)


def test_a_state_without_history_is_small_and_continues():
    space = mixed_space()
    optimizer = create_optimizer("bo", space, budget=100, seed=5)
    for _ in range(40):
        batch = optimizer.ask(1)
        optimizer.tell(batch, [params["size"] for params in batch])
    text = json.dumps(optimizer.state(history=False))
    assert len(text) < 10_000
    again = restore_optimizer(space, json.loads(text), (optimizer.log.points, optimizer.log.scores))
    for _ in range(6):
        one, other = optimizer.ask(1), again.ask(1)
        assert one == other
        optimizer.tell(one, [one[0]["size"]])
        again.tell(other, [other[0]["size"]])


def test_the_model_of_a_restored_search_has_the_same_bits():
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0)
    advanced(optimizer, 20)
    optimizer.ask(1)
    model = optimizer._belief().score_models[0]
    odd = next(x for x in np.linspace(0.1, 0.9, 1000) if math.exp(math.log(x)) != x)
    optimizer._learning._hyperparameters = [Hyperparameters(model.hyperparameters.lengths * odd, odd)]
    twin = restore_optimizer(bowl_space(), json.loads(json.dumps(optimizer.state())))
    (found,), (known,) = twin._learning._hyperparameters, optimizer._learning._hyperparameters
    assert found.lengths.tolist() == known.lengths.tolist()
    assert found.noise == known.noise


def test_repeated_trials_that_differ_in_their_margins_only_may_be_told_in_any_order():
    one, other = (create_optimizer("bo", bowl_space(), budget=60, seed=1, repeats=2) for _ in range(2))
    point = {"a": 0.5, "b": 0.5, "c": 9, "d": "x"}
    points = [point, point, {**point, "c": 20}, {**point, "a": 0.2}]
    scores, margins, errors = [0.5, 0.5, 0.3, 0.1], [[1.0], [-1.0], [2.0], [-0.5]], [0.1, 0.4, None, 0.2]
    one.tell(points, scores, constraints=margins, std_errors=errors)
    other.tell(points[::-1], scores[::-1], constraints=margins[::-1], std_errors=errors[::-1])
    first, second = one._belief(), other._belief()
    assert first.margin_models[0].scores.tolist() == second.margin_models[0].scores.tolist()
    assert first.score_models[0].extra_noise.tolist() == second.score_models[0].extra_noise.tolist()


def noisy_search(seed=0, n=40):
    optimizer = BOOptimizer(bowl_space(), n_calls=200, random_state=seed)
    rng = np.random.default_rng(seed)
    while optimizer.n_told < n:
        batch = optimizer.ask(4)
        scores = [bowl(params) + rng.normal(0.0, 0.3) for params in batch]
        optimizer.tell(batch, scores, std_errors=[0.2, 0.3, 0.4, None])
    return optimizer


def test_the_winner_of_a_noisy_search_does_not_depend_on_when_it_was_looked_at():
    for seed in range(4):
        optimizer = noisy_search(seed)
        assert optimizer.best_params is not None
        optimizer.ask(1)  # the model is fitted anew
        assert optimizer._learning.fitted_at == 40
        twin = restore_optimizer(bowl_space(), json.loads(json.dumps(optimizer.state())))
        assert twin.best_params == optimizer.best_params


def test_a_noisy_trial_that_violates_a_constraint_or_failed_does_not_win():
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0)
    points = bowl_space().to_dicts(bowl_space().sample(12, 1))
    margins = [[-1.0]] * 6 + [[1.0]] * 6
    optimizer.tell(points, [9.0] * 6 + [1.0] * 5 + [None], constraints=margins, std_errors=[0.1] * 12)
    assert optimizer.best_params in points[6:11]


@pytest.mark.parametrize(
    ("errors", "repeats", "is_noisy"),
    [
        ([None, None, None], 1, False),
        ([None, None, None], 2, True),
        ([0.1, 0.1, 0.1], 1, True),
        (
            [0.1, 0.1, None],
            1,
            False,
        ),  # only the best one is known exactly, as where others were stopped early
        ([None, None, 0.1], 1, True),
        ([0.0, 0.0, 0.0], 1, False),
    ],
)
def test_a_search_is_noisy_when_its_best_score_may_be_luck(errors, repeats, is_noisy):
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0, repeats=repeats)
    points = bowl_space().to_dicts(bowl_space().sample(3, 1))
    assert optimizer._noisy == (repeats > 1)
    optimizer.tell(points, [1.0, 2.0, 3.0], std_errors=errors)
    assert optimizer._noisy == is_noisy


def test_of_equally_good_trials_one_that_may_be_luck_makes_a_search_noisy_and_a_hopeless_one_none():
    optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0)
    points = bowl_space().to_dicts(bowl_space().sample(4, 1))
    optimizer.tell(points[:1], [9.0], constraints=[[-1.0]], std_errors=[0.1])
    assert optimizer._noisy  # nothing may win yet
    optimizer.tell(points[1:3], [1.0, 2.0], constraints=[[1.0], [1.0]])
    assert not optimizer._noisy
    optimizer.tell(points[3:], [2.0], constraints=[[1.0]], std_errors=[0.1])
    assert optimizer._noisy


def test_the_model_trusts_a_score_with_a_standard_error_less():
    points = bowl_space().sample(12, 1)
    scores = np.array([bowl(params) for params in bowl_space().to_dicts(points)])
    row = int(np.argmin(scores))  # as a trial that was stopped early, and told far too low
    means = []
    for errors in (None, np.where(np.arange(12) == row, 5.0, np.nan)):
        optimizer = BOOptimizer(bowl_space(), n_calls=60, random_state=0)
        optimizer.tell_array(points, np.where(np.arange(12) == row, -9.0, scores), std_errors=errors)
        dense = optimizer._densify(points[row : row + 1])
        means.append(float(optimizer.chance_to_beat(dense, float(np.median(scores)))[0]))
    assert means[1] > 2.0 * means[0]


def test_a_noisy_search_continues_from_a_state_without_history():
    optimizer = noisy_search()
    log = optimizer.log
    history = log.points, log.scores, None, None, log.std_errors
    twin = restore_optimizer(bowl_space(), json.loads(json.dumps(optimizer.state(history=False))), history)
    assert twin.best_params == optimizer.best_params
    assert twin.ask(4) == optimizer.ask(4)
    assert json.dumps(twin.state()) == json.dumps(optimizer.state())


def test_a_thousand_trials_keep_the_model_small():
    optimizer = BOOptimizer(bowl_space(), n_calls=2000, random_state=0)
    points = bowl_space().sample(1500, 0)
    optimizer.tell_array(points, [bowl(params) for params in bowl_space().to_dicts(points)])
    for _ in range(14):  # past the first design
        batch = optimizer.ask(4)
        optimizer.tell(batch, [bowl(params) for params in batch])
    assert optimizer.best_score > -0.005


def test_points_that_are_apart_lose_only_those_close_to_a_better_one():
    points = np.random.default_rng(0).random((200, 3))
    taken = far_apart(points, 0.3, 200)
    assert taken[0] == 0
    for i in range(200):
        better = taken[taken < i]
        apart = all(np.abs(points[i] - points[j]).max() >= 0.3 for j in better)
        assert (i in taken) == apart


def test_at_most_so_many_points_are_taken_apart_and_equal_ones_once():
    points = np.random.default_rng(1).random((50, 2))
    assert len(far_apart(points, 0.01, 7)) == 7
    assert far_apart(np.zeros((5, 2)), 0.1, 5).tolist() == [0]


def advanced(optimizer, until, size=1):
    """Run a search on the bowl until so many trials are told; the parameters of all asked since."""
    asked = []
    while optimizer.n_told < until:
        batch = optimizer.ask(min(size, until - optimizer.n_told))
        optimizer.tell(batch, [bowl(params) for params in batch])
        asked += batch
    return asked


def described(dense, space):
    """Dense points as the sets of their keys."""
    return set(space.keys(space.deactivate(dense)).tolist())


@pytest.mark.parametrize("size", [1, 8])
def test_a_second_search_begins_anew_and_joins_the_first(size):
    optimizer = create_optimizer("bo", bowl_space(), budget=200, seed=5)
    advanced(optimizer, 100, size)
    fresh = advanced(optimizer, 110, size)
    advanced(optimizer, 130, size)
    keys = optimizer.log.keys
    elite = described(optimizer._belief().elite, optimizer.space)
    assert elite <= set(keys[100:].tolist())
    assert float(optimizer._belief().front.max()) < float(optimizer._belief().targets.max())
    advanced(optimizer, 160, size)
    elite = described(optimizer._belief().elite, optimizer.space)
    assert elite & set(keys[:100].tolist())
    assert optimizer._belief().front.max() == optimizer._belief().targets.max()
    # Sobol points of the whole space, no children of the best.
    spread = np.ptp(np.array([params["a"] for params in fresh]))
    assert spread > 0.6


@pytest.mark.parametrize(
    "settings",
    [
        {"budget": 199},
        {"budget": 200, "second_search": False},
        {"budget": 200, "directions": ["maximize"] * 2},
    ],
)
def test_where_no_second_search_begins(settings):
    optimizer = create_optimizer("bo", bowl_space(), seed=5, **settings)
    while optimizer.n_told < 110:
        batch = optimizer.ask(10)
        scores = [bowl(params) for params in batch]
        optimizer.tell(batch, [[s, -s] for s in scores] if "directions" in settings else scores)
    assert optimizer._second_since is None


@pytest.mark.parametrize("n", [101, 108, 131, 161])
def test_a_search_resumed_within_its_second_search_goes_on_alike(n):
    optimizer = create_optimizer("bo", bowl_space(), budget=200, seed=6)
    advanced(optimizer, n)
    out = optimizer.ask(3)  # still out when it is saved, and told in another order after
    twin = restore_optimizer(optimizer.space, json.loads(json.dumps(optimizer.state())))
    for each, batch in ((optimizer, out), (twin, out[::-1])):
        each.tell(batch, [bowl(params) for params in batch])
    assert advanced(twin, n + 8) == advanced(optimizer, n + 8)


def test_a_second_search_waits_for_its_own_results():
    optimizer = create_optimizer("bo", bowl_space(), budget=200, seed=7)
    advanced(optimizer, 100)
    out = optimizer.ask(30)  # none is told: there is nothing to descend from
    assert len(out) == 30
    assert optimizer._belief() is None
    optimizer.tell(out, [bowl(params) for params in out])
    assert described(optimizer._belief().elite, optimizer.space) <= set(optimizer.log.keys[100:].tolist())
