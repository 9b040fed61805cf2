"""The compiled simulators: signals in, metrics out.

`kernel_cache` copies this file's text into a cache folder and loads the copy, so nothing here may import from this
package. It holds no strategy: it is compiled once, and every strategy uses the same machine code.

Notation: t is a bar, q the signed number of shares, `le lx se sx` the long entry and exit and the short entry
and exit signals, `last` the equity at the previous close. Order values (size, stops) have one value for all bars,
read at ``t & mask`` with ``mask = 0``, or one a bar with ``mask = -1``.
"""

from collections import namedtuple

import numpy as np
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
Extremes = namedtuple("Extremes", ("low", "high", "close_low", "close_high"))
Orders = namedtuple("Orders", ("size", "stop", "target", "trail", "masks"))
# `row` is the position's row in the table of trades, `carried` what it has cost so far: entry costs and borrow.
Position = namedtuple("Position", ("q", "entry", "bar", "row", "carried", "stop", "target", "extreme", "trail"))
FLAT = Position(0.0, 0.0, 0, 0, 0.0, np.nan, np.nan, 0.0, np.nan)

# Whether there are short signals at all; the cache loads one kernel for each answer.
HAS_SHORT = True


@intrinsic
def unowned(typing_context, array):
    """Return the same array without its owner: Numba then counts no references to it.

    Counting is an atomic instruction at each slice and call, and took half of the time of a backtest. Only for
    arrays that a caller holds until the kernel returns.
    """

    def codegen(context, builder, signature, arguments):
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        struct.meminfo = struct.meminfo.type(None)
        struct.parent = struct.parent.type(None)
        return struct._getvalue()

    if not isinstance(array, types.Array):
        raise TypeError(f"unowned() takes an array, not {array}")
    return array(array), codegen


@njit(forceinline=True)
def unowned_bars(bars):
    """Return the bars without their owners."""
    return BarArrays(
        unowned(bars.open), unowned(bars.high), unowned(bars.low), unowned(bars.close), unowned(bars.volume)
    )


@njit(forceinline=True)
def unowned_extremes(extremes):
    """Return the extremes without their owners."""
    return Extremes(
        unowned(extremes.low), unowned(extremes.high), unowned(extremes.close_low), unowned(extremes.close_high)
    )


@njit(forceinline=True)
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


@njit(forceinline=True)
def still_blocked(blocked, le, se):
    """Return the side that must not re-enter yet: its signal has to go away once after a protective exit."""
    if (blocked == 1 and not le) or (blocked == -1 and not se):
        return 0
    return blocked


@njit(forceinline=True)
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


@njit(forceinline=True)
def nearer_stop(long, fixed, extreme, trail):
    """Return ``(level, is_trailing)``: the nearer of the fixed and the trailing stop; NaN when there is none."""
    if trail == trail:  # not NaN
        level = extreme * (1.0 - trail) if long else extreme * (1.0 + trail)
        if fixed != fixed or (level > fixed if long else level < fixed):
            return level, True
    return fixed, False


@njit(error_model="numpy")
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


@njit(error_model="numpy")
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


@njit
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


@njit(forceinline=True)
def protective_reason(which, trailing):
    """Return the exit reason of what `protective_exit` found."""
    if which == 2:
        return TAKE_PROFIT
    return TRAILING_STOP if trailing else STOP_LOSS


@njit(forceinline=True)
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


@njit
def block_edge(k, n_blocks, account):
    """Return the bar of the first return of block k: the returns are cut into `n_blocks` equal parts."""
    return account.start + 1 + k * (account.stop - account.start - 1) // n_blocks


@njit
def clear_blocks(blocks, account):
    """Write the number of returns of each block, and zero its sums."""
    n_blocks = blocks.shape[0]
    for k in range(n_blocks):
        blocks[k, 0] = block_edge(k + 1, n_blocks, account) - block_edge(k, n_blocks, account)
        blocks[k, 1] = 0.0
        blocks[k, 2] = 0.0


@njit(error_model="numpy")
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


@njit(forceinline=True)
def next_entry(t, stop, le, lx, se, sx, blocked):
    """Return the first bar from `t` on, before `stop`, that opens a position when flat, and who is blocked then."""
    if HAS_SHORT or blocked != 0:
        while t < stop:
            short_in = HAS_SHORT and se[t]
            blocked = still_blocked(blocked, le[t], short_in)
            if decide(0.0, le[t], lx[t], short_in, HAS_SHORT and sx[t], blocked) != 0:
                break
            t += 1
    else:
        while t < stop and not (le[t] and not lx[t]):
            t += 1
    return t, blocked


