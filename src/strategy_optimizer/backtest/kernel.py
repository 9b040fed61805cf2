"""The compiled simulators: signals in, metrics out.

`kernel_cache` copies this file's text into a cache folder and loads the copy, so nothing here may import from this
package. It holds no strategy: it is compiled once, and every strategy uses the same machine code.

Notation: t is a bar, q the signed number of shares, `le lx se sx` the long entry and exit and the short entry
and exit signals, `last` the equity at the previous close. Order values (size, stops) have one value for all bars,
read at ``t & mask`` with ``mask = 0``, or one a bar with ``mask = -1``.

``_nrt=False`` switches Numba's reference counting off: nothing is allocated here, and the counting is a function
call at each slice and argument that took two thirds of the time of a backtest.
"""

from collections import namedtuple

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

# What a run counts and sums.
OPENED, CLOSED, WINS, PROFIT, LOSS, TRADE_RETURNS, TRADED, COSTS, HELD, DRAWDOWN, DRAWDOWN_BARS = range(11)
TALLY = 11
# Columns of a recorded trade.
SYMBOL, SIDE, ENTRY_BAR, EXIT_BAR, ENTRY_PRICE, EXIT_PRICE, SHARES, PNL, REASON = range(9)
TRADE_COLUMNS = 9
# Exit reasons; `OPEN_AT_END` is a trade that the window's end leaves open.
OPEN_AT_END, SIGNAL, STOP_LOSS, TRAILING_STOP, TAKE_PROFIT, BANKRUPTCY = range(6)
# What is to be done with a position at the next fill.
CLOSE, OPEN_LONG, OPEN_SHORT = 1, 2, 4
# Why a position is not simply held on.
HELD_TO_END, AT_LEVEL, AT_SIGNAL, AT_RUIN = range(4)
# Orders below this fraction of the equity are what rounding leaves of a spent account; they are not placed.
DUST = 1e-9

BarArrays = namedtuple("BarArrays", ("open", "high", "low", "close", "volume"))
Account = namedtuple(
    "Account",
    (
        "cash", "commission", "fixed_fee", "slippage", "borrow_per_bar", "years", "periods_per_year",
        "start", "stop", "fill_at_close", "fresh_signal", "size_is_notional",
    ),
)  # fmt: skip
# Bars a group of `group_extremes`.
GROUP = 8
Extremes = namedtuple("Extremes", ("low", "high", "close"))
# The equity at the bars at which it moves: element 0 is the starting cash, `cursor` holds the index of the last
# element, the next block and the bar at which that block starts; `starts` the first element of each block.
Path = namedtuple("Path", ("equity", "bar", "starts", "cursor"))
Orders = namedtuple("Orders", ("size", "stop", "target", "trail", "masks"))
# `row` is the position's row in the table of trades, `carried` what it has cost so far: entry costs and borrow.
Position = namedtuple(
    "Position", ("q", "entry", "bar", "row", "carried", "stop", "target", "extreme", "trail")
)
FLAT = Position(0.0, 0.0, 0, 0, 0.0, np.nan, np.nan, 0.0, np.nan)

# Whether there are short signals at all; the cache loads one kernel for each answer.
HAS_SHORT = True


@intrinsic
def word_at(typing_context, flags, i):
    """Return the eight flags from index i on as one unsigned number, the first flag lowest."""

    def codegen(context, builder, signature, arguments):
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(struct.data, [arguments[1]])
        word = builder.bitcast(place, ir.IntType(64).as_pointer())
        return builder.load(word, align=1)

    return types.uint64(flags, types.int64), codegen


@intrinsic
def first_set(typing_context, word):
    """Return which of the eight flags of a word is the first that is set; 8 when none is."""

    def codegen(context, builder, signature, arguments):
        zeros = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))
        return builder.lshr(zeros, ir.Constant(ir.IntType(64), 3))

    return types.int64(types.uint64), codegen


