"""What a signal asks for, where an order fills, and what it costs: the same for one symbol and for several."""

import math
from collections import namedtuple

import numpy as np
from numba import njit

from .lanes import at

# Rows of the signals: sets of bars, 64 a word; without short signals there are only the first two.
ENTRY, EXIT, SHORT_ENTRY, SHORT_EXIT = range(4)
# What a run counts and sums.
OPENED, CLOSED, WINS, PROFIT, LOSS, TRADE_RETURNS, TRADED, COSTS, HELD = range(9)
DRAWDOWN, DRAWDOWN_BARS, PEAK, UNDER_SINCE, CUBES, FOURTHS, DOWNSIDE = range(9, 16)
# And where it stands when it pauses: see `one_symbol`. Whole numbers below 2**53 are exact.
NEXT_BAR, CASH, ELEMENTS, BEGUN, OPEN_BLOCK, REVERSE_TO, WAITING, WAITS_FROM, ENDED = range(16, 25)
KEPT_EQUITY, KEPT_BAR = 25, 27  # two each
TALLY = 29
# Columns of a recorded trade.
SYMBOL, SIDE, ENTRY_BAR, EXIT_BAR, ENTRY_PRICE, EXIT_PRICE, SHARES, PNL, REASON = range(9)
TRADE_COLUMNS = 9
# Exit reasons; `OPEN_AT_END` is a trade that the window's end leaves open.
OPEN_AT_END, SIGNAL, STOP_LOSS, TRAILING_STOP, TAKE_PROFIT, BANKRUPTCY = range(6)
# What `protective_exit` finds.
NOTHING, AT_STOP, AT_TARGET = range(3)
# Orders below this fraction of the equity are what rounding leaves of a spent account; they are not placed.
DUST = 1e-9

Account = namedtuple(
    "Account",
    (
        "cash", "commission", "fixed_fee", "slippage", "borrow_per_bar", "years", "periods_per_year",
        "start", "stop", "fill_at_close", "fresh_signal", "size_is_notional",
    ),
)  # fmt: skip
Orders = namedtuple("Orders", ("size", "stop", "target", "trail", "masks"))
# `row` is the position's row in the table of trades, `carried` what it has cost so far: entry costs and borrow.
Position = namedtuple(
    "Position", ("q", "entry", "bar", "row", "carried", "stop", "target", "extreme", "trail")
)
FLAT = Position(0.0, 0.0, 0, 0, 0.0, np.nan, np.nan, 0.0, np.nan)


@njit(forceinline=True, _nrt=False)
def protective_exit(long, o, h, lo, stop, target):
    """Return ``(price before slippage, what)`` inside one bar; what: `NOTHING`, `AT_STOP`, `AT_TARGET`.

    First an open beyond a level, at the open; then the stop; then the target. Comparisons with a NaN level are
    false. There are no branches to guess: which level it was is as good as random.
    """
    past_stop = o <= stop if long else o >= stop
    past_target = o >= target if long else o <= target
    hits_stop = lo <= stop if long else h >= stop
    hits_target = h >= target if long else lo <= target
    stopped = past_stop | (hits_stop & (not past_target))
    what = AT_STOP if stopped else (AT_TARGET if past_target | hits_target else NOTHING)
    level = stop if hits_stop else target
    return o if past_stop | past_target else level, what


@njit(forceinline=True, _nrt=False)
def nearer_stop(long, fixed, extreme, trail):
    """Return ``(level, is_trailing)``: the nearer of the fixed and the trailing stop; NaN when there is none."""
    if trail == trail:  # not NaN
        level = extreme * (1.0 - trail) if long else extreme * (1.0 + trail)
        if fixed != fixed or (level > fixed if long else level < fixed):
            return level, True
    return fixed, False


@njit(forceinline=True, _nrt=False)
def protective_reason(what, trailing):
    """Return the exit reason of what `protective_exit` found."""
    if what == AT_TARGET:
        return TAKE_PROFIT
    return TRAILING_STOP if trailing else STOP_LOSS


@njit(forceinline=True, error_model="numpy", _nrt=False)
def open_position(tally, account, orders, t, decision, side, price, equity, buying_power, last):
    """Return the position opened at `price` before slippage; its q is 0 when the account affords nothing.

    The size is a fraction of `equity`, or cash when the account says so. The order is capped by `buying_power`:
    equity less the gross value of what is held, costs included.
    """
    size_mask, stop_mask, target_mask, trail_mask = orders.masks
    fill = price * (1.0 + account.slippage * side)
    wanted = at(orders.size, decision & size_mask)
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
        fill * (1.0 - side * at(orders.stop, decision & stop_mask)),
        fill * (1.0 + side * at(orders.target, decision & target_mask)),
        fill,
        at(orders.trail, decision & trail_mask),
    )


@njit(forceinline=True, error_model="numpy", _nrt=False)
def close_position(tally, account, trades, symbol, position, t, price, reason, last):
    """Return the cash that comes in when the position is closed at `price` before slippage.

    A target is a limit order and fills at its price; all else is a market order and pays slippage.
    """
    q = position.q
    shares = abs(q)
    slippage = 0.0 if reason == TAKE_PROFIT else account.slippage
    fill = price * (1.0 - math.copysign(slippage, q))
    costs = shares * fill * account.commission + account.fixed_fee
    tally[COSTS] += costs + shares * abs(fill - price)
    tally[TRADED] += shares * fill / last
    book_trade(tally, trades, symbol, position, t, fill, costs, reason)
    return q * fill - costs


@njit(forceinline=True, _nrt=False)
def book_ruin(tally, trades, symbol, position, t, close):
    """Book the loss of a position whose account is lost; there is nothing left to pay an order with."""
    book_trade(tally, trades, symbol, position, t, close, 0.0, BANKRUPTCY)


@njit(forceinline=True, error_model="numpy", _nrt=False)
def book_trade(tally, trades, symbol, position, t, fill, costs, reason):
    """Add a closed trade to the tally and, where they are recorded, to the trades."""
    pnl = position.q * (fill - position.entry) - costs - position.carried
    won = pnl > 0.0
    tally[CLOSED] += 1.0
    tally[TRADE_RETURNS] += pnl / (abs(position.q) * position.entry)
    # Sums instead of a branch, which would be guessed wrong every other time.
    tally[WINS] += 1.0 if won else 0.0
    tally[PROFIT] += pnl if won else 0.0
    tally[LOSS] -= 0.0 if won else pnl
    if trades.shape[0] > 0:
        write_trade(trades, symbol, position, t, fill, pnl, reason)


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


@njit(_nrt=False)
def list_open_trade(trades, symbol, position, close):
    """Write a position that the window's end leaves open, marked at its last close."""
    pnl = position.q * (close - position.entry) - position.carried
    write_trade(trades, symbol, position, -1, np.nan, pnl, OPEN_AT_END)


@njit(forceinline=True, _nrt=False)
def held_on(position, extreme, charge):
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
