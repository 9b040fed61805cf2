"""Indicators as compiled functions, for both styles of strategy.

Each takes float64 arrays of one symbol and returns a new array of the same length: NaN until the indicator has
its `n` bars, and the value at bar t from bars up to t only. A bar takes the same time whatever `n` is. Call them
inside a compiled strategy, or as ``self.indicator(sma, bars.close, 20)`` in a vectorised one.

NaN begins an indicator anew: each stretch of values without NaN is a series of its own. So an indicator of an
indicator, such as ``ema(rsi(close, 14), 9)``, begins where the inner one does.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_FALLEN = 1e-4
"""Share of its largest value below which a running sum of squares has lost too many digits and is taken anew."""


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
def _stretches(x: FloatArray) -> list[tuple[int, int]]:
    """Return where each stretch of values without NaN begins and ends; empty ones too."""
    found = []
    start = 0
    while start < x.size:
        end = start
        while end < x.size and x[end] == x[end]:
            end += 1
        found.append((start, end))
        start = end + 1
    return found


@njit(cache=True, error_model="numpy")
def sma(x: FloatArray, n: int) -> FloatArray:
    """Return the simple moving average of the last `n` values.

    Each `n` outputs start from a fresh sum, so that rounding does not build up over long series.
    """
    out = np.full(x.size, np.nan)
    for start, end in _stretches(x):
        for first in range(start + n - 1, end, n):
            total = 0.0
            for k in range(first - n + 1, first + 1):
                total += x[k]
            out[first] = total / n
            for t in range(first + 1, min(first + n, end)):
                total += x[t] - x[t - n]
                out[t] = total / n
    return out


@njit(cache=True, error_model="numpy")
def ema(x: FloatArray, n: int) -> FloatArray:
    """Return the exponential moving average with weight ``2 / (n + 1)``, started from the mean of the first `n`."""
    out = np.full(x.size, np.nan)
    weight = 2.0 / (n + 1.0)
    for start, end in _stretches(x):
        if end - start >= n:
            level = x[start : start + n].mean()
            out[start + n - 1] = level
            for t in range(start + n, end):
                level += weight * (x[t] - level)
                out[t] = level
    return out


@njit(cache=True, error_model="numpy")
def wma(x: FloatArray, n: int) -> FloatArray:
    """Return the moving average of the last `n` values with weights 1 (oldest) to `n` (newest).

    From one bar to the next each weight falls by one, which takes the plain sum away. Both sums start afresh each `n`
    outputs, as in :func:`sma`.
    """
    out = np.full(x.size, np.nan)
    scale = n * (n + 1) / 2.0
    for start, end in _stretches(x):
        for first in range(start + n - 1, end, n):
            total = 0.0
            weighted = 0.0
            for k in range(n):
                value = x[first - n + 1 + k]
                total += value
                weighted += (k + 1) * value
            out[first] = weighted / scale
            for t in range(first + 1, min(first + n, end)):
                weighted += n * x[t] - total
                total += x[t] - x[t - n]
                out[t] = weighted / scale
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
    """Return the standard deviation (population) of the last `n` values.

    Mean and sum of squared differences are carried from bar to bar [1]_. They start afresh each `n` outputs, and where
    the squares have fallen far, as after a jump that has left the window: what they were would stay as rounding.

    References
    ----------
    .. [1] Chan, Golub and LeVeque (1983). Algorithms for computing the sample variance. The American Statistician 37.
    """
    out = np.full(x.size, np.nan)
    for start, end in _stretches(x):
        left, mean, squares, largest = 0, 0.0, 0.0, 0.0
        for t in range(start + n - 1, end):
            if left > 0:
                left -= 1
                came, went = x[t], x[t - n]
                before = mean
                mean += (came - went) / n
                squares += (came - went) * ((came - mean) + (went - before))
                largest = max(largest, squares)
            if left == 0 or squares < _FALLEN * largest:
                left = n
                mean, squares = _mean_and_squares(x, t - n + 1, t + 1)
                largest = squares
            out[t] = np.sqrt(squares / n)
    return out


@njit(cache=True, error_model="numpy")
def _mean_and_squares(x: FloatArray, start: int, end: int) -> tuple[float, float]:
    """Return the mean of ``x[start:end]``, exact where all are equal, and the sum of squared differences from it."""
    moved = 0.0
    for k in range(start, end):
        moved += x[k] - x[start]
    mean = x[start] + moved / (end - start)
    squares = 0.0
    for k in range(start, end):
        squares += (x[k] - mean) ** 2
    return mean, squares


@njit(cache=True, error_model="numpy")
def rolling_max(x: FloatArray, n: int) -> FloatArray:
    """Return the largest of the last `n` values.

    Of each block of `n` values the maxima from each value to the block's end and from its start to each value are
    enough: a window is the end of one block and the start of the next [1]_.

    References
    ----------
    .. [1] van Herk (1992). A fast algorithm for local minimum and maximum filters on rectangular and octagonal
       kernels. Pattern Recognition Letters 13.
    """
    out = np.full(x.size, np.nan)
    to_end = np.empty(n)  # of the block before: the largest from its value k to its end
    for start, end in _stretches(x):
        for block in range(start + n, end + 1, n):
            best = x[block - 1]
            for k in range(n - 1, -1, -1):
                best = max(best, x[block - n + k])
                to_end[k] = best
            out[block - 1] = best
            if block < end:
                best = x[block]
                for k in range(min(n - 1, end - block)):
                    best = max(best, x[block + k])
                    out[block + k] = max(best, to_end[k + 1])
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
    weight = 1.0 / n
    for start, end in _stretches(x):
        gain = 0.0
        loss = 0.0
        for t in range(start + 1, end):
            step = x[t] - x[t - 1]
            up = max(step, 0.0)
            down = max(-step, 0.0)
            if t <= start + n:  # the first value is a plain mean
                gain += weight * up
                loss += weight * down
            else:
                gain += weight * (up - gain)
                loss += weight * (down - loss)
            if t >= start + n:
                total = gain + loss
                out[t] = 100.0 * gain / total if total > 0.0 else 50.0
    return out


@njit(cache=True, error_model="numpy")
def atr(high: FloatArray, low: FloatArray, close: FloatArray, n: int) -> FloatArray:
    """Return Wilder's average true range in price units; the first value is a plain mean of `n` true ranges."""
    out = np.full(close.size, np.nan)
    weight = 1.0 / n
    level = 0.0
    since = 0  # how many true ranges since the last NaN
    for t in range(1, close.size):
        known = high[t] + low[t] + close[t - 1]
        if known != known:
            level = 0.0
            since = 0
            continue
        true_range = max(high[t], close[t - 1]) - min(low[t], close[t - 1])
        since += 1
        level += weight * (true_range if since <= n else true_range - level)
        if since >= n:
            out[t] = level
    return out