@njit(forceinline=True, _nrt=False)
def decide(q, le, lx, se, sx, blocked):
    """Return what the signals of one bar ask for: an exit beats an entry, two opposite entries cancel."""
    go_long = le and not lx
    go_short = se and not sx
    if go_long and go_short:
        go_long = go_short = False
    if q > 0.0:
        if go_short:
            return CLOSE | OPEN_SHORT
        return CLOSE if lx else 0
    if q < 0.0:
        if go_long:
            return CLOSE | OPEN_LONG
        return CLOSE if sx else 0
    if go_long and blocked != 1:
        return OPEN_LONG
    if go_short and blocked != -1:
        return OPEN_SHORT
    return 0


@njit(forceinline=True, _nrt=False)
def still_blocked(blocked, le, se):
    """Return the side that must not re-enter yet: its signal has to go away once after a protective exit."""
    if (blocked == 1 and not le) or (blocked == -1 and not se):
        return 0
    return blocked


@njit(forceinline=True, _nrt=False)
def protective_exit(long, o, h, lo, stop, target):
    """Return ``(price before slippage, which)`` inside one bar; which: 0 none, 1 stop, 2 target.

    First an open beyond a level, at the open; then the stop; then the target. Comparisons with a NaN level are
    false.
    """
    if long:
        if o <= stop:
            return o, 1
        if o >= target:
            return o, 2
        if lo <= stop:
            return stop, 1
        if h >= target:
            return target, 2
    else:
        if o >= stop:
            return o, 1
        if o <= target:
            return o, 2
        if h >= stop:
            return stop, 1
        if lo <= target:
            return target, 2
    return 0.0, 0


@njit(forceinline=True, _nrt=False)
def nearer_stop(long, fixed, extreme, trail):
    """Return ``(level, is_trailing)``: the nearer of the fixed and the trailing stop; NaN when there is none."""
    if trail == trail:  # not NaN
        level = extreme * (1.0 - trail) if long else extreme * (1.0 + trail)
        if fixed != fixed or (level > fixed if long else level < fixed):
            return level, True
    return fixed, False


@njit(forceinline=True, error_model="numpy", _nrt=False)
def open_position(tally, account, orders, t, decision, side, price, equity, buying_power, last):
    """Return the position opened at `price` before slippage; its q is 0 when the account affords nothing.

    The size is a fraction of `equity`, or cash when the account says so. The order is capped by `buying_power`:
    equity less the gross value of what is held, costs included.
    """
    size_mask, stop_mask, target_mask, trail_mask = orders.masks
    fill = price * (1.0 + account.slippage * side)
    wanted = orders.size[decision & size_mask]
    notional = wanted if account.size_is_notional else wanted * equity
    affordable = (buying_power - account.fixed_fee) / (fill * (1.0 + account.commission))
    if not (notional > 0.0 and affordable > 0.0):  # a size that is NaN opens nothing either
        return FLAT
    shares = min(notional / fill, affordable)
    if shares * fill <= DUST * equity:
        return FLAT
    costs = shares * fill * account.commission + account.fixed_fee
    row = int(tally[OPENED])
    tally[OPENED] += 1.0
    tally[COSTS] += costs + shares * abs(fill - price)
    tally[TRADED] += shares * fill / last
    return Position(
        shares * side,
        fill,
        t,
        row,
        costs,
        fill * (1.0 - side * orders.stop[decision & stop_mask]),
        fill * (1.0 + side * orders.target[decision & target_mask]),
        fill,
        orders.trail[decision & trail_mask],
    )


@njit(forceinline=True, error_model="numpy", _nrt=False)
def close_position(tally, account, trades, symbol, position, t, price, reason, last):
    """Return the cash that comes in when the position is closed at `price` before slippage.

    A target is a limit order and fills at its price; all else is a market order and pays slippage. Bankruptcy
    only books the loss.
    """
    q = position.q
    side = 1.0 if q > 0.0 else -1.0
    shares = abs(q)
    fill, costs = price, 0.0
    if reason != BANKRUPTCY:
        if reason != TAKE_PROFIT:
            fill = price * (1.0 - account.slippage * side)
        costs = shares * fill * account.commission + account.fixed_fee
        tally[COSTS] += costs + shares * abs(fill - price)
        tally[TRADED] += shares * fill / last
    pnl = q * (fill - position.entry) - costs - position.carried
    tally[CLOSED] += 1.0
    tally[TRADE_RETURNS] += pnl / (shares * position.entry)
    if pnl > 0.0:
        tally[WINS] += 1.0
        tally[PROFIT] += pnl
    else:
        tally[LOSS] -= pnl
    if trades is not None:
        write_trade(trades, symbol, position, t, fill, pnl, reason)
    return q * fill - costs


