"""The expected hypervolume improvement against Monte Carlo, and the boxes it is a sum over against the hypervolume."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strategy_optimizer.optimizer.bayes.acquisition import log_expected_improvement
from strategy_optimizer.optimizer.bayes.hypervolume_improvement import (
    boxes_above,
    log_expected_hypervolume_improvement,
)
from strategy_optimizer.optimizer.pareto import hypervolume

TOP = 6.0


@st.composite
def fronts(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.integers(0, 12)), draw(st.integers(1, 3))
    return draw(arrays(np.float64, shape, elements=st.integers(-1, 5).map(float)))


@given(fronts())
def test_the_boxes_fill_what_the_front_leaves(front: np.ndarray) -> None:
    m = front.shape[1]
    lower, upper = boxes_above(front, np.zeros(m))
    upper = np.minimum(upper, TOP)
    for a, b in itertools.combinations(range(len(lower)), 2):
        assert (np.minimum(upper[a], upper[b]) <= np.maximum(lower[a], lower[b])).any(), "boxes overlap"
    volume = float(np.prod(upper - lower, axis=1).sum())
    assert volume + hypervolume(front, np.zeros(m)) == pytest.approx(TOP**m)


@given(fronts(), st.integers(0, 2**32 - 1))
def test_a_sure_trial_adds_the_volume_that_it_adds(front: np.ndarray, seed: int) -> None:
    m = front.shape[1]
    scores = np.random.default_rng(seed).uniform(0.0, TOP, (4, m))
    found = np.exp(
        log_expected_hypervolume_improvement(scores, np.full((4, m), 1e-9), boxes_above(front, np.zeros(m)))
    )
    before = hypervolume(front, np.zeros(m))
    added = [hypervolume(np.vstack([front, row]), np.zeros(m)) - before for row in scores]
    np.testing.assert_allclose(found, added, atol=1e-6)


@pytest.mark.parametrize("m", [2, 3])
def test_it_is_the_mean_over_many_draws(m: int) -> None:
    rng = np.random.default_rng(m)
    front, reference = rng.uniform(0.0, 1.0, (6, m)), np.full(m, -0.2)
    mean, deviation = rng.uniform(0.2, 1.1, (3, m)), rng.uniform(0.05, 0.5, (3, m))
    found = np.exp(log_expected_hypervolume_improvement(mean, deviation, boxes_above(front, reference)))
    before = hypervolume(front, reference)
    for i in range(3):
        draws = mean[i] + deviation[i] * rng.standard_normal((4000, m))
        added = np.array([hypervolume(np.vstack([front, draw]), reference) - before for draw in draws])
        assert found[i] == pytest.approx(added.mean(), abs=5.0 * added.std() / np.sqrt(len(added)))


def test_with_one_objective_it_is_the_expected_improvement() -> None:
    mean, deviation = np.array([0.0, -30.0, 2.0]), np.array([1.0, 0.5, 0.1])
    boxes = boxes_above(np.array([[0.3], [0.8]]), np.zeros(1))
    np.testing.assert_allclose(
        log_expected_hypervolume_improvement(mean[:, None], deviation[:, None], boxes),
        log_expected_improvement(mean, deviation, 0.8),
    )


def test_far_below_the_front_it_still_says_which_is_better() -> None:
    boxes = boxes_above(np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2))
    mean = np.array([[-50.0, -50.0], [-40.0, -50.0], [-40.0, -40.0]])
    found = log_expected_hypervolume_improvement(mean, np.full((3, 2), 0.5), boxes)
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0.0).all()


@pytest.mark.parametrize("m", [2, 3, 4, 5, 6, 7])
def test_a_long_front_makes_no_more_boxes_than_can_be_afforded(m: int) -> None:
    points = np.abs(np.random.default_rng(0).standard_normal((400, m)))
    front = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert 200 < len(boxes_above(front, np.zeros(m)).lower) <= 1000
