"""Sums of Sharpe ratios pool to the variance of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.validation.ledger import SharpeSpread, pooled
from strategy_optimizer.validation.statistics import NotEnough, trials_sharpe_variance

SHARPES = st.lists(st.floats(-0.3, 0.3), max_size=30)


@given(parts=st.lists(SHARPES, min_size=1, max_size=5))
def test_pooled_is_the_variance_of_all(parts: list[list[float]]) -> None:
    found = pooled([SharpeSpread.of(np.array(part), 500) for part in parts])
    every = np.array([value for part in parts for value in part])
    assert found.count == len(every)
    if len(every):
        assert found.mean == pytest.approx(every.mean(), abs=1e-12)
        assert found.squares == pytest.approx(((every - every.mean()) ** 2).sum(), abs=1e-12)


def test_one_part_has_the_variance_of_the_statistic() -> None:
    values = np.append(np.random.default_rng(1).normal(0.02, 0.01, 300), np.nan)
    assert SharpeSpread.of(values, 500).variance == pytest.approx(trials_sharpe_variance(values), rel=1e-12)


def test_too_few_and_equal_ones_have_none() -> None:
    for values in ([], [0.1], [np.nan, 0.1], [0.1, 0.1]):
        assert isinstance(SharpeSpread.of(np.array(values), 500).variance, NotEnough)


def test_sharpe_ratios_without_skill_have_the_variance_of_the_longer_record() -> None:
    """The scale is that of luck: records of 100 returns, scaled to 400, scatter as records of 400 do."""
    rng = np.random.default_rng(2)

    def luck(n: int) -> SharpeSpread:
        returns = rng.normal(0.0, 0.01, (20_000, n))
        return SharpeSpread.of(returns.mean(axis=1) / returns.std(axis=1, ddof=1), n)

    short, long = luck(100), luck(400)
    assert short.over(400).variance == pytest.approx(long.variance, rel=0.05)
    assert pooled([long, short]).observations == 400
    assert pooled([long, short]).variance == pytest.approx(long.variance, rel=0.05)


def test_over_the_same_observations_nothing_changes() -> None:
    spread = SharpeSpread.of(np.array([0.1, 0.3]), 250)
    assert spread.over(250) == spread