@njit(_nrt=False)
def write_trade(trades, symbol, position, exit_bar, fill, pnl, reason):
    """Write one trade into the table of trades."""
    row = position.row
    trades[row, SYMBOL] = symbol
    trades[row, SIDE] = 1.0 if position.q > 0.0 else -1.0
    trades[row, ENTRY_BAR] = position.bar
    trades[row, EXIT_BAR] = exit_bar
    trades[row, ENTRY_PRICE] = position.entry
    trades[row, EXIT_PRICE] = fill
    trades[row, SHARES] = abs(position.q)
    trades[row, PNL] = pnl
    trades[row, REASON] = reason


@njit(forceinline=True, _nrt=False)
def protective_reason(which, trailing):
    """Return the exit reason of what `protective_exit` found."""
    if which == 2:
        return TAKE_PROFIT
    return TRAILING_STOP if trailing else STOP_LOSS


@njit(forceinline=True, _nrt=False)
def with_extreme(position, extreme, charge):
    """Return the position after a bar: its highest high (lowest low) and what it has cost."""
    return Position(
        position.q,
        position.entry,
        position.bar,
        position.row,
        position.carried + charge,
        position.stop,
        position.target,
        extreme,
        position.trail,
    )


@njit(forceinline=True, _nrt=False)
def block_edge(k, n_blocks, account):
    """Return the bar of the first return of block k: the returns are cut into `n_blocks` equal parts."""
    return account.start + 1 + k * (account.stop - account.start - 1) // n_blocks


@njit(_nrt=False)
def clear_blocks(blocks, account):
    """Write the number of returns of each block, and zero its sums."""
    n_blocks = blocks.shape[0]
    for k in range(n_blocks):
        blocks[k, 0] = block_edge(k + 1, n_blocks, account) - block_edge(k, n_blocks, account)
        blocks[k, 1] = 0.0
        blocks[k, 2] = 0.0


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


@njit(forceinline=True, _nrt=False)
def next_entry(t, stop, le, lx, se, sx):
    """Return the first bar from t on, before `stop`, whose signals open a position when flat; else `stop`."""
    while t + 8 <= stop:
        word = word_at(le, t) & ~word_at(lx, t)
        if HAS_SHORT:
            word ^= word_at(se, t) & ~word_at(sx, t)  # two opposite entries cancel
        first = first_set(word)
        if first < 8:
            return t + first
        t += 8
    while t < stop:
        if decide(0.0, le[t], lx[t], HAS_SHORT and se[t], HAS_SHORT and sx[t], 0) != 0:
            return t
        t += 1
    return stop


@njit(forceinline=True, _nrt=False)
def next_allowed_entry(t, stop, le, lx, se, sx, blocked):
    """Return the same bar where one side is still blocked, and who is blocked then."""
    while t < stop:
        short_in = HAS_SHORT and se[t]
        blocked = still_blocked(blocked, le[t], short_in)
        if decide(0.0, le[t], lx[t], short_in, HAS_SHORT and sx[t], blocked) != 0:
            break
        t += 1
    return t, blocked


@njit(nogil=True, error_model="numpy")
def group_extremes(bars):
    """Return the lowest and highest price and the highest close of each full group of `GROUP` bars."""
    n_groups = bars.close.size // GROUP
    extremes = Extremes(np.empty(n_groups), np.empty(n_groups), np.empty(n_groups))
    for g in range(n_groups):
        first = g * GROUP
        low, high, close = bars.low[first], bars.high[first], bars.close[first]
        for t in range(first, first + GROUP):
            low = min(low, bars.low[t], bars.open[t])
            high = max(high, bars.high[t], bars.open[t])
            close = max(close, bars.close[t])
        extremes.low[g] = low
        extremes.high[g] = high
        extremes.close[g] = close
    return extremes


