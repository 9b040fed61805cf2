"""Runs one compiled strategy over many candidates: points in, signals out.

`kernel_cache` writes this file's text, followed by the unpacking code of one strategy, into a cache folder under
a name that hashes everything it depends on, loads it and puts the strategy's functions into the places below.
Nothing here may import from this package.
"""

from collections import namedtuple

import numpy as np  # noqa: F401  # the generated code names np.nan
from numba import njit

BarArrays = namedtuple("BarArrays", ("open", "high", "low", "close", "volume"))
# Arrays are (candidates, symbols, bars); order values that hold for all bars are (candidates, symbols, 1).
SignalArrays = namedtuple(
    "SignalArrays",
    ("entries", "exits", "short_entries", "short_exits", "size", "stop", "target", "trail", "warmups"),
)

# Replaced before the first call; Numba takes them as constants when it compiles.
strategy_signals = None
strategy_warmup = None
make_parameters = None
order_values = None
choose_outputs = None
MULTI_SYMBOL = False


@njit(nogil=True, error_model="numpy")
def compiled_signals(bars, points, out):
    """Write the signals, order values and warm-ups of the candidates (n, d); bars are (symbols, bars).

    The signals have to be False before: NumPy clears them ten times as fast as a loop over three dimensions here.
    """
    for i in range(points.shape[0]):
        values = order_values(points[i])
        out.size[i] = values[0]
        out.stop[i] = values[1]
        out.target[i] = values[2]
        out.trail[i] = values[3]
        parameters = make_parameters(points[i])
        out.warmups[i] = int(strategy_warmup(parameters))
        if MULTI_SYMBOL:
            strategy_signals(
                BarArrays(bars.open.T, bars.high.T, bars.low.T, bars.close.T, bars.volume.T),
                parameters,
                choose_outputs(
                    out.entries[i].T, out.exits[i].T, out.short_entries[i].T, out.short_exits[i].T,
                    out.size[i].T, out.stop[i].T, out.target[i].T, out.trail[i].T,
                ),
            )  # fmt: skip
        else:
            for s in range(bars.close.shape[0]):
                strategy_signals(
                    BarArrays(bars.open[s], bars.high[s], bars.low[s], bars.close[s], bars.volume[s]),
                    parameters,
                    choose_outputs(
                        out.entries[i, s], out.exits[i, s], out.short_entries[i, s], out.short_exits[i, s],
                        out.size[i, s], out.stop[i, s], out.target[i, s], out.trail[i, s],
                    ),
                )  # fmt: skip
