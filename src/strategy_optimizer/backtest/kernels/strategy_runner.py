"""Runs one compiled strategy over many candidates: points in, signals out.

`kernel_cache` writes this file's text, followed by the unpacking code of one strategy, into the copy of this folder
under a name that hashes everything it depends on, loads it and puts the strategy's functions into the places below.
"""

from collections import namedtuple

import numpy as np  # noqa: F401  # the generated code names np.nan
from numba import njit

from .lanes import pack_flags
from .orders import ENTRY, EXIT, SHORT_ENTRY, SHORT_EXIT

BarArrays = namedtuple("BarArrays", ("open", "high", "low", "close", "volume"))
# Flags are (symbols, bars) and hold the last candidate; the sets that are kept are (candidates, symbols, 2 or 4,
# words), order values (candidates, symbols, bars) or, where they hold for all bars, (candidates, symbols, 1). `wrong`
# has the first order value of each candidate that no order can have: 0 for size and so on, -1 for none.
SignalArrays = namedtuple(
    "SignalArrays",
    (
        "entries",
        "exits",
        "short_entries",
        "short_exits",
        "size",
        "stop",
        "target",
        "trail",
        "warmups",
        "sets",
        "wrong",
    ),
)

# Replaced before the first call; Numba takes them as constants when it compiles.
strategy_signals = None
strategy_warmup = None
make_parameters = None
order_values = None
choose_outputs = None
MULTI_SYMBOL = False


@njit(_nrt=False)
def any_below(values, zero_too):
    """Return whether a value (symbols, 1 or bars) is below zero, or zero where that is wrong too; NaN is not."""
    found = False
    for s in range(values.shape[0]):
        for t in range(values.shape[1]):
            found |= (values[s, t] < 0.0) | (zero_too & (values[s, t] == 0.0))
    return found


@njit(_nrt=False)
def wrong_order_value(out, i):
    """Return the first order value of candidate i that is none: a negative size, a level of zero or less; else -1."""
    if any_below(out.size[i], False):
        return 0
    if any_below(out.stop[i], True):
        return 1
    if any_below(out.target[i], True):
        return 2
    return 3 if any_below(out.trail[i], True) else -1


@njit(error_model="numpy")
def write_candidate(bars, point, out, i):
    """Write the signals of one candidate as flags, and its order values and warm-up in place i."""
    values = order_values(point)
    out.size[i] = values[0]
    out.stop[i] = values[1]
    out.target[i] = values[2]
    out.trail[i] = values[3]
    parameters = make_parameters(point)
    out.warmups[i] = max(0, int(strategy_warmup(parameters)))
    for flags in (out.entries, out.exits, out.short_entries, out.short_exits):
        for s in range(flags.shape[0]):
            flags[s, :] = False
    if MULTI_SYMBOL:
        strategy_signals(
            BarArrays(bars.open.T, bars.high.T, bars.low.T, bars.close.T, bars.volume.T),
            parameters,
            choose_outputs(
                out.entries.T, out.exits.T, out.short_entries.T, out.short_exits.T,
                out.size[i].T, out.stop[i].T, out.target[i].T, out.trail[i].T,
            ),
        )  # fmt: skip
    else:
        for s in range(bars.close.shape[0]):
            strategy_signals(
                BarArrays(bars.open[s], bars.high[s], bars.low[s], bars.close[s], bars.volume[s]),
                parameters,
                choose_outputs(
                    out.entries[s], out.exits[s], out.short_entries[s], out.short_exits[s],
                    out.size[i, s], out.stop[i, s], out.target[i, s], out.trail[i, s],
                ),
            )  # fmt: skip
    out.wrong[i] = wrong_order_value(out, i)


@njit(nogil=True, error_model="numpy")
def compiled_signals(bars, points, out):
    """Write the signals, order values and warm-ups of the candidates (n, d); bars are (symbols, bars).

    The flags of one candidate stay in the processor's first cache; what leaves it is an eighth of them.
    """
    for i in range(points.shape[0]):
        write_candidate(bars, points[i], out, i)
        for s in range(bars.close.shape[0]):
            pack_flags(out.entries[s], out.sets[i, s, ENTRY])
            pack_flags(out.exits[s], out.sets[i, s, EXIT])
            if out.sets.shape[2] > SHORT_EXIT:
                pack_flags(out.short_entries[s], out.sets[i, s, SHORT_ENTRY])
                pack_flags(out.short_exits[s], out.sets[i, s, SHORT_EXIT])
