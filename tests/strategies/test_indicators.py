"""Every indicator equals a slow loop over its definition, and never looks ahead."""

from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.strategies import indicators as ind

PRICES = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, 300)))
HIGH, LOW = PRICES * 1.01, PRICES * 0.985


def window(x, t, n):
    return x[t - n + 1 : t + 1]


def slow_ema(x, n):
    values = [np.nan] * (n - 1) + [sum(x[:n]) / n]
    for value in x[n:]:
        values.append(values[-1] + 2 / (n + 1) * (value - values[-1]))
    return values


def index_of(gain, loss):
    return 100 - 100 / (1 + gain / loss) if loss > 0 else 100.0


def slow_rsi(x, n):
    steps = np.diff(x)
    ups, downs = np.maximum(steps, 0), np.maximum(-steps, 0)
    gain, loss = ups[:n].mean(), downs[:n].mean()
    values = [np.nan] * n + [index_of(gain, loss)]
    for up, down in zip(ups[n:], downs[n:], strict=True):
        gain, loss = (gain * (n - 1) + up) / n, (loss * (n - 1) + down) / n
        values.append(index_of(gain, loss))
    return values


def slow_atr(n):
    ranges = [
        max(HIGH[t] - LOW[t], abs(HIGH[t] - PRICES[t - 1]), abs(LOW[t] - PRICES[t - 1]))
        for t in range(1, len(PRICES))
    ]
    values = [np.nan] * n + [sum(ranges[:n]) / n]
    for value in ranges[n:]:
        values.append((values[-1] * (n - 1) + value) / n)
    return values


def by_window(function):
    def slow(n):
        return [np.nan if t < n - 1 else function(window(PRICES, t, n)) for t in range(len(PRICES))]

    return slow


CASES = {
    "lagged": (lambda x, n: ind.lagged(x, n), lambda n: [np.nan] * n + list(PRICES[:-n])),
    "change": (lambda x, n: ind.change(x, n), lambda n: [np.nan] * n + list(PRICES[n:] / PRICES[:-n] - 1)),
    "sma": (ind.sma, by_window(np.mean)),
    "wma": (ind.wma, by_window(lambda w: np.average(w, weights=np.arange(1, len(w) + 1)))),
    "ema": (ind.ema, lambda n: slow_ema(PRICES, n)),
    "rolling_std": (ind.rolling_std, by_window(np.std)),
    "rolling_max": (ind.rolling_max, by_window(np.max)),
    "rolling_min": (ind.rolling_min, by_window(np.min)),
    "rsi": (ind.rsi, lambda n: slow_rsi(PRICES, n)),
    "atr": (lambda x, n: ind.atr(HIGH[: len(x)], LOW[: len(x)], x, n), slow_atr),
}


@pytest.mark.parametrize("n", [1, 2, 14, 100])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_slow_loop(name, n):
    fast, slow = CASES[name]
    np.testing.assert_allclose(fast(PRICES, n), slow(n), rtol=1e-10, atol=1e-9)


WINDOWS = {
    "sma": np.mean,
    "wma": lambda w: np.average(w, weights=np.arange(1, len(w) + 1)),
    "rolling_std": np.std,
    "rolling_max": np.max,
    "rolling_min": np.min,
}


@pytest.mark.parametrize("n", [2, 3, 7, 50, 200])
@pytest.mark.parametrize("name", WINDOWS)
def test_jumps_leave_nothing_behind(name, n):
    """Splits, spikes and stretches that stand still: what a carried sum was must not stay in it."""
    rng = np.random.default_rng(n)
    for scale in (1.0, 1e-6, 1e9):
        x = scale * (100.0 + np.cumsum(rng.normal(0, 1e-3, 1000)))
        x[300:] /= 1000.0
        x[450] *= 1e6
        x[600:700] = x[600]
        slow = [np.nan] * (n - 1) + [WINDOWS[name](x[t - n + 1 : t + 1]) for t in range(n - 1, len(x))]
        fast = getattr(ind, name)(x, n)
        np.testing.assert_allclose(fast, slow, rtol=1e-8, atol=1e-12 * scale)  # some roundings of 100


@pytest.mark.parametrize("n", [2, 5, 20])
def test_what_stands_still_has_no_deviation(n):
    x = np.concatenate([PRICES, np.full(100, 7.1)])
    assert (ind.rolling_std(x, n)[len(PRICES) + 2 * n :] == 0.0).all()


@pytest.mark.parametrize("n", [1, 5, 14])
@pytest.mark.parametrize("name", sorted(set(CASES) - {"lagged", "change"}))
def test_nan_begins_an_indicator_anew(name, n):
    fast, _ = CASES[name]
    broken = PRICES.copy()
    broken[[0, 1, 100, 110, 111, 299]] = np.nan
    pieces = [slice(2, 100), slice(101, 110), slice(112, 299)]
    if name == "atr":
        found = ind.atr(HIGH, LOW, broken, n)
        expected = [ind.atr(HIGH[piece], LOW[piece], PRICES[piece], n) for piece in pieces]
    else:
        found = fast(broken, n)
        expected = [fast(PRICES[piece].copy(), n) for piece in pieces]
    for piece, own in zip(pieces, expected, strict=True):
        np.testing.assert_array_equal(found[piece], own)
    known = np.zeros(len(PRICES), bool)
    for piece in pieces:
        known[piece] = True
    assert name == "atr" or np.isnan(found[~known]).all()


def test_an_indicator_of_an_indicator_begins_where_the_inner_one_does():
    inner = ind.rsi(PRICES, 14)
    signal = ind.ema(inner, 9)
    assert np.isnan(signal[:22]).all()
    np.testing.assert_array_equal(signal[14:], ind.ema(inner[14:].copy(), 9))


@pytest.mark.parametrize("name", CASES)
def test_the_past_does_not_change_when_bars_are_added(name):
    fast, _ = CASES[name]
    np.testing.assert_array_equal(fast(PRICES[:200].copy(), 14), fast(PRICES, 14)[:200])


@pytest.mark.parametrize("name", CASES)
def test_shorter_than_the_window_is_all_nan(name):
    fast, _ = CASES[name]
    assert np.isnan(fast(PRICES[:5].copy(), 14)).all()


@pytest.mark.parametrize("kind", ["sma", "ema", "wma"])
def test_moving_average_by_name(kind):
    np.testing.assert_array_equal(ind.moving_average(PRICES, 10, kind), getattr(ind, kind)(PRICES, 10))


def test_rsi_of_a_market_that_stands_still_is_fifty():
    assert (ind.rsi(np.full(50, 7.0), 14)[14:] == 50.0).all()
