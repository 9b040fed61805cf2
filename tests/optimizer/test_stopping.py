"""Whether a search has converged, and what more of it is expected to bring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.optimizer import Optimizer, create_optimizer
from strategy_optimizer.optimizer.stopping import front_progress, search_progress, why_converged
from strategy_optimizer.space import ParameterSpace


def test_gains_are_those_of_the_last_three_doublings() -> None:
    scores = np.zeros(80)
    scores[[3, 15, 30, 70]] = [1.0, 2.0, 4.0, 9.0]  # the best after 10, 20, 40 and 80: 1, 2, 4, 9
    found = search_progress(scores)
    assert found is not None
    assert found.gains.tolist() == [5.0, 2.0, 1.0]
    assert found.spread == 9.0
    assert found.expected == pytest.approx(0.5 * 8.0 / 3.0)


def test_nothing_is_said_of_few_trials_or_of_failures_alone() -> None:
    assert search_progress(np.ones(15)) is None
    assert search_progress(np.full(100, np.nan)) is None
    late = np.full(100, -np.inf)
    late[50] = 1.0
    assert search_progress(late) is None


def test_failures_lower_no_best_and_no_median() -> None:
    scores = np.linspace(0.0, 1.0, 64)
    scores[::2] = np.nan
    found = search_progress(scores)
    assert found is not None
    best = [np.nanmax(scores[: 64 // 2**k]) for k in range(4)]
    np.testing.assert_allclose(found.gains, -np.diff(best))
    assert found.spread == pytest.approx(1.0 - np.nanmedian(scores))
    lost = search_progress(np.where(np.isnan(scores), -np.inf, scores))
    assert lost is not None
    assert (lost.gains.tolist(), lost.spread) == (found.gains.tolist(), found.spread)


@given(scores=st.lists(st.floats(-5.0, 5.0), min_size=16, max_size=200))
def test_gains_add_up_to_what_was_gained(scores: list[float]) -> None:
    found = search_progress(np.array(scores))
    assert found is not None
    assert (found.gains >= 0.0).all()
    assert found.gains.sum() == pytest.approx(max(scores) - max(scores[: len(scores) // 8]))


def test_converged_after_a_fifth_of_the_trials_that_brought_little() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(3000)
    scores[300] = 2.0
    assert not why_converged(scores[:1099])
    assert why_converged(scores[:1100]) == "the last 220 of 1,100 trials raised the best score by 0"
    scores[1500] = 3.0
    assert not why_converged(scores[:1875])  # the best came in the last fifth
    assert why_converged(scores[:1876]) == "the last 375 of 1,876 trials raised the best score by 0"
    scores[1700] = 3.07  # too little to count: the median is 0.5, and 3 % of 2.57 are 0.077
    assert why_converged(scores[:1876]) == "the last 375 of 1,876 trials raised the best score by 0.07"
    scores[1700] = 3.09
    assert not why_converged(scores[:1876])


def test_a_search_that_succeeds_late_has_not_converged() -> None:
    scores = np.full(1200, -np.inf)
    scores[960] = 1.0
    assert why_converged(scores) is None
    scores[959] = 1.0
    assert why_converged(scores)
    assert why_converged(np.full(1000, np.nan)) is None


def test_failed_trials_count_as_trials_without_gain() -> None:
    scores = np.full(1200, np.nan)
    scores[:100] = 0.5
    scores[100] = 0.7
    assert why_converged(scores)
    scores[1000] = 0.707  # 3 % of the distance from the median of those that succeeded are 0.006
    assert why_converged(scores) is None


def test_the_growth_of_a_front_is_in_shares_of_its_hypervolume() -> None:
    scores = np.full((80, 2), -np.inf)
    scores[2] = [1.0, 1.0]
    scores[[30, 60]] = [[2.0, 1.0], [1.0, 2.0]]
    found = front_progress(scores)
    assert found is not None
    # Scaled to 0 .. 1 with the reference at -0.1: areas 0.01, 0.01, 0.11, 0.21 after 10, 20, 40 and 80 trials.
    np.testing.assert_allclose(found.gains, [10 / 21, 10 / 21, 0.0])
    assert found.expected == pytest.approx(0.5 * 20 / 63)


def test_the_reference_lies_below_the_earlier_fronts_as_well() -> None:
    scores = np.full((32, 2), np.nan)
    scores[0] = [0.0, 0.0]
    scores[20] = [1.0, 1.0]  # beats the only point so far: areas 0.1 ** 2 and 1.1 ** 2
    found = front_progress(scores)
    assert found is not None
    np.testing.assert_allclose(found.gains, [1.0 - 0.01 / 1.21, 0.0, 0.0])


@pytest.mark.parametrize(("gain", "converged"), [(0.0049, True), (0.0051, False)])
def test_a_front_has_converged_whose_last_doubling_added_half_a_percent(gain: float, converged: bool) -> None:
    scores = np.full((1000, 2), -np.inf)
    scores[:2] = [[0.0, 1.0], [1.0, 0.0]]  # area 2 * 1.1 * 0.1 - 0.1 ** 2 = 0.21
    corner = 0.21 * gain / (1.0 - gain)  # what a point between them adds
    scores[700] = np.sqrt(corner)
    assert (why_converged(scores) is not None) == converged
    assert why_converged(scores[:999]) is None


def test_a_search_of_four_objectives_that_only_failed_has_not_converged() -> None:
    assert why_converged(np.full((1200, 4), np.nan)) is None


def test_nothing_is_said_of_the_growth_of_a_front_where_it_is_not_known() -> None:
    assert front_progress(np.ones((15, 2))) is None
    assert front_progress(np.full((100, 2), np.nan)) is None
    assert front_progress(np.ones((100, 4))) is None


@pytest.mark.parametrize("m", [2, 3, 4])
def test_a_front_that_does_not_grow_has_converged(m: int) -> None:
    rng = np.random.default_rng(m)
    scores = rng.random((2000, m))
    scores[:5] = 2.0 * np.eye(5, m) + 1.0
    assert why_converged(scores[:999]) is None
    assert "from 600 to 1,200" in str(why_converged(scores[:1200]))
    scores[900] = 1.5
    assert why_converged(scores[:1200]) is None
    assert why_converged(scores)


def noisy_bowl(noise: float, seed: int) -> tuple[Optimizer, int]:
    """Return a search that ended by itself, or did not within 300 trials, and how many it made."""
    space = (
        ParameterSpace("bowl")
        .add_parameter("x", "continuous", (-2, 2))
        .add_parameter("y", "continuous", (-2, 2))
    )
    optimizer = create_optimizer("bo", space, budget=300, seed=seed)
    rng = np.random.default_rng(seed)
    while optimizer.n_told < 300 and optimizer.converged is None:
        (params,) = optimizer.ask(1)
        score = -((params["x"] - 0.7) ** 2) - (params["y"] + 0.3) ** 2 + rng.normal(0.0, noise)
        optimizer.tell([params], [score], std_errors=[noise])
    return optimizer, optimizer.n_told


@pytest.mark.parametrize("seed", range(3))
def test_a_noisy_search_ends_when_nothing_can_be_better_by_more_than_the_noise(seed: int) -> None:
    optimizer, n = noisy_bowl(0.3, seed)
    assert n < 300
    assert "less than the noise of one trial" in str(optimizer.converged)
    best = optimizer.best_params
    assert best is not None
    assert (best["x"] - 0.7) ** 2 + (best["y"] + 0.3) ** 2 < 0.3


def test_asking_whether_it_has_converged_changes_nothing() -> None:
    asked, plain = (
        create_optimizer("hybrid", ParameterSpace("line").add_parameter("x", "continuous", (0, 1)), budget=60)
        for _ in range(2)
    )
    for _ in range(40):
        batches = [each.ask(1) for each in (asked, plain)]
        assert batches[0] == batches[1]
        for each in (asked, plain):
            each.tell(batches[0], [batches[0][0]["x"]], std_errors=[0.1])
        _ = asked.converged