@njit(nogil=True, error_model="numpy")
def group_extremes(bars):
    """Return the extremes of each full group of `GROUP` bars: what no price inside it goes beyond."""
    n_groups = bars.close.size // GROUP
    extremes = Extremes(np.empty(n_groups), np.empty(n_groups), np.empty(n_groups), np.empty(n_groups))
    for g in range(n_groups):
        first = g * GROUP
        low, high = bars.low[first], bars.high[first]
        close_low = close_high = bars.close[first]
        for t in range(first, first + GROUP):
            low = min(low, bars.low[t], bars.open[t])
            high = max(high, bars.high[t], bars.open[t])
            close_low = min(close_low, bars.close[t])
            close_high = max(close_high, bars.close[t])
        extremes.low[g] = low
        extremes.high[g] = high
        extremes.close_low[g] = close_low
        extremes.close_high[g] = close_high
    return extremes


@njit(forceinline=True)
def any_in_group(flags, g):
    """Return whether one of the flags of group g is set; eight bytes are one comparison."""
    i = np.uint64(g * GROUP)
    found = flags[i]
    for k in range(1, GROUP):
        found |= flags[i + np.uint64(k)]
    return found


@njit
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
    n_groups = extremes.low.size
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
    while t < stop:
        g = t // GROUP
        end = stop
        if g < n_groups:
            end = min((g + 1) * GROUP, stop)
            if long:
                touched = (extremes.low[g] <= stop_level) | (extremes.high[g] >= target)
            else:
                touched = (extremes.high[g] >= stop_level) | (extremes.low[g] <= target)
                touched |= cash + q * extremes.close_high[g] <= 0.0
            if not (touched or any_in_group(exits, g) or (has_opposite and any_in_group(opposite, g))):
                t = end
                continue
        while t < end:
            i = np.uint64(t)
            _, which = protective_exit(long, open_[i], high[i], low[i], stop_level, target)
            if which != 0 or exits[i] or (has_opposite and opposite[i]) or cash + q * close[i] <= 0.0:
                return t, extreme
            t += 1
    return t, extreme


@njit(error_model="numpy", fastmath={"reassoc", "nsz"})
def add_returns(s1, s2, s3, s4, down, close, cash, q, first, end):
    """Add the returns of the bars ``first <= t < end``, all with the same position, to the running sums.

    The sums may be taken in any order, so that they become vector instructions; NaN and infinity keep their
    meaning.
    """
    now = close[first:end]
    before = close[first - 1 : end - 1]
    for k in range(now.size):
        r = (cash + q * now[k]) / (cash + q * before[k]) - 1.0
        rr = r * r
        s1 += r
        s2 += rr
        s3 += r * rr
        s4 += rr * rr
        loss = min(r, 0.0)
        down += loss * loss
    return s1, s2, s3, s4, down


@njit
def follow_drawdown(peak, peak_bar, drawdown, longest, close, extremes, cash, q, first, end):
    """Return the peak, its bar, the deepest drawdown and the longest in bars after ``first <= t < end``.

    Equity rises with the close (falls, for a short), so a group whose extremes neither reach the peak nor the
    deepest drawdown is passed at once.
    """
    floor = peak * (1.0 - drawdown)
    n_groups = extremes.low.size
    t = first
    while t < end:
        g = t // GROUP
        group_end = end
        if g < n_groups:
            group_end = min((g + 1) * GROUP, end)
            best = cash + q * (extremes.close_high[g] if q > 0.0 else extremes.close_low[g])
            worst = cash + q * (extremes.close_low[g] if q > 0.0 else extremes.close_high[g])
            if best < peak and worst >= floor:
                t = group_end
                continue
        while t < group_end:
            equity = cash + q * close[np.uint64(t)]
            if equity >= peak:
                longest = max(longest, t - 1 - peak_bar)
                peak = equity
                peak_bar = t
                floor = peak * (1.0 - drawdown)
            elif equity < floor:
                drawdown = 1.0 - equity / peak
                floor = peak * (1.0 - drawdown)
            t += 1
    return peak, peak_bar, drawdown, max(longest, end - 1 - peak_bar)


