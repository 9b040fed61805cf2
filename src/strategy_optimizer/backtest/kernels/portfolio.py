"""Simulates several symbols that share one cash account, bar by bar."""

from collections import namedtuple

import numpy as np
from numba import njit

from .lanes import has_bar
from .orders import (
    COSTS,
    ENTRY,
    EXIT,
    FLAT,
    HELD,
    NOTHING,
    SHORT_ENTRY,
    SHORT_EXIT,
    SIGNAL,
    Orders,
    book_ruin,
    close_position,
    held_on,
    list_open_trade,
    nearer_stop,
    open_position,
    protective_exit,
    protective_reason,
)
from .statistics import begin_measuring, end_measuring, write_edges

# Made in Python: references to a path that is made here would be counted on one side only.
PortfolioRoom = namedtuple("PortfolioRoom", ("tally", "path"))
PortfolioPrices = namedtuple("PortfolioPrices", ("open", "high", "low", "close"))
# What is to be done with a position at the next fill.
CLOSE, OPEN_LONG, OPEN_SHORT = 1, 2, 4


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
        price, found = protective_exit(
            long, bars.open[s, t], bars.high[s, t], bars.low[s, t], level, position.target
        )
        if found != NOTHING:
            reason = protective_reason(found, trailing)
            cash += close_position(tally, account, trades, s, position, t, price, reason, last)
            positions[s] = FLAT
            if account.fresh_signal:
                blocked[s] = 1 if long else -1
        elif long:
            positions[s] = held_on(position, max(position.extreme, bars.high[s, t]), 0.0)
        else:
            charge = account.borrow_per_bar * -position.q * bars.close[s, t]
            cash -= charge
            tally[COSTS] += charge
            positions[s] = held_on(position, min(position.extreme, bars.low[s, t]), charge)
    return cash


@njit(error_model="numpy")
def simulate_portfolio(bars, signals, warmup, orders, account, room, metrics, blocks, trades, curve):
    """Simulate symbols that share one cash account: prices (symbols, bars), signals (symbols, 2 or 4, words)."""
    tally, path = room.tally, room.path
    n_symbols = bars.close.shape[0]
    start, stop, at_close = account.start, account.stop, account.fill_at_close
    first_decision = max(start, warmup)
    has_short = signals.shape[1] > SHORT_EXIT
    begin_measuring(account, path.edges, tally, blocks)
    cash = last = account.cash
    path.equity[0], path.bar[0] = cash, start - 1
    n = 1
    positions = [FLAT for _ in range(n_symbols)]
    todo = np.zeros(n_symbols, np.int64)
    blocked = np.zeros(n_symbols, np.int64)
    for t in range(start, stop):
        if not at_close:
            cash = fill_signals(
                tally, account, orders, trades, positions, todo, bars.open, t, t - 1, cash, last
            )
        cash = check_levels(tally, account, bars, trades, positions, blocked, t, cash, last)
        if t >= first_decision:
            for s in range(n_symbols):
                long_in, long_out = has_bar(signals[s, ENTRY], t), has_bar(signals[s, EXIT], t)
                short_in = has_short and has_bar(signals[s, SHORT_ENTRY], t)
                short_out = has_short and has_bar(signals[s, SHORT_EXIT], t)
                blocked[s] = still_blocked(blocked[s], long_in, short_in)
                todo[s] = decide(positions[s].q, long_in, long_out, short_in, short_out, blocked[s])
        if at_close:
            cash = fill_signals(tally, account, orders, trades, positions, todo, bars.close, t, t, cash, last)

        gross, last = gross_and_equity(positions, bars.close, t, cash)
        path.equity[n], path.bar[n] = last, t
        n += 1
        if gross != 0.0:
            tally[HELD] += 1.0
        if last <= 0.0:
            for s in range(n_symbols):
                if positions[s].q != 0.0:
                    book_ruin(tally, trades, s, positions[s], t, bars.close[s, t])
                    positions[s] = FLAT
            break

    if trades.shape[0] > 0:
        for s in range(n_symbols):
            if positions[s].q != 0.0:
                list_open_trade(trades, s, positions[s], bars.close[s, stop - 1])
    for k in range(path.starts.size):
        path.starts[k] = min(path.edges[k] - start + 1, n)
    end_measuring(path, n, -1, account, tally, metrics, blocks, curve)


@njit(nogil=True, error_model="numpy")
def run_portfolio(
    bars, signals, warmups, size, stop, target, trail, masks, account, room, metrics, blocks, trades, curve
):
    """Simulate the signals (candidates, symbols, 2 or 4, words) of many candidates on several symbols."""
    write_edges(room.path.edges, account)
    for i in range(metrics.shape[0]):
        orders = Orders(size[i], stop[i], target[i], trail[i], masks)
        simulate_portfolio(
            bars, signals[i], warmups[i], orders, account, room, metrics[i], blocks[i], trades, curve
        )