@njit(forceinline=True, _nrt=False)
def quiet_until(t, stop, bars, extremes, exits, opposite, has_opposite, position, cash):
    """Return ``(first bar from t on at which something may happen to the position, extreme before it)``.

    Something may happen where a level is touched, the exit signal or an opposite entry is true, or the account is
    lost. Groups of bars whose extremes reach no level are passed at once. Unsigned indices spare the test for
    negative ones.
    """
    open_, high, low, close = bars.open, bars.high, bars.low, bars.close
    stop_level, target, extreme, trail = position.stop, position.target, position.extreme, position.trail
    q = position.q
    long = q > 0.0
    if trail == trail:
        while t < stop:
            i = np.uint64(t)
            level, _ = nearer_stop(long, stop_level, extreme, trail)
            _, which = protective_exit(long, open_[i], high[i], low[i], level, target)
            if which != 0 or exits[i] or (has_opposite and opposite[i]) or cash + q * close[i] <= 0.0:
                break
            extreme = max(extreme, high[i]) if long else min(extreme, low[i])
            t += 1
        return t, extreme
    n_groups = extremes.low.size
    while t < stop:
        g = t // GROUP
        end = stop
        if g < n_groups:
            end = min((g + 1) * GROUP, stop)
            i = np.uint64(g)
            if long:
                touched = (extremes.low[i] <= stop_level) | (extremes.high[i] >= target)
            else:
                touched = (extremes.high[i] >= stop_level) | (extremes.low[i] <= target)
                touched |= cash + q * extremes.close[i] <= 0.0
            word = word_at(exits, g * GROUP)
            if has_opposite:
                word |= word_at(opposite, g * GROUP)
            if not (touched or first_set(word) < 8):
                t = end
                continue
        while t < end:
            i = np.uint64(t)
            _, which = protective_exit(long, open_[i], high[i], low[i], stop_level, target)
            if which != 0 or exits[i] or (has_opposite and opposite[i]) or cash + q * close[i] <= 0.0:
                return t, extreme
            t += 1
    return t, extreme


@njit(_nrt=False)
def start_path(path, account):
    """Begin with the starting cash, before the first bar."""
    path.equity[0] = account.cash
    path.bar[0] = account.start - 1
    path.cursor[0] = 0
    path.cursor[1] = 0
    path.cursor[2] = account.start + 1


@njit(forceinline=True, _nrt=False)
def mark(path, account, cash, q, close, first, end):
    """Append the equity at the closes ``first <= t < end``, all with the same position."""
    if end <= first:
        return
    j = path.cursor[0] + 1
    shift = np.uint64(j - first)
    for t in range(first, end):
        i = np.uint64(t)
        path.equity[i + shift] = cash + q * close[i]
        path.bar[i + shift] = t
    n_blocks = path.starts.size - 1
    while path.cursor[2] < end and path.cursor[1] < n_blocks:
        block = path.cursor[1]
        path.starts[block] = j + max(path.cursor[2] - first, 0)
        path.cursor[1] = block + 1
        path.cursor[2] = block_edge(block + 1, n_blocks, account)
    path.cursor[0] = j + end - first - 1


@njit(forceinline=True, _nrt=False)
def unmark(path, t):
    """Take back the mark of bar t, if there is one: the position changes at its close."""
    if path.bar[path.cursor[0]] == t:
        path.cursor[0] -= 1


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


@njit(fastmath={"reassoc", "nsz"}, _nrt=False)
def lowest_and_highest(equity, first):
    """Return the extremes of the `GROUP` elements from `first` on."""
    group = equity[first : first + GROUP]
    lowest = highest = group[0]
    for k in range(GROUP):
        lowest = min(lowest, group[k])
        highest = max(highest, group[k])
    return lowest, highest