@njit(error_model="numpy")
def simulate_symbol(bars, extremes, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve):
    """Simulate one symbol; fill `metrics` (17,) and `blocks` (B, 3), and the records that are not None.

    Bars without a position cost one look at the entry signal. Equity is ``cash + q * close``, so the returns of
    neighbouring bars do not wait for each other; what bounds a bar in a position is the throughput of one division.
    """
    open_, high, low, close = bars.open, bars.high, bars.low, bars.close
    start, stop, at_close = account.start, account.stop, account.fill_at_close
    first_decision = max(start, warmup)
    last_decision = stop if at_close else stop - 1  # exclusive: a later decision is never filled
    n_blocks = blocks.shape[0]
    clear_blocks(blocks, account)
    tally[:] = 0.0
    cash = last = peak = account.cash
    peak_bar, recorded = start, start
    held, drawdown, drawdown_bars = 0, 0.0, 0
    s1, s2, s3, s4, down = 0.0, 0.0, 0.0, 0.0, 0.0
    block, edge = 0, block_edge(1, n_blocks, account)
    position = FLAT
    blocked, todo = 0, 0

    t = start
    while t < stop:
        if position.q == 0.0 and todo == 0:
            # Flat: nothing changes until an entry, and the returns of the bars skipped are 0.
            t, blocked = next_entry(max(t, first_decision), last_decision, le, lx, se, sx, blocked)
            if t >= last_decision:
                break
            if not at_close:
                short_in = HAS_SHORT and se[t]
                todo = decide(0.0, le[t], lx[t], short_in, HAS_SHORT and sx[t], blocked)
                t += 1
            if last >= peak:
                peak_bar = max(t - 1, start)
            else:
                drawdown_bars = max(drawdown_bars, t - 1 - peak_bar)

        q = position.q
        if q != 0.0 and todo == 0 and blocked == 0 and (q > 0.0 or account.borrow_per_bar == 0.0):
            # A stretch of bars on which nothing can happen to the position: only its equity moves.
            if q > 0.0:
                end, extreme = quiet_until(t, stop - 1, bars, extremes, lx, se, HAS_SHORT, position, cash)
            else:
                end, extreme = quiet_until(t, stop - 1, bars, extremes, sx, le, True, position, cash)
            if end > t:
                position = with_extreme(position, extreme, 0.0)
                held += end - t
                first = t
                while first < end:
                    while first >= edge:
                        blocks[block, 1] = s1
                        blocks[block, 2] = s2
                        s1 = s2 = 0.0
                        block += 1
                        edge = block_edge(block + 1, n_blocks, account)
                    s1, s2, s3, s4, down = add_returns(
                        s1, s2, s3, s4, down, close, cash, q, first, min(end, edge)
                    )
                    first = min(end, edge)
                peak, peak_bar, drawdown, drawdown_bars = follow_drawdown(
                    peak, peak_bar, drawdown, drawdown_bars, close, extremes, cash, q, t, end
                )
                if curve is not None:
                    curve[recorded:t] = last
                    curve[t:end] = cash + q * close[t:end]
                    recorded = end
                last = cash + q * close[end - 1]
                t = end

        if todo != 0:
            if todo & CLOSE:
                cash += close_position(tally, account, trades, 0, position, t, open_[t], SIGNAL, last)
                position = FLAT
            if todo != CLOSE:
                side = 1.0 if todo & OPEN_LONG else -1.0
                position = open_position(tally, account, orders, t, t - 1, side, open_[t], cash, cash, last)
                cash -= position.q * position.entry + position.carried
            todo = 0
        if position.q != 0.0:
            long = position.q > 0.0
            level, trailing = nearer_stop(long, position.stop, position.extreme, position.trail)
            price, which = protective_exit(long, open_[t], high[t], low[t], level, position.target)
            if which != 0:
                reason = protective_reason(which, trailing)
                cash += close_position(tally, account, trades, 0, position, t, price, reason, last)
                position = FLAT
                if account.fresh_signal:
                    blocked = 1 if long else -1
            elif long:
                position = with_extreme(position, max(position.extreme, high[t]), 0.0)
            else:
                charge = account.borrow_per_bar * -position.q * close[t]
                cash -= charge
                tally[COSTS] += charge
                position = with_extreme(position, min(position.extreme, low[t]), charge)
        if t >= first_decision:
            short_in = HAS_SHORT and se[t]
            blocked = still_blocked(blocked, le[t], short_in)
            todo = decide(position.q, le[t], lx[t], short_in, HAS_SHORT and sx[t], blocked)
            if at_close and todo != 0:
                if todo & CLOSE:
                    cash += close_position(tally, account, trades, 0, position, t, close[t], SIGNAL, last)
                    position = FLAT
                if todo != CLOSE:
                    side = 1.0 if todo & OPEN_LONG else -1.0
                    position = open_position(tally, account, orders, t, t, side, close[t], cash, cash, last)
                    cash -= position.q * position.entry + position.carried
                todo = 0

        equity = cash + position.q * close[t]
        if t > start:
            while t >= edge:
                blocks[block, 1] = s1
                blocks[block, 2] = s2
                s1 = s2 = 0.0
                block += 1
                edge = block_edge(block + 1, n_blocks, account)
            r = equity / last - 1.0
            rr = r * r
            s1 += r
            s2 += rr
            s3 += r * rr
            s4 += rr * rr
            if r < 0.0:
                down += rr
        if curve is not None:
            curve[recorded:t] = last
            curve[t] = equity
            recorded = t + 1
        last = equity
        if equity >= peak:
            peak = equity
            peak_bar = t
        else:
            drawdown_bars = max(drawdown_bars, t - peak_bar)
            if equity < peak * (1.0 - drawdown):
                drawdown = 1.0 - equity / peak
        if position.q != 0.0:
            held += 1
        if equity <= 0.0:
            if position.q != 0.0:
                close_position(tally, account, trades, 0, position, t, close[t], BANKRUPTCY, last)
                position = FLAT
            break
        t += 1

    blocks[block, 1] = s1
    blocks[block, 2] = s2
    if last < peak:
        drawdown_bars = max(drawdown_bars, stop - 1 - peak_bar)
    if curve is not None:
        curve[recorded:stop] = last
    if trades is not None and position.q != 0.0:
        pnl = position.q * (close[stop - 1] - position.entry) - position.carried
        write_trade(trades, 0, position, -1, np.nan, pnl, OPEN_AT_END)
    tally[HELD] = held
    tally[DRAWDOWN] = drawdown
    tally[DRAWDOWN_BARS] = drawdown_bars
    write_metrics(metrics, blocks, s3, s4, down, tally, last, account)


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
    peak_bar = start
    s3, s4, down = 0.0, 0.0, 0.0
    block, edge = 0, block_edge(1, n_blocks, account)
    positions = [FLAT for _ in range(n_symbols)]
    todo = np.zeros(n_symbols, np.int64)
    blocked = np.zeros(n_symbols, np.int64)
    if curve is not None:
        curve[start:stop] = account.cash

    for t in range(start, stop):
        if not at_close:
            cash = fill_signals(tally, account, orders, trades, positions, todo, bars.open, t, t - 1, cash, last)
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


