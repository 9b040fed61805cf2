"""Compiled code: signals in, metrics out.

`kernel_cache` copies this folder into a cache folder and imports the copy, so modules here import only each other,
and those relatively. The simulators hold no strategy: they are compiled once, and every strategy uses the same
machine code. `strategy_runner` is a template: it is completed with one strategy's functions.

Notation: t is a bar, j an element of the path of the equity, q the signed number of shares, `le lx se sx` the long
entry and exit and the short entry and exit signals, `last` the equity at the previous close. Order values (size,
stops) have one value for all bars, read at ``t & mask`` with ``mask = 0``, or one a bar with ``mask = -1``.

``_nrt=False`` switches Numba's reference counting off where nothing is allocated: the counting is a function call
at each slice and argument, and took two thirds of the time of a backtest.
"""

from .lanes import pack_signals
from .one_symbol import STRETCH, TOGETHER, Prices, run_symbol
from .orders import TALLY, TRADE_COLUMNS, Account, Orders
from .portfolio import PortfolioPrices, PortfolioRoom, run_portfolio
from .statistics import Path, Room

__all__ = [
    "STRETCH",
    "TALLY",
    "TOGETHER",
    "TRADE_COLUMNS",
    "Account",
    "Orders",
    "Path",
    "PortfolioPrices",
    "PortfolioRoom",
    "Prices",
    "Room",
    "pack_signals",
    "run_portfolio",
    "run_symbol",
]
