"""The same history is known again when bars have been added; another one is not."""

from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.market import Bars
from strategy_optimizer.validation.ledger import months_of

from .conftest import months


def test_a_window_has_the_months_of_its_bars(nasdaq: Bars) -> None:
    found = months_of(nasdaq, (0, 3773))
    part = nasdaq.slice(0, 3773).month_digests()
    assert found.digests.tolist() == [int(digest[:16], 16) for digest in part.values()]
    assert found.numbers.tolist() == [int(np.datetime64(month, "M").astype(int)) for month in part]
    assert found.n_bars == 3773
    assert months_of(nasdaq, None).n_bars == 0


@pytest.mark.parametrize("cut", [1000, 1010, 1255])
def test_the_two_parts_share_no_month(nasdaq: Bars, cut: int) -> None:
    early, late = months_of(nasdaq, (0, cut)), months_of(nasdaq, (cut, 2000))
    assert early.shared_with(late) == late.shared_with(early) == 0.0
    assert early.n_bars + late.n_bars == 2000


def test_new_bars_leave_the_old_months_as_they_were(nasdaq: Bars) -> None:
    before, after = months_of(nasdaq.slice(0, 4000), (0, 3000)), months_of(nasdaq, (0, 3773))
    assert before.shared_with(after) > 0.99  # all but the month that the cut went through
    assert after.shared_with(before) == pytest.approx(3000 / 3773, abs=0.01)


def test_a_changed_price_is_another_month(nasdaq: Bars) -> None:
    close = nasdaq.close.copy()
    close[100] *= 1.0001
    arrays = {name: getattr(nasdaq, name) for name in ("open", "high", "low", "volume", "timestamp")}
    other = Bars(**arrays, close=close)
    whole = (0, nasdaq.n_bars)
    assert 0.99 < months_of(nasdaq, whole).shared_with(months_of(other, whole)) < 1.0


def test_half_of_the_bars_is_the_same_history_and_a_year_of_twenty_is_not() -> None:
    twenty = months(range(240))
    assert twenty.mostly_in(months(range(120, 300)))
    assert not twenty.mostly_in(months(range(121, 300)))
    assert not twenty.mostly_in(months(range(12)))
    assert months(range(12)).mostly_in(twenty)
    assert not months(range(0)).mostly_in(twenty)