@njit(nogil=True, error_model="numpy")
def run_signals(
    bars, extremes, le, lx, se, sx, warmups, size, stop, target, trail, masks, account, tally, metrics, blocks
):
    """Simulate the signals of many candidates on one symbol: signal arrays are (candidates, bars)."""
    bars, extremes = unowned_bars(bars), unowned_extremes(extremes)
    le, lx, se, sx = unowned(le), unowned(lx), unowned(se), unowned(sx)
    size, stop, target, trail = unowned(size), unowned(stop), unowned(target), unowned(trail)
    tally, metrics, blocks = unowned(tally), unowned(metrics), unowned(blocks)
    for i in range(metrics.shape[0]):
        orders = Orders(size[i], stop[i], target[i], trail[i], masks)
        simulate_symbol(
            bars, extremes, le[i], lx[i], se[i], sx[i], warmups[i], orders, account, tally, metrics[i], blocks[i],
            None, None,
        )  # fmt: skip


@njit(nogil=True, error_model="numpy")
def run_portfolio_signals(
    bars, le, lx, se, sx, warmups, size, stop, target, trail, masks, account, tally, metrics, blocks
):
    """Simulate the signals of many candidates on several symbols: arrays are (candidates, symbols, bars)."""
    bars = unowned_bars(bars)
    le, lx, se, sx = unowned(le), unowned(lx), unowned(se), unowned(sx)
    size, stop, target, trail = unowned(size), unowned(stop), unowned(target), unowned(trail)
    tally, metrics, blocks = unowned(tally), unowned(metrics), unowned(blocks)
    for i in range(metrics.shape[0]):
        orders = Orders(size[i], stop[i], target[i], trail[i], masks)
        simulate_portfolio(
            bars, le[i], lx[i], se[i], sx[i], warmups[i], orders, account, tally, metrics[i], blocks[i], None, None
        )


@njit(nogil=True, error_model="numpy")
def record_symbol(bars, extremes, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve):
    """Simulate one symbol with its trades (as many rows as the run opens) and its equity (bars,)."""
    simulate_symbol(
        bars, extremes, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve
    )


@njit(nogil=True, error_model="numpy")
def record_portfolio(bars, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve):
    """Simulate several symbols with their trades and their equity."""
    simulate_portfolio(bars, le, lx, se, sx, warmup, orders, account, tally, metrics, blocks, trades, curve)