@njit(error_model="numpy", _nrt=False)
def measure_drawdown(path, stop, tally):
    """Find the deepest and the longest drawdown of the path; between its elements equity stands still.

    Groups of elements that neither reach the peak nor the deepest drawdown are passed at once.
    """
    equity, bar, n = path.equity, path.bar, path.cursor[0]
    peak, peak_at = equity[0], 0
    drawdown, longest = 0.0, 0
    floor = peak
    j = 1
    while j <= n:
        end = n + 1
        if j + GROUP <= end:
            end = j + GROUP
            lowest, highest = lowest_and_highest(equity, j)
            if highest < peak and lowest >= floor:
                j = end
                continue
        while j < end:
            e = equity[np.uint64(j)]
            if e >= peak:
                # Under water from the element after the last peak until the bar before this one.
                longest = max(longest, bar[j] - bar[peak_at + 1])
                peak, peak_at = e, j
                floor = peak * (1.0 - drawdown)
            elif e < floor:
                drawdown = 1.0 - e / peak
                floor = peak * (1.0 - drawdown)
            j += 1
    if peak_at < n:
        longest = max(longest, stop - bar[peak_at + 1])
    tally[DRAWDOWN] = drawdown
    tally[DRAWDOWN_BARS] = longest


@njit(_nrt=False)
def measure_path(path, account, tally, metrics, blocks, curve):
    """Turn the path of the equity into metrics, block sums and, where it is wanted, the curve of all bars."""
    n_blocks = blocks.shape[0]
    n = path.cursor[0]
    path.starts[path.cursor[1] :] = n + 1
    clear_blocks(blocks, account)
    s3 = s4 = down = 0.0
    for k in range(n_blocks):
        sums = add_returns(path.equity, path.starts[k], path.starts[k + 1])
        blocks[k, 1] = sums[0]
        blocks[k, 2] = sums[1]
        s3 += sums[2]
        s4 += sums[3]
        down += sums[4]
    measure_drawdown(path, account.stop, tally)
    write_metrics(metrics, blocks, s3, s4, down, tally, path.equity[n], account)
    if curve is not None:
        done = account.start
        for j in range(1, n + 1):
            curve[done : path.bar[j]] = path.equity[j - 1]
            curve[path.bar[j]] = path.equity[j]
            done = path.bar[j] + 1
        curve[done : account.stop] = path.equity[n]


@njit(forceinline=True, _nrt=False)
def hold(t, bars, extremes, le, lx, se, sx, position, cash, account, tally, path):
    """Carry a position from bar t on until something happens to it; return ``(bar, what, position, cash)``.

    What: `HELD_TO_END`; `AT_LEVEL`, the bar is not marked; `AT_SIGNAL` and `AT_RUIN`, the bar is marked.
    """
    q = position.q
    long = q > 0.0
    stop, close = account.stop, bars.close
    charge_rate = 0.0 if long else account.borrow_per_bar * -q
    carried, extreme = 0.0, position.extreme
    what = HELD_TO_END
    while t < stop:
        if charge_rate == 0.0:
            # Marks need no look at single bars as long as nothing can happen.
            here = with_extreme(position, extreme, 0.0)
            if long:
                end, extreme = quiet_until(t, stop, bars, extremes, lx, se, HAS_SHORT, here, cash)
            else:
                end, extreme = quiet_until(t, stop, bars, extremes, sx, le, True, here, cash)
            mark(path, account, cash, q, close, t, end)
            t = end
            if t >= stop:
                break
        level, _ = nearer_stop(long, position.stop, extreme, position.trail)
        _, which = protective_exit(long, bars.open[t], bars.high[t], bars.low[t], level, position.target)
        if which != 0:
            what = AT_LEVEL
            break
        extreme = max(extreme, bars.high[t]) if long else min(extreme, bars.low[t])
        charge = charge_rate * close[t]
        cash -= charge
        carried += charge
        tally[COSTS] += charge
        mark(path, account, cash, q, close, t, t + 1)
        if decide(q, le[t], lx[t], HAS_SHORT and se[t], HAS_SHORT and sx[t], 0) != 0:
            what = AT_SIGNAL
            break
        if cash + q * close[t] <= 0.0:
            what = AT_RUIN
            break
        t += 1
    return t, what, with_extreme(position, extreme, carried), cash


