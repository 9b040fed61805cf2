"""Simulates one symbol from event to event.

Bars without a position cost a sixty-fourth of a look at the entry signals. Bars with one are looked at 32 at a
time: vector instructions write their equity and find the first bar at which a level is touched, a signal asks for
something or the account is lost. What is left for single bars are the events themselves.

Positions that change from bar to bar, by a trailing stop or a charge for borrowed shares, are followed bar by bar.

Over more bars than the caches hold, several candidates walk through one stretch of the bars after the other, so that
prices come from the memory once for all of them. A run pauses only where it holds no position.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from .lanes import (
    ALL,
    LANE_SET,
    LANES,
    ONE,
    SIX,
    at,
    bars_from,
    either,
    first_bar,
    has_bar,
    outside,
    unguessed,
    write_bars,
    write_equity,
)
from .orders import (
    BEGUN,
    CASH,
    COSTS,
    ELEMENTS,
    ENDED,
    ENTRY,
    EXIT,
    FLAT,
    HELD,
    KEPT_BAR,
    KEPT_EQUITY,
    NEXT_BAR,
    NOTHING,
    OPEN_BLOCK,
    REVERSE_TO,
    SHORT_ENTRY,
    SHORT_EXIT,
    SIGNAL,
    WAITING,
    WAITS_FROM,
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
from .statistics import (
    MOST_ELEMENTS,
    begin_measuring,
    end_measuring,
    keep_last,
    measure_elements,
    path_of,
    write_edges,
)

# `lowest` and `highest` are low and high, widened where the open lies outside them, in single precision: bars that
# cannot touch a level are found with half the bytes.
Prices = namedtuple("Prices", ("open", "high", "low", "close", "lowest", "highest"))
# Bars of a stretch: their prices fill half of a second-level cache. Candidates that walk together.
STRETCH, TOGETHER = 2**14, 16
# Rows of `wishes`: open a long position; close one; the same for short ones.
ENTER_LONG, LEAVE_LONG, ENTER_SHORT, LEAVE_SHORT = range(4)
# Why a position is not simply held on.
HELD_TO_END, AT_LEVEL, AT_SIGNAL, AT_RUIN = range(4)


@njit(_nrt=False)
def write_wishes(wishes, signals, first, end):
    """Write at which bars ``first <= t < end`` the signals (2 or 4, words) ask for what: `wishes` (4, words + 2).

    An exit beats an entry, two opposite entries cancel, and an opposite entry closes too. The entries end with a
    bar after all, so that a search for the next one needs no other end.
    """
    n_words = signals.shape[1]
    if signals.shape[0] > SHORT_EXIT:
        for w in range(n_words):
            leave_long, leave_short = signals[EXIT, w], signals[SHORT_EXIT, w]
            go_long = signals[ENTRY, w] & ~leave_long
            go_short = signals[SHORT_ENTRY, w] & ~leave_short
            both = go_long & go_short
            wishes[ENTER_LONG, w] = go_long ^ both
            wishes[LEAVE_LONG, w] = leave_long | (go_short ^ both)
            wishes[ENTER_SHORT, w] = go_short ^ both
            wishes[LEAVE_SHORT, w] = leave_short | (go_long ^ both)
    else:
        for w in range(n_words):
            wishes[ENTER_LONG, w] = signals[ENTRY, w] & ~signals[EXIT, w]
            wishes[LEAVE_LONG, w] = signals[EXIT, w]
            wishes[ENTER_SHORT, w] = wishes[LEAVE_SHORT, w] = 0
    for w in range(n_words):
        allowed = bars_between(w << 6, first, end)
        if allowed != ALL:
            for k in range(4):
                wishes[k, w] &= allowed
    for w in range(n_words, n_words + 2):
        wishes[:, w] = 0
        wishes[ENTER_LONG, w] = ALL


@njit(forceinline=True, _nrt=False)
def bars_between(t, first, end):
    """Return which of the 64 bars from t on lie in ``first <= bar < end``."""
    bars = ALL
    if t < first:
        bars = ALL << np.uint64(first - t) if first - t < 64 else np.uint64(0)
    if t + 64 > end:
        bars &= ~(ALL << np.uint64(end - t)) if t < end else np.uint64(0)
    return bars


@njit(forceinline=True, _nrt=False)
def next_entry(wishes, t):
    """Return the first bar from t on at which a signal asks for a position."""
    bars = bars_from(wishes[ENTER_LONG], t) | bars_from(wishes[ENTER_SHORT], t)
    if bars != 0:
        return t + first_bar(bars)
    w = np.uint64(t) >> SIX
    while bars == 0:
        w += ONE
        bars = wishes[ENTER_LONG, w] | wishes[ENTER_SHORT, w]
    return np.int64(w << SIX) + first_bar(bars)


@njit(_nrt=False)
def next_fresh_entry(wishes, t, end, entries, side, waits_from):
    """Return ``(bar, whether the side still waits, from which bar on)`` where `side` waits for a fresh signal.

    After a protective exit the side's entry signal has to go away once before it opens again.
    """
    while True:
        t = next_entry(wishes, t)
        if t >= end or has_bar(wishes[ENTER_LONG if side < 0.0 else ENTER_SHORT], t):
            return t, True, waits_from
        while waits_from <= t and has_bar(entries, waits_from):
            waits_from += 1
        if waits_from <= t:
            return t, False, waits_from
        t += 1


@njit(forceinline=True, _nrt=False)
def follow_groups(prices, leaves, position, long, t, j, cash, stop, path, blind):
    """Carry a position whose levels stand still through whole groups of bars from t on; t becomes element j.

    Returns ``(bar, its element, what)``; what is `HELD_TO_END` at the first bar that is left: where no full group
    fits any more, or in whose group the account is lost.
    `blind` is the set of bars of the first group at which neither levels nor signals count. At a bar within a
    rounding of a level it may say `AT_LEVEL` although the level is not touched.
    """
    end = min(stop, prices.close.size - LANES + 1)
    q = position.q
    lower = position.stop if long else position.target
    upper = position.target if long else position.stop
    while t < end and write_equity(path.equity, j, cash, q, prices.close, t):
        write_bars(path.bar, j, t)
        touched = outside(prices.lowest, prices.highest, t, lower, upper) & ~blind
        events = touched | (bars_from(leaves, t) & LANE_SET & ~blind)
        if events != 0:
            k = first_bar(events)
            at_level = int((touched >> np.uint64(k)) & np.uint64(1))
            return t + k, j + k, AT_SIGNAL - at_level
        blind = np.uint64(0)
        t += LANES
        j += LANES
    return t, j, HELD_TO_END


@njit(forceinline=True, _nrt=False)
def follow_bars(prices, leaves, position, t, j, cash, account, tally, path, blind):
    """Carry a position bar by bar; return ``(bar, its element, what, position, cash)``."""
    q, stop = position.q, account.stop
    long = q > 0.0
    charge_rate = 0.0 if long else account.borrow_per_bar * -q
    extreme, carried = position.extreme, 0.0
    what = HELD_TO_END
    while t < stop:
        close = prices.close[t]
        asked = False
        if not blind:
            level, _ = nearer_stop(long, position.stop, extreme, position.trail)
            _, found = protective_exit(
                long, prices.open[t], prices.high[t], prices.low[t], level, position.target
            )
            if found != NOTHING:
                what = AT_LEVEL
                break
            extreme = max(extreme, prices.high[t]) if long else min(extreme, prices.low[t])
            charge = charge_rate * close
            cash -= charge
            carried += charge
            tally[COSTS] += charge
            asked = has_bar(leaves, t)
        path.equity[j] = cash + q * close
        path.bar[j] = t
        if path.equity[j] <= 0.0:
            what = AT_RUIN
            break
        if asked:
            what = AT_SIGNAL
            break
        blind = False
        t += 1
        j += 1
    return t, j, what, held_on(position, extreme, carried), cash


@njit(forceinline=True, _nrt=False)
def begin_blocks(path, block, first_element, fill_bar, last_bar):
    """Note the first elements of the blocks that begin up to `last_bar`; return the next block to begin."""
    while at(path.edges, block) <= last_bar:
        path.starts[block] = first_element + max(path.edges[block] - fill_bar, 0)
        block += 1
    return block


@njit(error_model="numpy", _nrt=False)
def begin_symbol(signals, warmup, account, edges, tally, wishes, blocks):
    """Prepare a run: it stands at its first decision, with all its cash."""
    begin_measuring(account, edges, tally, blocks)
    t = max(account.start, warmup)
    delay = 0 if account.fill_at_close else 1
    write_wishes(wishes, signals, t, account.stop - delay)  # a later decision is never filled
    tally[NEXT_BAR] = t
    tally[CASH] = tally[KEPT_EQUITY] = account.cash
    tally[KEPT_BAR] = account.start - 1
    tally[ELEMENTS] = 1
    tally[OPEN_BLOCK] = -1


@njit(error_model="numpy", _nrt=False)
def pause_symbol(path, n, block, open_block, tally, blocks, curve):
    """Measure the path but for its last two elements, and note these."""
    if n > 2:
        open_block = measure_elements(path, n - 1, block, open_block, tally, blocks, curve)
        n = keep_last(path, n, block, open_block)
    for j in range(n):
        tally[KEPT_EQUITY + j] = path.equity[j]
        tally[KEPT_BAR + j] = path.bar[j]
    tally[ELEMENTS], tally[BEGUN], tally[OPEN_BLOCK] = n, block, open_block


@njit(error_model="numpy", _nrt=False)
def advance_symbol(
    prices, signals, orders, account, tally, path, wishes, until, metrics, blocks, trades, curve
):
    """Go on with a run until it decides nothing before the bar `until`, or ends; then fill `metrics` (17,).

    It adds to `blocks` (B, 3) and to the records that are not empty.
    """
    stop, at_close = account.stop, account.fill_at_close
    delay = 0 if at_close else 1
    fills = prices.close if at_close else prices.open
    last_decision = stop - delay  # exclusive
    t, cash = int(tally[NEXT_BAR]), tally[CASH]
    # Elements of the path; the next block to begin; the block of the first element that is not measured yet.
    n, block, open_block = int(tally[ELEMENTS]), int(tally[BEGUN]), int(tally[OPEN_BLOCK])
    for j in range(n):
        path.equity[j], path.bar[j] = tally[KEPT_EQUITY + j], int(tally[KEPT_BAR + j])
    position = FLAT
    reverse_to = tally[REVERSE_TO]
    waiting, waits_from = tally[WAITING], int(tally[WAITS_FROM])  # the side that waits for a fresh signal
    leave_long, leave_short = wishes[LEAVE_LONG], wishes[LEAVE_SHORT]
    while True:
        if reverse_to != 0.0:
            long = reverse_to > 0.0
            reverse_to = 0.0
        else:
            if waiting == 0.0:
                t = next_entry(wishes, t)
            else:
                entries = signals[ENTRY if waiting > 0.0 else SHORT_ENTRY]
                t, waits, waits_from = next_fresh_entry(
                    wishes, t, last_decision, entries, waiting, waits_from
                )
                waiting = waiting if waits else 0.0
            if t >= last_decision:
                break
            if t >= until:
                tally[NEXT_BAR], tally[CASH] = t, cash
                tally[REVERSE_TO], tally[WAITING], tally[WAITS_FROM] = 0.0, waiting, waits_from
                pause_symbol(path, n, block, open_block, tally, blocks, curve)
                return
            long = has_bar(wishes[ENTER_LONG], t)
        # Told apart by this flag and not by the sign of q: that would make the search for the exit wait for the size.
        side = 1.0 if long else -1.0
        fill_bar = t + delay
        # Where this bar is in the path already, as that of an exit, the new position takes its place.
        first = n - int(at(path.bar, n - 1) == fill_bar)
        last = at(path.equity, first - 1)
        position = open_position(
            tally, account, orders, fill_bar, t, side, at(fills, fill_bar), cash, cash, last
        )
        if position.q == 0.0:
            t += 1
            continue
        cash -= position.q * position.entry + position.carried

        t, j = fill_bar, first
        leaves = leave_long if long else leave_short
        while True:  # once, but for bars within a rounding of a level that is not touched
            what = HELD_TO_END
            blind = at_close and t == fill_bar
            if position.trail != position.trail and (long or account.borrow_per_bar == 0.0):
                t, j, what = follow_groups(
                    prices, leaves, position, long, t, j, cash, stop, path, np.uint64(blind)
                )
                blind = at_close and t == fill_bar
            if what == HELD_TO_END and t < stop:
                t, j, what, position, cash = follow_bars(
                    prices, leaves, position, t, j, cash, account, tally, path, blind
                )
            if t >= stop:
                what, t, j = HELD_TO_END, stop, j - (t - stop)
            elif what == AT_RUIN and at_close and t > fill_bar and has_bar(leaves, t):
                what = AT_SIGNAL  # closed before its equity is looked at
            if what in (HELD_TO_END, AT_RUIN):
                price, found, trailing = 0.0, NOTHING, False
                break
            level, trailing = nearer_stop(long, position.stop, position.extreme, position.trail)
            price, found = protective_exit(
                long, at(prices.open, t), at(prices.high, t), at(prices.low, t), level, position.target
            )
            if unguessed(int(what == AT_SIGNAL) + found) != 0:
                break
            if has_bar(leaves, t):
                what = AT_SIGNAL
                break
            t += 1
            j += 1

        asked = unguessed(int(what == AT_SIGNAL))
        exit_bar = t + delay * asked
        n = j + delay * asked
        tally[HELD] += exit_bar - fill_bar
        if what in (HELD_TO_END, AT_RUIN):
            block = begin_blocks(path, block, first, fill_bar, min(t, stop - 1))
            if what == AT_RUIN:
                n += 1
                tally[HELD] += 1.0
                book_ruin(tally, trades, 0, position, t, prices.close[t])
                position = FLAT
            break
        # Both prices are looked up and one is taken: which it is cannot be guessed.
        reason = SIGNAL if asked else protective_reason(found, trailing)
        price = either(asked, at(fills, exit_bar), price)
        last = at(path.equity, n - 1)
        cash += close_position(tally, account, trades, 0, position, exit_bar, price, reason, last)
        position = FLAT
        path.equity[np.uint64(n)], path.bar[np.uint64(n)] = cash, exit_bar
        n += 1
        block = begin_blocks(path, block, first, fill_bar, exit_bar)
        if cash <= 0.0:  # the account is lost
            break
        if n > MOST_ELEMENTS:  # the last one may yet become that of the next position
            open_block = measure_elements(path, n - 1, block, open_block, tally, blocks, curve)
            n = keep_last(path, n, block, open_block)
        if account.fresh_signal and not asked:
            waiting, waits_from = side, t
        if (asked != 0) & has_bar(wishes[ENTER_SHORT if long else ENTER_LONG], t):
            reverse_to = -side
        else:
            t += asked

    if trades.shape[0] > 0 and position.q != 0.0:
        list_open_trade(trades, 0, position, prices.close[stop - 1])
    path.starts[block:] = n
    end_measuring(path, n, open_block, account, tally, metrics, blocks, curve)
    tally[ENDED] = 1.0


@njit(nogil=True, error_model="numpy", _nrt=False)
def run_symbol(
    prices, signals, warmups, size, stop, target, trail, masks, account, room, metrics, blocks, trades, curve
):
    """Simulate the signals (candidates, 2 or 4, words) of many candidates on one symbol.

    As many walk together as `room` has rows. Trades (as many rows as a run opens) and equity (bars,) are recorded
    where these arrays are not empty.
    """
    write_edges(room.edges, account)
    together = room.tally.shape[0]
    stretch = STRETCH if together > 1 else account.stop
    for first in range(0, metrics.shape[0], together):
        end = min(first + together, metrics.shape[0])
        for i in range(first, end):
            row = i - first
            begin_symbol(
                signals[i], warmups[i], account, room.edges, room.tally[row], room.wishes[row], blocks[i]
            )
        until = account.start
        while until < account.stop:
            until = min(until + stretch, account.stop)
            for i in range(first, end):
                row = i - first
                if room.tally[row, ENDED] == 0.0:
                    orders = Orders(size[i], stop[i], target[i], trail[i], masks)
                    advance_symbol(
                        prices, signals[i], orders, account, room.tally[row], path_of(room, row),
                        room.wishes[row], until, metrics[i], blocks[i], trades, curve,
                    )  # fmt: skip
