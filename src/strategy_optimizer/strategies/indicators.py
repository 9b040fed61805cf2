"""Indicators as compiled functions, for both styles of strategy.

Each takes float64 arrays of one symbol and returns a new array of the same length: NaN until the indicator has
its `n` bars, and the value at bar t from bars up to t only. Call them inside a compiled strategy, or as
``self.indicator(sma, bars.close, 20)`` in a vectorised one.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def change(x: FloatArray, n: int) -> FloatArray:
    """Return ``x[t] / x[t - n] - 1``."""
    out = np.full(x.size, np.nan)
    for t in range(n, x.size):
        out[t] = x[t] / x[t - n] - 1.0
    return out


@njit(cache=True, error_model="numpy")
def lagged(x: FloatArray, n: int) -> FloatArray:
    """Return ``x[t - n]``."""
    out = np.full(x.size, np.nan)
    for t in range(n, x.size):
        out[t] = x[t - n]
    return out


@njit(cache=True, error_model="numpy")
def sma(x: FloatArray, n: int) -> FloatArray:
    """Return the simple moving average of the last `n` values.

    Each block of `n` outputs starts from a fresh sum, so that rounding does not build up over long series.
    """
    out = np.full(x.size, np.nan)
    total = 0.0
    for t in range(n - 1, x.size):
        if (t + 1) % n == 0 or t == n - 1:
            total = 0.0
            for k in range(t - n + 1, t + 1):
                total += x[k]
        else:
            total += x[t] - x[t - n]
        out[t] = total / n
    return out


@njit(cache=True, error_model="numpy")
def ema(x: FloatArray, n: int) -> FloatArray:
    """Return the exponential moving average with weight ``2 / (n + 1)``, started from the mean of the first `n`."""
    out = np.full(x.size, np.nan)
    if x.size < n:
        return out
    weight = 2.0 / (n + 1.0)
    level = x[:n].mean()
    out[n - 1] = level
    for t in range(n, x.size):
        level += weight * (x[t] - level)
        out[t] = level
    return out


@njit(cache=True, error_model="numpy")
def wma(x: FloatArray, n: int) -> FloatArray:
    """Return the moving average of the last `n` values with weights 1 (oldest) to `n` (newest)."""
    out = np.full(x.size, np.nan)
    scale = n * (n + 1) / 2.0
    for t in range(n - 1, x.size):
        total = 0.0
        for k in range(n):
            total += (k + 1) * x[t - n + 1 + k]
        out[t] = total / scale
    return out


@njit(cache=True, error_model="numpy")
def moving_average(x: FloatArray, n: int, kind: str) -> FloatArray:
    """Return the average named by `kind`: "sma", "ema" or "wma"."""
    if kind == "ema":
        return ema(x, n)
    if kind == "wma":
        return wma(x, n)
    return sma(x, n)


@njit(cache=True, error_model="numpy")
def rolling_std(x: FloatArray, n: int) -> FloatArray:
    """Return the standard deviation (population) of the last `n` values."""
    out = np.full(x.size, np.nan)
    mean = sma(x, n)
    for t in range(n - 1, x.size):
        total = 0.0
        for k in range(t - n + 1, t + 1):
            total += (x[k] - mean[t]) ** 2
        out[t] = np.sqrt(total / n)
    return out


@njit(cache=True, error_model="numpy")
def rolling_max(x: FloatArray, n: int) -> FloatArray:
    """Return the largest of the last `n` values."""
    out = np.full(x.size, np.nan)
    best = 0
    for t in range(x.size):
        if x[t] >= x[best]:
            best = t
        elif best <= t - n:
            best = t - n + 1
            for k in range(best + 1, t + 1):
                if x[k] >= x[best]:
                    best = k
        if t >= n - 1:
            out[t] = x[best]
    return out


@njit(cache=True, error_model="numpy")
def rolling_min(x: FloatArray, n: int) -> FloatArray:
    """Return the smallest of the last `n` values."""
    return -rolling_max(-x, n)


@njit(cache=True, error_model="numpy")
def rsi(x: FloatArray, n: int) -> FloatArray:
    """Return Wilder's relative strength index, 0 to 100; 50 while nothing has moved.

    J. Welles Wilder (1978), New Concepts in Technical Trading Systems.
    """
    out = np.full(x.size, np.nan)
    if x.size <= n:
        return out
    gain = 0.0
    loss = 0.0
    for t in range(1, x.size):
        step = x[t] - x[t - 1]
        up = max(step, 0.0)
        down = max(-step, 0.0)
        if t <= n:  # the first value is a plain mean
            gain += up / n
            loss += down / n
        else:
            gain += (up - gain) / n
            loss += (down - loss) / n
        if t >= n:
            total = gain + loss
            out[t] = 100.0 * gain / total if total > 0.0 else 50.0
    return out


@njit(cache=True, error_model="numpy")
def atr(high: FloatArray, low: FloatArray, close: FloatArray, n: int) -> FloatArray:
    """Return Wilder's average true range in price units; the first value is a plain mean of `n` true ranges."""
    out = np.full(close.size, np.nan)
    if close.size <= n:
        return out
    level = 0.0
    for t in range(1, close.size):
        true_range = max(high[t], close[t - 1]) - min(low[t], close[t - 1])
        if t <= n:
            level += true_range / n
        else:
            level += (true_range - level) / n
        if t >= n:
            out[t] = level
    return out