@njit(error_model="numpy", _nrt=False)
def simulate_symbol(
    bars, extremes, le, lx, se, sx, warmup, orders, account, tally, path, metrics, blocks, trades, curve
):
    """Simulate one symbol from event to event; fill `metrics` (17,), `blocks` (B, 3) and the records not None.

    Bars without a position cost an eighth of a look at the entry signals. Bars with one cost a write of the
    equity and, in `measure_path`, their share of vector instructions; single bars are looked at only where a
    group of them touches a level or holds a signal.
    """
    open_, high, low, close = bars.open, bars.high, bars.low, bars.close
    stop, at_close = account.stop, account.fill_at_close
    last_decision = stop if at_close else stop - 1  # exclusive: a later decision is never filled
    fills = close if at_close else open_
    tally[:] = 0.0
    start_path(path, account)
    cash = account.cash
    position = FLAT
    blocked = 0
    t = max(account.start, warmup)
    while t < last_decision:
        # Flat: find the next entry.
        if blocked == 0:
            t = next_entry(t, last_decision, le, lx, se, sx)
        else:
            t, blocked = next_allowed_entry(t, last_decision, le, lx, se, sx, blocked)
        if t >= last_decision:
            break
        decision = t
        fill_bar = t if at_close else t + 1
        side = 1.0 if not HAS_SHORT or (le[t] and not lx[t]) else -1.0
        # The equity at the close before the fill; with close fills the bar of a stop is marked already.
        before = path.cursor[0]
        if path.bar[before] == fill_bar:
            before -= 1
        last = path.equity[before]
        position = open_position(
            tally, account, orders, fill_bar, decision, side, fills[fill_bar], cash, cash, last
        )
        if position.q == 0.0:
            t += 1
            continue
        cash -= position.q * position.entry + position.carried
        unmark(path, fill_bar)

        while position.q != 0.0:  # once for each position; again after a reversal
            t = fill_bar
            what = HELD_TO_END
            if at_close:  # the levels do not hold on the bar of the fill any more
                mark(path, account, cash, position.q, close, t, t + 1)
                if cash + position.q * close[t] <= 0.0:
                    what = AT_RUIN
                t += 1
            if what != AT_RUIN:
                t, what, position, cash = hold(
                    t, bars, extremes, le, lx, se, sx, position, cash, account, tally, path
                )
            else:
                t -= 1
            tally[HELD] += (
                t - fill_bar + (1 if what == AT_RUIN or (what == AT_SIGNAL and not at_close) else 0)
            )
            if what == HELD_TO_END:
                break
            if what == AT_RUIN:
                close_position(tally, account, trades, 0, position, t, close[t], BANKRUPTCY, account.cash)
                position = FLAT
                t = stop
                break
            if what == AT_LEVEL:
                long = position.q > 0.0
                level, trailing = nearer_stop(long, position.stop, position.extreme, position.trail)
                price, which = protective_exit(long, open_[t], high[t], low[t], level, position.target)
                reason = protective_reason(which, trailing)
                last = path.equity[path.cursor[0]]
                cash += close_position(tally, account, trades, 0, position, t, price, reason, last)
                position = FLAT
                mark(path, account, cash, 0.0, close, t, t + 1)
                if account.fresh_signal:
                    blocked = 1 if long else -1
                    decision = t - 1
                break
            # A signal at bar t.
            todo = decide(position.q, le[t], lx[t], HAS_SHORT and se[t], HAS_SHORT and sx[t], 0)
            signal_bar = t
            if at_close:
                unmark(path, t)
            else:
                t += 1
                if t >= stop:  # decided at the last close: never filled
                    break
            last = path.equity[path.cursor[0]]
            cash += close_position(tally, account, trades, 0, position, t, fills[t], SIGNAL, last)
            position = FLAT
            if todo != CLOSE:
                side = 1.0 if todo & OPEN_LONG else -1.0
                position = open_position(
                    tally, account, orders, t, signal_bar, side, fills[t], cash, cash, last
                )
                cash -= position.q * position.entry + position.carried
                fill_bar = t
            if position.q == 0.0:
                mark(path, account, cash, 0.0, close, t, t + 1)
                if at_close:
                    t += 1
        if cash <= 0.0 and position.q == 0.0:  # the account is lost
            break
        if position.q != 0.0:
            break
        while blocked != 0 and decision + 1 < t:
            decision += 1
            blocked = still_blocked(blocked, le[decision], HAS_SHORT and se[decision])

    if trades is not None and position.q != 0.0:
        pnl = position.q * (close[stop - 1] - position.entry) - position.carried
        write_trade(trades, 0, position, -1, np.nan, pnl, OPEN_AT_END)
    measure_path(path, account, tally, metrics, blocks, curve)


