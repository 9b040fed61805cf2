"""From the path of the equity to the metrics and the sums of each block of returns."""

from collections import namedtuple

import numpy as np
from numba import njit

from .lanes import LANES, all_between, first_bar, outside
from .orders import (
    CLOSED,
    COSTS,
    DRAWDOWN,
    DRAWDOWN_BARS,
    HELD,
    LOSS,
    OPENED,
    PROFIT,
    TRADE_RETURNS,
    TRADED,
    WINS,
)

# The equity at the bars at which it moves: `equity[0]` is the starting cash, before the first bar. `edges` holds
# the bar of the first return of each block and, last, one after all bars; `starts` the first element of each block.
Path = namedtuple("Path", ("equity", "bar", "edges", "starts"))
# Elements that are looked at together where a drawdown deepens or ends.
AT_ONCE = 8


@njit(_nrt=False)
def block_edge(k, n_blocks, account):
    """Return the bar of the first return of block k: the returns are cut into `n_blocks` equal parts."""
    return account.start + 1 + k * (account.stop - account.start - 1) // n_blocks


@njit(_nrt=False)
def write_edges(edges, account):
    """Write where the blocks begin, and an end that no bar reaches."""
    n_blocks = edges.size - 1
    for k in range(n_blocks):
        edges[k] = block_edge(k, n_blocks, account)
    edges[n_blocks] = 2**62


@njit(_nrt=False)
def clear_blocks(blocks, account):
    """Write the number of returns of each block, and zero its sums."""
    n_blocks = blocks.shape[0]
    for k in range(n_blocks):
        blocks[k, 0] = block_edge(k + 1, n_blocks, account) - block_edge(k, n_blocks, account)
        blocks[k, 1] = 0.0
        blocks[k, 2] = 0.0


@njit(error_model="numpy", fastmath={"reassoc", "nsz"}, _nrt=False)
def add_returns(equity, first, end):
    """Return the sums of r, r^2, r^3, r^4 and min(r, 0)^2 over the steps to the elements ``first <= j < end``.

    The sums may be taken in any order, so that they become vector instructions; NaN and infinity keep their
    meaning.
    """
    now = equity[first:end]
    before = equity[first - 1 : end - 1]
    s1 = s2 = s3 = s4 = down = 0.0
    for k in range(now.size):
        r = now[k] / before[k] - 1.0
        rr = r * r
        s1 += r
        s2 += rr
        s3 += r * rr
        s4 += rr * rr
        loss = min(r, 0.0)
        down += loss * loss
    return s1, s2, s3, s4, down


@njit(error_model="numpy", _nrt=False)
def measure_drawdown(path, n, stop, tally):
    """Find the deepest and the longest drawdown of the first n elements; between them equity stands still.

    Looks only at the few elements from one on that reaches the peak or the deepest drawdown, and at those without a
    branch to guess.
    """
    equity, bar = path.equity, path.bar
    peak, peak_at = equity[0], 0
    drawdown, longest = 0.0, 0
    j = 1
    while j < n:
        floor = peak * (1.0 - drawdown)
        if all_between(equity, j, floor, peak):
            j += LANES
            continue
        j += first_bar(outside(equity, equity, j, floor, peak))
        end = min(j + AT_ONCE, n)
        while j < end:
            e = equity[j]
            is_peak = e >= peak
            # Under water from the element after the last peak until the bar before this one.
            under_water = bar[j] - bar[peak_at + 1]
            longest = max(longest, under_water if is_peak else 0)
            peak_at = j if is_peak else peak_at
            peak = e if is_peak else peak
            drawdown = max(drawdown, 1.0 - e / peak)
            j += 1
    if peak_at + 1 < n:
        longest = max(longest, stop - bar[peak_at + 1])
    tally[DRAWDOWN] = drawdown
    tally[DRAWDOWN_BARS] = longest


@njit(_nrt=False)
def measure_path(path, n, account, tally, metrics, blocks, curve):
    """Turn the first n elements of the path into metrics, block sums and, where it is wanted, the whole curve."""
    clear_blocks(blocks, account)
    s3 = s4 = down = 0.0
    for k in range(blocks.shape[0]):
        sums = add_returns(path.equity, path.starts[k], path.starts[k + 1])
        blocks[k, 1] = sums[0]
        blocks[k, 2] = sums[1]
        s3 += sums[2]
        s4 += sums[3]
        down += sums[4]
    measure_drawdown(path, n, account.stop, tally)
    write_metrics(metrics, blocks, s3, s4, down, tally, path.equity[n - 1], account)
    if curve.size > 0:
        done = account.start
        for j in range(1, n):
            curve[done : path.bar[j]] = path.equity[j - 1]
            curve[path.bar[j]] = path.equity[j]
            done = path.bar[j] + 1
        curve[done : account.stop] = path.equity[n - 1]


@njit(error_model="numpy", _nrt=False)
def write_metrics(out, blocks, s3, s4, down, tally, equity, account):
    """Turn the sums of one run into the metrics, in the order of `metrics.METRICS`."""
    n_bars = account.stop - account.start
    n = float(n_bars - 1)
    s1 = blocks[:, 1].sum()
    s2 = blocks[:, 2].sum()
    mean = s1 / n
    m2 = s2 / n - mean * mean
    if not m2 > 1e-14 * mean * mean:  # a constant return: what is left is rounding
        m2 = 0.0
    m3 = s3 / n - 3.0 * mean * s2 / n + 2.0 * mean**3
    m4 = s4 / n - 4.0 * mean * s3 / n + 6.0 * mean * mean * s2 / n - 3.0 * mean**4
    deviation = np.sqrt(m2 * n / (n - 1.0)) if n > 1.0 else np.nan
    down_deviation = np.sqrt(down / n)
    growth = equity / account.cash
    annual = growth ** (1.0 / account.years) - 1.0 if growth > 0.0 else -1.0
    scale = np.sqrt(account.periods_per_year)
    closed = tally[CLOSED]
    out[0] = growth - 1.0
    out[1] = annual
    out[2] = deviation * scale
    out[3] = mean / deviation * scale if deviation > 0.0 else np.nan
    out[4] = mean / down_deviation * scale
    out[5] = annual / tally[DRAWDOWN]
    out[6] = tally[DRAWDOWN]
    out[7] = tally[DRAWDOWN_BARS]
    out[8] = tally[WINS] / closed
    out[9] = tally[PROFIT] / tally[LOSS]
    out[10] = tally[TRADE_RETURNS] / closed
    out[11] = tally[HELD] / n_bars
    out[12] = tally[TRADED] / account.years
    out[13] = tally[OPENED]
    out[14] = tally[COSTS]
    out[15] = m3 / m2**1.5 if m2 > 0.0 else np.nan
    out[16] = m4 / (m2 * m2) if m2 > 0.0 else np.nan
