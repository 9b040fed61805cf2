"""The same history is known again when bars have been added; another one is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategy_optimizer.market import Bars
from strategy_optimizer.market.synthetic import RandomWalk, synthetic_market
from strategy_optimizer.validation.ledger import months_of

from .conftest import months


def test_a_window_has_the_months_of_its_bars(nasdaq: Bars) -> None:
    found = months_of(nasdaq, (0, 3773))
    part = nasdaq.slice(0, 3773)
    assert found.digests.tolist() == months_of(part, (0, 3773)).digests.tolist()
    assert len(np.unique(found.digests)) == len(found.digests) == 180
    assert found.numbers.tolist() == [
        int(np.datetime64(month, "M").astype(int)) for month, _ in part.month_rows()
    ]
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


def changed(bars: Bars, **columns: Any) -> Bars:
    names = ("open", "high", "low", "close", "volume", "timestamp", "symbols")
    return Bars(**{name: getattr(bars, name) for name in names} | columns)


def shared(bars: Bars, other: Bars) -> float:
    return months_of(bars, (0, bars.n_bars)).shared_with(months_of(other, (0, other.n_bars)))


def test_a_changed_price_is_another_month(nasdaq: Bars) -> None:
    close = nasdaq.close.copy()
    close[100] *= 1.0003
    assert 0.99 < shared(nasdaq, changed(nasdaq, close=close)) < 1.0


@pytest.mark.parametrize("factor", [2.0, 0.9871234, 1e-3, 117.3])
def test_prices_of_another_unit_are_the_same_history(nasdaq: Bars, factor: float) -> None:
    assert shared(nasdaq, changed(nasdaq, close=factor * nasdaq.close)) == 1.0


def test_prices_adjusted_anew_for_a_dividend_are_the_same_history(nasdaq: Bars) -> None:
    """Every price before the day is another one, and in single precision, as vendors keep them."""
    close = nasdaq.close.copy()
    close[:4000] *= 0.993
    assert shared(nasdaq, changed(nasdaq, close=close.astype(np.float32).astype(np.float64))) > 0.9


def test_the_hour_and_the_volume_of_the_bars_do_not_matter(nasdaq: Bars) -> None:
    later = changed(nasdaq, timestamp=nasdaq.timestamp + 16 * 3_600 * 10**9, volume=0.0 * nasdaq.volume)
    assert shared(nasdaq, later) == 1.0


def test_other_markets_share_no_month(nasdaq: Bars, sp500: Bars) -> None:
    assert shared(nasdaq, sp500) == 0.0
    walks = [synthetic_market(1512, RandomWalk(volatility=0.02), seed=seed) for seed in (1, 2)]
    assert shared(*walks) == 0.0


def test_the_order_of_symbols_does_not_matter_and_their_set_does(nasdaq: Bars, sp500: Bars) -> None:
    n = min(nasdaq.n_bars, sp500.n_bars)

    def together(**markets: Bars) -> Bars:
        names = ("open", "high", "low", "close", "volume")
        columns = {
            name: np.column_stack([getattr(market, name)[:n] for market in markets.values()])
            for name in names
        }
        return Bars(**columns, timestamp=nasdaq.timestamp[:n], symbols=tuple(markets))

    pair = together(a=nasdaq, b=sp500)
    assert shared(pair, together(b=sp500, a=nasdaq)) == 1.0
    assert shared(pair, together(a=sp500, b=nasdaq)) == shared(pair, nasdaq) == 0.0


def test_half_of_the_bars_is_the_same_history_and_a_year_of_twenty_is_not() -> None:
    twenty = months(range(240))
    assert twenty.mostly_in(months(range(120, 300)))
    assert not twenty.mostly_in(months(range(121, 300)))
    assert not twenty.mostly_in(months(range(12)))
    assert months(range(12)).mostly_in(twenty)
    assert not months(range(0)).mostly_in(twenty)