@njit
def gross_and_equity(positions, prices, t, cash):
    """Return ``(gross value of the positions, equity)`` at the prices of bar t."""
    gross = 0.0
    equity = cash
    for s in range(len(positions)):
        value = positions[s].q * prices[s, t]
        gross += abs(value)
        equity += value
    return gross, equity


@njit
def fill_signals(tally, account, orders, trades, positions, todo, prices, t, decision, cash, last):
    """Fill the orders of all symbols at the prices of bar t: first what closes, then what opens, in their order.

    All sizes are fractions of the same equity, the one after the closes.
    """
    for s in range(len(positions)):
        if todo[s] & CLOSE:
            cash += close_position(tally, account, trades, s, positions[s], t, prices[s, t], SIGNAL, last)
            positions[s] = FLAT
    gross, equity = gross_and_equity(positions, prices, t, cash)
    buying_power = equity - gross
    for s in range(len(positions)):
        if todo[s] & (OPEN_LONG | OPEN_SHORT):
            side = 1.0 if todo[s] & OPEN_LONG else -1.0
            own = Orders(orders.size[s], orders.stop[s], orders.target[s], orders.trail[s], orders.masks)
            price = prices[s, t]
            position = open_position(
                tally, account, own, t, decision, side, price, equity, buying_power, last
            )
            positions[s] = position
            paid = position.q * position.entry + position.carried
            cash -= paid
            # An unlevered account: what is bought or sold short, and what it costs, is no longer free.
            buying_power -= abs(position.q) * position.entry + position.carried
        todo[s] = 0
    return cash


@njit
def check_levels(tally, account, bars, trades, positions, blocked, t, cash, last):
    """Run stops, targets and borrow of every position through bar t; return the cash."""
    for s in range(len(positions)):
        position = positions[s]
        if position.q == 0.0:
            continue
        long = position.q > 0.0
        level, trailing = nearer_stop(long, position.stop, position.extreme, position.trail)
        price, which = protective_exit(
            long, bars.open[s, t], bars.high[s, t], bars.low[s, t], level, position.target
        )
        if which != 0:
            reason = protective_reason(which, trailing)
            cash += close_position(tally, account, trades, s, position, t, price, reason, last)
            positions[s] = FLAT
            if account.fresh_signal:
                blocked[s] = 1 if long else -1
        elif long:
            positions[s] = with_extreme(position, max(position.extreme, bars.high[s, t]), 0.0)
        else:
            charge = account.borrow_per_bar * -position.q * bars.close[s, t]
            cash -= charge
            tally[COSTS] += charge
            positions[s] = with_extreme(position, min(position.extreme, bars.low[s, t]), charge)
    return cash


