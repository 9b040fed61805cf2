"""From the path of the equity to the metrics and the sums of each block of returns.

The path is measured piece by piece while it grows: whole, that of a million bars would fit into no cache.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from .lanes import LANES, first_bar, lowest_and_highest, reaching
from .orders import (
    CLOSED,
    COSTS,
    CUBES,
    DOWNSIDE,
    DRAWDOWN,
    DRAWDOWN_BARS,
    FOURTHS,
    HELD,
    LOSS,
    OPENED,
    PEAK,
    PROFIT,
    TRADE_RETURNS,
    TRADED,
    UNDER_SINCE,
    WINS,
)

# The equity at the bars at which it moves: `equity[0]` is the starting cash, before the first bar. `edges` holds
# the bar of the first return of each block and, last, one after all bars; `starts` each block's first element.
Path = namedtuple("Path", ("equity", "bar", "edges", "starts"))
# Room for runs. `tally`, `starts` and `wishes` (sets of bars: see `write_wishes`) have a row for each that is under
# way; the path is that of the one that moves.
Room = namedtuple("Room", ("tally", "equity", "bar", "edges", "starts", "wishes"))
# Elements that are looked at one by one from a new peak on.
AT_ONCE = 8
# Elements after which they are measured and dropped, so that the path stays in the caches of the processor.
MOST_ELEMENTS = 4096
# Instead of a bar: the newest element is the peak.
NOT_UNDER = -1


@njit(forceinline=True, _nrt=False)
def path_of(room, i):
    """Return the path of run i."""
    return Path(room.equity, room.bar, room.edges, room.starts[i])


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
def clear_blocks(blocks, edges, account):
    """Write the number of returns of each block, and zero its sums."""
    last = blocks.shape[0] - 1
    for k in range(last):
        blocks[k, 0] = edges[k + 1] - edges[k]
    blocks[last, 0] = account.stop - edges[last]
    blocks[:, 1:] = 0.0


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
def measure_drawdown(path, end, tally):
    """Go on with the deepest and the longest drawdown over the elements ``1 <= j < end``.

    Between elements equity stands still. Only the few elements from one on that reaches the peak are looked at one by
    one, and those without a branch to guess.
    """
    equity, bar = path.equity, path.bar
    peak, peak_at = tally[PEAK], -1
    drawdown, longest = tally[DRAWDOWN], np.int64(tally[DRAWDOWN_BARS])
    under_since = np.int64(tally[UNDER_SINCE])  # the bar of the element after the peak
    if under_since == NOT_UNDER:
        peak_at, under_since = 0, np.int64(bar[1])
    j = 1
    while j < end:
        until = end
        if j + LANES <= end:
            lowest, highest = lowest_and_highest(equity, j)
            if highest < peak:
                drawdown = max(drawdown, 1.0 - lowest / peak)
                j += LANES
                continue
            # Where a peak comes before the lowest, the elements from the peak on say more. Below nothing they would
            # say less; but only a lost account is there, and it has no peak any more.
            drawdown = max(drawdown, 1.0 - max(lowest, 0.0) / peak)
            j += first_bar(reaching(equity, j, peak))
            until = min(j + AT_ONCE, end)
        while j < until:
            e = equity[j]
            is_peak = e >= peak
            # Under water from the element after the last peak until the bar before this one.
            longest = max(longest, bar[j] - under_since if is_peak else 0)
            peak_at = j if is_peak else peak_at
            peak = e if is_peak else peak
            under_since = bar[j + 1] if is_peak else under_since
            drawdown = max(drawdown, 1.0 - e / peak)
            j += 1
    tally[PEAK] = peak
    tally[DRAWDOWN] = drawdown
    tally[DRAWDOWN_BARS] = longest
    tally[UNDER_SINCE] = NOT_UNDER if peak_at == end - 1 else under_since


@njit(_nrt=False)
def begin_measuring(account, edges, tally, blocks):
    """Empty the sums, and count the returns of each block."""
    clear_blocks(blocks, edges, account)
    tally[:] = 0.0
    tally[PEAK] = account.cash
    tally[UNDER_SINCE] = NOT_UNDER


@njit(_nrt=False)
def add_to_block(path, first, end, k, tally, blocks):
    """Add the returns to the elements ``first <= j < end`` to block k; before the first block nothing counts."""
    if k >= 0:
        s1, s2, s3, s4, down = add_returns(path.equity, first, end)
        blocks[k, 1] += s1
        blocks[k, 2] += s2
        tally[CUBES] += s3
        tally[FOURTHS] += s4
        tally[DOWNSIDE] += down


@njit(_nrt=False)
def measure_elements(path, end, begun, open_block, tally, blocks, curve):
    """Take the elements ``1 <= j < end`` into all sums; return the block in which the next one lies.

    `open_block` is that of element 1, -1 before all blocks; the first elements of the `begun` first blocks are known.
    """
    first = 1
    while open_block + 1 < begun and path.starts[open_block + 1] < end:
        start = path.starts[open_block + 1]
        add_to_block(path, first, start, open_block, tally, blocks)
        first = start
        open_block += 1
    add_to_block(path, first, end, open_block, tally, blocks)
    measure_drawdown(path, end, tally)
    if curve.size > 0:
        for j in range(1, end):
            curve[path.bar[j - 1] + 1 : path.bar[j]] = path.equity[j - 1]
            curve[path.bar[j]] = path.equity[j]
    return open_block


@njit(_nrt=False)
def keep_last(path, n, begun, open_block):
    """Drop all but the last two of n elements, the last one to be measured yet; return how many are left."""
    gone = n - 2
    for j in range(2):
        path.equity[j] = path.equity[gone + j]
        path.bar[j] = path.bar[gone + j]
    for k in range(open_block + 1, begun):
        path.starts[k] -= gone
    return 2


@njit(_nrt=False)
def end_measuring(path, n, open_block, account, tally, metrics, blocks, curve):
    """Take the rest of the n elements into the sums, and turn these into metrics.

    Of every block the first element is known now.
    """
    measure_elements(path, n, path.edges.size - 1, open_block, tally, blocks, curve)
    if tally[UNDER_SINCE] != NOT_UNDER:
        tally[DRAWDOWN_BARS] = max(tally[DRAWDOWN_BARS], account.stop - tally[UNDER_SINCE])
    write_metrics(metrics, blocks, tally, path.equity[n - 1], account)
    if curve.size > 0:
        curve[path.bar[n - 1] + 1 : account.stop] = path.equity[n - 1]


@njit(error_model="numpy", _nrt=False)
def write_metrics(out, blocks, tally, equity, account):
    """Turn the sums of one run into the metrics, in the order of `metrics.METRICS`."""
    n_bars = account.stop - account.start
    n = float(n_bars - 1)
    s1 = blocks[:, 1].sum()
    s2 = blocks[:, 2].sum()
    s3, s4, down = tally[CUBES], tally[FOURTHS], tally[DOWNSIDE]
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
