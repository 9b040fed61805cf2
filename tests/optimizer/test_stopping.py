"""Whether a search has converged, and what more of it is expected to bring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.optimizer.stopping import has_converged, search_progress


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


@given(scores=st.lists(st.floats(-5.0, 5.0), min_size=16, max_size=200))
def test_gains_add_up_to_what_was_gained(scores: list[float]) -> None:
    found = search_progress(np.array(scores))
    assert found is not None
    assert (found.gains >= 0.0).all()
    assert found.gains.sum() == pytest.approx(max(scores) - max(scores[: len(scores) // 8]))


def test_converged_after_a_doubling_in_vain() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(2000)
    scores[900] = 3.0
    assert not has_converged(scores[:999])
    assert not has_converged(scores[:1700])  # the best came in the later half
    assert has_converged(scores[:1820])
    scores[1500] = 3.001  # too little to count
    assert has_converged(scores[:1820])
    scores[1500] = 3.5
    assert not has_converged(scores[:1820])


def test_failed_trials_count_as_trials_without_gain() -> None:
    scores = np.full(1200, np.nan)
    scores[:100] = 0.5
    scores[100] = 0.7
    assert has_converged(scores)