@njit(error_model="numpy")
def simulate_portfolio(bars, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve):
    """Simulate several symbols that share one cash account; arrays are (symbols, bars)."""
    n_symbols = bars.close.shape[0]
    start, stop, at_close = account.start, account.stop, account.fill_at_close
    first_decision = max(start, warmup)
    n_blocks = blocks.shape[0]
    clear_blocks(blocks, account)
    tally[:] = 0.0
    cash = last = peak = account.cash
    peak_bar = start - 1
    s3, s4, down = 0.0, 0.0, 0.0
    block, edge = 0, block_edge(1, n_blocks, account)
    positions = [FLAT for _ in range(n_symbols)]
    todo = np.zeros(n_symbols, np.int64)
    blocked = np.zeros(n_symbols, np.int64)
    if curve is not None:
        curve[start:stop] = account.cash

    for t in range(start, stop):
        if not at_close:
            cash = fill_signals(
                tally, account, orders, trades, positions, todo, bars.open, t, t - 1, cash, last
            )
        cash = check_levels(tally, account, bars, trades, positions, blocked, t, cash, last)
        if t >= first_decision:
            for s in range(n_symbols):
                short_in, short_out = HAS_SHORT and se[s, t], HAS_SHORT and sx[s, t]
                blocked[s] = still_blocked(blocked[s], le[s, t], short_in)
                todo[s] = decide(positions[s].q, le[s, t], lx[s, t], short_in, short_out, blocked[s])
        if at_close:
            cash = fill_signals(tally, account, orders, trades, positions, todo, bars.close, t, t, cash, last)

        gross, equity = gross_and_equity(positions, bars.close, t, cash)
        if t > start:
            while t >= edge:
                block += 1
                edge = block_edge(block + 1, n_blocks, account)
            r = equity / last - 1.0
            blocks[block, 1] += r
            blocks[block, 2] += r * r
            s3 += r * r * r
            s4 += r * r * r * r
            if r < 0.0:
                down += r * r
        last = equity
        if equity >= peak:
            peak = equity
            peak_bar = t
        else:
            tally[DRAWDOWN_BARS] = max(tally[DRAWDOWN_BARS], t - peak_bar)
            tally[DRAWDOWN] = max(tally[DRAWDOWN], 1.0 - equity / peak)
        if gross != 0.0:
            tally[HELD] += 1.0
        if curve is not None:
            curve[t] = equity
        if equity <= 0.0:
            for s in range(n_symbols):
                if positions[s].q != 0.0:
                    close_position(
                        tally, account, trades, s, positions[s], t, bars.close[s, t], BANKRUPTCY, last
                    )
                    positions[s] = FLAT
            tally[DRAWDOWN_BARS] = max(tally[DRAWDOWN_BARS], stop - 1 - peak_bar)
            if curve is not None:
                curve[t:stop] = equity
            break

    if trades is not None:
        for s in range(n_symbols):
            position = positions[s]
            if position.q != 0.0:
                pnl = position.q * (bars.close[s, stop - 1] - position.entry) - position.carried
                write_trade(trades, s, position, -1, np.nan, pnl, OPEN_AT_END)
    write_metrics(metrics, blocks, s3, s4, down, tally, last, account)


@njit(nogil=True, error_model="numpy", _nrt=False)
def run_signals(
    bars,
    extremes,
    le,
    lx,
    se,
    sx,
    warmups,
    size,
    stop,
    target,
    trail,
    masks,
    account,
    tally,
    path,
    metrics,
    blocks,
):
    """Simulate the signals of many candidates on one symbol: signal arrays are (candidates, bars)."""
    for i in range(metrics.shape[0]):
        orders = Orders(size[i], stop[i], target[i], trail[i], masks)
        simulate_symbol(
            bars, extremes, le[i], lx[i], se[i], sx[i], warmups[i], orders, account, tally, path, metrics[i],
            blocks[i], None, None,
        )  # fmt: skip


@njit(nogil=True, error_model="numpy")
def run_portfolio_signals(
    bars, le, lx, se, sx, warmups, size, stop, target, trail, masks, account, tally, metrics, blocks
):
    """Simulate the signals of many candidates on several symbols: arrays are (candidates, symbols, bars)."""
    for i in range(metrics.shape[0]):
        orders = Orders(size[i], stop[i], target[i], trail[i], masks)
        simulate_portfolio(
            bars,
            le[i],
            lx[i],
            se[i],
            sx[i],
            warmups[i],
            orders,
            account,
            tally,
            metrics[i],
            blocks[i],
            None,
            None,
        )


@njit(nogil=True, error_model="numpy", _nrt=False)
def record_symbol(
    bars, extremes, le, lx, se, sx, warmup, orders, account, tally, path, metrics, blocks, trades, curve
):
    """Simulate one symbol with its trades (as many rows as the run opens) and its equity (bars,)."""
    simulate_symbol(
        bars, extremes, le, lx, se, sx, warmup, orders, account, tally, path, metrics, blocks, trades, curve
    )


@njit(nogil=True, error_model="numpy")
def record_portfolio(bars, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve):
    """Simulate several symbols with their trades and their equity."""
    simulate_portfolio(bars, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve)
