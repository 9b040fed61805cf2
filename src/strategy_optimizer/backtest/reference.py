"""The slow, obvious simulator: plain Python, one bar after the other, nothing clever.

It is the definition of what a backtest means (docs/backtest.md says the same in words). The compiled kernel has to
agree with it, and the winner of every task is run through it once more. It shares no code with the kernel.

Order of events inside bar t:

1. With next-open fills, what was decided at close t-1 fills at the open: first all that closes, then all that
   opens, symbol by symbol.
2. Every position meets its levels: an open beyond a level fills at the open; then the stop; then the target.
   What survives raises its trailing stop, and a short pays its borrow.
3. The signals of bar t are read. With close fills they fill now.
4. Equity is marked at the close. At or below zero the run ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from strategy_optimizer.backtest.costs import Costs
from strategy_optimizer.backtest.metrics import closed_trade_metrics, ratio

# Orders below this fraction of the equity are what rounding leaves of a spent account; they are not placed.
DUST = 1e-9


@dataclass
class Market:
    """Prices as lists of lists: ``close[symbol][bar]``."""

    open: list[list[float]]
    high: list[list[float]]
    low: list[list[float]]
    close: list[list[float]]


@dataclass
class SymbolPlan:
    """The signals and order values of one symbol; order values have one entry a bar."""

    entries: list[bool]
    exits: list[bool]
    short_entries: list[bool]
    short_exits: list[bool]
    size: list[float]
    stop_loss: list[float]
    take_profit: list[float]
    trailing_stop: list[float]


@dataclass
class Rules:
    """How orders are filled: see `simulate_signals` for the meaning."""

    costs: Costs
    cash: float
    start: int
    stop: int
    first_decision: int
    fill_at_close: bool
    size_is_notional: bool
    fresh_signal: bool
    years: float
    periods_per_year: float


@dataclass
class Holding:
    """An open position."""

    side: int  # +1 long, -1 short
    shares: float
    entry_price: float
    entry_bar: int
    paid: float  # entry costs and borrow so far
    stop: float
    target: float
    trail: float
    extreme: float  # highest high since the fill; lowest low for a short


@dataclass
class ClosedTrade:
    """A finished (or, at the end, still open) trade."""

    symbol: int
    side: int
    shares: float
    entry_bar: int
    entry_price: float
    exit_bar: int | None
    exit_price: float | None
    pnl: float
    reason: str


@dataclass
class Ledger:
    """The account while it runs, and what it leaves behind."""

    cash: float
    holdings: list[Holding | None]
    waits_for_fresh: list[int]
    trades: list[ClosedTrade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    costs_paid: float = 0.0
    traded: float = 0.0
    opened: int = 0
    bars_held: int = 0


def simulate(market: Market, plans: list[SymbolPlan], rules: Rules) -> Ledger:
    """Run the window ``rules.start <= t < rules.stop`` and return the ledger."""
    n_symbols = len(plans)
    ledger = Ledger(rules.cash, [None] * n_symbols, [0] * n_symbols)
    decisions: list[tuple[bool, int]] = [(False, 0)] * n_symbols
    for t in range(rules.start, rules.stop):
        last = ledger.equity[-1] if ledger.equity else rules.cash
        if not rules.fill_at_close:
            _fill(ledger, market.open, plans, rules, decisions, t, t - 1, last)
        for s in range(n_symbols):
            _meet_levels(ledger, market, rules, s, t, last)
        decisions = [(False, 0)] * n_symbols
        if t >= rules.first_decision:
            decisions = [_decide(ledger, plans[s], s, t) for s in range(n_symbols)]
        if rules.fill_at_close:
            _fill(ledger, market.close, plans, rules, decisions, t, t, last)
        equity = _equity(ledger, market.close, t)
        ledger.equity.append(equity)
        ledger.bars_held += any(h is not None for h in ledger.holdings)
        if equity <= 0.0:
            _go_bankrupt(ledger, market, t)
            ledger.equity += [equity] * (rules.stop - t - 1)
            break
    _list_open_trades(ledger, market, rules.stop - 1)
    return ledger


def trade_metrics(ledger: Ledger, rules: Rules) -> dict[str, float]:
    """Return the metrics that the equity curve does not determine."""
    closed = [trade for trade in ledger.trades if trade.exit_bar is not None]
    returns = [trade.pnl / (trade.shares * trade.entry_price) for trade in closed]
    return {
        **closed_trade_metrics([trade.pnl for trade in closed], returns),
        "exposure": ledger.bars_held / (rules.stop - rules.start),
        "turnover": ratio(ledger.traded, rules.years),
        "trades": float(ledger.opened),
        "costs_paid": ledger.costs_paid,
    }


def _decide(ledger: Ledger, plan: SymbolPlan, s: int, t: int) -> tuple[bool, int]:
    """Return ``(close what is held, side to open)`` from the signals of bar t."""
    wants_long = plan.entries[t] and not plan.exits[t]  # an exit beats an entry
    wants_short = plan.short_entries[t] and not plan.short_exits[t]
    if wants_long and wants_short:
        wants_long = wants_short = False
    wait = ledger.waits_for_fresh[s]
    if (wait == 1 and not plan.entries[t]) or (wait == -1 and not plan.short_entries[t]):
        wait = ledger.waits_for_fresh[s] = 0
    holding = ledger.holdings[s]
    if holding is None:
        if wants_long and wait != 1:
            return False, 1
        return False, (-1 if wants_short and wait != -1 else 0)
    opposite = wants_short if holding.side == 1 else wants_long
    leave = plan.exits[t] if holding.side == 1 else plan.short_exits[t]
    if opposite:
        return True, -holding.side
    return leave, 0


def _fill(
    ledger: Ledger,
    prices: list[list[float]],
    plans: list[SymbolPlan],
    rules: Rules,
    decisions: list[tuple[bool, int]],
    t: int,
    decided: int,
    last: float,
) -> None:
    """Fill at the prices of bar t: first all closes, then all opens, each sized by the equity between the two."""
    for s, (close, _) in enumerate(decisions):
        if close:
            _close(ledger, rules, s, t, prices[s][t], "signal", last)
    equity = _equity(ledger, prices, t)
    # An unlevered account: what is held, long or short, is not free to be spent again.
    buying_power = equity
    for s, h in enumerate(ledger.holdings):
        buying_power -= h.shares * prices[s][t] if h else 0.0
    for s, (_, side) in enumerate(decisions):
        if side:
            buying_power -= _open(
                ledger, rules, plans[s], s, t, decided, side, prices[s][t], equity, buying_power, last
            )


def _equity(ledger: Ledger, prices: list[list[float]], t: int) -> float:
    """Return cash plus what is held at the prices of bar t."""
    equity = ledger.cash
    for s, h in enumerate(ledger.holdings):
        equity += h.side * h.shares * prices[s][t] if h else 0.0
    return equity


def _open(
    ledger: Ledger,
    rules: Rules,
    plan: SymbolPlan,
    s: int,
    t: int,
    decided: int,
    side: int,
    price: float,
    equity: float,
    buying_power: float,
    last: float,
) -> float:
    """Open a position and return how much buying power it takes."""
    costs = rules.costs
    fill = price * (1.0 + costs.slippage * side)
    notional = plan.size[decided] if rules.size_is_notional else plan.size[decided] * equity
    affordable = (buying_power - costs.fixed_fee) / (fill * (1.0 + costs.commission))
    shares = min(notional / fill, affordable)
    if math.isnan(notional) or shares * fill <= DUST * equity:
        return 0.0
    paid = shares * fill * costs.commission + costs.fixed_fee
    ledger.cash -= side * shares * fill + paid
    ledger.costs_paid += paid + shares * abs(fill - price)
    ledger.traded += shares * fill / last
    ledger.opened += 1
    ledger.holdings[s] = Holding(
        side,
        shares,
        fill,
        t,
        paid,
        stop=fill * (1.0 - side * plan.stop_loss[decided]),
        target=fill * (1.0 + side * plan.take_profit[decided]),
        trail=plan.trailing_stop[decided],
        extreme=fill,
    )
    return shares * fill + paid


def _meet_levels(ledger: Ledger, market: Market, rules: Rules, s: int, t: int, last: float) -> None:
    """Run stop and target of one position through bar t, then raise the trailing stop and charge the borrow."""
    h = ledger.holdings[s]
    if h is None:
        return
    o, high, low, close = (row[s][t] for row in (market.open, market.high, market.low, market.close))
    stop, stop_reason = h.stop, "stop_loss"
    trailing = h.extreme * (1.0 - h.side * h.trail)
    if not math.isnan(trailing) and (math.isnan(stop) or h.side * trailing > h.side * stop):
        stop, stop_reason = trailing, "trailing_stop"
    adverse, favourable = (low, high) if h.side == 1 else (high, low)
    found: tuple[float, str] | None = None
    if h.side * o <= h.side * stop:
        found = o, stop_reason
    elif h.side * o >= h.side * h.target:
        found = o, "take_profit"
    elif h.side * adverse <= h.side * stop:
        found = stop, stop_reason
    elif h.side * favourable >= h.side * h.target:
        found = h.target, "take_profit"
    if found is not None:
        _close(ledger, rules, s, t, found[0], found[1], last)
        if rules.fresh_signal:
            ledger.waits_for_fresh[s] = h.side
        return
    h.extreme = max(h.extreme, high) if h.side == 1 else min(h.extreme, low)
    if h.side == -1:
        borrow = rules.costs.borrow / rules.periods_per_year * h.shares * close if rules.costs.borrow else 0.0
        ledger.cash -= borrow
        ledger.costs_paid += borrow
        h.paid += borrow


def _close(ledger: Ledger, rules: Rules, s: int, t: int, price: float, reason: str, last: float) -> None:
    """Close a position: targets are limit orders, all else pays slippage."""
    h = ledger.holdings[s]
    if h is None:
        return
    fill = price if reason == "take_profit" else price * (1.0 - rules.costs.slippage * h.side)
    paid = h.shares * fill * rules.costs.commission + rules.costs.fixed_fee
    ledger.cash += h.side * h.shares * fill - paid
    ledger.costs_paid += paid + h.shares * abs(fill - price)
    ledger.traded += h.shares * fill / last
    pnl = h.side * h.shares * (fill - h.entry_price) - paid - h.paid
    ledger.trades.append(ClosedTrade(s, h.side, h.shares, h.entry_bar, h.entry_price, t, fill, pnl, reason))
    ledger.holdings[s] = None


def _go_bankrupt(ledger: Ledger, market: Market, t: int) -> None:
    """Book every position at the close; the account cannot pay for anything more."""
    for s, h in enumerate(ledger.holdings):
        if h is not None:
            close = market.close[s][t]
            pnl = h.side * h.shares * (close - h.entry_price) - h.paid
            ledger.trades.append(
                ClosedTrade(s, h.side, h.shares, h.entry_bar, h.entry_price, t, close, pnl, "bankruptcy")
            )
            ledger.holdings[s] = None


def _list_open_trades(ledger: Ledger, market: Market, t: int) -> None:
    """Add what is still open, marked at the last close."""
    for s, h in enumerate(ledger.holdings):
        if h is not None:
            pnl = h.side * h.shares * (market.close[s][t] - h.entry_price) - h.paid
            ledger.trades.append(
                ClosedTrade(s, h.side, h.shares, h.entry_bar, h.entry_price, None, None, pnl, "open")
            )
