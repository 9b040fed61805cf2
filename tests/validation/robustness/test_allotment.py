"""A cap is kept, and no part gets trials that it can make nothing of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.robustness.allotment import SINGLE_TRIALS, allotted_trials
from strategy_optimizer.validation.robustness.cost_perturbation import MOST_BREAK_EVEN_TRIALS
from strategy_optimizer.validation.robustness.data_perturbation import KINDS


@settings(deadline=None)
@given(neighbours=st.integers(0, 300), replications=st.integers(0, 300), most=st.integers(13, 1500))
def test_shares_keep_the_cap_and_serve_their_statistic(neighbours, replications, most):
    shares = allotted_trials(neighbours, replications, most)
    assert sum(shares.values()) + SINGLE_TRIALS <= most
    assert shares["parameters"] == 0 or shares["parameters"] >= min(10, neighbours)
    assert all(shares[kind] == 0 or shares[kind] >= min(20, replications) for kind in KINDS)
    assert shares["break_even"] in (0, MOST_BREAK_EVEN_TRIALS)


@settings(deadline=None)
@given(neighbours=st.integers(10, 300), most=st.integers(13, 1500))
def test_the_parameters_are_never_left_out(neighbours, most):
    assert allotted_trials(neighbours, 100, most)["parameters"] >= 10


def test_without_a_cap_all_parts_get_what_they_want():
    expected = {"parameters": 86, **dict.fromkeys(KINDS, 100), "break_even": MOST_BREAK_EVEN_TRIALS}
    assert allotted_trials(86, 100, None) == allotted_trials(86, 100, 413) == expected


def test_a_cap_that_leaves_nothing_is_refused():
    with pytest.raises(StatisticsError, match="most_trials is 12; expected at least 13"):
        allotted_trials(86, 100, 12)
